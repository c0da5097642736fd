"""Category codes as numbers: target statistics, counts, one-hot columns, merged rare levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from automl.core.table import Codes
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights
from automl.families.preprocess.saved import Saved

Float32 = npt.NDArray[np.float32]
MOST_CLASSES = 10


def rare_minimum(rows: int) -> int:
    """The rows that a level needs to be kept: 2 below 1,000 rows, 10 above 100,000, else 5."""
    if rows < 1000:
        return 2
    return 5 if rows <= 100_000 else 10


@dataclass(frozen=True)
class Slots(Saved):
    """Places of each column's levels in one long lookup table: missing, level 0 …, then unseen."""

    sizes: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, codes: Codes) -> Self:
        """Learn the number of levels of each column of ``(rows, columns)`` codes."""
        return cls(codes.max(axis=0, initial=-1).astype(np.int64) + 1)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """First slot of each column, and the number of slots."""
        return np.concatenate([[0], np.cumsum(self.sizes + 2)]).astype(np.int64)

    def index(self, codes: Codes) -> npt.NDArray[np.int64]:
        """``(rows, columns)`` slot of each code."""
        return np.asarray(np.minimum(codes, self.sizes) + 1 + self.starts[:-1], dtype=np.int64)


@dataclass(frozen=True)
class TargetEncoding(Saved):
    """Each level as the smoothed mean of the target: ``(sum + smoothing · prior) / (count + smoothing)``.

    Micci-Barreca 2001 (SIGKDD Explorations 3:1). Training rows are encoded out of fold, so that a row's value
    never depends on its own target. A missing code is a level of its own; a level that did not occur in
    training gets the prior.

    Attributes
    ----------
    slots:
        Levels per column.
    values:
        ``(slots, k)`` a value per level and output: k is 1 for a regression or two classes, else one per
        class, for at most the ten most frequent ones.
    """

    slots: Slots
    values: Float32

    @classmethod
    def fit_transform(
        cls,
        codes: Codes,
        target: Encoded,
        task: Task,
        *,
        smoothing: float = 10.0,
        folds: int = 5,
        seed: int = 0,
        weights: Weights | None = None,
    ) -> tuple[Self, Float32]:
        """The encoding fitted on all rows, and ``(rows, columns · k)`` out-of-fold values of these rows.

        With ``weights`` of the rows, ``(rows,)``, sums and counts are weighted.
        """
        slots = Slots.fit(codes)
        outputs = task.averaged_columns(target, MOST_CLASSES)
        rows, columns = codes.shape
        folds = max(2, min(folds, rows))
        fold = np.random.default_rng(seed).permutation(rows) % folds
        index, total = slots.index(codes), int(slots.starts[-1])
        values = np.empty((total, outputs.shape[1]), dtype=np.float32)
        held_out = np.empty((rows, columns, outputs.shape[1]), dtype=np.float32)
        cell = index + (fold * total)[:, None]
        counted = None if weights is None else np.repeat(weights, columns)
        counts = np.bincount(cell.ravel(), counted, minlength=folds * total).reshape(folds, total)
        fold_rows = np.bincount(fold, weights, minlength=folds)
        all_rows = max(rows, 1) if weights is None else float(weights.sum())
        least = 1 if weights is None else 1e-9 * all_rows
        if weights is not None:
            outputs = outputs * weights[:, None]
        for k in range(outputs.shape[1]):
            sums = np.bincount(cell.ravel(), np.repeat(outputs[:, k], columns), folds * total)
            sums = sums.reshape(folds, total)
            fold_sums = np.bincount(fold, outputs[:, k], folds)
            prior = fold_sums.sum() / all_rows
            values[:, k] = (sums.sum(axis=0) + smoothing * prior) / (counts.sum(axis=0) + smoothing)
            others = np.maximum(all_rows - fold_rows, least)
            priors = ((fold_sums.sum() - fold_sums) / others)[:, None]
            outside = (sums.sum(axis=0) - sums + smoothing * priors) / (
                counts.sum(axis=0) - counts + smoothing
            )
            held_out[:, :, k] = outside.ravel()[cell]
        return cls(slots, values), held_out.reshape(rows, -1)

    def transform(self, codes: Codes) -> Float32:
        """``(rows, columns · k)`` values for rows that were not fitted on."""
        return self.values[self.slots.index(codes)].reshape(len(codes), codes.shape[1] * self.outputs)

    @property
    def outputs(self) -> int:
        """Values per column (k)."""
        return int(self.values.shape[1])


@dataclass(frozen=True)
class Counts(Saved):
    """Each level as ``log(1 + number of training rows)``."""

    slots: Slots
    values: Float32

    @classmethod
    def fit(cls, codes: Codes) -> Self:
        """Learn from ``(rows, columns)`` codes."""
        slots = Slots.fit(codes)
        counts = np.bincount(slots.index(codes).ravel(), minlength=int(slots.starts[-1]))
        return cls(slots, np.log1p(counts).astype(np.float32))

    def transform(self, codes: Codes) -> Float32:
        """``(rows, columns)``; 0 for a level that did not occur in training."""
        return self.values[self.slots.index(codes)]


@dataclass(frozen=True)
class RareMerge(Saved):
    """Codes renumbered: frequent levels in their order, then one for all rare ones, -1 for missing or unseen.

    Attributes
    ----------
    levels:
        Number of codes per column after merging (including the merged level).
    """

    slots: Slots
    values: npt.NDArray[np.int32]
    levels: tuple[int, ...]

    @classmethod
    def fit(cls, codes: Codes, minimum: int) -> Self:
        """Keep the levels that occur at least ``minimum`` times in ``(rows, columns)`` codes."""
        slots = Slots.fit(codes)
        starts = slots.starts
        counts = np.bincount(slots.index(codes).ravel(), minlength=int(starts[-1]))
        values = np.full(int(starts[-1]), -1, dtype=np.int32)
        levels = []
        for column, size in enumerate(slots.sizes):
            occurring = counts[starts[column] + 1 : starts[column] + 1 + size]
            part = values[starts[column] + 1 : starts[column] + 1 + size]
            keep = occurring >= minimum
            rare = (occurring > 0) & ~keep
            # A single rare level is its own "other": merging it would only change its place.
            part[keep] = np.arange(keep.sum(), dtype=np.int32)
            part[rare] = keep.sum()
            levels.append(int(keep.sum() + rare.any()))
        return cls(slots, values, tuple(levels))

    def transform(self, codes: Codes) -> Codes:
        """``(rows, columns)`` new codes."""
        return self.values[self.slots.index(codes)]


def one_hot(codes: Codes, levels: Sequence[int]) -> Float32:
    """``(rows, sum(levels))`` indicators; a code of -1, or beyond its levels, is 0 throughout."""
    sizes = np.asarray(levels, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    result = np.zeros((len(codes), int(starts[-1])), dtype=np.float32)
    rows, columns = np.nonzero((codes >= 0) & (codes < sizes))
    result[rows, starts[columns] + codes[rows, columns]] = 1.0
    return result
