"""Workers as processes: started, watched, started again when they die, drained together.

The supervisor forks and waits; it has no threads, no loop, no sockets and no store, so a fork of
it is a clean beginning however often a worker must be replaced. Linux only (sigtimedwait, prctl).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.edge.pulse import Pulse
from gateway.edge.slots import Slots
from gateway.journal import Journal

HOPELESS = 78
"""Exit status of a worker that another try will not help, such as a bad configuration. It ends all
unless others serve: what is wrong has become so since they began."""
BROKEN = 70
"""Exit status of a worker that an exception of ours ended."""
FIRST_WAIT = 0.1
LONGEST_WAIT = 30.0
"""Seconds before a worker that died is started again: doubled each time it dies young."""
GROWN_UP = 60.0
"""Seconds a worker must live for its next death to count as the first."""

RunWorker = Callable[[int], int]
"""Runs one worker, given its index from 0, until it is told to stop; gives its exit status."""

_WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_PR_SET_PDEATHSIG = 1
STDERR = 2


@dataclass
class Worker:
    index: int
    pid: int = 0
    """0 while it is not running."""
    started: float = 0.0
    due: float = 0.0
    """When to start it (again), in monotonic seconds."""
    wait: float = FIRST_WAIT


def supervise(
    workers: int,
    run_worker: RunWorker,
    *,
    journal: Journal,
    slots: Slots | None = None,
    pulse: Pulse | None = None,
    reload: Callable[[], None] = lambda: None,
    kill_after: float = 90.0,
) -> int:
    """Run workers until SIGTERM or SIGINT; gives the exit status for the whole.

    SIGTERM is passed on and means drain: each worker ends by itself, or is killed after
    `kill_after` seconds or at a second SIGTERM. SIGHUP is passed on and means reload; `reload` is
    called too, for the workers that begin later. A worker has it blocked until it can hear it.
    With `pulse` a worker that stops beating is killed, and what it was examining counted. Call it
    before any thread, event loop, socket or database is opened; `run_worker` opens its own.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        supervisor = Supervisor(workers, run_worker, journal, slots, pulse, reload, kill_after)
        return supervisor.run()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Supervisor:
    def __init__(
        self,
        workers: int,
        run_worker: RunWorker,
        journal: Journal,
        slots: Slots | None,
        pulse: Pulse | None,
        reload: Callable[[], None],
        kill_after: float,
    ) -> None:
        self._workers = [Worker(index) for index in range(workers)]
        self._run_worker = run_worker
        self._journal = journal
        self._slots = slots
        self._pulse = pulse
        self._reload = reload
        self._look_at = time.monotonic()
        self._kill_after = kill_after
        self._stopping = False
        self._kill_at = float("inf")
        self._status = 0

    def run(self) -> int:
        while True:
            self._reap()
            if self._stopping and not self._running():
                return self._status
            now = time.monotonic()
            if now >= self._kill_at:
                self._send(signal.SIGKILL)
                self._kill_at = float("inf")
            if self._pulse and now >= self._look_at:
                self._look_at = now + self._pulse.look
                self._look(self._pulse)
            if not self._stopping:
                for worker in self._workers:
                    if not worker.pid and now >= worker.due:
                        self._start(worker)
            self._wait(now)

    def _running(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.pid]

    def _send(self, number: signal.Signals) -> None:
        for worker in self._running():
            os.kill(worker.pid, number)  # not reaped yet, so the pid is still theirs

    def _look(self, pulse: Pulse) -> None:
        """Kill who is stuck; what follows is what follows any death.

        While nobody takes our lines all workers stand still, and go on when somebody does again.
        """
        if not _is_read():
            return
        for worker in self._running():
            if pulse.stuck(worker.index):
                self._journal.alert("worker stuck", worker=worker.index, pid=worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

    # --- waiting -------------------------------------------------------------------------------

    def _wait(self, now: float) -> None:
        """Sleep until a signal comes, a worker is due, or patience ends."""
        moments = [self._kill_at]
        if self._pulse:
            moments.append(self._look_at)
        if not self._stopping:
            moments += [worker.due for worker in self._workers if not worker.pid]
        seconds = min(max(min(moments) - now, 0.0), 3600.0)
        info = signal.sigtimedwait(_WATCHED, seconds)
        # Who was suspended for longer than `seconds` gets, from CPython, what nobody has filled in.
        number = info.si_signo if info and info.si_signo in _WATCHED else signal.SIGCHLD
        if number == signal.SIGCHLD:
            return
        if number == signal.SIGHUP:
            self._journal.lifecycle("reload")
            self._send(signal.SIGHUP)
            try:
                self._reload()
            except Exception as error:  # who watches must not fall over a mistake in a file
                self._journal.trouble("reload", error)
        else:
            self._stop()

    def _stop(self) -> None:
        """Drain; asked a second time, end now."""
        if self._stopping:
            self._send(signal.SIGKILL)
            return
        self._journal.lifecycle("draining")
        self._stopping = True
        self._kill_at = time.monotonic() + self._kill_after
        self._send(signal.SIGTERM)

    # --- births and deaths ---------------------------------------------------------------------

    def _start(self, worker: Worker) -> None:
        _flush()
        supervisor = os.getpid()
        if self._pulse:
            self._pulse.begin(worker.index)
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or too many processes: that passes
            self._journal.trouble("fork", error)
            self._put_off(worker)
            return
        if pid == 0:
            if self._slots:
                self._slots.unlock()
            _be_worker(worker.index, self._run_worker, self._journal, supervisor)
        worker.pid = pid
        worker.started = time.monotonic()
        self._journal.lifecycle("worker started", worker=worker.index, pid=pid)

    def _reap(self) -> None:
        for worker in self._running():
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                self._buried(worker, os.waitstatus_to_exitcode(status))

    def _buried(self, worker: Worker, status: int) -> None:
        """`status` below zero is the signal that ended it."""
        worker.pid = 0
        counted = 0
        if self._stopping and status == -signal.SIGTERM:
            status = 0  # it had nothing to drain yet
        if self._slots and status:
            counted = self._slots.count(worker.index)
        elif self._slots:
            self._slots.clear(worker.index)
        if status:
            self._journal.alert(
                "worker died", worker=worker.index, status=status, examining=counted
            )
        else:
            self._journal.lifecycle("worker stopped", worker=worker.index)
        if status == HOPELESS and not self._stopping and not self._others_serve():
            self._status = HOPELESS
            self._stop()
        if not status or time.monotonic() - worker.started >= GROWN_UP:
            worker.wait = FIRST_WAIT
        self._put_off(worker)

    def _put_off(self, worker: Worker) -> None:
        worker.due = time.monotonic() + worker.wait
        worker.wait = min(worker.wait * 2, LONGEST_WAIT)

    def _others_serve(self) -> bool:
        """A worker that cannot begin takes none with it that does its work."""
        pulse = self._pulse
        return pulse is not None and any(pulse.has_begun(each.index) for each in self._running())


def _is_read() -> bool:
    """Whether there is room for another line where all of us write them."""
    poll = select.poll()
    poll.register(STDERR, select.POLLOUT)
    return bool(poll.poll(0))


def _be_worker(index: int, run_worker: RunWorker, journal: Journal, supervisor: int) -> None:
    """In the new process: run the worker and never return."""
    status = BROKEN
    try:
        # If the supervisor is killed, drain: nobody would watch us any more.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        # A terminal's ^C reaches us too, but the supervisor turns it into SIGTERM; and a reload
        # that comes before the worker is ready for it must wait, not be its end nor be lost.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED - {signal.SIGHUP})
        if os.getppid() == supervisor:
            status = run_worker(index)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        journal.trouble("worker", error)
    finally:
        # Not sys.exit: what the supervisor registered to happen at its exit is not ours to do.
        _flush()
        os._exit(status)


def _flush() -> None:
    """What cannot be written now never will be, and that is no reason to end."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
