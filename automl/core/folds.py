"""Folds: which rows train and which judge, as row numbers that every trial of a search shares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RowNumbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Row numbers, ascending: ``train`` to fit on, ``valid`` to judge with."""

    train: RowNumbers
    valid: RowNumbers


@dataclass(frozen=True)
class Split:
    """The folds of a search.

    Attributes
    ----------
    folds:
        Their valid parts never overlap; together they are the rows that trials are scored on.
    scheme:
        ``folds``, ``holdout``, ``groups``, ``time`` or ``column``.
    reason:
        One sentence for people.
    units:
        ``(rows of the table,)`` codes of what is drawn as a whole when rows are resampled: groups, copies,
        windows of time; None where every row stands for itself.
    """

    folds: tuple[Fold, ...]
    scheme: str
    reason: str
    units: npt.NDArray[np.int64] | None = field(default=None, repr=False, compare=False)

    @property
    def scored(self) -> RowNumbers:
        """The rows that get a held-out prediction, ascending."""
        return np.sort(np.concatenate([fold.valid for fold in self.folds]))

    @property
    def digest(self) -> str:
        """SHA-256 over the row numbers of all folds."""
        state = hashlib.sha256()
        for fold in self.folds:
            state.update(np.ascontiguousarray(fold.train).tobytes())
            state.update(b"|")
            state.update(np.ascontiguousarray(fold.valid).tobytes())
        return state.hexdigest()
