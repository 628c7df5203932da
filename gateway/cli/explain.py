"""`gateway explain`: what the pipeline finds in a message and what would happen, rule by rule.

Sends and stores nothing. `--batch` reads requests from a JSONL file and prints one object a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from gateway.cli.common import config_option, fail, load_or_exit
from gateway.examiner import Examiner, misstated, read_requests
from gateway.explain.lines import lines
from gateway.filters.loading import FilterError
from gateway.message import Arrival
from gateway.settings import Settings
from gateway.show import terminal
from gateway.store import Store, StoreError

WINDOW = 16
"""Batch requests under way at a time; results keep the order of the requests."""


@click.command("explain")
@config_option
@click.option("--client-ip", help="The sending client's address.")
@click.option("--helo", help="The name it gave.")
@click.option("--mail-from", help="The reverse-path; '' or '<>' is the null path.")
@click.option("--rcpt", multiple=True, help="A recipient; may be repeated.")
@click.option("--now", help="The time to judge at, ISO 8601.")
@click.option("--history", is_flag=True, help="Use what the store remembers (reads only).")
@click.option("--json", "as_json", is_flag=True, help="The object of the contract.")
@click.option("--batch", type=click.Path(dir_okay=False, exists=True), help="Requests, JSONL.")
@click.argument("messages", metavar="MESSAGE.eml…|QUEUE_ID", nargs=-1)
def command(
    config: str | None,
    client_ip: str | None,
    helo: str | None,
    mail_from: str | None,
    rcpt: tuple[str, ...],
    now: str | None,
    history: bool,
    as_json: bool,
    batch: str | None,
    messages: tuple[str, ...],
) -> None:
    """What is found in a message, what would happen to it, and why."""
    if bool(batch) == bool(messages):
        raise click.UsageError("name messages, or a file of requests with --batch")
    wrong = misstated({"client_ip": client_ip, "now": now})
    if wrong:
        option = f"--{wrong[0].replace('_', '-')}"
        raise click.BadParameter(wrong[1], param_hint=option)
    settings = load_or_exit(config)
    if batch:
        requests = _batch_requests(Path(batch))
        raise SystemExit(_run(_explain_batch(settings, requests, history=history)))
    given = {
        "client_ip": client_ip,
        "helo": helo,
        "mail_from": mail_from,
        "rcpt_to": list(rcpt) or None,
        "now": now,
    }
    raise SystemExit(
        _run(_explain_some(settings, messages, given, history=history, as_json=as_json))
    )


def _run(explaining: Coroutine[Any, Any, int]) -> int:
    """What `gateway check` would tell, a store that cannot be read: said, and no traceback."""
    try:
        return asyncio.run(explaining)
    except StoreError as error:
        fail(f"the store cannot be read: {error}")
    except (FilterError, OSError) as error:
        fail(f"{error}; gateway check tells more")


async def _explain_some(
    settings: Settings,
    messages: tuple[str, ...],
    given: dict[str, Any],
    *,
    history: bool,
    as_json: bool,
) -> int:
    failed = 0
    now = datetime.now(UTC)
    kept = not all(map(is_path, messages))
    async with Examiner.open(settings, now, history=history, kept=kept) as examiner:
        for name in messages:
            asked = await _requests(name, given, examiner.store)
            several: Sequence[Arrival | str] = [asked] if isinstance(asked, str) else asked
            for number, request in enumerate(several, 1):
                found = await _found(examiner, request)
                failed += "error" in found
                _show(found, name, (number, len(several)), as_json=as_json)
    return 1 if failed else 0


def _show(found: dict[str, Any], name: str, place: tuple[int, int], *, as_json: bool) -> None:
    """One letter; of an mbox also which of how many."""
    number, count = place
    which = f", letter {number} of {count}" if count > 1 else ""
    if as_json:
        path = {"path": name} if "error" in found else {}
        _print({**path, **found, **_letter(number, count)})
    elif "error" in found:
        click.echo(f"{terminal(name)}{which}: {found['error']}", err=True)
    else:
        console = Console(highlight=False)
        if which:
            console.print(f"{terminal(name)}{which}", soft_wrap=True)
        for line in lines(found):
            console.print(line, soft_wrap=True)


def _letter(number: int, count: int) -> dict[str, Any]:
    return {"letter": {"number": number, "of": count}} if count > 1 else {}


async def _requests(name: str, given: dict[str, Any], store: Store | None) -> list[Arrival] | str:
    """From a file, or from what the store keeps under a queue id; a text says what is wrong."""
    if is_path(name):
        return read_requests({**given, "path": name}, Path(), datetime.now(UTC))
    arrival = await store.original(name.partition(".")[0]) if store else None
    if arrival is None:
        return "neither a file nor a queue id that is kept here"
    return [arrival]


def is_path(name: str) -> bool:
    """Whatever stands in the file system is no queue id, also a folder."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def _batch_requests(path: Path) -> Iterator[tuple[dict[str, Any], Arrival | str]]:
    """What each line adds to its answer, and what it asks; one that cannot be read, its error."""
    with path.open("rb") as lines_:
        for line in lines_:
            if line.strip():
                yield _batch_request(line, path.parent)


