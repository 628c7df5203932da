"""How the journal reaches the terminal or the log collector: one line an event."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import orjson

from gateway.settings import Log
from gateway.show import terminal


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return getattr(record, "facts", {})


class JsonLines(logging.Formatter):
    """`{"at": …, "level": …, "event": …, facts}`; orjson escapes every control character."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextLines(logging.Formatter):
    """For people: `07:31:02 accepted id=… size=…`."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={_value(value)}" for name, value in _facts(record).items())
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.getMessage()} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _value(value: object) -> str:
    return terminal(str(value), limit=300)


def set_up(log: Log, stream: TextIO | None = None) -> None:
    """Send the journal and the libraries' warnings to `stream` (default: standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if log.format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gateway").setLevel(log.level.upper())
