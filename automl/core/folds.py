"""Folds: which rows train and which judge, as row numbers that every trial of a search shares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

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
    """

    folds: tuple[Fold, ...]
    scheme: str
    reason: str

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
