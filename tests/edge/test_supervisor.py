"""Workers that really die: started again, counted, drained; content that kills them is found."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import termios
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from queue import Empty, Queue

import pytest

from gateway.edge.pulse import ENOUGH, Pulse
from gateway.edge.slots import SLOTS, SUSPECTS, Slots

PREAMBLE = '''
import os, signal, sys, time
from pathlib import Path
from gateway.edge.pulse import ENOUGH, Pulse
from gateway.edge.slots import Slots
from gateway.edge.supervisor import HOPELESS, supervise
from gateway.journal import Journal

folder = Path(sys.argv[1])

def tell(*words):
    os.write(1, (repr(words) + "\\n").encode())

def until_told(*ready, done=lambda: 0, reload=lambda: None):
    """Serve until SIGTERM, as a worker does."""
    signal.signal(signal.SIGHUP, lambda *_: reload())
    signal.signal(signal.SIGTERM, lambda *_: os._exit(done()))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    tell(*ready)
    while True:
        signal.pause()

journal = Journal((lambda event, facts: tell(event, dict(facts)),))
'''


class Run:
    """A supervisor in a process of its own, and what it and its workers tell line by line."""

    def __init__(self, script: str, folder: Path) -> None:
        self.folder = folder
        path = folder / "script.py"
        path.write_text(PREAMBLE + textwrap.dedent(script))
        self.process = subprocess.Popen(
            [sys.executable, path, folder], stdout=subprocess.PIPE, text=True
        )
        self.told: Queue[tuple] = Queue()
        self.reading = threading.Thread(target=self._read)
        self.reading.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.told.put(ast.literal_eval(line))

    def wait_for(self, *start: object) -> tuple:
        """The next line that begins with these words; lines before it are passed over."""
        deadline = time.monotonic() + 15
        while True:
            line = self.told.get(timeout=max(0.01, deadline - time.monotonic()))
            if line[: len(start)] == start:
                return line

    def quiet(self, *start: object, seconds: float) -> bool:
        """Whether no such line comes for so long."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                line = self.told.get(timeout=max(0.001, deadline - time.monotonic()))
                if line[: len(start)] == start:
                    return False
        except Empty:
            return True

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        return self.process.wait(15)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(15)
        self.reading.join(15)
        self.process.stdout.close()


@pytest.fixture
def run(tmp_path) -> Iterator[Callable[[str], Run]]:
    runs = []

    def start(script: str) -> Run:
        runs.append(Run(script, tmp_path))
        return runs[-1]

    yield start
    for started in runs:
        started.close()


SERVING = """
def worker(index):
    until_told(
        "ready", index, os.getpid(),
        done=lambda: tell("drained", index) or 0,
        reload=lambda: tell("reloaded", index),
    )

sys.exit(supervise(2, worker, journal=journal, kill_after=10))
"""


def ready_pids(run: Run) -> dict[int, int]:
    return {line[1]: line[2] for line in (run.wait_for("ready"), run.wait_for("ready"))}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_they_drain_together(run, number):
    running = run(SERVING)
    assert set(ready_pids(running)) == {0, 1}
    running.signal(number)
    drained = {running.wait_for("drained")[1], running.wait_for("drained")[1]}
    assert drained == {0, 1}
    assert running.end() == 0


def test_a_reload_reaches_all(run):
    running = run(SERVING)
    ready_pids(running)
    running.signal(signal.SIGHUP)
    assert {running.wait_for("reloaded")[1], running.wait_for("reloaded")[1]} == {0, 1}


def test_a_reload_that_comes_while_a_worker_begins_is_not_lost(run):
    running = run("""
        def worker(index):
            tell("begins")
            while not (folder / "go").exists():
                time.sleep(0.01)
            until_told("ready", reload=lambda: tell("reloaded"))

        sys.exit(supervise(1, worker, journal=journal, reload=lambda: tell("read anew")))
    """)
    running.wait_for("begins")
    running.signal(signal.SIGHUP)
    running.wait_for("read anew")
    (running.folder / "go").touch()
    running.wait_for("reloaded")
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_a_reload_that_breaks_ends_nobody(run):
    running = run(SERVING.replace("kill_after=10", "reload=lambda: 1 // 0"))
    ready_pids(running)
    running.signal(signal.SIGHUP)
    assert {running.wait_for("reloaded")[1], running.wait_for("reloaded")[1]} == {0, 1}
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_a_log_that_takes_no_lines_any_more_ends_nobody(run):
    """Whoever read standard error is gone, or the disk that takes it is full."""
    running = run("""
    from gateway.edge.logs import set_up
    from gateway.settings import Log

    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    os.close(reading)
    sys.stderr.reconfigure(line_buffering=False)  # what is left to flush fails once more
    journal = Journal([set_up(Log())])

    def worker(index):
        until_told(
            "ready", index, os.getpid(),
            done=lambda: tell("drained", index) or 0,
            reload=lambda: tell("reloaded", index),
        )

    sys.exit(supervise(2, worker, journal=journal, kill_after=10))
    """)
    pids = ready_pids(running)
    running.signal(signal.SIGHUP)
    assert {running.wait_for("reloaded")[1], running.wait_for("reloaded")[1]} == {0, 1}
    os.kill(pids[0], signal.SIGKILL)
    assert running.wait_for("ready")[1] == 0
    running.signal(signal.SIGTERM)
    assert {running.wait_for("drained")[1], running.wait_for("drained")[1]} == {0, 1}
    assert running.end() == 0


