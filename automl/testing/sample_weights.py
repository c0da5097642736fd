"""Rows on which a family shows whether it weighs them: the heavy ones say otherwise than the light ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.plugins import Features, Table

HEAVY = 4
"""The weight of a heavy row."""
LARGEST_SHARE = 0.4
"""Weighted rows may give predictions as far from those of repeated rows as this share of what ignoring
the weights would make them differ."""
_ROWS, _HEAVY_SHARE = 480, 0.3
_WORDS = ("red stone", "green river", "blue cloud")


@dataclass(frozen=True)
class WeightedRows:
    """Rows with few distinct values, so that light and heavy ones meet in every cell.

    Attributes
    ----------
    scores:
        ``(rows,)`` of about 0 to 5, higher by 2 for heavy rows.
    weights:
        ``(rows,)`` of 1 and 4.
    """

    table: Table
    scores: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]

    @classmethod
    def made(cls, *, texts: bool) -> WeightedRows:
        """The same rows in every process.

        ``texts`` are for families that read nothing else: where scores of texts are learned out of fold, the
        copies of a row would tell one another.
        """
        generator = np.random.default_rng(0)
        level, few = generator.integers(0, 4, _ROWS), generator.integers(0, 3, _ROWS)
        heavy = generator.random(_ROWS) < _HEAVY_SHARE
        words = np.array(_WORDS, dtype=object)[few]
        features = Features(("level",), ("few",), (tuple("abc"),), ("words",) if texts else ())
        table = Table(
            features,
            level[:, None].astype(np.float64),
            few[:, None].astype(np.int32),
            (words,) if texts else (),
        )
        scores = 0.5 * level + 0.5 * few + 2.0 * heavy + 0.3 * generator.normal(size=_ROWS)
        return cls(table, np.maximum(scores, 0.0), np.where(heavy, float(HEAVY), 1.0))

    @property
    def train(self) -> npt.NDArray[np.int64]:
        """The numbers of the rows to learn from."""
        return np.arange(3 * _ROWS // 4)

    @property
    def valid(self) -> npt.NDArray[np.int64]:
        """The numbers of the held-out rows."""
        return np.arange(3 * _ROWS // 4, _ROWS)

    def repeated(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Each of these rows as often as it weighs."""
        return np.repeat(rows, self.weights[rows].astype(np.int64))
