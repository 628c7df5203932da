"""Mailboxes of address fields, well-formed and not."""

from __future__ import annotations

import pytest

from gateway.addresses import MAILBOXES_MAX, mailboxes

JANE = ("Jane", "jane@b.example")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"jane@b.example", [("", "jane@b.example")]),
        (b"<jane@b.example>", [("", "jane@b.example")]),
        (b"Jane <jane@b.example>", [JANE]),
        (b'"Jane" <jane@b.example>', [JANE]),
        (b"jane@b.example (Jane)", [JANE]),
        (b"Jane\r\n <jane@b.example>", [JANE]),
        (b"Jane <jane@b.example>,\r\n bob@b.example", [JANE, ("", "bob@b.example")]),
        (b"Jane <jane@b.example>; bob@b.example", [JANE, ("", "bob@b.example")]),
        (b'"Doe, Jane" <jane@b.example>', [("Doe, Jane", "jane@b.example")]),
        (b"Doe, Jane <jane@b.example>", [("Doe, Jane", "jane@b.example")]),
        (b'"a \\"b\\" c" <jane@b.example>', [('a "b" c', "jane@b.example")]),
        (b"Jane Doe jane@b.example", [("Jane Doe", "jane@b.example")]),
        (b"<@relay.example,@r2.example:jane@b.example>", [("", "jane@b.example")]),
        (b'"a b"@c.example', [("", '"a b"@c.example')]),
        ("Jörg <jörg@münchen.example>".encode(), [("Jörg", "jörg@münchen.example")]),
        (b"J\xf6rg <j@b.example>", [("Jörg", "j@b.example")]),
        (b"=?utf-8?q?J=C3=B6rg?= <j@b.example>", [("Jörg", "j@b.example")]),
        (b'"=?utf-8?q?J=C3=B6rg?=" <j@b.example>', [("Jörg", "j@b.example")]),
        (b"MAILER-DAEMON", [("", "MAILER-DAEMON")]),
        # A group's members, and then the group itself, so that one member is no lone author.
        (b"friends: jane@b.example;", [("", "jane@b.example"), ("friends", "")]),
        (b"undisclosed-recipients:;", []),
        # Nothing to send to.
        (b"", []),
        (b"<>", []),
        (b"Jane Doe", []),
        # Two addresses are two, however they are written.
        (b"<a@b.example> <c@d.example>", [("", "a@b.example"), ("", "c@d.example")]),
        (b"a@b.example, Jane <c@d.example>", [("", "a@b.example"), ("Jane", "c@d.example")]),
        # An address in the name is a name, an encoded word adds no mailbox.
        (b'"boss@bank.example" <x@evil.example>', [("boss@bank.example", "x@evil.example")]),
        (
            b"=?utf-8?q?a=40bank.example=2C_=3Cb=40bank.example=3E?= <x@evil.example>",
            [("a@bank.example, <b@bank.example>", "x@evil.example")],
        ),
        # Nothing of it can break a line or a tag.
        (b"Ja\x00ne\x1b[0m <ja\x07ne@b.example>", [("Ja ne [0m", "jane@b.example")]),
        (b"<jane\r\n @b.example>", [("", "jane@b.example")]),
        (b"jane @ b.example", [("", "jane@b.example")]),
        (b"jane(x)@b.example", [("x", "jane@b.example")]),
        (b"(x) jane@b.example (y)", [("x y", "jane@b.example")]),
        # Where a domain ends is not for us to guess.
        (b"<a@b.example .evil.example>", [("", "a@b.example?.evil.example")]),
        (b"<a@b.example\x00.evil.example>", [("", "a@b.example?.evil.example")]),
        (b"a@b.example>.evil.example", [("", "a@b.example?.evil.example")]),
        (b"a@b.example(x).evil.example", [(".evil.example", "a@b.example?.evil.example")]),
        (b"a@b.example. evil.example", [("evil.example", "a@b.example.?evil.example")]),
        (b"a@b.example(x)Jane", [("Jane", "a@b.example")]),
        (b"<a@b.example>c@d.example", [("c@d.example", "a@b.example"), ("", "c@d.example")]),
        (b'<a@b.example> "c@d.example"', [("c@d.example", "a@b.example")]),
    ],
)
def test_mailboxes(value: bytes, expected: list[tuple[str, str]]) -> None:
    assert [(one.name, one.address) for one in mailboxes(value)] == expected


@pytest.mark.parametrize("value", [b"a@b.example," * 5_000, b"<a@b.example>" * 5_000])
def test_no_more_than_a_thousand(value: bytes) -> None:
    assert 0 < len(mailboxes(value)) <= MAILBOXES_MAX
