"""The target in the form that column decisions use, before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.table import Array

_BINS = 20
_ROWS_A_BIN = 12
_CLASSES = 20
_CHANCE = 0.01


@dataclass(frozen=True)
class Outcome:
    """The target of every row.

    Attributes
    ----------
    values:
        ``(rows,)`` float64 numbers, or codes of classes; -1 for classes that are too rare.
    classes:
        Whether they are classes.
    """

    values: Array
    classes: bool

    @classmethod
    def of(cls, values: npt.NDArray[Any], *, classes: bool) -> Outcome:
        """Make it from the clean target: labels or numbers ``(rows,)``."""
        if not classes:
            return cls(np.asarray(values, dtype=np.float64), False)
        _, codes, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:_CLASSES]
        places = np.full(len(counts), -1.0)
        places[frequent] = np.arange(len(frequent))
        return cls(places[codes], True)

    def depends_on(self, values: Array) -> bool:
        """Return whether the target depends on a number, at a significance level of one in a hundred.

        Rows are cut into up to 20 parts of equal size by the number. Classes are compared by a test of
        independence, numbers by an analysis of variance on ranks (Kruskal and Wallis 1952).
        """
        from scipy.stats import chi2_contingency, kruskal

        parts = min(_BINS, len(values) // _ROWS_A_BIN)
        if parts < 2 or len(np.unique(self.values)) < 2:
            return False
        places = np.empty(len(values), dtype=np.int64)
        places[np.argsort(values, kind="stable")] = np.arange(len(values)) * parts // len(values)
        if not self.classes:
            return bool(kruskal(*(self.values[places == part] for part in range(parts))).pvalue < _CHANCE)
        codes = self.values.astype(np.int64)
        codes[codes < 0] = codes.max() + 1
        counts = np.zeros((parts, int(codes.max()) + 1))
        np.add.at(counts, (places, codes), 1)
        return bool(chi2_contingency(counts[:, counts.sum(axis=0) > 0]).pvalue < _CHANCE)
