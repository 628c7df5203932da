"""Serving equals scikit-learn: trained here on small letters, then compared number by number."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from gateway import shipped
from gateway.learning import model
from gateway.learning.input import message_of, message_of_text, read_input
from gateway.learning.matrix import build
from gateway.learning.model import Head, Model, ModelError
from gateway.learning.scorer import Pool, Scorer, load_shared

TEXTS = [
    ("irate", "You lied to me and nobody answers. This is a disgrace, I want my money back!!"),
    ("irate", "Drei Mails und keine Antwort. Das ist eine Frechheit, ich gehe zum Anwalt."),
    ("irate", "Es una vergüenza, nadie contesta y encima me cobran dos veces."),
    ("upset", "I'm a little disappointed, the vase arrived with a crack."),
    ("upset", "Leider fehlt ein Teil, das ist sehr schade."),
    ("upset", "Je suis un peu déçue, la couleur n'est pas la bonne."),
    ("neutral", "Could you send me a copy of the invoice, please?"),
    ("neutral", "Wann haben Sie am Samstag geöffnet?"),
    ("neutral", "¿Tienen el sofá en gris?"),
    ("pleased", "Thank you so much, it works perfectly now :)"),
    ("pleased", "Herzlichen Dank, alles ist gut angekommen!"),
    ("pleased", "Muito obrigada, excelente atendimento."),
] * 3


@pytest.fixture(scope="module")
def learned() -> LogisticRegression:
    rows = build([text for _, text in TEXTS], len(TEXTS))
    return LogisticRegression(C=5, max_iter=200).fit(rows, [label for label, _ in TEXTS])


@pytest.fixture(scope="module")
def exported(learned: LogisticRegression, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    Model(
        kind="tone",
        heads=(Head("label", tuple(learned.classes_), 0),),
        weights=learned.coef_.T.astype(np.float16),
        intercepts=learned.intercept_.astype(np.float32),
        languages=("en",),
    ).save(folder)
    return folder


def chances(scorer: Scorer, text: str) -> np.ndarray:
    logits = scorer.score_text(text)["label"].astype(float)
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def test_serving_gives_the_probabilities_of_scikit_learn(
    learned: LogisticRegression, exported: Path
) -> None:
    scorer = Scorer.load({"tone": exported})
    unseen = [
        "Nobody answered my three letters, I am furious!",
        "Merci beaucoup pour la livraison",
        "word " * 3000,
        "",
        "Ünïcödé 😊 ???",
    ]
    texts = [text for _, text in TEXTS] + unseen
    expected = learned.predict_proba(build(texts, len(texts)))
    for text, row in zip(texts, expected, strict=True):
        assert chances(scorer, text) == pytest.approx(row, abs=1e-3)


def test_two_models_in_one_pass_score_as_each_alone() -> None:
    tone, spam = shipped.find("models", "tone"), shipped.find("models", "spam")
    message = message_of_text("Refund", "I am still waiting for my refund. Please call me.")
    both = Scorer.load({"spam": spam, "tone": tone}).score(message)
    alone = Scorer.load({"tone": tone}).score(message)
    only = Scorer.load({"spam": spam}).score(message)
    for head, logits in alone.heads.items():
        assert both.heads[head] == pytest.approx(logits, abs=1e-4)
    assert both.heads["spam"] == pytest.approx(only.heads["spam"], abs=1e-4)


def test_a_message_is_scored_once() -> None:
    scorer = load_shared({"tone": "tone"})
    message = message_of_text("Hello", "How long does delivery take?")
    assert scorer.score(message) is scorer.score(message)
    assert load_shared({"tone": "tone"}) is scorer


def test_threads_get_the_same_answers() -> None:
    scorer = Scorer.load({"tone": shipped.find("models", "tone")})
    letters = [f"letter {n} about order {n}: {text}" for n, (_, text) in enumerate(TEXTS)]
    expected = [scorer.score_text(text)["tone"].tolist() for text in letters]
    fresh = Scorer.load({"tone": shipped.find("models", "tone")})
    found: dict[int, list[float]] = {}

    def work(first: int) -> None:
        for n in range(first, len(letters), 4):
            found[n] = fresh.score_text(letters[n])["tone"].tolist()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, row in enumerate(expected):
        assert found[n] == pytest.approx(row, abs=1e-4)


def test_serving_imports_no_scikit_learn() -> None:
    code = (
        "import sys, asyncio\n"
        "from gateway.filters import Services\n"
        "from gateway.filters import spam, tone\n"
        "from gateway.learning.input import message_of_text\n"
        "from gateway.learning.scorer import load_shared\n"
        "from gateway.resolver import Zone\n"
        "services = Services(resolver=Zone({}), load_scorer=load_shared)\n"
        "message = message_of_text('Hi', 'I am very angry with you and want my money back')\n"
        "for module in (spam, tone):\n"
        "    verdict = asyncio.run(module.build({}, services).examine(message, {}))\n"
        "    assert verdict.score is not None\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('sklearn', 'scipy', 'joblib')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_damaged_or_foreign_model_is_refused(exported: Path, tmp_path: Path) -> None:
    for name in ("model.json", "weights.npy"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    model.load(tmp_path)
    octets = bytearray((tmp_path / "weights.npy").read_bytes())
    octets[-1] ^= 1
    (tmp_path / "weights.npy").write_bytes(octets)
    with pytest.raises(ModelError, match="not the file"):
        model.load(tmp_path)
    sidecar = json.loads((tmp_path / "model.json").read_text())
    sidecar["features"]["schema"] += 1
    (tmp_path / "model.json").write_text(json.dumps(sidecar))
    with pytest.raises(ModelError, match="other features"):
        model.load(tmp_path)
    with pytest.raises(ModelError, match="no readable model"):
        model.load(tmp_path / "nowhere")


def test_weights_that_would_run_code_are_refused(exported: Path, tmp_path: Path) -> None:
    import hashlib

    np.save(tmp_path / "weights.npy", np.array([{"a": 1}], object), allow_pickle=True)
    sidecar = json.loads((exported / "model.json").read_text())
    octets = (tmp_path / "weights.npy").read_bytes()
    sidecar["weights"]["sha256"] = hashlib.sha256(octets).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(sidecar))
    with pytest.raises(ModelError):
        model.load(tmp_path)


def test_shipped_models_are_small() -> None:
    folders = [shipped.find("models", name) for name in ("spam", "tone")]
    assert sum(f.stat().st_size for folder in folders for f in folder.iterdir()) < 12_000_000
    Scorer.load({folder.name: folder for folder in folders})


def test_loading_is_not_swept_and_leaves_the_collector_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bool] = []
    load = model.load
    monkeypatch.setattr(model, "load", lambda path: (seen.append(gc.isenabled()), load(path))[1])
    paths = {name: shipped.find("models", name) for name in ("spam", "tone")}
    Scorer.load(paths)
    Pool().load({"spam": "spam"})
    assert seen == [False] * 3
    assert gc.isenabled()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"Subject: x\nContent-Type: text/html\n\n" + b"<div>" * 5000 + b"angry",
        b"Subject: x\n\n" + b"x" * 2_000_000,
        b"Subject: x\n\n" + b"7" * 10_000,
        b"Subject: x\n\n" + "\u202e\u200bfu\u200brious \u202c".encode() * 500,
        b"Subject: =?utf-8?q?=F0=9F=98=A0?=\n\n" + "очень плохо 我很生气".encode(),
        b"Content-Type: text/html\n\n<img src=a><img src=b><img src=c>",
        b"Subject: x\n\n" + b"http://a.example/ " * 5000,
        b"Subject: x\n\n" + b"http://[::1/ http://x:99999999/ http://\xff\xfe/ ",
    ],
)
def test_bad_input_gets_an_answer(raw: bytes) -> None:
    scorer = load_shared({"spam": "spam", "tone": "tone"})
    scores = scorer.score(message_of(raw))
    assert all(np.isfinite(logits).all() for logits in scores.heads.values())
    for phrase in scorer.phrases(scores, "spam") + scorer.phrases(scores, "tone"):
        assert all(c.isalpha() or c == " " for c in phrase)


def test_hidden_letters_do_not_hide_words() -> None:
    plain = read_input(message_of_text("Offer", "claim your prize now"))
    hidden = read_input(message_of_text("Offer", "сlaim yоur prize now"))
    assert hidden.spam == plain.spam


def test_a_text_of_html_is_read_as_a_reader_sees_it() -> None:
    said = "<div>You lied.<br>Mons</div><p>0456 90 11 37</p>"
    assert read_input(message_of_text("Bill", said)).tone.split() == [
        *("Bill", "You", "lied.", "Mons", "0456", "90", "11", "37")
    ]
    assert "<3" in read_input(message_of_text("Bill", "<3 you, a < b")).tone


def test_a_pool_gives_every_filter_the_same_scorer() -> None:
    pool = Pool()
    first = pool.load({"spam": "spam"})
    second = pool.load({"tone": "tone"})
    assert first is second
    message = message_of_text("Refund", "I am still waiting for my refund. Please call me.")
    both = Scorer.load({name: shipped.find("models", name) for name in ("spam", "tone")})
    for head, logits in both.score(message).heads.items():
        assert first.score(message).heads[head] == pytest.approx(logits, abs=1e-4)
