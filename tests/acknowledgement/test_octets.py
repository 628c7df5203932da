"""Mail of our own: right for a reader, and closed to whatever anybody puts into a value."""

import email
import email.policy
import re
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.acknowledgement.message_ids import MessageIds
from gateway.acknowledgement.octets import (
    REFERENCES_MAX,
    compose,
    encode_body,
    encoded_words,
    mailbox,
    message_ids,
    needs_smtputf8,
    text,
    thread,
)

NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
IDS = MessageIds([b"first secret", b"second secret"], "mx1.example.net")


def made(**changes: object) -> bytes:
    usual = {
        "sender": ("The Shop", "support@shop.example"),
        "to": "kim@cust.example",
        "subject": "Your message has reached The Shop",
        "body": "Hello,\n\nit is here.\n",
        "message_id": IDS.make("Q1", "ack"),
        "at": NOW,
        "in_reply_to": "<1@cust.example>",
        "references": ("<0@cust.example>",),
    }
    return compose(**{**usual, **changes})  # type: ignore[arg-type]


def read(octets: bytes) -> EmailMessage:
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_everything_an_acknowledgement_carries() -> None:
    octets = made()
    names = [line.split(b":")[0] for line in octets.split(b"\r\n\r\n")[0].split(b"\r\n")]
    assert names == [
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References",
        b" <1@cust.example>", b"Auto-Submitted", b"X-Auto-Response-Suppress", b"Precedence",
        b"X-Loop", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding",
    ]  # fmt: skip
    message = read(octets)
    assert message["From"] == "The Shop <support@shop.example>"
    assert message["To"] == "<kim@cust.example>" or message["To"] == "kim@cust.example"
    assert message["Date"] == "Mon, 23 Nov 2026 14:30:00 +0000"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Precedence"] == "auto_reply"
    assert message["X-Loop"] == "support@shop.example"
    assert message["In-Reply-To"] == "<1@cust.example>"
    assert message["References"].split() == ["<0@cust.example>", "<1@cust.example>"]
    assert message.get_content().replace("\r\n", "\n") == "Hello,\n\nit is here.\n"


@pytest.mark.parametrize(
    ("name", "subject", "body"),
    [
        ("Müller & Söhne", "Ihre Nachricht ist angekommen", "Guten Tag,\n\nüber uns\n"),
        ('The "Best", Shop', "Plain", "From here\n.\n..\n"),
        ("商店", "您的邮件已收到" * 12, "谢谢您的来信。\n" * 20),
        ("x" * 300, "y " * 200, "z" * 5000 + "\n"),
        ("=?utf-8?q?trick?=", "=?utf-8?q?trick?=", "=?utf-8?q?text?=\n"),
        ("", "Ø" * 150, "\n"),
    ],
)
def test_a_reader_sees_what_was_meant(name: str, subject: str, body: str) -> None:
    octets = made(sender=(name, "support@shop.example"), subject=subject, body=body)
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert b"\n" not in octets.replace(b"\r\n", b"")
    message = read(octets)
    assert message["Subject"] == " ".join(subject[:300].split())
    assert message["From"].addresses[0].addr_spec == "support@shop.example"
    assert message["From"].addresses[0].display_name == name[:120]
    assert message.get_content().replace("\r\n", "\n") == body.rstrip("\n") + "\n"


NASTY = st.one_of(
    st.text(max_size=400),
    st.text('\r\n\0\t :<>@"\\,;()[]=?éBcc', max_size=200),
    st.sampled_from(["x\r\nBcc: v@h.example", "x\n\n<script>", "x\rTo: v@h.example", "\u2028X: y"]),
)
NAMES = {
    "from", "to", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted",
    "x-auto-response-suppress", "precedence", "x-loop", "mime-version", "content-type",
    "content-transfer-encoding",
}  # fmt: skip


@given(NASTY, NASTY, NASTY, NASTY, NASTY, NASTY, st.lists(NASTY, max_size=15))
def test_no_value_adds_a_field(
    name: str, sender: str, to: str, subject: str, body: str, parent: str, references: list[str]
) -> None:
    octets = made(
        sender=(name, sender),
        to=to,
        subject=subject,
        body=body,
        in_reply_to=parent,
        references=references,
    )
    head, _, rest = octets.partition(b"\r\n\r\n")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\0" not in octets
    fields = re.split(rb"\r\n(?![ \t])", head)
    found = [field.split(b":", 1)[0].decode().lower() for field in fields]
    assert len(found) == len(set(found))
    assert set(found) <= NAMES
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert rest.isascii()


@given(st.text(max_size=500))
def test_any_text_survives(value: str) -> None:
    printable = " ".join("".join(c for c in value if c.isprintable()).split())[:300]
    value = printable.strip()
    message = read(f"Subject: {text(value, 9)}\r\n\r\n".encode())
    shown = message["Subject"]
    assert " ".join(shown.split()) == value or any(len(word) > 900 for word in value.split())


