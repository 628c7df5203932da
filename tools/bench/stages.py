"""Which module of the gateway belongs to which stage of a letter's way."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from types import FrameType

import gateway

ALLOWED = {
    "receive": 150,
    "parse and text": 80,
    "DKIM": 150,
    "SPF, DMARC, ARC": 80,
    "features and all heads": 150,
    "routing, tags, decision": 60,
    "numbers, orders, questions": 0,
    "store in and out": 100,
    "relay": 50,
    "acknowledgement": 60,
    "log and metrics": 50,
    "between the stages": 0,
    "event loop and sockets": 0,
    "other threads": 0,
}
"""Microseconds a letter of 6 KB that were asked for; 0: nothing was said of it."""

_MODULES = (
    ("receive", "edge/(smtpd|dialogue|connection|data|paths|transport|incoming|admission|limiter"
                "|tls|content|taking|dsn_parameters|queue_id|budget|service|proxy|door|share|pulse|collector)"),
    ("parse and text", "parse|mime|text(/.*)?"),
    ("DKIM", "identity/dkim(/.*)?|filters/dkim"),
    ("features and all heads", "learning(/.*)?|filters/(spam|tone)"),
    ("SPF, DMARC, ARC", "identity(/.*)?|filters/(spf|dmarc|arc)|edge/dns.*|reporting"),
    ("store in and out", "store(/.*)?"),
    ("relay", "edge/(relay|courier|book|lanes?|breaker|smtp_.*|maildir|direct|mx|addresses|mta_sts"
              "|answers|slots)|delivery.*|telling|dsn"),
    ("acknowledgement", "acknowledgement(/.*)?|templates/.*"),
    ("log and metrics", "journal|edge/logs|show"),
    ("numbers, orders, questions", "facts(/.*)?"),
    ("routing, tags, decision", "routing(/.*)?|plan|stamp|compose|sealing|call(/.*)?"
                                "|calendar|verdict|wishes|node"),
    ("between the stages", "intake|pipeline|waiting|app|filters(/.*)?"),
)  # fmt: skip
"""By module under gateway/; what is not named (header.py, message.py …) is its caller's."""
_STAGES = tuple((stage, re.compile(pattern)) for stage, pattern in _MODULES)
_ROOT = str(Path(gateway.__file__).parent) + "/"
_NOBODY = re.compile("cli/.*|edge/supervisor|__main__")
OTHER = "other threads"
LOOP = "event loop and sockets"
THREADS = {"store": "store in and out"}
"""Whose time threads beside the main one spend, by the beginning of their names."""


def stage_of_frames(frame: FrameType | None) -> tuple[str, str]:
    """The stage of the innermost frame that has one, and that frame's function."""
    while frame is not None:
        stage = _stage_of_file(frame.f_code.co_filename)
        if stage:
            return stage, frame.f_code.co_qualname
        frame = frame.f_back
    return LOOP, ""


@cache
def _stage_of_file(path: str) -> str:
    """Empty for what is not a stage's own: its caller's then."""
    if not path.startswith(_ROOT):
        return ""
    module = path.removeprefix(_ROOT).removesuffix(".py").removesuffix("/__init__")
    if _NOBODY.fullmatch(module):
        return ""
    return next((stage for stage, pattern in _STAGES if pattern.fullmatch(module)), "")


def stage_of_thread(name: str) -> str:
    return next((stage for start, stage in THREADS.items() if name.startswith(start)), OTHER)
