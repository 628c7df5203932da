"""STARTTLS: nothing crosses over from before, the certificate changes under way, old TLS is out."""

from __future__ import annotations

import asyncio
import smtplib
import ssl

import pytest
from cryptography import x509

from gateway.settings import Tls

BOTH_LOOPS = True

LETTER = b"Subject: hello\r\n\r\nhello\r\n"


def shown_name(writer: asyncio.StreamWriter) -> str:
    octets = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(octets).subject.rfc4514_string()


async def test_a_message_over_tls(open_house, certificate):
    house = await open_house(tls=certificate())
    client = await house.client()
    assert "STARTTLS" in await client.hello()
    await client.start_tls()
    assert (await client.say("MAIL FROM:<>")).startswith("503 5.5.1 "), "EHLO is forgotten"
    assert "STARTTLS" not in await client.say("EHLO client.example")
    assert (await client.say("STARTTLS")).startswith("503 5.5.1 ")
    big = LETTER * 100_000
    assert (await client.message(LETTER)).startswith("250 ")
    assert (await client.message(big)).startswith("250 ")
    assert house.contents() == [LETTER, big]
    session = house.arrivals[0].session
    assert session.protocol == "ESMTPS"
    assert session.tls.startswith("TLSv1.3 TLS_")
    assert (await client.say("QUIT")).startswith("221 ")


async def test_an_ordinary_client_library_starts_tls(open_house, certificate):
    house = await open_house(tls=certificate())
    context = ssl.create_default_context(cafile=str(certificate().cert))
    house.receiver.reload_tls()

    def talk() -> None:
        with smtplib.SMTP(*house.host_port, timeout=20) as client:
            client._host = "mx.gateway.example"  # the name to verify
            client.starttls(context=context)
            client.sendmail("ann@client.example", ["support@shop.example"], LETTER)

    await asyncio.to_thread(talk)
    assert house.contents() == [LETTER]


async def test_without_a_certificate_it_is_neither_offered_nor_done(open_house):
    house = await open_house()
    client = await house.client()
    assert "STARTTLS" not in await client.hello()
    assert (await client.say("STARTTLS")).startswith("502 5.5.1 ")


@pytest.mark.parametrize("injected", ["MAIL FROM:<evil@client.example>", "NOOP", "RSET"])
async def test_what_is_put_behind_starttls_is_never_obeyed(open_house, certificate, injected):
    house = await open_house(tls=certificate())
    client = await house.client()
    await client.hello()
    client.send(f"STARTTLS\r\n{injected}\r\n".encode())
    assert (await client.reply()).startswith("501 5.5.4 ")
    assert await client.ended()
    assert house.refusals() == ["starttls"]


async def test_no_handshake_no_session(open_house, certificate):
    house = await open_house(tls=certificate())
    client = await house.client()
    await client.hello()
    assert (await client.say("STARTTLS")).startswith("220 ")
    client.send(b"MAIL FROM:<evil@client.example>\r\nRCPT TO:<support@shop.example>\r\n")
    rest = await asyncio.wait_for(client.reader.read(), 10)
    assert b"250" not in rest
    assert house.refusals() == ["tls"]
    other = await house.client()
    await other.hello()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_before_1_2_is_refused(open_house, certificate):
    house = await open_house(tls=certificate())
    client = await house.client()
    await client.hello()
    old = ssl.create_default_context()
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await client.start_tls(old)


async def test_the_certificate_is_read_again(open_house, certificate):
    house = await open_house(tls=certificate("old.example"))
    before = await house.client()
    await before.hello()
    await before.start_tls()
    assert shown_name(before.writer) == "CN=old.example"
    certificate("new.example")
    house.receiver.reload_tls()
    after = await house.client()
    await after.hello()
    await after.start_tls()
    assert shown_name(after.writer) == "CN=new.example"
    assert (await before.say("EHLO client.example", "NOOP")).startswith("250 ")


async def test_a_bad_certificate_changes_nothing_and_says_so(open_house, certificate):
    files: Tls = certificate("old.example")
    house = await open_house(tls=files)
    files.cert.write_text("no certificate")
    with pytest.raises(OSError, match="PEM"):
        house.receiver.reload_tls()
    files.cert.unlink()
    with pytest.raises(FileNotFoundError):
        house.receiver.reload_tls()
    client = await house.client()
    await client.hello()
    await client.start_tls()
    assert shown_name(client.writer) == "CN=old.example"


async def test_where_tls_is_required_nothing_goes_before_it(open_house, certificate):
    house = await open_house(tls=certificate(), require_tls=True)
    client = await house.client()
    await client.hello()
    for command in ("MAIL FROM:<>", "RCPT TO:<support@shop.example>", "DATA", "VRFY x", "HELP"):
        assert await client.say(command) == "530 5.7.0 Issue STARTTLS first"
    for command in ("NOOP", "RSET"):
        assert (await client.say(command)).startswith("250 ")
    await client.start_tls()
    await client.say("EHLO client.example")
    assert (await client.message(LETTER)).startswith("250 ")


async def test_hanging_up_on_tls_and_in_the_handshake_leaves_nothing(open_house, certificate):
    house = await open_house(tls=certificate())
    handshaking, open_ = await house.client(), await house.client()
    await handshaking.hello()
    assert (await handshaking.say("STARTTLS")).startswith("220 ")
    await open_.hello()
    await open_.start_tls()
    await open_.say("EHLO client.example")
    await open_.envelope()
    for client in (handshaking, open_):
        client.writer.transport.abort()
    await asyncio.wait_for(house.receiver.drain(5), 4)
    assert [event for event, _ in house.events if event == "trouble"] == []


async def test_drain_does_not_wait_for_a_handshake(open_house, certificate):
    house = await open_house(tls=certificate())
    client = await house.client()
    await client.hello()
    assert (await client.say("STARTTLS")).startswith("220 ")
    await asyncio.wait_for(house.receiver.drain(5), 4)
    assert await client.ended()
