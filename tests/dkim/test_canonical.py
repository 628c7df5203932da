from __future__ import annotations

import asyncio
import hashlib
import time

import dkim.canonicalization as oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.identity.dkim import canonical as module
from gateway.identity.dkim.canonical import body_pieces, canonical, relaxed_field

BODIES = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r\n\r\n", b" ", b"\t", b"  ", b"a", b"word", b".", b"\x0b", b"\xe4"]
    ),
    max_size=40,
).map(b"".join)
ORACLES = {"simple": oracle.Simple, "relaxed": oracle.Relaxed}


def body(content: bytes, form: str, start: int = 0) -> bytes:
    return b"".join(body_pieces(content, start, form))


def test_the_example_of_the_rfc():
    """RFC 6376, 3.4.5."""
    content = b" C \r\nD \t E\r\n\r\n\r\n"
    assert body(content, "relaxed") == b" C\r\nD E\r\n"
    assert body(content, "simple") == b" C \r\nD \t E\r\n"
    assert relaxed_field("A", b" X") == b"a:X"
    assert relaxed_field("B ", b" Y\t\r\n\tZ  ") == b"b:Y Z"


@pytest.mark.parametrize(
    ("content", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n", b"\r\n", b""),
        (b"\r\n\r\n\r\n", b"\r\n", b""),
        (b" \t", b" \t\r\n", b""),
        (b" \r\n\t\r\n", b" \r\n\t\r\n", b""),
        (b"no end", b"no end\r\n", b"no end\r\n"),
        (b"no end \t", b"no end \t\r\n", b"no end\r\n"),
        (b"a\r\n\r\n b", b"a\r\n\r\n b\r\n", b"a\r\n\r\n b\r\n"),
        (b"a\r", b"a\r\r\n", b"a\r\r\n"),
        (b"a\n\n", b"a\n\n\r\n", b"a\n\n\r\n"),
        (b"a\r\n\n\r\n", b"a\r\n\n\r\n", b"a\r\n\n\r\n"),
    ],
)
def test_ends(content, simple, relaxed):
    assert body(content, "simple") == simple
    assert body(content, "relaxed") == relaxed


@pytest.mark.parametrize("form", ["simple", "relaxed"])
@given(content=BODIES)
def test_dkimpy_makes_the_same(form, content):
    # (It leaves white space at the end of a last line that has no CRLF; SMTP would add one.)
    whole = content + b"\r\n" if content and not content.endswith(b"\r\n") else content
    assert body(content, form) == ORACLES[form].canonicalize_body(whole)


@given(content=BODIES, size=st.integers(2, 9), start=st.integers(0, 3))
@example(content=b"\r\n" * 20, size=2, start=0)
@example(content=b"a \r\n\r\n" * 5, size=3, start=1)
@example(content=b"a \r \r\n", size=2, start=0)
def test_pieces_of_any_size_make_the_same(content, size, start):
    expected = {form: body(content, form, start) for form in ORACLES}
    whole, module.PIECE = module.PIECE, size
    try:
        assert {form: body(content, form, start) for form in ORACLES} == expected
    finally:
        module.PIECE = whole


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"a", b"\xc3"])).map(b"".join))
def test_fields_as_dkimpy_makes_them(value):
    ((name, expected),) = oracle.Relaxed.canonicalize_headers([(b"Subject ", value + b"\r\n")])
    assert relaxed_field("subject", value) == name + b":" + expected.removesuffix(b"\r\n")


def test_only_space_and_tab_are_white_space():
    assert relaxed_field("a", b" \x0b b \x0c ") == b"a:\x0b b \x0c"
    assert body(b"a \x0b \r\n", "relaxed") == b"a \x0b\r\n"


LARGE = 8 * 1024 * 1024


@pytest.mark.parametrize(
    "content",
    [
        b"\r\n" * (LARGE // 2),
        b" " * LARGE,
        b"\t" * LARGE,
        b" \r" * (LARGE // 2),
        b" \r\n" * (LARGE // 3),
        b"a \t b\r\n" * (LARGE // 8),
        b"\r" * LARGE,
        b"\n\r" * (LARGE // 2),
        b"x" * LARGE,
        b"\r\n" * (LARGE // 2) + b"x",
    ],
    ids=lambda content: repr(content[:6]),
)
@pytest.mark.parametrize("form", ["simple", "relaxed"])
def test_hostile_bodies_take_linear_time_and_little_memory(content, form):
    begin = time.process_time()
    longest = max(map(len, body_pieces(content, 0, form)), default=0)
    assert time.process_time() - begin < 3.0
    assert longest <= 2 * module.PIECE


async def test_a_large_body_does_not_hold_the_loop(arrive):
    line = b"the quick  brown fox\tjumps over the lazy dog, again and again \r\n"
    message = arrive(b"From: a@b.example\r\n\r\n" + line * (50 * 1024 * 1024 // len(line)))
    turns, done = 0, False

    async def watch():
        nonlocal turns
        while not done:
            await asyncio.sleep(0)
            turns += 1

    watcher = asyncio.ensure_future(watch())
    await asyncio.sleep(0)
    await canonical(message).body_hash("relaxed")
    done = True
    await watcher
    assert turns >= 50 * 1024 * 1024 // module.PIECE, "others run between any two pieces"


async def test_a_body_is_hashed_once_for_all_who_ask(arrive, monkeypatch):
    reading = canonical(arrive(b"From: a@b.example\r\n\r\nhello\r\n"))
    passes = []
    monkeypatch.setattr(
        module, "body_pieces", lambda *args: passes.append(args) or body_pieces(*args)
    )
    found = await asyncio.gather(*(reading.body_hash("relaxed") for _ in range(5)))
    assert set(found) == {(hashlib.sha256(b"hello\r\n").digest(), 7)}
    assert len(passes) == 1


async def test_both_filters_read_the_same_forms(arrive):
    message = arrive(b"From: a@b.example\r\n\r\nhello\r\n")
    assert canonical(message) is canonical(message)
