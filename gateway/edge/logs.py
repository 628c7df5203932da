"""How the journal reaches the terminal or the log collector: one line an event.

The journal's lines are written by `Lines`, together for one turn of the event loop; what libraries
warn of and what broke goes through Python's logging, which costs four times as much a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Mapping
from typing import TextIO

import orjson

from gateway.settings import Log
from gateway.show import terminal

_LEVELS = {"alert": logging.WARNING}


def _json_line(at: float, level: int, event: str, facts: Mapping[str, object]) -> str:
    """`{"at": …, "level": …, "event": …, facts}`; orjson escapes every control character."""
    line = {"at": round(at, 3), "level": _name(level), "event": event, **facts}
    return orjson.dumps(line, default=str).decode()


def _text_line(at: float, level: int, event: str, facts: Mapping[str, object]) -> str:
    """For people: `07:31:02 accepted id=… size=…`."""
    told = " ".join(f"{name}={terminal(str(value), limit=300)}" for name, value in facts.items())
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    return f"{clock} {event} {told}".rstrip()


_LINE = {"json": _json_line, "text": _text_line}


def _name(level: int) -> str:
    return logging.getLevelName(level).lower()


class Lines:
    """A journal's sink. What one turn of the loop brings goes out in one write."""

    def __init__(self, log: Log, stream: TextIO) -> None:
        self._line = _LINE[log.format]
        self._least = logging.getLevelNamesMapping()[log.level.upper()]
        self._stream = stream
        self._waiting: list[str] = []

    def __call__(self, event: str, facts: Mapping[str, object]) -> None:
        level = _LEVELS.get(event, logging.INFO)
        if level < self._least or event == "trouble":  # told with its traceback, by logging
            return
        self._waiting.append(self._line(time.time(), level, event, facts))
        if len(self._waiting) == 1:
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:  # no loop: nothing comes together
                self.flush()

    def flush(self) -> None:
        """Lines that nobody takes (their reader is gone, their disk is full) are lost: mail goes
        on, and there is no other place to tell it."""
        if self._waiting:
            lines = "\n".join(self._waiting)
            self._waiting.clear()
            with contextlib.suppress(OSError):
                self._stream.write(f"{lines}\n")
                self._stream.flush()


class _Formatter(logging.Formatter):
    """Lines of the same form for what comes through logging."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._json = log.format == "json"

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, object] = dict(getattr(record, "facts", {}))
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._json:
            traced = {**facts, "traceback": trace} if trace else facts
            return _json_line(record.created, record.levelno, record.getMessage(), traced)
        line = _text_line(record.created, record.levelno, record.getMessage(), facts)
        return f"{line}\n{trace}" if trace else line


def set_up(log: Log, stream: TextIO | None = None) -> Lines:
    """Send what libraries warn of to `stream` (default: standard error); gives the journal's
    sink to the same place."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(log))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gateway").setLevel(log.level.upper())
    return Lines(log, stream)
