"""Starts gateways fast: has everything imported and forks for each run or command.

A process of its own, without threads. It reads one JSON object a line from its standard input and
answers each with one: `{"do": "run", "log": PATH}`, `{"do": "cli", "args": […]}`,
`{"do": "wait", "pid": N}`, `{"do": "grow"}` (the next start finds one more schema step to do). Its
arguments: the configuration, the trap's file, a lie or '', the machine to seem to be on or ''.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import gateway.app
import gateway.check
import gateway.cli.queue
import gateway.cli.run
import gateway.release
from gateway.cli import main as gateway_command
from gateway.cli.common import read_config
from gateway.edge.clock import now
from gateway.store import owner, postgres_probe, postgres_schema, schema
from gateway.store.opening import is_shared
from tools.soak import points_postgres
from tools.soak.lies import LIES
from tools.soak.points import Trap, install

STEP = """
CREATE TABLE soak_{0} (id TEXT PRIMARY KEY, state TEXT) STRICT, WITHOUT ROWID;
INSERT INTO soak_{0} SELECT id, state FROM letters ORDER BY number DESC LIMIT 500;
ALTER TABLE properties ADD COLUMN soak_{0} TEXT;
"""
"""What a schema step of a later release might do."""
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    config, trap = sys.argv[1], Trap(Path(sys.argv[2]))
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    gateway.check.inspect(read_config(config), now())  # models and dictionaries, once for all
    gateway.app.warm_up()
    steps = schema.migrations()
    for module in (schema, postgres_schema, postgres_probe):
        module.migrations = lambda: steps  # type: ignore[attr-defined]
    install(trap)
    settings = read_config(config).settings
    if settings is not None and is_shared(settings):
        points_postgres.install(trap)
    if sys.argv[4]:
        owner._boot = lambda: sys.argv[4]
    if sys.argv[3]:
        LIES[sys.argv[3]]()
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        match request["do"]:
            case "run":
                pid = _fork(["run", "--config", config], log=request["log"])
                answer: dict[str, Any] = {"pid": pid}
            case "cli":
                answer = _command([*request["args"], "--config", config])
            case "wait":
                answer = {"status": _bury(request["pid"])}
            case _:
                steps.append(STEP.format(len(steps)))
                answer = {"version": len(steps)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _fork(arguments: list[str], *, log: str = "", output: int = -1) -> int:
    """A process group of its own that runs the gateway's command; gives its pid."""
    pid = os.fork()
    if pid:
        # Here too: whoever gets the pid may kill the group at once.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return pid
    status = 70
    try:
        os.setpgid(0, 0)
        errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if log else output
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(errors if output < 0 else output, 1)
        os.dup2(errors, 2)
        gateway_command(arguments)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _command(arguments: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as output:
        status = _bury(_fork(arguments, output=output.fileno()))
        output.seek(0)
        return {"status": status, "output": output.read().decode("utf-8", "replace")}


def _bury(leader: int) -> int:
    """Wait for a process and then for all others of its group; gives how the first one ended."""
    _, status = os.waitpid(leader, 0)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-leader, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
