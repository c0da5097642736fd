"""Partial dependence: how the champion's mean prediction changes with one feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.data.cells.dates import WEEKDAYS, day_text
from automl.model.prediction_pace import Array
from automl.model.source_columns import Piece, SourceColumn, date_field, piece_name, piece_values, put_values
from automl.report.facts.shuffling import Shuffler

GRID_VALUES = 12
"""Values of a number that a prediction is made for."""
_LEVELS = 8


@dataclass(frozen=True)
class Dependence:
    """The mean prediction with one feature set to each value of a grid and the others unchanged.

    Attributes
    ----------
    grid:
        Values of a number, or level names.
    mean:
        ``(grid, n_outputs)``.
    dates:
        Whether the numbers are dates, in days since 1970.
    """

    feature: str
    grid: tuple[float, ...] | tuple[str, ...]
    mean: Array
    dates: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        """The first and the last value in words."""
        first, last = self.grid[0], self.grid[-1]
        if self.dates:
            return day_text(float(first)), day_text(float(last))
        return str(first), str(last)


def dependence_of(shuffler: Shuffler, column: SourceColumn, piece: Piece, most: int) -> Dependence:
    """Dependence on a part of a column, on ``most`` rows or fewer."""
    table, rows = shuffler.table, np.arange(shuffler.table.rows)
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(shuffler.seed).choice(rows, most, replace=False))
    grid = _grid(piece, piece_values(table, piece))
    wide = table.take(np.tile(rows, len(grid)))
    for number, value in enumerate(grid):
        put_values(wide, piece, slice(number * len(rows), (number + 1) * len(rows)), value)
    predicted = shuffler.predict(wide, np.tile(shuffler.places[rows], len(grid)))
    mean = predicted.reshape(len(grid), len(rows), -1).mean(axis=1)
    name = piece_name(table, column, piece)
    if piece[0] == "category":
        levels = table.features.levels[piece[1]]
        return Dependence(name, tuple(levels[int(code)] for code in grid), mean)
    field = date_field(table, column, piece)
    if field == "weekday":
        return Dependence(name, tuple(WEEKDAYS[int(day)].capitalize() for day in grid), mean)
    return Dependence(name, tuple(float(value) for value in grid), mean, dates=field == "days")


def _grid(piece: Piece, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Quantiles of a number from 2 % to 98 %, or the most frequent levels in their own order."""
    if piece[0] == "category":
        codes, counts = np.unique(values[values >= 0], return_counts=True)
        return np.sort(codes[np.argsort(-counts, kind="stable")[:_LEVELS]])
    present = np.asarray(values, dtype=np.float64)
    present = present[np.isfinite(present)]
    if not len(present):
        return np.zeros(1)
    distinct = np.unique(present)
    if len(distinct) <= GRID_VALUES:
        return distinct
    return np.unique(np.quantile(present, np.linspace(0.02, 0.98, GRID_VALUES)))
