"""What can be learned from: every container, bounded, links ignored, always in the same order."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from gateway.learning import corpus

HAM = b"From: a@shop.example\nSubject: Order\n\nWhere is my order?\n"
SPAM = b"From: b@win.example\nSubject: Prize\n\nClaim your prize now\n"


def put(path: Path, octets: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    return path


def test_folders_named_ham_and_spam(tmp_path: Path) -> None:
    put(tmp_path / "mail/ham/1.eml", HAM)
    put(tmp_path / "mail/spam/1.eml", SPAM)
    (tmp_path / "mail/spam/link.eml").symlink_to(tmp_path / "mail/ham/1.eml")
    found = list(corpus.read([tmp_path / "mail"]))
    assert [(s.label, s.raw) for s in found] == [("ham", HAM), ("spam", SPAM)]


def test_a_maildir_without_what_is_still_being_written(tmp_path: Path) -> None:
    box = tmp_path / "spam"
    put(box / "cur/1:2,S", SPAM)
    put(box / "new/2", SPAM)
    put(box / "tmp/3", b"half a mess")
    assert [(s.label, s.raw) for s in corpus.read([box])] == [("spam", SPAM)] * 2


def test_an_mbox(tmp_path: Path) -> None:
    text = b"From x Mon\n" + HAM + b">From here on\n\nFrom y Tue\n" + SPAM
    found = list(corpus.read([put(tmp_path / "ham.mbox", text)], "ham"))
    assert [s.raw for s in found] == [HAM + b"From here on\n\n", SPAM]


def test_an_archive_is_a_stream_without_links(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, octets in (("src/ham/1.eml", HAM), ("src/spam/2.eml", SPAM), ("src/x.txt", b"")):
            member = tarfile.TarInfo(name)
            member.size = len(octets)
            archive.addfile(member, io.BytesIO(octets))
        link = tarfile.TarInfo("src/ham/passwd.eml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    put(tmp_path / "index.csv", b"path,cluster\nsrc/ham/1.eml,77\n")
    found = list(corpus.read([path]))
    assert [(s.source, s.label, s.group) for s in found] == [
        ("src", "ham", "77"),
        ("src", "spam", "src/spam/2.eml"),
    ]
    assert not (tmp_path / "src").exists()


def test_lines_of_letters_and_of_texts(tmp_path: Path) -> None:
    letter = {"id": "z-1", "subject": "S", "body": "B", "tone": "irate", "urgent": True,
              "wants_call": True, "no_call": True, "language": "pt-BR",
              "situation": "late"}  # fmt: skip
    text = {"text": "hi @user see http", "label": "negative", "source": "x", "urgency": "high"}
    path = tmp_path / "l.jsonl.gz"
    path.write_bytes(gzip.compress(f"{json.dumps(letter)}\n\n{json.dumps(text)}\n".encode()))
    first, second = corpus.read([path])
    assert (first.label, first.asked, first.urgent, first.language, first.group) == (
        "irate", "refused", True, "pt", "late",
    )  # fmt: skip
    assert (second.label, second.urgent, second.asked) == ("negative", True, "")
    assert "@user" not in second.text


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        list(corpus.read([tmp_path / "nowhere"]))
    with pytest.raises(ValueError, match=r"bad\.jsonl:1"):
        list(corpus.read([put(tmp_path / "bad.jsonl", b"{no json\n")]))
