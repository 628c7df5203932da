"""Leases of processes that are gone are ended at once; those of the living are not."""

from __future__ import annotations

import os
import subprocess
import sys

from gateway.store.owner import is_alive, this_process


def test_we_are_alive():
    assert is_alive(this_process())


def test_a_process_that_ended_is_not():
    code = "from gateway.store.owner import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    owner = done.stdout.strip()
    assert owner.split("-")[1] != str(os.getpid())
    assert not is_alive(owner)


def test_another_process_under_our_pid_is_not_us():
    boot, pid, start = this_process().split("-")
    assert not is_alive(f"{boot}-{pid}-{int(start) - 1}")
    assert not is_alive(f"00000000-{pid}-{start}")


def test_what_names_no_process_is_left_to_its_lease():
    assert is_alive("")
    assert is_alive("elsewhere")
