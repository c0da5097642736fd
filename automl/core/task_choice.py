"""The choice of a task for a target: the one that was asked for, else the one that fits, with the reason.

The tasks are those of :mod:`automl.core.tasks`, then those of installed packages.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy.typing as npt

from automl.core.built_in_tasks import BinaryTask, ClassificationTask, MulticlassTask, RegressionTask
from automl.core.entry_points import BrokenPlugIn, Offers, offers
from automl.core.error_costs import COST, with_costs
from automl.core.errors import DataError, ModelFileError
from automl.core.labels import Label, RawTarget, is_number
from automl.core.metrics import METRICS, Metric, metric_by_name, metrics
from automl.core.predictions import Answer
from automl.core.tasks import Task

TASK_GROUP = "automl.tasks"
"""The group of entry points by which packages offer tasks."""
TASKS: dict[str, type[Task]] = {kind.name: kind for kind in (BinaryTask, MulticlassTask, RegressionTask)}
"""The built-in tasks; :func:`task_classes` also has those of packages."""
_CLASSIFICATION = "classification"
"""The word that people type for two classes or more."""
_CASTS: dict[str, type[Label]] = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True)
class TaskChoice:
    """A task with the reasons for it, in sentences that people read."""

    task: Task
    reason: str
    metric_reason: str


def task_classes() -> Mapping[str, type[Task]]:
    """Every usable task by name: the built-in ones, then those of packages."""
    return task_offers().by_name


def broken_tasks() -> tuple[BrokenPlugIn, ...]:
    """Plug-ins of the group ``automl.tasks`` that cannot be used."""
    return task_offers().broken


def task_requirement(name: str) -> str | None:
    """``DISTRIBUTION==VERSION`` of the package that offers a task; None where it is a built-in one."""
    return task_offers().requirements.get(name)


def refresh_tasks() -> None:
    """Look again, where a plug-in was installed or removed while this process runs."""
    task_offers.cache_clear()


@cache
def task_offers() -> Offers[type[Task]]:
    """The tasks of this package and of installed ones."""
    return offers(TASK_GROUP, TASKS, _task_of, lambda kind: kind.name)


def task_class(name: str) -> type[Task]:
    """The task of this name.

    Raises
    ------
    UsageError
        When there is none; with the cause if a plug-in of that name is broken.
    """
    return task_offers().named("task", name, (_CLASSIFICATION,))


def asked_answer(requested: str | None) -> Answer | None:
    """The answer that a target is read for, by the task that was asked for; None while that is open.

    Raises
    ------
    UsageError
        When there is no such task.
    """
    if requested is None:
        return None
    return ClassificationTask.answer if requested == _CLASSIFICATION else task_class(requested).answer


def choose_task(
    target: npt.NDArray[Any], *, requested: str | None = None, metric: str | Metric | None = None
) -> TaskChoice:
    """The task for a clean target column (no missing values), and why.

    Parameters
    ----------
    target:
        ``(rows,)`` labels or numbers.
    requested:
        ``classification``, or the name of a task; None to infer.
    metric:
        A metric's name, a metric, or None for the task's default.

    Raises
    ------
    UsageError
        When there is no such task or metric.
    DataError
        When the target does not fit the task.
    """
    raw = RawTarget(target)
    kind, reason = _chosen(raw, requested, metric)
    if kind in (BinaryTask, MulticlassTask):
        classes = len(raw.distinct)
        kind = BinaryTask if classes == 2 else MulticlassTask
        if classes > 1 and requested in (BinaryTask.name, MulticlassTask.name) and requested != kind.name:
            raise DataError(f"--task {requested} was asked for, but the target has {classes} classes.")
        if classes < 2:
            kind.of(raw, METRICS[kind.usual_metric])  # says so
    name, why = ("", "asked for") if metric is not None else kind.default_metric(raw)
    chosen = metric if isinstance(metric, Metric) else metric_by_name(metric or name, kind.name, kind.kin)
    return TaskChoice(kind.of(raw, chosen), reason, why)


def task_from_json(data: Mapping[str, Any]) -> Task:
    """The task that :meth:`automl.core.tasks.Task.to_json` wrote.

    A metric that is not installed (a Python callable) comes back as the task's usual metric: what loads a
    task only predicts with it.

    Raises
    ------
    ModelFileError
        When the task comes from a package that is not installed.
    """
    classes = task_classes()
    if data["name"] not in classes:
        raise ModelFileError(
            f"The task {data['name']!r} is not installed here. Next: install the package that brings it; "
            "`automl tasks` lists what is there."
        )
    kind = classes[data["name"]]
    labels = tuple(_CASTS[written](value) for written, value in data["labels"])
    metric = metrics().get(data["metric"])
    if metric is None or not kind.takes(metric):  # a callable may have the name of another task's
        metric = metrics()[kind.usual_metric]
    if costs := tuple(tuple(map(float, row)) for row in data.get("costs", ())):
        metric = with_costs(None if data["metric"] == COST else metric, costs)
    return kind(metric, labels, **data.get("further", {}))


def _chosen(target: RawTarget, requested: str | None, metric: str | Metric | None) -> tuple[type[Task], str]:
    """The task; of two classes and of several it may be the other one."""
    if requested is not None:
        return (MulticlassTask if requested == _CLASSIFICATION else task_class(requested)), "asked for"
    by_metric = metrics().get(metric) if isinstance(metric, str) else None
    if by_metric is not None and (kind := _told_by(by_metric, target)) is not None:
        what = f"scores {kind.answer}" if kind.name in TASKS else f"judges the task {kind.name}"
        return kind, f"metric {by_metric.name} {what}"
    of_packages = [kind for name, kind in sorted(task_classes().items()) if name not in TASKS]
    asked_in_turn: list[type[Task]] = [*of_packages, MulticlassTask, RegressionTask]
    for kind in asked_in_turn:
        if reason := kind.recognised(target):
            return kind, reason
    raise DataError("No task fits the target. Next: name one with --task; `automl tasks` lists them.")


def _told_by(metric: Metric, target: RawTarget) -> type[Task] | None:
    """The task that a metric is for, where it says which; None where the target decides."""
    classes = task_classes()
    kinds = [classes[name] for name in sorted(metric.tasks) if name in classes]
    own = [kind for kind in kinds if kind.name not in TASKS]
    if len(kinds) == len(own) == 1:
        return own[0]
    answers = {kind.answer for kind in kinds}
    if answers == {Answer.NUMBERS} and all(is_number(value) for value in target.distinct):
        return RegressionTask
    return MulticlassTask if answers == {Answer.CLASSES} else None


def _task_of(loaded: Any) -> type[Task]:
    kind = loaded if inspect.isclass(loaded) else getattr(loaded, "TASK", None)
    if not (inspect.isclass(kind) and issubclass(kind, Task)):
        raise TypeError(f"{loaded!r} is not a subclass of Task and has no TASK.")
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        raise TypeError(f"{kind.__name__} does not say {missing}.")
    stated = ("name", "kin", "answer", "usual_metric")
    if absent := [item for item in stated if not hasattr(kind, item)]:
        raise TypeError(f"{kind.__name__} does not state {', '.join(absent)}.")
    return kind