def test_a_machine_without_room_for_a_worker_is_asked_again(run):
    running = run("""
    fork, refusals = os.fork, [OSError(11, "Resource temporarily unavailable")] * 3

    def sparse():
        if refusals:
            raise refusals.pop()
        return fork()

    os.fork = sparse

    def worker(index):
        until_told("ready", index, os.getpid())

    sys.exit(supervise(1, worker, journal=journal, kill_after=10))
    """)
    assert running.wait_for("trouble")[1]["error"] == "BlockingIOError"
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_one_that_is_killed_is_replaced_and_the_other_left_alone(run):
    running = run(SERVING)
    pids = ready_pids(running)
    os.kill(pids[1], signal.SIGKILL)
    died = running.wait_for("alert")
    assert died[1] == {"what": "worker died", "worker": 1, "status": -9, "examining": 0}
    assert running.wait_for("ready", 1)[2] != pids[1]
    os.kill(pids[0], 0)
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_one_that_stops_by_itself_is_replaced_without_alarm(run):
    running = run(SERVING)
    pids = ready_pids(running)
    os.kill(pids[0], signal.SIGTERM)
    running.wait_for("worker stopped", {"worker": 0})
    assert running.wait_for("ready", 0)[2] != pids[0]


def test_one_that_dies_at_once_is_tried_less_and_less_often(run):
    running = run("""
        def worker(index):
            tell("born", time.monotonic())
            raise RuntimeError("no luck")
        sys.exit(supervise(1, worker, journal=journal))
    """)
    births = [running.wait_for("born")[1] for _ in range(5)]
    for number, (earlier, later) in enumerate(pairwise(births)):
        assert later - earlier >= 0.1 * 2**number
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_one_without_hope_ends_all(run):
    running = run("""
        def worker(index):
            if index == 1:
                return HOPELESS
            until_told()
        sys.exit(supervise(2, worker, journal=journal))
    """)
    assert running.end() == 78


STUBBORN = """
def worker(index):
    signal.signal(signal.SIGTERM, lambda *_: tell("no"))
    tell("ready", index, os.getpid())
    while True:
        signal.pause()
sys.exit(supervise(1, worker, journal=journal, kill_after={kill_after}))
"""


def test_one_without_hope_takes_none_with_it_that_serves(run):
    """A file broke since they began: who is started again cannot begin, the others go on."""
    running = run("""
        pulse = Pulse(2)

        def worker(index):
            if (folder / "broken").exists():
                return HOPELESS
            pulse.beat(index)
            until_told("ready", index, os.getpid())

        sys.exit(supervise(2, worker, journal=journal, pulse=pulse))
    """)
    pids = ready_pids(running)
    (running.folder / "broken").touch()
    os.kill(pids[1], signal.SIGKILL)
    assert running.wait_for("alert")[1]["status"] == -9
    assert running.wait_for("alert")[1]["status"] == 78
    (running.folder / "broken").unlink()
    running.wait_for("ready", 1)
    os.kill(pids[0], 0)
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_one_that_does_not_drain_is_killed_in_the_end(run):
    running = run(STUBBORN.format(kill_after=0.3))
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    running.wait_for("no")
    assert running.wait_for("alert")[1]["status"] == -9
    assert running.end() == 0


def test_a_second_request_kills(run):
    running = run(STUBBORN.format(kill_after=60))
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    running.wait_for("no")
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_workers_do_not_outlive_a_supervisor_that_is_killed(run):
    running = run(SERVING)
    ready_pids(running)
    running.signal(signal.SIGKILL)
    assert {running.wait_for("drained")[1], running.wait_for("drained")[1]} == {0, 1}


