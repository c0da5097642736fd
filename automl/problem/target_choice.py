"""The target of a search: its column, its values, the task that they make, and the metric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError, UsageError, did_you_mean
from automl.core.metrics import Metric, metrics
from automl.core.predictions import Answer
from automl.core.task_choice import TaskChoice, choose_task
from automl.core.tasks import Encoded, Task
from automl.data.cells.row_numbers import row_number
from automl.data.target import CleanTarget, clean_target
from automl.problem.settings import Settings
from automl.problem.source import Source

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ChosenTarget:
    """The rows that have a target, and what it means.

    Attributes
    ----------
    encoded:
        The target of these rows as the task has it.
    """

    name: str
    clean: CleanTarget
    choice: TaskChoice
    encoded: Encoded

    @property
    def task(self) -> Task:
        """The task: the meaning of the target."""
        return self.choice.task

    @property
    def frame(self) -> pd.DataFrame:
        """The rows that have a target, all columns."""
        return self.clean.frame


def choose_target(source: Source) -> ChosenTarget:
    """Find the target, leave out the rows without it, choose task and metric.

    Raises
    ------
    DataError, UsageError
        For a column or metric that does not exist, and a target that cannot be learned.
    """
    settings, frame = source.settings, source.read.frame
    name = _target_name(frame, settings)
    if settings.weight is not None:
        _refuse_weights(frame, settings.weight)
    clean = clean_target(frame, name, task=settings.task)
    choice = _choose(clean, settings)
    if source.task_reason:
        choice = replace(choice, reason=source.task_reason)
    return ChosenTarget(name, clean, choice, choice.task.encode(clean.values))


def _target_name(frame: pd.DataFrame, settings: Settings) -> str:
    if settings.target is None:
        raise UsageError(
            f"Say which column to predict with --target. Columns: {', '.join(map(str, frame.columns[:30]))}"
            f"{', …' if len(frame.columns) > 30 else ''}."
        )
    for what, column in (
        ("--group", settings.group),
        ("--time-column", settings.time_column),
        ("--fold-column", settings.fold_column),
        ("--weight", settings.weight),
        *(("--drop", column) for column in settings.drop),
        *(("--keep", column) for column in settings.keep),
        *(("--kind", column) for column in settings.kinds),
    ):
        if column is not None and column not in frame.columns:
            raise DataError(f"{what}: there is no column {column!r}. {did_you_mean(column, frame.columns)}")
        if column is not None and column == settings.target and what not in ("--keep", "--kind"):
            raise UsageError(f"{what} {column!r}: this column is the target. Name another one.")
    return settings.target


def _refuse_weights(frame: pd.DataFrame, column: str) -> None:
    """Refuse weights, which this version cannot use; faults of the weights are named first."""
    import pandas as pd

    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        raise DataError(
            f"--weight {column!r}: {len(bad)} of {len(values)} weights are negative, missing or not "
            f"finite (first in row {row_number(frame, bad[0])}: {frame[column].iloc[int(bad[0])]}). A weight "
            "is 0 or more. Next: fix these rows."
        )
    if not values.any():
        raise DataError(
            f"--weight {column!r}: all {len(values)} weights are 0, so that no row would count. Next: name a "
            "column with weights above 0."
        )
    raise UsageError(
        f"--weight {column!r}: rows cannot be weighted in this version, every row counts once. Next: leave "
        f"--weight out, and pass --drop {column} so that no model sees the column."
    )


def _choose(clean: CleanTarget, settings: Settings) -> TaskChoice:
    """The task, and the unit of its predictions beside the reason."""
    choice = _choose_task(clean.values, settings)
    unit = "" if clean.numbers is None else clean.numbers.unit
    return replace(choice, reason=f"{choice.reason}, in {unit}") if unit else choice


def _choose_task(values: npt.NDArray[Any], settings: Settings) -> TaskChoice:
    """The task; a metric that is a Python function gets labels (or values) and their predictions."""
    if settings.metric is None or isinstance(settings.metric, str):
        return choose_task(values, requested=settings.task, metric=settings.metric)
    function = settings.metric
    choice = choose_task(values, requested=settings.task)
    task = choice.task

    def call(target: npt.NDArray[Any], predictions: npt.NDArray[np.floating]) -> float:
        actual = task.as_predictions(target)
        given = function(task.decode(actual), task.decode(predictions))
        try:
            return float(given)
        except (TypeError, ValueError):
            raise UsageError(
                f"The metric function {name} gave {repr(given)[:200]}, which is not a number."
            ) from None

    name = getattr(function, "__name__", "")
    if not name.isidentifier() or name in metrics():  # a lambda; "f1" on record means the built-in metric
        name = f"custom_{name}" if name in metrics() else "custom"
    better = bool(getattr(function, "greater_is_better", True))
    reads = {Answer.CLASSES: "labels", Answer.NUMBERS: "values"}[task.answer]
    metric = Metric(
        name=name, greater_is_better=better, reads=reads, tasks=frozenset({task.name}), function=call
    )
    return replace(choice, task=replace(task, metric=metric), metric_reason="asked for")