@given(st.text(max_size=2000))
def test_any_body_survives(body: str) -> None:
    encoding, octets = encode_body(body)
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}"
    message = read(head.encode() + b"\r\n\r\n" + octets)
    lines = body.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    wanted = "\n".join(line.rstrip() for line in lines.split("\n")).rstrip("\n") + "\n"
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n") == wanted
    assert octets.isascii()


def test_encoded_words_are_short_and_whole() -> None:
    for word in encoded_words("Übergröße 🎈 " * 20, 9).split("\r\n "):
        assert len(word) <= 75
        assert word.startswith("=?utf-8?b?")


@pytest.mark.parametrize(
    ("message_id", "fine"),
    [
        ("<1@cust.example>", True),
        ("<CAF+x_1.2=3@mail.cust.example>", True),
        ("<1@[192.0.2.1]>", True),
        (f"<{'a' * 235}@cust.example>", True),
        (f"<{'a' * 236}@cust.example>", False),
        ("<a b@cust.example>", False),
        ('<"a"@cust.example>', False),
        ("<a..b@cust.example>", False),
        ("<a@b>\r\nBcc: x@y.example", False),
        ("<ä@cust.example>", False),
        ("1@cust.example", False),
        ("<click-here-https://evil.example@x>", False),
        ("", False),
    ],
)
def test_only_plain_msg_ids_are_repeated(message_id: str, fine: bool) -> None:
    assert (message_ids((message_id,)) == (message_id,)) is fine


def test_long_threads_keep_the_first_and_the_last() -> None:
    line = [f"<{n}@cust.example>" for n in range(30)]
    parent, references = thread("<31@cust.example>", line)
    assert parent == "In-Reply-To: <31@cust.example>\r\n"
    found = references.removeprefix("References: ").split()
    assert len(found) == REFERENCES_MAX
    assert found[0] == "<0@cust.example>"
    assert found[-2:] == ["<29@cust.example>", "<31@cust.example>"]
    assert thread("", ()) == []


def test_signature_stands_on_top() -> None:
    octets = made(sign=lambda content: b"DKIM-Signature: %d\r\n" % len(content))
    assert octets == b"DKIM-Signature: %d\r\n" % len(made()) + made()


def test_addresses_beyond_ascii() -> None:
    assert needs_smtputf8("josé@cust.example")
    assert not needs_smtputf8("jose@müller.example")
    assert mailbox("", "jose@müller.example") == "<jose@xn--mller-kva.example>"
    assert "<josé@cust.example>".encode() in made(to="josé@cust.example")


# --- Message-IDs ----------------------------------------------------------------------------------


def test_our_ids_are_known() -> None:
    for queue_id in ("Q1", "Q1.2", "01J9ZK-abc"):
        made_id = IDS.make(queue_id, "ack")
        assert IDS.ours(made_id)
        assert IDS.looks_ours(made_id)
        assert message_ids((made_id,)) == (made_id,)


def test_old_secrets_verify_and_do_not_sign() -> None:
    old = MessageIds([b"second secret"], "mx1.example.net").make("Q1", "ack")
    assert IDS.ours(old)
    assert old != IDS.make("Q1", "ack")
    assert not MessageIds([b"other"], "mx1.example.net").ours(old)


@pytest.mark.parametrize(
    "change",
    [
        lambda i: i.replace("Q1", "Q2"),
        lambda i: i.replace(".ack.", ".card."),
        lambda i: i.replace("mx1.example.net", "mx2.example.net"),
        lambda i: i.replace(i.split(".")[2][:4], "aaaa"),
        lambda i: i + ">",
        lambda i: i.strip("<>"),
        lambda i: "",
    ],
)
def test_no_other_id_is_ours(change: object) -> None:
    assert not IDS.ours(change(IDS.make("Q1", "ack")))  # type: ignore[operator]


def test_host_may_come_back_in_capitals() -> None:
    assert IDS.ours(IDS.make("Q1", "ack").replace("mx1.example.net", "MX1.Example.NET"))


def test_looks_are_enough_for_silence_only() -> None:
    forged = "<Q1.ack.aaaaaaaaaaaaaaaa@mx1.example.net>"
    assert IDS.looks_ours(forged)
    assert not IDS.ours(forged)


@given(st.text(max_size=300))
def test_any_id_is_answered(message_id: str) -> None:
    assert IDS.ours(message_id) is False


@pytest.mark.parametrize(
    ("queue_id", "kind"), [("", "ack"), ("a b", "ack"), ("Q1", "A"), ("ä", "x")]
)
def test_ids_are_made_of_safe_letters(queue_id: str, kind: str) -> None:
    with pytest.raises(ValueError, match="queue id"):
        IDS.make(queue_id, kind)


def test_a_secret_is_wanted() -> None:
    for secrets in ([], [b""]):
        with pytest.raises(ValueError, match="secret"):
            MessageIds(secrets, "mx1.example.net")