def _batch_request(line: bytes, folder: Path) -> tuple[dict[str, Any], Arrival | str]:
    """One answer a line: of an mbox that of the letter asked for (`letter`), else of the first."""
    try:
        asked = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}, "not a JSON object"
    if not isinstance(asked, dict):
        return {}, "not a JSON object"
    added = {"id": asked["id"]} if asked.get("id") is not None else {}
    found = read_requests(asked, folder, datetime.now(UTC))
    if isinstance(found, str):
        return added, found
    number = asked.get("letter", 1)
    if not isinstance(number, int) or not 1 <= number <= len(found):
        return added, f"letter: the file has {len(found)}"
    return {**added, **_letter(number, len(found))}, found[number - 1]


async def _explain_batch(
    settings: Settings, requests: Iterator[tuple[dict[str, Any], Arrival | str]], *, history: bool
) -> int:
    async with Examiner.open(settings, datetime.now(UTC), history=history) as examiner:
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("explaining", total=None)
            async for found in _in_order(examiner, requests):
                _print(found)
                progress.advance(task)
    return 0


async def _in_order(
    examiner: Examiner, requests: Iterator[tuple[dict[str, Any], Arrival | str]]
) -> AsyncIterator[dict[str, Any]]:
    """Answers in the order of the requests, a window of them under way at a time.

    An answer is given as soon as it is there, also while the next request is still waited for.
    """
    window: deque[asyncio.Task[dict[str, Any]]] = deque()
    reading: asyncio.Task[Any] | None = None
    ended = False
    while window or not ended:
        if reading is None and not ended and len(window) < WINDOW:
            reading = asyncio.create_task(asyncio.to_thread(next, requests, None))
        await asyncio.wait(
            [*([window[0]] if window else []), *([reading] if reading else [])],
            return_when=asyncio.FIRST_COMPLETED,
        )
        if reading is not None and reading.done():
            asked, reading = reading.result(), None
            if asked is None:
                ended = True
            else:
                window.append(asyncio.create_task(_answer(examiner, *asked)))
        while window and window[0].done():
            yield window.popleft().result()


async def _answer(
    examiner: Examiner, added: dict[str, Any], request: Arrival | str
) -> dict[str, Any]:
    return {**await _found(examiner, request), **added}


async def _found(examiner: Examiner, request: Arrival | str) -> dict[str, Any]:
    """What is found, or an error: one message that breaks us stops none of the others."""
    if isinstance(request, str):
        return {"error": request}
    try:
        return await examiner.explain(request)
    except Exception as error:
        return {"error": f"cannot be explained: {type(error).__name__}"}


def _print(found: dict[str, Any]) -> None:
    try:
        line = orjson.dumps(found)
    except TypeError:  # a lone surrogate, from an argument that is no UTF-8
        line = json.dumps(found).encode()
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
