"""A signal whenever this thread has used so much processor time (timer_create(2), Linux).

`signal.setitimer` counts all threads of the process and would interrupt the main thread most often
where it waits for another one to let go of the interpreter.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading

CLOCK_THREAD_CPUTIME_ID = 3
SIGEV_THREAD_ID = 4


class _Event(ctypes.Structure):
    """struct sigevent, 64 octets."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("rest", ctypes.c_char * 44),
    )


class _Spec(ctypes.Structure):
    """struct itimerspec: seconds and nanoseconds of the interval, then of the first time."""

    _fields_ = tuple(
        (name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")
    )


class ThreadTimer:
    def __init__(self, number: signal.Signals) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        thread = threading.get_native_id()
        event = _Event(None, number, SIGEV_THREAD_ID, thread, b"")
        self._do(
            "timer_create", CLOCK_THREAD_CPUTIME_ID, ctypes.byref(event), ctypes.byref(self._timer)
        )

    def start(self, seconds: float) -> None:
        """Seconds of processor time between two signals; 0 stops."""
        nanoseconds = int(seconds * 1e9)
        spec = _Spec(0, nanoseconds, 0, nanoseconds)
        self._do("timer_settime", self._timer, 0, ctypes.byref(spec), None)

    def _do(self, name: str, *arguments: object) -> None:
        if getattr(self._libc, name)(*arguments):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)
