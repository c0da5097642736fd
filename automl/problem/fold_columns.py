"""From the user's choices to the plan of the folds: a column that decides, or rows that equal one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError, UsageError
from automl.core.folds import Split
from automl.core.table import Table
from automl.core.tasks import Encoded
from automl.core.text import flag
from automl.data.cells.dates import points_in_time
from automl.data.cells.plain import distinct_codes
from automl.data.cells.row_numbers import row_number
from automl.data.images.split_folders import TRAIN
from automl.data.modalities import modality_of
from automl.data.repeats import Repeats
from automl.data.split_column import counts_of, parts_in
from automl.problem.fold_rules import SplitPlan
from automl.problem.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


def plan_split(
    frame: pd.DataFrame,
    table: Table,
    repeats: Repeats,
    settings: Settings,
    parts: npt.NDArray[Any] | None = None,
) -> SplitPlan:
    """The plan of the folds of these rows; ``table`` is their encoding, ``repeats`` its equal rows.

    ``parts`` are those of a split that the data brings (see :func:`given_parts`): what is left of the rows to
    be dealt is dealt as usual.

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
    modality = modality_of(table.features.kinds, alone=True)
    plan = SplitPlan(
        folds=settings.folds,
        seconds=settings.seconds,
        seed=settings.seed,
        modality=modality,
        holdout=settings.holdout,
    )
    if settings.group is not None:
        return replace(plan, groups=_codes(frame, settings.group), groups_named=True)
    if settings.fold_column is not None and parts is None:
        return replace(plan, assigned=_codes(frame, settings.fold_column))
    if settings.time_column is not None:
        return replace(plan, times=_times(frame, settings.time_column))
    return replace(plan, groups=repeats.together)


def given_parts(frame: pd.DataFrame, settings: Settings) -> npt.NDArray[Any] | None:
    """``train``, ``val`` or ``test`` per row, where the column of ``--fold-column`` says so in words."""
    return None if settings.fold_column is None else parts_in(frame[settings.fold_column])


def ask_about_parts(frame: pd.DataFrame, settings: Settings) -> None:
    """Refuse a column that says which rows train and which test, unless its use is named.

    Raises
    ------
    UsageError
        Where there is such a column and no option names it.
    """
    named = {settings.target, settings.group, settings.time_column, settings.fold_column}
    for column in frame.columns:
        if column in named or column in (*settings.drop, *settings.keep, *settings.kinds):
            continue
        parts = parts_in(frame[column])
        if parts is not None:
            held = ", ".join(f"{part} {count:,}" for part, count in counts_of(parts).items())
            raise UsageError(
                f"Column {column!r} says which rows are for training ({held}). What is it to be used for? "
                f"Next: {flag('fold-column', column)} trains and judges by it, and scores test rows once, "
                f"at the end; {flag('drop', column)} uses all rows alike; {flag('keep', column)} learns from "
                "it as from any other."
            )


def check_classes(labels: Sequence[object], target: Encoded, parts: npt.NDArray[Any] | None) -> None:
    """Refuse a given split that judges or tests classes which no training row has.

    Raises
    ------
    DataError
        With the classes and how many rows they have.
    """
    if parts is None or not labels:
        return
    codes = np.asarray(target, dtype=np.int64)
    counts = np.bincount(codes, minlength=len(labels))
    unknown = np.setdiff1d(np.flatnonzero(counts), codes[parts == TRAIN])
    if len(unknown):
        listed = ", ".join(f"{labels[code]!r} ({counts[code]:,} rows)" for code in unknown[:10])
        raise DataError(
            f"{len(unknown)} of {len(labels)} classes have no row for training: {listed}. No model can "
            "learn them. Next: move some of their rows to the training part, or remove them."
        )


def explained(split: Split, plan: SplitPlan, repeats: Repeats) -> Split:
    """The split with what became of equal rows in its reason, where some of them were dealt one by one."""
    given = (plan.times, plan.assigned, plan.judged)
    if not repeats.natural.any() or plan.groups_named or any(item is not None for item in given):
        return split
    return replace(split, reason=f"{split.reason}; {repeats.described} and are dealt one by one")


def _codes(frame: pd.DataFrame, column: str) -> npt.NDArray[np.int64]:
    missing = int(frame[column].isna().sum())
    if missing:
        row = row_number(frame, int(np.flatnonzero(frame[column].isna().to_numpy())[0]))
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
            f"--time-column {column!r}: {len(bad)} values are not times (first in row "
            f"{row_number(frame, bad[0])}: {values.iloc[int(bad[0])]!r}). Fill or remove them."
        )
    return times
