"""Signing what we send (RFC 6376, 8463): one Signer for each domain and selector."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway import header
from gateway.identity.dkim.canonical import body_pieces, relaxed_field
from gateway.identity.dkim.signature import parse_domain, parse_selector
from gateway.message import Field

OVERSIGNED = ("from", "subject", "to", "date", "reply-to")
"""Named once more than they stand, so that nobody can add another above (RFC 6376, 8.15)."""
SIGNED = (
    *OVERSIGNED,
    "cc",
    "sender",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "auto-submitted",
    "precedence",
    "list-id",
)
MAX_FIELDS = 1000
LINE = 72


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh key pair, and what has to stand in the DNS for it."""

    pem: bytes
    """The private key, PKCS #8, unencrypted: for a file only the gateway can read."""
    name: str
    """`gw._domainkey.shop.example`"""
    record: str
    """The TXT record's text."""

    @property
    def zone_line(self) -> str:
        return zone_line(self.name, self.record)


def zone_line(name: str, record: str) -> str:
    """A TXT record as a zone file has it: cut in strings of at most 255 (RFC 1035, 3.3.14)."""
    pieces = [record[at : at + 250] for at in range(0, len(record), 250)]
    return f"{name}. IN TXT ( " + " ".join(f'"{piece}"' for piece in pieces) + " )"


class SigningKey:
    """A private key and how to sign octets with it."""

    def __init__(self, key_pem: bytes | str) -> None:
        """Raises ValueError saying how to mend it when the key cannot be used."""
        self._key = _load(key_pem.encode() if isinstance(key_pem, str) else key_pem)

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self._key, rsa.RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), SHA256())
        return self._key.sign(hashlib.sha256(data).digest())  # RFC 8463, 3

    def record(self) -> str:
        """The key record that belongs to this key (RFC 6376, 3.6.1; RFC 8463, 4)."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            public = self._key.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
            return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}"


class Signer:
    """Makes the DKIM-Signature field of messages we send in a domain's name."""

    def __init__(self, domain: str, selector: str, key_pem: bytes | str) -> None:
        """Raises ValueError saying what is wrong with the domain, the selector or the key."""
        self.domain = parse_domain(domain, "the signing domain, d")
        self.selector = parse_selector(selector)
        self.key = SigningKey(key_pem)

    @property
    def record_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    def sign(self, content: bytes, now: datetime) -> bytes:
        """The complete field with its CRLF, to be put before `content` (CRLF line ends)."""
        section = header.split(content, MAX_FIELDS)
        names, fields = choose(section.fields)
        tags = [
            "v=1",
            f"a={self.key.algorithm}",
            "c=relaxed/relaxed",
            f"d={self.domain}",
            f"s={self.selector}",
            f"t={int(now.timestamp())}",
            f"h={':'.join(names)}",
            f"bh={body_hash(content, section.body_start)}",
            "b=",
        ]
        return finish("DKIM-Signature", tags, fields, self.key)


def choose(fields: Sequence[Field], also: Sequence[str] = ()) -> tuple[list[str], list[bytes]]:
    """The names for h= and the canonical fields they stand for, in one order."""
    names: list[str] = []
    canonical: list[bytes] = []
    for name in (*SIGNED, *also):
        # From the bottom up, as a verifier takes them (5.4.2).
        instances = [field for field in fields if field.name == name][::-1]
        names += [name] * (len(instances) + (name in OVERSIGNED))
        canonical += [relaxed_field(field.name, field.value) for field in instances]
    return names, canonical


def body_hash(content: bytes, body_start: int) -> str:
    """The bh= of a relaxed body."""
    digest = hashlib.sha256()
    for piece in body_pieces(content, body_start, "relaxed"):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode()


def finish(name: str, tags: Sequence[str], fields: Sequence[bytes], key: SigningKey) -> bytes:
    """Fold the tags (b= last and empty), sign, and write the signature into it."""
    field = fold(name, tags)
    value = field.partition(b":")[2]
    data = b"\r\n".join([*fields, relaxed_field(name, value)])
    signature = base64.b64encode(key.sign(data)).decode()
    pieces = (signature[at : at + LINE] for at in range(0, len(signature), LINE))
    return field + "".join(f"\r\n\t{piece}" for piece in pieces).encode() + b"\r\n"


def fold(name: str, tags: Sequence[str]) -> bytes:
    """A field of tags without its final CRLF, in lines of moderate length (RFC 5322, 2.2.3)."""
    lines = [f"{name}:"]
    for tag in tags:
        ending = ";" if tag is not tags[-1] else ""
        for number, word in enumerate(_words(tag + ending)):
            space = "" if number else " "
            if len(lines[-1]) + len(word) >= LINE:
                lines.append("\t")
                space = ""
            lines[-1] += space + word
    return "\r\n".join(lines).encode()


def _words(tag: str) -> list[str]:
    """Where a long h= may be folded: after its colons."""
    if not tag.startswith("h="):
        return [tag]
    names = tag.split(":")
    return [f"{name}:" for name in names[:-1]] + names[-1:]


def make_key(domain: str, selector: str, kind: str = "rsa") -> NewKey:
    """A key pair for `gateway dkim-key`: `kind` is rsa (2048 bits) or ed25519."""
    if kind not in ("rsa", "ed25519"):
        raise ValueError("a key is rsa or ed25519")
    key: rsa.RSAPrivateKey | Ed25519PrivateKey = (
        rsa.generate_private_key(65537, 2048) if kind == "rsa" else Ed25519PrivateKey.generate()
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = Signer(domain, selector, pem)
    return NewKey(pem, signer.record_name, signer.key.record())


def _load(pem: bytes) -> rsa.RSAPrivateKey | Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the signing key is encrypted; store it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            "the signing key is unreadable; it must be a PEM private key, RSA or Ed25519, "
            "as `gateway dkim-key` writes it"
        ) from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < 1024:
            raise ValueError("the signing key is too short; use 2048 bits (RFC 8301)")
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError("the signing key is neither RSA nor Ed25519")
