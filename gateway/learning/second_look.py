"""A second look at the few letters that the linear heads are not sure of.

A small transformer reads them again, whole sentences where the heads count words. It is an extra:
`pip install 'customer-mail-gateway[second-look]'` and `second_look: true` at the tone filter. What
it was made from and what it is worth: `models/second_look/README.md`. Loading runs no code of the
model's files.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from gateway.learning.features import clip
from gateway.learning.judgement import TONES, Chances
from gateway.learning.model import ModelError
from gateway.learning.wordpiece import WordPiece

FORMAT = 1
FILES = ("weights.onnx", "vocabulary.txt")
OUTPUTS = (*TONES, "urgent", "wanted", "refused")
MOST_PIECES = 256
"""Word pieces that are read: about 200 words, two thirds of them from the beginning."""


class SecondLook:
    """The loaded transformer. Safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelError when the extra is not installed or the files are not whole."""
        try:
            import onnxruntime
        except ImportError:
            raise ModelError(
                "a second look needs onnxruntime; pip install 'customer-mail-gateway[second-look]'"
            ) from None
        _verify(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it would keep what one long letter needed
        try:
            vocabulary = (folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
            self._pieces = WordPiece(vocabulary)
            self._session: Any = onnxruntime.InferenceSession(
                folder / "weights.onnx", options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has no error of its own that others derive from
            raise ModelError(f"{folder}: no readable model for a second look: {error}") from None

    def read(self, text: str) -> Chances:
        """`text` is the subject, a line feed, and the customer's own new words."""
        pieces = np.array([self._pieces.numbers(clip(text), MOST_PIECES)], np.int64)
        logits = self._session.run(None, {"pieces": pieces})[0][0].astype(np.float64)
        tones, others = np.split(logits, [len(TONES)])
        powers = np.exp(tones - tones.max())
        urgent, wanted, refused = (1 / (1 + np.exp(-np.clip(others, -60, 60)))).tolist()
        return Chances(tuple((powers / powers.sum()).tolist()), urgent, wanted, refused)


def _verify(folder: Path) -> None:
    try:
        sidecar = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        found = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in FILES}
        told = {n: sidecar["sha256"][n] for n in FILES}
        release = sidecar["format"], tuple(sidecar["outputs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: no readable model for a second look: {error}") from None
    if release != (FORMAT, OUTPUTS):
        raise ModelError(f"{folder}: made for another release; train it again with this one")
    if found != told:
        raise ModelError(f"{folder}: its files are not those that model.json describes")
