"""Samples to the sparse matrix that scikit-learn learns from. Training only: needs scipy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gateway.learning.concepts import shipped
from gateway.learning.features import Columns, Reader, Values

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is (0: not known)."""


def silent(_what: str, _done: int, _total: int) -> None:
    """No progress shown."""


class Builder:
    """Collects rows; `matrix()` gives them as CSR of float32, shape (rows, features)."""

    def __init__(self, reader: Reader | None = None) -> None:
        self.reader = reader or Reader(shipped())
        self._columns: list[Columns] = []
        self._values: list[Values] = []

    def add(self, text: str, mail: Columns | None = None) -> None:
        """One text; `mail` are numbers of the MAIL facts that hold for it."""
        facts = None if mail is None else mail + np.int32(self.reader.layout.mail)
        columns, values = self.reader.row(self.reader.read(text), facts)
        self._columns.append(columns)
        self._values.append(values)

    def matrix(self) -> sparse.csr_matrix:
        lengths = np.array([0, *map(len, self._columns)])
        matrix = sparse.csr_matrix(
            (
                np.concatenate([np.empty(0, np.float32), *self._values]),
                np.concatenate([np.empty(0, np.int32), *self._columns]),
                lengths.cumsum(),
            ),
            shape=(len(self._columns), self.reader.layout.width),
        )
        matrix.sum_duplicates()
        return matrix


def build(texts: Iterable[str], total: int, progress: Progress = silent) -> sparse.csr_matrix:
    """The matrix of bare texts, as the tone heads read them."""
    builder = Builder()
    for done, text in enumerate(texts):
        builder.add(text)
        if done % 500 == 0:
            progress("reading texts", done, total)
    return builder.matrix()


def scales(width: int, blocks: Sequence[tuple[int, int, float]]) -> NDArray[np.float32]:
    """How much each column counts while learning: a larger scale is regularised less."""
    scale = np.ones(width, np.float32)
    for start, end, value in blocks:
        scale[start:end] = value
    return scale
