"""The target of a search: its column, its values, the task that they make, and the metric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.error_costs import COST, costs_of, with_costs
from automl.core.errors import DataError, UsageError, did_you_mean
from automl.core.metrics import Metric, metrics
from automl.core.predictions import Answer
from automl.core.task_choice import TaskChoice, choose_task
from automl.core.tasks import Encoded, Task
from automl.core.weights import SAMPLE_WEIGHT, Weights, takes_weights
from automl.data.target import CleanTarget, clean_target
from automl.problem.settings import Settings
from automl.problem.source import Source
from automl.problem.weight_column import check_takes_weights, counted_rows, weights_in

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ChosenTarget:
    """The rows that have a target, and what it means.

    Attributes
    ----------
    encoded:
        The target of these rows as the task has it.
    weights:
        Of these rows, as the data has them; None where each counts once.
    notes:
        Sentences on rows that do not count.
    """

    name: str
    clean: CleanTarget
    choice: TaskChoice
    encoded: Encoded
    weights: Weights | None = None
    notes: tuple[str, ...] = ()

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
    name, note = _target_name(frame, settings), ""
    if settings.weight is not None:
        counted = counted_rows(frame, settings.weight)
        frame, note = counted.frame, counted.note
    clean = clean_target(frame, name, task=settings.task)
    choice = _choose(clean, settings)
    if source.task_reason:
        choice = replace(choice, reason=source.task_reason)
    encoded, weights = choice.task.encode(clean.values), None
    if settings.weight is not None:
        check_takes_weights(choice.task)
        weights = weights_in(clean.frame, settings.weight)
    return ChosenTarget(
        name=name,
        clean=clean,
        choice=choice,
        encoded=encoded,
        weights=weights,
        notes=(note,) if note else (),
    )


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


def _choose(clean: CleanTarget, settings: Settings) -> TaskChoice:
    """The task, and the unit of its predictions beside the reason."""
    choice = _choose_task(clean.values, settings)
    unit = "" if clean.numbers is None else clean.numbers.unit
    return replace(choice, reason=f"{choice.reason}, in {unit}") if unit else choice


def _choose_with_costs(values: npt.NDArray[Any], settings: Settings) -> TaskChoice:
    """The task of classes with the metric of ``--cost``, or that of ``--metric`` with these costs."""
    if settings.cost is None:
        raise UsageError("--metric cost needs to know what mistakes cost: state it with --cost.")
    named = None if settings.metric == COST else settings.metric
    if named is not None and not isinstance(named, str):
        raise UsageError(
            "--cost chooses the answers, and so does a metric that is a function: give one of them."
        )
    choice = choose_task(values, requested=settings.task, metric=named)
    task = choice.task
    if task.answer is not Answer.CLASSES:
        raise UsageError(
            f"--cost is about classes, and this is a {task.name} ({choice.reason}). Next: leave --cost out, "
            "or pass --task classification."
        )
    if named is not None and task.metric.reads != "probabilities":
        raise UsageError(
            f"--metric {named} judges answers, and --cost chooses them. Next: leave --metric out, so that "
            "trials are judged by their cost, or name one that reads probabilities, such as log_loss."
        )
    costs = costs_of(settings.cost, task.labels)
    metric = with_costs(None if named is None else task.metric, costs)
    reason = (
        "the mean cost per row, by --cost" if named is None else "asked for; answers are chosen by --cost"
    )
    return replace(choice, task=replace(task, metric=metric), metric_reason=reason)


def _choose_task(values: npt.NDArray[Any], settings: Settings) -> TaskChoice:
    """The task; a metric that is a Python function gets labels (or values) and their predictions."""
    if settings.cost is not None or settings.metric == COST:
        return _choose_with_costs(values, settings)
    if settings.metric is None or isinstance(settings.metric, str):
        return choose_task(values, requested=settings.task, metric=settings.metric)
    function = settings.metric
    choice = choose_task(values, requested=settings.task)
    task = choice.task

    def call(
        target: npt.NDArray[Any], predictions: npt.NDArray[np.floating], **weights: npt.NDArray[Any]
    ) -> float:
        actual = task.as_predictions(target)
        given = function(task.decode(actual), task.decode(predictions), **weights)
        try:
            return float(given)
        except (TypeError, ValueError):
            raise UsageError(
                f"The metric function {name} gave {repr(given)[:200]}, which is not a number."
            ) from None

    def weighted(
        target: npt.NDArray[Any],
        predictions: npt.NDArray[np.floating],
        weights: npt.NDArray[Any] | None = None,
    ) -> float:
        return call(target, predictions, **({} if weights is None else {SAMPLE_WEIGHT: weights}))

    name = getattr(function, "__name__", "")
    if not name.isidentifier() or name in metrics():  # a lambda; "f1" on record means the built-in metric
        name = f"custom_{name}" if name in metrics() else "custom"
    better = bool(getattr(function, "greater_is_better", True))
    reads = {Answer.CLASSES: "labels", Answer.NUMBERS: "values"}[task.answer]
    metric = Metric(
        name=name,
        greater_is_better=better,
        reads=reads,
        tasks=frozenset({task.name}),
        function=weighted if takes_weights(function, SAMPLE_WEIGHT) else call,
    )
    return replace(choice, task=replace(task, metric=metric), metric_reason="asked for")
