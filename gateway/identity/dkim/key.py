"""Public keys in DNS (RFC 6376, 3.6; RFC 8463; RFC 8301), parsed once per text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.identity.dkim.tags import MalformedError, parse_base64, parse_colons, parse_tags
from gateway.resolver import Resolver

MIN_BITS, MAX_BITS = 1024, 8192
"""RFC 8301, 3.2 wants 1024 and more; the upper bound keeps one check cheap."""
MAX_EXPONENT_BITS = 64
"""Everybody's is 65537; one as long as the modulus costs a thousand times as much to check."""
MAX_RECORD = 8192
"""Letters of a key record: four times what the longest key takes."""
MAX_RECORDS = 3
"""Several key records under one name are undefined (3.6.2.2): so many are tried."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key record that may be used."""

    kind: str
    """rsa or ed25519."""
    key: RSAPublicKey | Ed25519PublicKey
    hashes: tuple[str, ...] | None
    """The hash algorithms of h=; None allows all."""
    flags: frozenset[str]
    granularity: str = "*"
    """g= (RFC 4871, 3.6.1), obsolete: the local part of i= that may use the key, `*` for any."""

    @property
    def testing(self) -> bool:
        return "y" in self.flags

    @property
    def strict(self) -> bool:
        """t=s: the domain of i= must be that of d=, no subdomain."""
        return "s" in self.flags

    def serves(self, user: str) -> bool:
        """Whether the owner of a local part may sign with this key.

        RFC 6376 dropped g=; an owner who writes one still means it, so it narrows, never widens.
        """
        start, star, end = self.granularity.partition("*")
        if not star:
            return bool(start) and user == start
        long_enough = len(user) >= len(start) + len(end)
        return long_enough and user.startswith(start) and user.endswith(end)

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether this signature over this data (hashed with SHA-256) was made with the key."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(signature, data, PKCS1v15(), SHA256())
            else:
                digest = Hash(SHA256())
                digest.update(data)
                self.key.verify(signature, digest.finalize())  # RFC 8463, 3
        except InvalidSignature:
            return False
        return True


async def find_keys(resolver: Resolver, selector: str, domain: str) -> list[PublicKey]:
    """The usable keys of a selector. Raises MalformedError when there is none, DnsError."""
    answer = await resolver.query(f"{selector}._domainkey.{domain}", "TXT")
    if not answer.records:
        raise MalformedError("no key")
    keys, trouble = [], None
    for record in answer.records[:MAX_RECORDS]:
        try:
            keys.append(parse_key(record))
        except MalformedError as error:
            trouble = trouble or error
    if not keys and trouble:
        raise MalformedError(str(trouble))
    return keys


def parse_key(record: str) -> PublicKey:
    """A key record's text as a key. Raises MalformedError saying what is wrong with it."""
    if len(record) > MAX_RECORD:
        raise MalformedError("key record too long")
    found = _parse_key(record)
    if isinstance(found, str):
        raise MalformedError(found)
    return found


@lru_cache(maxsize=2048)
def _parse_key(record: str) -> PublicKey | str:
    try:
        return _read_key(record)
    except MalformedError as error:
        return str(error)


def _read_key(record: str) -> PublicKey:
    try:
        tags = parse_tags(record)
    except MalformedError as error:
        raise MalformedError(f"key record: {error}") from None
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        raise MalformedError("key record of an unknown version")
    if "p" not in tags:
        raise MalformedError("key record without p=")
    if not tags["p"]:
        raise MalformedError("key revoked")
    if not {"*", "email"} & set(parse_colons(tags.get("s", "*"))):
        raise MalformedError("key not meant for email")
    kind = tags.get("k", "rsa")
    key = _load(kind, parse_base64(tags["p"], "key record: p"))
    hashes = tuple(parse_colons(tags["h"])) if "h" in tags else None
    flags = frozenset(parse_colons(tags.get("t", "")))
    granularity = tags.get("g", "*")
    if not granularity and "v" not in tags:
        granularity = "*"  # DomainKeys (RFC 4870, 3.2.3) meant any by an empty one.
    return PublicKey(kind, key, hashes, flags, granularity)


def _load(kind: str, octets: bytes) -> RSAPublicKey | Ed25519PublicKey:
    if kind == "ed25519":
        if len(octets) != 32:
            raise MalformedError("ed25519 key of a wrong length")
        return Ed25519PublicKey.from_public_bytes(octets)
    if kind != "rsa":
        raise MalformedError("key of an unknown type")
    try:
        # SubjectPublicKeyInfo as all publish it, or the RSAPublicKey of 3.6.1's words.
        key = load_der_public_key(octets)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise MalformedError("key unreadable") from None
    if not isinstance(key, RSAPublicKey):
        raise MalformedError("key is not an RSA key")
    if not MIN_BITS <= key.key_size <= MAX_BITS:
        raise MalformedError(f"key of {key.key_size} bits")
    if key.public_numbers().e.bit_length() > MAX_EXPONENT_BITS:
        raise MalformedError("key with too large an exponent")
    return key
