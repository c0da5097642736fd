"""From the user's choices to the plan of the folds: a column that decides, or rows that equal one another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from automl.data.cells import distinct_codes
from automl.data.dates import points_in_time
from automl.data.repeats import Repeats
from automl.data.table import Kind, Table
from automl.errors import DataError, UsageError
from automl.settings import Settings
from automl.splits import Split, SplitPlan

if TYPE_CHECKING:
    import pandas as pd


def plan_split(frame: pd.DataFrame, table: Table, repeats: Repeats, settings: Settings) -> SplitPlan:
    """What decides the folds of these rows; ``table`` is their encoding, ``repeats`` its equal rows.

    Raises
    ------
    DataError
        For groups, folds or times that are missing or cannot be read.
    UsageError
        When more than one column is to decide.
    """
    named = [settings.group, settings.time_column, settings.fold_column]
    if sum(column is not None for column in named) > 1:
        raise UsageError("Choose one of --group, --time-column and --fold-column.")
    images = table.features.kinds == {Kind.IMAGE}
    plan = SplitPlan(folds=settings.folds, seconds=settings.seconds, seed=settings.seed, images=images)
    if settings.group is not None:
        return replace(plan, groups=_codes(frame, settings.group), groups_named=True)
    if settings.fold_column is not None:
        return replace(plan, assigned=_codes(frame, settings.fold_column))
    if settings.time_column is not None:
        return replace(plan, times=_times(frame, settings.time_column))
    return replace(plan, groups=repeats.together)


def explained(split: Split, plan: SplitPlan, repeats: Repeats) -> Split:
    """The split with what became of equal rows in its reason, where some of them were dealt one by one."""
    given = (plan.times, plan.assigned, plan.judged)
    if not repeats.natural.any() or plan.groups_named or any(item is not None for item in given):
        return split
    return replace(split, reason=f"{split.reason}; {repeats.described} and are dealt one by one")


def _codes(frame: pd.DataFrame, column: str) -> npt.NDArray[np.int64]:
    missing = int(frame[column].isna().sum())
    if missing:
        row = int(np.flatnonzero(frame[column].isna().to_numpy())[0])
        raise DataError(
            f"Column {column!r} has {missing} missing values (first in row {row}): every row needs its "
            "group or fold. Fill them, or leave the column out."
        )
    return distinct_codes(frame[column])


def _times(frame: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    values = frame[column]
    times = points_in_time(values)
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        raise DataError(
            f"--time-column {column!r}: {len(bad)} values are no time (first in row {int(bad[0])}: "
            f"{values.iloc[int(bad[0])]!r}). Fill or remove them."
        )
    return times
