#!/usr/bin/env python3
"""The shipped spam model beside SpamAssassin and rspamd: `make compare DATA=FOLDER`.

All three judge the same mail: DATA's dev messages and texts of customers that the model has not
learned, as whole mail. The other two are Debian's packages with their local tests, no network, and
Bayes filters trained on the train split and on other customers' texts. rspamd and its Redis run on
free loopback ports out of a temporary folder and are stopped at the end. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.learning import corpus, measures, train_tone
from gateway.learning.dressing import dress
from gateway.learning.input import message_of
from gateway.learning.scorer import Scorer
from gateway.verdict import Thresholds, spam_word

ROOT = Path(__file__).parents[1]
LETTERS = ROOT / "models" / "letters"
BUDGET = 0.005


@dataclass(frozen=True, slots=True)
class Mail:
    source: str
    spam: bool
    content: bytes


TRACE = (
    "Received: from mail.sender.example (mail.sender.example [192.0.2.25]) by mx.site.example\n"
    " with ESMTPS id {number}; Mon, 02 Jun 2025 10:00:00 +0000\n"
    "Date: Mon, 02 Jun 2025 09:59:00 +0000\nMessage-ID: <{number}.ab@mail.sender.example>\n"
)
"""What every real letter has, and the other two filters miss where it is missing."""


def mail_of(samples: Iterable[corpus.Sample], limit: int | None = None) -> list[Mail]:
    """Samples as whole mail with LF line ends; of bare texts every n-th, at most `limit`."""
    kept = list(samples)
    step = 1 if limit is None else max(1, len(kept) // limit)
    return [
        Mail(
            sample.source if sample.raw else "customers",
            sample.label == "spam",
            sample.raw or TRACE.format(number=number).encode() + dress(sample.subject, sample.text),
        )
        for number, sample in enumerate(kept[::step])
    ]


def read(data: Path, split: str, customers: int) -> list[Mail]:
    tone = [data / "tone" / f"{split}.jsonl.gz"]
    letters = (s for s in corpus.read([LETTERS]) if train_tone.held_out(s) is (split == "dev"))
    return [
        *mail_of(corpus.read([data / "spam" / f"{split}.tar.gz"])),
        *mail_of(letters, customers),
        *mail_of(corpus.read(tone), customers),
    ]


def write(mails: Sequence[Mail], folder: Path) -> list[Path]:
    """One file a message, ham and spam apart."""
    paths = []
    for number, mail in enumerate(mails):
        path = folder / ("spam" if mail.spam else "ham") / f"{number:06d}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mail.content)
        paths.append(path)
    return paths


def ours(mails: Sequence[Mail], model: Path) -> Iterator[float]:
    scorer = Scorer.load({"spam": model})
    for mail in mails:
        yield scorer.score(message_of(mail.content)).sigmoid("spam")


PERL = r"""
use Mail::SpamAssassin;
my $sa = Mail::SpamAssassin->new({local_tests_only => 1, dont_copy_prefs => 1,
    userprefs_filename => $ARGV[0], require_rules => 1});
