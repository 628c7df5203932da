"""One line an event, those of one turn of the loop in one write."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from gateway.edge.logs import set_up
from gateway.journal import Journal
from gateway.settings import Log


class Stream(io.StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


@pytest.fixture
def stream() -> Iterator[Stream]:
    root, ours = logging.getLogger(), logging.getLogger("gateway")
    before = root.handlers[:], root.level, ours.level
    yield Stream()
    root.handlers[:], root.level, ours.level = before


def journal_to(stream: Stream, **log: str) -> Journal:
    return Journal([set_up(Log.model_validate(log), stream)])


async def test_the_events_of_one_turn_go_out_together(stream: Stream) -> None:
    journal = journal_to(stream, format="json")
    journal.held("Q1", "a rule")
    journal.alert("space", left=5)
    assert not stream.getvalue()
    await asyncio.sleep(0)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["why"]) == ("held", "info", "a rule")
    assert (second["event"], second["level"], second["left"]) == ("alert", "warning", 5)
    assert stream.writes == 1


def test_without_a_loop_each_goes_out_at_once(stream: Stream) -> None:
    journal_to(stream, format="text").held("Q1", "bell \x07 and\nnew line")
    assert stream.getvalue().count("\n") == 1
    assert "held id=Q1" in stream.getvalue()
    assert "\x07" not in stream.getvalue()


def test_less_than_the_level_is_not_written(stream: Stream) -> None:
    journal = journal_to(stream, level="warning")
    journal.held("Q1", "a rule")
    journal.alert("space")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["alert"]


def test_trouble_is_one_line_with_its_traceback(stream: Stream) -> None:
    journal = journal_to(stream, format="json")
    try:
        raise RuntimeError("of ours")
    except RuntimeError as error:
        journal.trouble("intake", error, "Q1")
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["where"], line["id"]) == ("trouble", "intake", "Q1")
    assert "RuntimeError: of ours" in line["traceback"]


def test_libraries_are_heard_in_the_same_form(stream: Stream) -> None:
    journal_to(stream, format="json")
    logging.getLogger("some.library").warning("careful")
    assert json.loads(stream.getvalue())["event"] == "careful"
