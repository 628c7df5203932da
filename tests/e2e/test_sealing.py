"""A letter whose subject we tagged still proves who wrote it: by our seal (RFC 8617)."""

from __future__ import annotations

import dkim
import pytest
from support.running import ANGRY, SHOP, header

TAGGED = SHOP + "tags: {subject: true}\n"


@pytest.fixture
def txt(key_pems):
    from gateway.identity.signing import SigningKey

    record = SigningKey(key_pems["rsa"]).record().encode()
    return lambda name, timeout=5: record


async def test_a_tagged_subject_is_sealed(run, letter, txt):
    async with run(shop=TAGGED) as running:
        await running.send(letter(ANGRY, subject="You stole my money"))
        mails = await running.delivered("mailbox", 2)
    (mail,) = [mail for mail in mails if header(mail, "X-Gateway-Tone")]
    assert header(mail, "Subject") == "GW_CALL You stole my money"
    octets = mail.partition(b"\n")[2].replace(b"\n", b"\r\n")
    verdict, sets, reason = dkim.arc_verify(octets, dnsfunc=txt)
    assert (verdict, len(sets)) == (b"pass", 1), reason
    assert not dkim.verify(octets, dnsfunc=txt), "the author's own signature covered the subject"
    assert "dmarc=pass" in header(mail, "ARC-Authentication-Results")


async def test_a_subject_where_there_was_none_is_sealed(run, letter, txt):
    """Its signer may have signed that there is no Subject: adding one breaks that."""
    bare = letter(ANGRY, signed=False).replace(b"Subject: Address\r\n", b"")
    async with run(shop=TAGGED) as running:
        await running.send(bare)
        mails = await running.delivered("mailbox", 2)
    (mail,) = [mail for mail in mails if header(mail, "X-Gateway-Tone")]
    assert header(mail, "Subject") == "GW_CALL"
    octets = mail.partition(b"\n")[2].replace(b"\n", b"\r\n")
    verdict, sets, reason = dkim.arc_verify(octets, dnsfunc=txt)
    assert (verdict, len(sets)) == (b"pass", 1), reason


async def test_what_is_not_changed_is_not_sealed(run, letter):
    async with run() as running:
        await running.send(letter(ANGRY, subject="You stole my money"))
        mails = await running.delivered("mailbox", 2)
    assert not any(header(mail, "ARC-Seal") for mail in mails)