$| = 1;
while (my $path = <STDIN>) {
    chomp $path;
    open(my $file, '<:raw', $path) or die $path;
    my @lines = <$file>;
    my $mail = $sa->parse(\@lines);
    my $status = $sa->check($mail);
    print $status->get_score(), "\n";
    $status->finish(); $mail->finish();
}
"""


def spamassassin(train: Path, test: Sequence[Path], work: Path) -> Iterator[float]:
    """Scores of SpamAssassin: local tests, and Bayes trained on a folder of ham and spam."""
    prefs = work / "user_prefs"
    prefs.write_text(
        f"use_bayes 1\nbayes_path {work}/bayes/b\nbayes_auto_learn 0\nuse_auto_welcomelist 0\n"
        "use_txrep 0\nbayes_use_hapaxes 1\nskip_rbl_checks 1\nscore ALL_TRUSTED 0\n"
    )
    (work / "bayes").mkdir()
    learn = ["sa-learn", "-L", "-p", str(prefs)]
    for label in ("spam", "ham"):
        call([*learn, "--no-sync", f"--{label}", str(train / label)])
    call([*learn, "--sync"])
    names = "".join(f"{path}\n" for path in test)
    yield from map(float, call(["perl", "-e", PERL, str(prefs)], names).split())


def call(command: Sequence[str], text: str = "") -> str:
    """What a program prints; its complaints go where ours go."""
    done = subprocess.run(  # noqa: S603
        list(command), input=text, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


RSPAMD = {
    "options.inc": 'dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.01s; retransmits = 1; }}\n'
    "task_timeout = 60s;\n",
    "redis.conf": 'servers = "127.0.0.1:{redis}";\n',
    "classifier-bayes.conf": "autolearn = false;\nmin_learns = 10;\n",
    "worker-normal.inc": 'bind_socket = "127.0.0.1:{scan}";\ncount = 1;\n',
    "worker-controller.inc": 'bind_socket = "127.0.0.1:{learn}";\nsecure_ip = "127.0.0.1";\n',
    "worker-proxy.inc": "enabled = false;\n",
    "worker-fuzzy.inc": "enabled = false;\n",
}
NETWORK = (
    "rbl", "surbl", "spf", "dkim", "dmarc", "arc", "asn", "fuzzy_check", "greylist", "ratelimit",
    "mx_check", "url_redirector", "dkim_signing", "rspamd_update", "history_redis", "replies",
    "reputation", "neural", "bimi", "p0f", "elastic", "clickhouse", "dcc", "antivirus",
)  # fmt: skip


@contextmanager
def running(commands: Sequence[Sequence[str]], ports: Sequence[int]) -> Iterator[None]:
    """Both daemons while the block runs; each in a session of its own so that children end too."""
    started = [
        subprocess.Popen(list(command), start_new_session=True, stdout=sys.stderr)  # noqa: S603
        for command in commands
    ]
    try:
        for port in ports:
            wait_for(port)
        yield
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def wait_for(port: int) -> None:
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nothing answers on port {port}")


def rspamd(train: Sequence[Mail], test: Sequence[Mail], work: Path) -> Iterator[float]:
    redis, scan, learn = free_ports(3)
    local = work / "rspamd" / "local.d"
    local.mkdir(parents=True)
    for name, text in RSPAMD.items():
        (local / name).write_text(text.format(redis=redis, scan=scan, learn=learn))
    for module in NETWORK:
        (local / f"{module}.conf").write_text("enabled = false;\n")
    state = work / "rspamd" / "state"
    state.mkdir()
    folders = [f"--var={name}={state}" for name in ("DBDIR", "RUNDIR", "LOGDIR")]
    server = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "",
              "--dir", str(state), "--loglevel", "warning"]  # fmt: skip
    daemon = ["rspamd", "-f", "-i", "-c", "/etc/rspamd/rspamd.conf",
              f"--var=LOCAL_CONFDIR={local.parent}", *folders]  # fmt: skip
    with running([server, daemon], [redis, scan, learn]):
        for mail in train:
            ask(learn, "/learnspam" if mail.spam else "/learnham", mail.content)
        for mail in test:
            yield float(json.loads(ask(scan, "/checkv2", mail.content))["score"])


def ask(port: int, path: str, content: bytes) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", path, content)
    answer = connection.getresponse().read()
    connection.close()
    return answer


def row(name: str, line: float, mails: Sequence[Mail], scores: NDArray[np.float64]) -> str:
    """One line of the table: what is found and what is called spam by mistake."""
    sources = np.array([mail.source for mail in mails])
    spam = np.array([mail.spam for mail in mails])
    customer = sources == "customers"
    cells = [name, f"{int((scores[customer] >= line).sum())} of {int(customer.sum())}"]
    mail = ~customer
    cells.append(f"{int((scores[mail & ~spam] >= line).sum())} of {int((mail & ~spam).sum())}")
    cells.append(f"{float((scores[spam] >= line).mean()):.3f}")
    for source in ("spamassassin", "foff_milter"):
        chosen = sources == source
        cells.append(f"{measures.area(spam[chosen], scores[chosen]):.3f}")
    cells.append(f"{measures.recall_at_alarms(spam[mail], scores[mail], BUDGET):.3f}")
    for source in ("spamassassin", "phishing_pot", "foff_milter"):
        chosen = customer | (spam & (sources == source))
        found = measures.recall_at_alarms(spam[chosen], scores[chosen], BUDGET)
        cells.append(f"{found:.3f}")
    return "| " + " | ".join(cells) + " |"


KEPT = ("from", "to", "subject", "date", "mime-version")


def stripped(content: bytes) -> bytes:
    """A message with few fields left: From, To, Subject, Date, and how to read the body."""
    head, gap, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    fields = re.split(rb"\n(?![ \t])", head)
    kept = [f for f in fields if (n := f.partition(b":")[0].lower().decode("latin-1")) in KEPT
            or n.startswith("content-")]  # fmt: skip
    return b"\n".join(kept) + gap + body


def today(content: bytes) -> bytes:
    now = formatdate().encode()
    head, gap, body = content.partition(b"\n\n")
    head = re.sub(rb"(?m)^Date:.*(?:\n[ \t].*)*", b"Date: " + now, head)
    return re.sub(rb"\w{3}, +\d+ \w{3} \d{4} [\d:]{8} [+-]\d{4}", now, head) + gap + body


def steady(mails: Sequence[Mail], model: Path, scores: NDArray[np.float64]) -> Iterator[str]:
    """How far scores of whole mail move when what must not count is changed."""
    whole = [number for number, mail in enumerate(mails) if mail.source != "customers"]
    before = scores[whole]
    for name, change in (("fields stripped", stripped), ("dates set to today", today)):
        changed = [Mail("", False, change(mails[number].content)) for number in whole]
        after = np.array(list(ours(changed, model)))
        moved = np.abs(after - before)
        words = sum(word(a) != word(b) for a, b in zip(before, after, strict=True))
        yield (
            f"{name}: moves by {moved.mean():.4f}, 99 % of mail by less than "
            f"{np.quantile(moved, 0.99):.3f}; {words} of {len(whole)} change their word"
        )


def word(score: float) -> str:
    return spam_word(float(score), Thresholds())


HEADINGS = (
    "", "customers called spam", "other ham called spam", "spam found", "ROC area, old mail",
    "ROC area, modern mailbox", "found at 0.5 % alarms, all mail",
    "old spam at 0.5 % of customers", "phishing at 0.5 % of customers",
    "mailbox spam at 0.5 % of customers",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with spam/ and tone/")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "spam")
    parser.add_argument("--customers", type=int, default=1500, help="texts of each kind, about")
    parser.add_argument("--only", choices=("ours", "spamassassin", "rspamd"))
    chosen = parser.parse_args()
    train, test = (read(chosen.data, split, chosen.customers) for split in ("train", "dev"))
    notes: list[str] = []
    work = Path(tempfile.mkdtemp(prefix="compare-spam-"))
    try:
        learned = work / "train"
        write(train, learned)
        files = write(test, work / "test")
        others: dict[str, tuple[str, float, Callable[[], Iterable[float]]]] = {
            "this model": ("ours", 0.9, lambda: ours(test, chosen.model)),
            "SpamAssassin": ("spamassassin", 5.0, lambda: spamassassin(learned, files, work)),
            "rspamd": ("rspamd", 6.0, lambda: rspamd(train, test, work)),
        }
        print("| " + " | ".join(HEADINGS) + " |")
        print("| --- " * len(HEADINGS) + "|")
        for name, (key, line, scores) in others.items():
            if chosen.only in (None, key):
                found = np.array(list(scores()), np.float64)
                print(row(name, line, test, found), flush=True)
                notes += list(steady(test, chosen.model, found)) if key == "ours" else []
        sizes = itertools.groupby(sorted(mail.source for mail in test))
        counts = ", ".join(f"{source} {len(list(group))}" for source, group in sizes)
        print("\n" + "\n".join(notes))
        print(f"trained on {len(train)}; judged: {counts}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
