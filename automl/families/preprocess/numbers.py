"""Scaling and imputation of numeric columns; all except :class:`Impute` keep NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from automl.core.weights import Weights
from automl.families.preprocess.saved import Saved

Floats = npt.NDArray[np.floating]
_TINY = 1e-100  # squares of smaller numbers are 0; in some units all values of a column are as small as 1e-20


@dataclass(frozen=True)
class Standard(Saved):
    """Zero mean and unit variance; a constant column becomes 0."""

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, values: Floats, weights: Weights | None = None) -> Self:
        """Learn from ``(rows, columns)`` with NaN for missing, and weights of the rows."""
        wide = np.asarray(values, dtype=np.float64)
        present = ~np.isnan(wide)
        each = np.ones((1, 1)) if weights is None else weights[:, None]
        count = np.maximum(present.sum(axis=0), 1)
        if weights is not None:
            count = np.maximum(weights @ present, _TINY)
        mean = (each * np.where(present, wide, 0.0)).sum(axis=0) / count
        centred = np.where(present, wide - mean, 0.0)
        deviation = np.sqrt((each * centred**2).sum(axis=0) / count)
        # Rounding alone leaves a deviation of about 1e-16 · |mean| in a constant column.
        constant = deviation <= 1e-10 * np.abs(mean) + _TINY
        return cls(mean, np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation)))

    def transform(self, values: Floats) -> npt.NDArray[np.float64]:
        """The scaled values."""
        return np.asarray((values - self.mean) * self.scale, dtype=np.float64)

    def inverse(self, values: Floats) -> npt.NDArray[np.float64]:
        """Scaled values in their original units (for constant columns, the constant)."""
        return values / np.where(self.scale == 0, np.inf, self.scale) + self.mean


@dataclass(frozen=True)
class Squash(Saved):
    """Robust scaling, then a smooth clip to ±3: ``x / sqrt(1 + (x / 3)²)``.

    The scale is the interquartile range, or half the range if that is 0: "robust scaling and smooth
    clipping" of RealMLP (Holzmüller et al. 2024, arXiv 2407.04491, section 3.1).
    """

    median: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    limit: float = 3.0

    @classmethod
    def fit(cls, values: Floats) -> Self:
        """Learn from ``(rows, columns)`` with NaN for missing."""
        low, quarter, median, upper, high = _quantiles(values, np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
        spread, extent = upper - quarter, (high - low) / 2
        # Rounding alone gives equal values a spread.
        divisor = np.where(spread > 1e-12 * np.maximum(np.abs(median), extent) + _TINY, spread, extent)
        usable = divisor > 1e-10 * np.abs(median) + _TINY
        return cls(median, np.where(usable, 1.0 / np.where(usable, divisor, 1.0), 0.0))

    def transform(self, values: Floats) -> npt.NDArray[np.float64]:
        """Values within ±3."""
        scaled = (values - self.median) * self.scale
        return np.asarray(scaled / np.sqrt(1.0 + (scaled / self.limit) ** 2), dtype=np.float64)


@dataclass(frozen=True)
class Quantile(Saved):
    """Ranks as a standard normal distribution, clipped at ±3.

    Attributes
    ----------
    knots:
        ``(points, columns)`` quantiles at equal steps.
    """

    knots: npt.NDArray[np.float64]
    limit: float = 3.0

    @classmethod
    def fit(cls, values: Floats, *, points: int = 256) -> Self:
        """Learn from ``(rows, columns)`` with NaN for missing."""
        return cls(_quantiles(values, np.linspace(0, 1, max(2, min(points, len(values))))))

    def transform(self, values: Floats) -> npt.NDArray[np.float64]:
        """Normal scores; ties get the middle of their ranks."""
        from scipy.special import ndtri  # a ufunc: scipy.stats would take a second to import

        steps = np.linspace(0, 1, len(self.knots))
        result = np.empty(values.shape)
        edge = 0.5 / len(self.knots)
        for j in range(values.shape[1]):
            column, knots = np.asarray(values[:, j], dtype=np.float64), self.knots[:, j]
            # The mean of both directions puts a value that spans several quantiles in their middle.
            rising = np.interp(column, knots, steps)
            falling = 1.0 - np.interp(-column, -knots[::-1], steps)
            rank = np.clip((rising + falling) / 2, edge, 1 - edge)
            rank[np.isnan(column)] = np.nan
            result[:, j] = 0.0 if knots[0] == knots[-1] else np.clip(ndtri(rank), -self.limit, self.limit)
        result[np.isnan(values)] = np.nan
        return result


@dataclass(frozen=True)
class Splines(Saved):
    """Each column beside hinges ``max(0, x - knot)`` at its inner quantiles.

    Attributes
    ----------
    knots:
        Concatenated knots of all columns.
    owner:
        The column of each knot.
    """

    knots: npt.NDArray[np.float64]
    owner: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, values: Floats, *, pieces: int = 5) -> Self:
        """Learn at most ``pieces - 1`` knots per column from ``(rows, columns)`` without NaN."""
        grid = _quantiles(values, np.linspace(0, 1, pieces + 1))
        knots: list[float] = []
        owner: list[int] = []
        for j in range(values.shape[1]):
            inner, low, high = np.unique(grid[1:-1, j]), grid[0, j], grid[-1, j]
            # A knot that differs from the largest value only by rounding would have a negligible hinge.
            inner = inner[(inner > low) & (inner < high - 1e-9 * (high - low))]
            knots += inner.tolist()
            owner += [j] * len(inner)
        return cls(np.array(knots, dtype=np.float64), np.array(owner, dtype=np.int64))

    def transform(self, values: Floats) -> npt.NDArray[np.float64]:
        """``(rows, columns + knots)``."""
        hinges = np.maximum(values[:, self.owner] - self.knots, 0.0)
        return np.hstack([values, hinges]).astype(np.float64, copy=False)


@dataclass(frozen=True)
class Impute(Saved):
    """The median where a value is missing, and a 0/1 flag column for each column that had missing values.

    Attributes
    ----------
    median:
        Per column; 0 where every value is missing.
    flagged:
        Columns with a flag, ascending.
    """

    median: npt.NDArray[np.float64]
    flagged: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, values: Floats) -> Self:
        """Learn from ``(rows, columns)``; a column that is missing throughout gets no flag."""
        missing = np.isnan(values)
        median = _quantiles(values, np.array([0.5]))[0]
        flagged = np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)) if len(values) else np.array([])
        return cls(median, flagged.astype(np.int64))

    def transform(self, values: Floats) -> npt.NDArray[np.float64]:
        """``(rows, columns + flags)`` without NaN."""
        filled = self.fill(values)
        if not len(self.flagged):
            return filled
        return np.hstack([filled, np.isnan(values[:, self.flagged])])

    def fill(self, values: Floats) -> npt.NDArray[np.float64]:
        """``(rows, columns)`` without NaN and without flags."""
        return np.where(np.isnan(values), self.median, values)


def _quantiles(values: Floats, levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear quantiles ``(levels, columns)`` of the present values; 0 for columns without any.

    numpy's ``nanquantile`` loops over columns in Python; one sort with NaN last is much faster.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=0)
    count = (~np.isnan(ordered)).sum(axis=0)
    position = levels[:, None] * np.maximum(count - 1, 0)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    if not len(ordered):
        return np.zeros((len(levels), values.shape[1]))
    columns = np.arange(values.shape[1])
    left, right = ordered[below, columns], ordered[above, columns]
    result = left + (right - left) * (position - below)
    return np.asarray(np.where(count == 0, 0.0, result), dtype=np.float64)