POISON = """
import hashlib
slots = Slots(folder / "slots", release="1")
mine = [hashlib.sha256(name).digest() for name in (b"good", b"poison", b"bystander")]

def worker(index):
    good, poison, bystander = mine
    slot = slots.of(index)
    with slot.examining(good):
        pass
    if slots.suspect(poison):
        until_told("held", index, slots.suspect(good), slots.suspect(bystander))
    with slot.examining(poison):
        tell("examining", index)
        {death}

sys.exit(supervise(1, worker, journal=journal, slots=slots))
"""


@pytest.mark.parametrize(
    "death",
    ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)", "os.abort()", "raise MemoryError"],
)
def test_content_that_kills_twice_is_not_looked_into_a_third_time(run, death):
    """What ends by an exception has left its slot by itself, and is not counted."""
    running = run(POISON.replace("{death}", death))
    if death.startswith("raise"):
        assert running.wait_for("alert")[1]["examining"] == 0
        return
    for _ in range(2):
        running.wait_for("examining")
        assert running.wait_for("alert")[1]["examining"] == 1
    assert running.wait_for("held") == ("held", 0, False, False)
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


class TestSlots:
    def test_what_was_examined_to_the_end_is_never_counted(self, tmp_path):
        slots = Slots(tmp_path / "slots")
        mine = slots.of(3)
        for _ in range(3):
            with mine.examining(digest("a")):
                pass
            assert slots.count(3) == 0
        assert not slots.suspect(digest("a"))
        slots.close()

    def test_two_deaths_make_suspect_whoever_died(self, tmp_path):
        slots = Slots(tmp_path / "slots")
        for worker in (0, 5):
            assert not slots.suspect(digest("a"))
            slots.of(worker).examining(digest("a")).__enter__()
            slots.of(worker).examining(digest("b")).__enter__()
            assert slots.count(worker) > 0
        assert slots.suspect(digest("b"))
        assert not slots.suspect(digest("c"))
        slots.close()

    def test_only_the_dead_workers_slots_count(self, tmp_path):
        slots = Slots(tmp_path / "slots")
        slots.of(1).examining(digest("a")).__enter__()
        assert slots.count(0) == 0
        assert slots.count(1) == 1
        assert slots.count(1) == 0
        slots.close()

    def test_the_count_outlives_us_all_but_not_an_upgrade(self, tmp_path):
        for release in ("1", "1", "1"):
            slots = Slots(tmp_path / "slots", release=release)
            slots.of(0).examining(digest("a")).__enter__()
            slots.close()
        slots = Slots(tmp_path / "slots", release="1")
        assert slots.suspect(digest("a"))
        slots.close()
        slots = Slots(tmp_path / "slots", release="2")
        assert not slots.suspect(digest("a"))
        slots.close()

    def test_a_damaged_file_is_begun_anew(self, tmp_path):
        (tmp_path / "slots").write_bytes(b"\xff" * 1000)
        slots = Slots(tmp_path / "slots")
        assert not slots.suspect(digest("a"))
        slots.close()

    def test_many_at_a_time_and_more_than_there_are_slots(self, tmp_path):
        slots = Slots(tmp_path / "slots")
        mine = slots.of(0)
        running = [mine.examining(digest(str(number))) for number in range(SLOTS + 10)]
        for examination in running:
            examination.__enter__()
        for examination in running[:50]:
            examination.__exit__(None, None, None)
        assert slots.count(0) == SLOTS - 50
        slots.close()

    def test_the_oldest_make_room(self, tmp_path):
        slots = Slots(tmp_path / "slots")
        for death in range(SUSPECTS // SLOTS + 2):
            mine = slots.of(0)
            for number in range(SLOTS - 1):
                mine.examining(digest(f"{death}/{number}")).__enter__()
            mine.examining(digest("poison")).__enter__()
            assert slots.count(0) == SLOTS
        assert slots.suspect(digest("poison"))
        table = {entry for entry, _, _ in slots._table()}
        assert len(table) == SUSPECTS
        assert digest("0/0") not in table
        assert digest("2/0") in table
        slots.close()

    def test_two_supervisors_cannot_have_the_same(self, tmp_path):
        slots = Slots(tmp_path / "slots")
        with pytest.raises(BlockingIOError):
            Slots(tmp_path / "slots")
        slots.close()
        Slots(tmp_path / "slots").close()

    def test_there_is_an_end_to_workers(self, tmp_path):
        slots = Slots(tmp_path / "slots")
        with pytest.raises(ValueError, match="64"):
            slots.of(64)
        slots.close()


STUCK = """
from gateway.edge import pulse as module
from gateway.edge.pulse import Pulse
import asyncio
Pulse.look = 0.05
pulse = Pulse(2)
slots = Slots(folder / "slots", release="1")
bad = b"x" * 32

def worker(index):
    async def serve():
        beating = asyncio.create_task(pulse.go_on(index))
        await asyncio.sleep(0.05)
        tell("ready", index, os.getpid())
        if index == 1 and not slots.suspect(bad):
            with slots.of(index).examining(bad):
                time.sleep(10_000)  # nothing turns any more
        await asyncio.sleep(10_000)
    module.BEAT = 0.02
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(serve())

sys.exit(supervise(2, worker, journal=journal, slots=slots, pulse=pulse))
"""


def test_one_that_is_stuck_is_killed_and_its_content_found_out(run):
    running = run(STUCK)
    pids = ready_pids(running)
    for _ in range(2):
        stuck = running.wait_for("alert")[1]
        assert (stuck["what"], stuck["worker"]) == ("worker stuck", 1)
        died = running.wait_for("alert")[1]
        assert died == {"what": "worker died", "worker": 1, "status": -9, "examining": 1}
        running.wait_for("ready", 1)
    assert running.quiet("alert", seconds=2)  # the third time it is not looked into
    os.kill(pids[0], 0)
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_who_was_suspended_goes_on(run):
    """Once it was taken for a request to stop."""
    running = run("""
        Pulse.look = 0.05
        worker = lambda index: until_told("ready", index)
        sys.exit(supervise(1, worker, journal=journal, pulse=Pulse(1)))
    """)
    running.wait_for("ready", 0)
    for _ in range(3):
        running.signal(signal.SIGSTOP)
        time.sleep(0.2)  # longer than it wanted to wait
        running.signal(signal.SIGCONT)
        assert running.quiet("draining", seconds=0.2)
    running.signal(signal.SIGTERM)
    running.wait_for("draining")
    assert running.end() == 0


def test_who_waits_for_somebody_to_read_its_lines_is_not_stuck(tmp_path):
    """The collector of the log stalls: all of us wait for it, and go on when it does."""
    script = textwrap.dedent("""
        from gateway.edge import pulse as module
        import asyncio
        Pulse.look = 0.05
        module.BEAT = 0.01
        pulse = Pulse(1)

        def write(event, facts):
            os.write(2, repr((event, facts)).encode() + b"\\n")

        journal = Journal((write,))

        def worker(index):
            async def serve():
                beating = asyncio.create_task(pulse.go_on(index))
                while True:
                    await asyncio.sleep(0.001)
                    os.write(2, b"line" * 1000 + b"\\n")
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            asyncio.run(serve())

        sys.exit(supervise(1, worker, journal=journal, pulse=pulse))
    """)
    (tmp_path / "script.py").write_text(PREAMBLE + script)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", tmp_path], stderr=subprocess.PIPE
    )
    told = []

    def collect() -> None:
        for line in process.stderr:
            if not line.startswith(b"line"):
                told.append(line)

    capacity = fcntl.fcntl(process.stderr, fcntl.F_GETPIPE_SZ)
    deadline = time.monotonic() + 15
    while capacity - waiting_in(process.stderr) > 4001:  # a line more, and the worker stands
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(2 * ENOUGH * 0.05)  # twice as many looks as would find it stuck
    collecting = threading.Thread(target=collect)
    collecting.start()
    time.sleep(0.5)
    process.terminate()
    assert process.wait(15) == 0
    collecting.join()
    process.stderr.close()
    assert [line for line in told if b"stuck" in line or b"died" in line] == []


def waiting_in(pipe) -> int:
    """Octets that nobody has read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


class TestPulse:
    def test_who_beats_is_not_stuck(self):
        pulse = Pulse(2)
        for _ in range(3 * ENOUGH):
            pulse.beat(0)
            assert not pulse.stuck(0)

    def test_who_has_not_begun_may_take_its_time(self):
        pulse = Pulse(2)
        assert not any(pulse.stuck(1) for _ in range(3 * ENOUGH))

    def test_who_stops_is_stuck_after_so_many_looks_and_not_once_begun_anew(self):
        pulse = Pulse(2)
        pulse.beat(1)
        assert [pulse.stuck(1) for _ in range(ENOUGH + 1)] == [False] * ENOUGH + [True]
        pulse.begin(1)
        assert not pulse.stuck(1)
