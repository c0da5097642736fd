"""The contracts of tasks and metrics as checks that anyone can run on theirs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.plugins import Metric, Task, choose_task, metrics, task_classes, task_from_json


def check_task(kind: type[Task], target: npt.NDArray[Any]) -> None:
    """Check that a task keeps the contract of :class:`automl.plugins.Task`.

    Parameters
    ----------
    kind:
        The task, installed by its entry point.
    target:
        A clean target of it, ``(rows,)``, of 50 rows or more that are not all alike.

    Raises
    ------
    AssertionError
        Saying which expectation failed.
    """
    if task_classes().get(kind.name) is not kind:
        raise AssertionError(f"task {kind.name!r}: no entry point of automl.tasks leads to it")
    task = choose_task(target, requested=kind.name).task
    _require(task, isinstance(task, kind), "of() must return a task of its own class")
    encoded = task.encode(target)
    _require(task, encoded.shape == (len(target),), "encode must return one code or value per row")
    truth = task.as_predictions(encoded)
    _require(task, truth.shape == (len(target), task.n_outputs), "as_predictions must be (rows, n_outputs)")
    decoded = np.asarray(task.decode(truth))
    _require(task, list(decoded) == list(target), "decode must give back what encode read")
    _check_predictions(task, encoded, truth)
    _check_rows(task, encoded)
    again = task_from_json(json.loads(json.dumps(task.to_json())))
    _require(task, again == task, "to_json and task_from_json must give the same task")


def check_metric(metric: Metric) -> None:
    """Check that a metric is installed, and that its tasks are.

    Raises
    ------
    AssertionError
        Saying which expectation failed.
    """
    if metrics().get(metric.name) is not metric:
        raise AssertionError(f"metric {metric.name!r}: no entry point of automl.metrics leads to it")
    if metric.reads not in ("labels", "probabilities", "values"):
        raise AssertionError(f"metric {metric.name!r}: reads is labels, probabilities or values")
    unknown = metric.tasks - set(task_classes())
    if unknown or not metric.tasks:
        raise AssertionError(f"metric {metric.name!r}: there is no task {sorted(unknown)}")


def _check_predictions(task: Task, encoded: npt.NDArray[Any], truth: npt.NDArray[np.float64]) -> None:
    """Valid ones pass in the type that is kept, others are refused; the truth has the least loss."""
    rows = len(encoded)
    constant = np.tile(task.constant_prediction(encoded), (rows, 1))
    kept = task.checked(constant, rows, "constant predictions")
    _require(task, kept.dtype == task.dtype, f"checked must return {task.dtype.__name__}")
    missing = constant.copy()
    missing[0, 0] = np.nan
    for wrong in (constant[1:], missing):
        try:
            task.checked(wrong, rows, "predictions")
        except ValueError:
            continue
        raise AssertionError(f"task {task.name!r}: checked must refuse a wrong shape and NaN")
    losses, least = task.row_losses(encoded, constant), task.row_losses(encoded, truth)
    _require(task, losses.shape == (rows,), "row_losses must return one loss per row")
    _require(task, bool(np.isfinite(losses).all()), "row_losses must be finite")
    _require(task, bool((least <= losses + 1e-9).all()), "no prediction may have less loss than the truth")
    _require(task, task.takes(task.metric), "the default metric must be one that it takes")
    _require(task, bool(np.isfinite(task.metric.score(encoded, constant))), "the metric must give a number")


def _check_rows(task: Task, encoded: npt.NDArray[Any]) -> None:
    """Codes and columns of rows have their number."""
    rows = len(encoded)
    _require(task, task.strata(encoded).shape == (rows,), "strata must return one code per row")
    needed = task.needed_codes(encoded)
    if needed is not None:
        inside = needed.shape == (rows,) and bool(((needed >= 0) & (needed < task.n_outputs)).all())
        _require(task, inside, "needed_codes must be (rows,) and below n_outputs")
    columns = task.averaged_columns(encoded, 3)
    _require(task, columns.ndim == 2 and len(columns) == rows, "averaged_columns must be (rows, k)")


def _require(task: Task, condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(f"task {task.name!r}: {message}")
