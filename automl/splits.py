"""Which rows train and which judge: folds made once per search and shared by all its trials."""

from __future__ import annotations

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
