"""The pace of a model's predictions, by which a computation with a time limit plans its rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.core.table import Table

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Predict = Callable[[Table, Rows], Array]
"""Predictions of a table's rows; the second argument are their positions in a sample."""
_BLOCK_ROWS = 40_000
_BLOCK_SECONDS = 0.5
_BLOCK_CALLS = 4.0  # a block takes at least as long as this many calls with almost no rows
_TIMED = (10, 30, 100, 400)
_TIMED_SHARE, _SECOND_SHARE = 0.05, 0.2


@dataclass
class PredictionPace:
    """Duration of predictions as last measured: seconds per call, and per row in it."""

    each: float
    call: float = 0.0

    @classmethod
    def measured(cls, predict: Predict, table: Table, seconds: float) -> PredictionPace:
        """Measure on ten rows, and on more if that takes a small part of ``seconds``.

        One row is predicted first and not counted: that call opens the models and imports their libraries.
        """
        predict(table.take(np.arange(1)), np.arange(1))
        seen: list[tuple[int, float]] = []
        pace = cls(0.0)
        for count in _TIMED:
            few = np.arange(min(count, table.rows))
            share = _SECOND_SHARE if len(seen) == 1 else _TIMED_SHARE
            if seen and (len(few) == seen[-1][0] or pace.takes(len(few)) > share * seconds):
                break
            began = time.monotonic()
            predict(table.take(few), few)
            seen.append((len(few), time.monotonic() - began))
            pace = cls._between(seen[-2:])
        return pace

    @classmethod
    def _between(cls, seen: list[tuple[int, float]]) -> PredictionPace:
        """Time per row and per call; a single measurement counts entirely as time per row."""
        rows, latest = seen[-1]
        if len(seen) == 1:
            return cls(max(latest / rows, 1e-7))
        fewer, before = seen[0]
        each = max((latest - before) / (rows - fewer), 0.1 * latest / rows, 1e-7)
        return cls(each, max(0.0, latest - each * rows))

    @property
    def block(self) -> float:
        """Largest number of rows per call."""
        seconds = max(_BLOCK_SECONDS, _BLOCK_CALLS * self.call)
        return min(_BLOCK_ROWS, max(1.0, (seconds - self.call) / self.each))

    def takes(self, rows: float) -> float:
        """Seconds for this number of rows in one call."""
        return self.call + self.each * rows

    def affords(self, until: float) -> float:
        """Number of rows that can be predicted until then (monotonic seconds), in blocks."""
        left = until - time.monotonic()
        if left <= self.takes(self.block):
            return max(0.0, (left - self.call) / self.each)
        return left / (self.each + self.call / self.block)

    def saw(self, rows: int, seconds: float) -> None:
        """Update the pace halfway towards the duration of a call."""
        factor = (1.0 + seconds / self.takes(rows)) / 2
        self.each, self.call = max(self.each * factor, 1e-7), self.call * factor
