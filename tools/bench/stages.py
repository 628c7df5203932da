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
WHY = {
    "receive": "replies, limits, memory budget and the way of large content to the disk",
    "parse and text": "the parser alone is 27; the rest is HTML made text, quotes and signatures "
    "found in seven languages, the language",
    "DKIM": "two hashes and an RSA verification are half of it",
    "SPF, DMARC, ARC": "answers come from caches; what is left is the records and the words for "
    "Authentication-Results",
    "features and all heads": "two texts are read (the customer's own words; all that is seen), "
    "at 110-140 each, facts of the mail 55, nine heads 40, sentences read for a refusal 80 on "
    "average, each word met for the first time 8",
    "routing, tags, decision": "half of it is call cards, on average over all letters",
    "store in and out": "a letter is a dozen rows in eight tables and the indexes `prove`, the "
    "queue, conversations, calls and limits look up; two inserts and two deletes were counted",
    "relay": "outcomes of each recipient, breakers, lanes, replies read in order",
    "acknowledgement": "deciding that none is due takes half of it, for every letter",
}
"""What a stage spends above what was asked for, in microseconds on a warm cache: by sampling the
route without sockets (`perf`, py-spy) on 24 November 2026."""

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
