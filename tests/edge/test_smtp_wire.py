"""Reading replies: any octets in any pieces, bounded, and never an exception."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.smtp_wire import MAX_LINE, MAX_TEXT, Answer, Trouble, Wire
from gateway.reply import Reply


def read(chunks: list[bytes]) -> list[Answer | Reply]:
    """All replies in what a server said before it closed, and how it ended."""

    async def main() -> list[Answer | Reply]:
        wire = Wire()
        for chunk in chunks:
            wire.data_received(chunk)
        wire.connection_lost(None)
        found: list[Answer | Reply] = []
        try:
            while True:
                found.append(await wire.answer(1))
        except Trouble as trouble:
            found.append(trouble.reply)
        return found

    return asyncio.run(main())


replies = st.lists(
    st.sampled_from(
        [
            b"250 ok\r\n",
            b"250-a\r\n",
            b"354\r\n",
            b"550 5.1.1 no\n",
            b"421 x\r\n",
            b"x\r\n",
            b"\r",
            b"25",
        ]
    )
).map(b"".join)


@given(replies | st.binary(max_size=300), st.integers(1, 9))
def test_it_does_not_matter_how_the_octets_come(octets: bytes, length: int) -> None:
    pieces = [octets[at : at + length] for at in range(0, len(octets), length)]
    assert read(pieces) == read([octets])


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        (b"250 2.0.0 ok\r\n", Reply(250, "2.0.0", "ok")),
        (b"250\r\n", Reply(250, "2.0.0", "")),
        (b"250-2.1.0 a\r\n250 2.1.0 b\r\n", Reply(250, "2.1.0", "a b")),
        (b"550-5.7.1 a\r\n550 5.7.2 b\r\n", Reply(550, "5.7.1", "a 5.7.2 b")),
        (b"550 2.0.0 a\r\n", Reply(550, "5.0.0", "2.0.0 a")),
        (b"550 5.1.10 a\r\n", Reply(550, "5.1.10", "a")),
        (b"550 5.1.1000 a\r\n", Reply(550, "5.0.0", "5.1.1000 a")),
        (b"550 5.1.1\r\n", Reply(550, "5.1.1", "")),
        (b"250 ok\n", Reply(250, "2.0.0", "ok")),
        (b"550 5.1.1 \x00\x1b[2Jx\r\n", Reply(550, "5.1.1", "[2Jx")),
    ],
)
def test_replies(octets: bytes, answer: Reply) -> None:
    (first, _) = read([octets])
    assert isinstance(first, Answer)
    assert first.reply == answer


@given(st.binary(max_size=2000))
def test_a_reply_is_always_one_printable_line(octets: bytes) -> None:
    reply = Answer(550, (octets,)).reply
    assert reply.text.isprintable() or not reply.text
    assert len(reply.text) <= MAX_TEXT


@pytest.mark.parametrize(
    "flood",
    [
        b"x" * (MAX_LINE + 1),
        b"250-x\r\n" * 1000,
        b"250 x\r\n" * 5000,
        b"999 x\r\n",
        (b"250-" + b"x" * 4000 + b"\r\n250 x\r\n") * 300,
    ],
)
def test_a_flood_ends_the_connection(flood: bytes) -> None:
    found = read([flood])
    assert isinstance(found[-1], Reply)
    assert found[-1].enhanced == "4.5.0"
