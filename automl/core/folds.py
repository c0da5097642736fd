"""Folds: which rows train and which judge, as row numbers that every trial of a search shares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RowNumbers = npt.NDArray[np.int64]
WHOLE = "whole"
"""Scheme of a deal that judges nothing: every row trains."""


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
        ``folds``, ``holdout``, ``groups``, ``time`` or ``column``; :data:`WHOLE` where all rows train.
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
    def judges(self) -> bool:
        """True where some rows do not train: predictions for them judge a trial."""
        return self.scheme != WHOLE

    @property
    def whole(self) -> Split:
        """A deal of the same rows in which the judged ones train, too: no score may be read off it."""
        rows = np.unique(np.concatenate([*(fold.train for fold in self.folds), self.scored]))
        return Split((Fold(rows, self.scored),), WHOLE, f"all {len(rows):,} rows train")

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
