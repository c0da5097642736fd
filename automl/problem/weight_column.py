"""The column of ``--weight``: how much each row counts, read and checked; rows of weight 0 are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl.core.errors import DataError, UsageError
from automl.core.metrics import metrics
from automl.core.tasks import Task
from automl.core.weights import Weights, effective_rows
from automl.data.cells.plain import is_numeric, parse_numbers, words
from automl.data.cells.row_numbers import row_number

if TYPE_CHECKING:
    import pandas as pd

_LEAST_ROWS = 2


@dataclass(frozen=True)
class CountedRows:
    """The rows that count, and a sentence on those that do not (empty where all do)."""

    frame: pd.DataFrame
    note: str = ""


def counted_rows(frame: pd.DataFrame, column: str, *, least: int = _LEAST_ROWS) -> CountedRows:
    """Check the weights, and leave out the rows of weight 0: they neither train nor judge.

    Raises
    ------
    DataError
        For weights that are missing, negative or not numbers, and for fewer than ``least`` rows that count.
    """
    weights = weights_in(frame, column)
    counted = weights > 0
    if not counted.any():
        raise DataError(
            f"--weight {column!r}: all {len(weights)} weights are 0, so that no row would count. "
            "Next: name a column with weights above 0."
        )
    if counted.sum() < least:
        raise DataError(
            f"--weight {column!r}: only {counted.sum()} of {len(weights)} weights is above 0, and learning "
            f"takes {least} rows that count. Next: name another column."
        )
    left_out = int((~counted).sum())
    if not left_out:
        return CountedRows(frame)
    some = f"{left_out:,} rows of weight 0" if left_out > 1 else "1 row of weight 0"
    verbs = "were left out: they neither train nor judge" if left_out > 1 else "was left out"
    return CountedRows(frame.loc[counted], f"{some} ({column!r}) {verbs}.")


def weights_in(frame: pd.DataFrame, column: str) -> Weights:
    """The weights of these rows, ``(rows,)``.

    Raises
    ------
    DataError
        For weights that are missing, negative or not numbers.
    """
    values = frame[column]
    if is_numeric(values):
        weights = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        weights = parse_numbers(words(values))[0]
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise DataError(
            f"--weight {column!r}: {len(bad)} of {len(weights)} weights are negative, missing or not "
            f"finite numbers (first in row {row_number(frame, bad[0])}: {values.iloc[int(bad[0])]}). "
            "A weight is 0 or more. Next: fix these rows."
        )
    return np.asarray(weights, dtype=np.float64)


def check_takes_weights(task: Task) -> None:
    """Refuse a metric or a task of another package that cannot weigh rows.

    Raises
    ------
    UsageError
        Naming the metrics that can.
    """
    if not task.takes_weights():
        raise UsageError(
            f"--weight: the task {task.name} cannot weigh rows. Next: leave --weight out, or ask its author "
            "for a constant_prediction with an argument `weights`."
        )
    if not task.metric.takes_weights:
        able = ", ".join(name for name, item in metrics().items() if task.takes(item) and item.takes_weights)
        raise UsageError(
            f"--weight: the metric {task.metric.name} cannot weigh rows. Allowed: {able or 'none'}. "
            "Next: name one of them with --metric, or leave --weight out."
        )


def described(column: str, weights: Weights) -> str:
    """The weights of the rows that learn, in one line for people."""
    effective = round(effective_rows(len(weights), weights))
    return f"weighted by {column} (effective rows {effective:,} of {len(weights):,})"
