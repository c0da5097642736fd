"""Scores by name: what each needs, which direction is better, and how it is computed.

All take the encoded target (class codes or values) and predictions of shape ``(rows, n_outputs)``:
class probabilities, or one column of values. Formulas follow scikit-learn's metrics of the same names;
``tests/core/test_metrics.py`` compares them. They are written in numpy because the ensemble calls them
hundreds of times per search, where scikit-learn's input checks cost more than the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.core.errors import UsageError, did_you_mean

Target = npt.NDArray[np.generic]
Predictions = npt.NDArray[np.floating]
_EPSILON = 1e-7


@dataclass(frozen=True)
class Metric:
    """One score.

    Attributes
    ----------
    name:
        The name users give, e.g. ``roc_auc``.
    greater_is_better:
        Direction.
    reads:
        ``labels`` (the most probable class), ``probabilities`` or ``values``.
    tasks:
        Names of the tasks it is defined for: ``binary``, ``multiclass``, ``regression``.
    function:
        ``function(target, predictions)`` → float.
    """

    name: str
    greater_is_better: bool
    reads: str
    tasks: frozenset[str]
    function: Callable[[Target, Predictions], float]

    def score(self, target: Target, predictions: Predictions) -> float:
        """The score in the metric's own unit and direction."""
        return float(self.function(target, predictions))

    def loss(self, target: Target, predictions: Predictions) -> float:
        """The score turned so that less is better."""
        value = self.score(target, predictions)
        return -value if self.greater_is_better else value

    def is_better(self, score: float, than: float) -> bool:
        """Whether ``score`` beats ``than``."""
        return score > than if self.greater_is_better else score < than


def _labels(predictions: Predictions) -> npt.NDArray[np.int64]:
    return np.asarray(predictions.argmax(axis=1), dtype=np.int64)


def _accuracy(target: Target, predictions: Predictions) -> float:
    return float(np.mean(_labels(predictions) == target))


def _confusion(target: Target, labels: Target, classes: int) -> npt.NDArray[np.float64]:
    flat = np.asarray(target, dtype=np.int64) * classes + np.asarray(labels, dtype=np.int64)
    counts = np.bincount(flat, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def _balanced_accuracy(target: Target, predictions: Predictions) -> float:
    table = _confusion(target, _labels(predictions), predictions.shape[1])
    support = table.sum(axis=1)
    present = support > 0
    return float(np.mean(np.diag(table)[present] / support[present]))


def _f1_by_class(target: Target, predictions: Predictions) -> npt.NDArray[np.float64]:
    table = _confusion(target, _labels(predictions), predictions.shape[1])
    support, chosen = table.sum(axis=1), table.sum(axis=0)
    present = (support + chosen) > 0
    scores = 2 * np.diag(table)[present] / (support + chosen)[present]
    return np.asarray(scores, dtype=np.float64)


def _f1_macro(target: Target, predictions: Predictions) -> float:
    return float(np.mean(_f1_by_class(target, predictions)))


def _f1(target: Target, predictions: Predictions) -> float:
    chosen = _labels(predictions) == 1
    actual = np.asarray(target) == 1
    both = float(np.sum(chosen & actual))
    total = float(np.sum(chosen) + np.sum(actual))
    return 2 * both / total if total else 0.0


def _f1_weighted(target: Target, predictions: Predictions) -> float:
    table = _confusion(target, _labels(predictions), predictions.shape[1])
    support, chosen = table.sum(axis=1), table.sum(axis=0)
    scores = np.divide(
        2 * np.diag(table), support + chosen, out=np.zeros(len(support)), where=support + chosen > 0
    )
    return float(np.sum(scores * support) / np.sum(support))


def _precision(target: Target, predictions: Predictions) -> float:
    chosen = _labels(predictions) == 1
    return float(np.mean(np.asarray(target)[chosen] == 1)) if chosen.any() else 0.0


def _recall(target: Target, predictions: Predictions) -> float:
    actual = np.asarray(target) == 1
    return float(np.mean(_labels(predictions)[actual] == 1)) if actual.any() else 0.0


def _area_under_curve(positive: npt.NDArray[np.bool_], score: npt.NDArray[np.floating]) -> float:
    """Rank formulation (Mann–Whitney U); NaN where one class is absent."""
    hits = int(positive.sum())
    misses = len(positive) - hits
    if hits == 0 or misses == 0:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def _roc_auc(target: Target, predictions: Predictions) -> float:
    """Binary: of class 1. Multiclass: macro mean of one class against the rest."""
    if predictions.shape[1] == 2:
        return _area_under_curve(np.asarray(target) == 1, predictions[:, 1])
    areas = [
        _area_under_curve(np.asarray(target) == code, predictions[:, code])
        for code in range(predictions.shape[1])
    ]
    return float(np.nanmean(areas)) if not np.all(np.isnan(areas)) else float("nan")


def _average_precision(target: Target, predictions: Predictions) -> float:
    positive = np.asarray(target) == 1
    score = predictions[:, 1]
    order = np.argsort(-score, kind="stable")
    positive, score = positive[order], score[order]
    ends = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]
    hits = np.cumsum(positive)[ends]
    if hits[-1] == 0:
        return 0.0
    recall = hits / hits[-1]
    return float(np.sum(np.diff(np.r_[0.0, recall]) * hits / (ends + 1)))


def _log_loss(target: Target, predictions: Predictions) -> float:
    probabilities = np.clip(predictions, _EPSILON, 1.0)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    chosen = probabilities[np.arange(len(probabilities)), np.asarray(target, dtype=np.int64)]
    return float(-np.mean(np.log(chosen)))


def _brier(target: Target, predictions: Predictions) -> float:
    actual = np.eye(predictions.shape[1])[np.asarray(target, dtype=np.int64)]
    return float(np.mean(np.sum((predictions - actual) ** 2, axis=1)) / 2)


def _quadratic_kappa(target: Target, predictions: Predictions) -> float:
    classes = predictions.shape[1]
    table = _confusion(target, _labels(predictions), classes)
    steps = np.arange(classes)
    weight = (steps[:, None] - steps[None, :]) ** 2
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chance = float((weight * expected).sum())
    return 1.0 - float((weight * table).sum()) / chance if chance else 0.0


def _residuals(target: Target, predictions: Predictions) -> npt.NDArray[np.float64]:
    return np.asarray(target, dtype=np.float64) - predictions[:, 0]


def _rmse(target: Target, predictions: Predictions) -> float:
    return float(np.sqrt(np.mean(_residuals(target, predictions) ** 2)))


def _mse(target: Target, predictions: Predictions) -> float:
    return float(np.mean(_residuals(target, predictions) ** 2))


def _mae(target: Target, predictions: Predictions) -> float:
    return float(np.mean(np.abs(_residuals(target, predictions))))


def _median_ae(target: Target, predictions: Predictions) -> float:
    return float(np.median(np.abs(_residuals(target, predictions))))


def _r2(target: Target, predictions: Predictions) -> float:
    values = np.asarray(target, dtype=np.float64)
    spread = float(np.sum((values - values.mean()) ** 2))
    left = float(np.sum(_residuals(target, predictions) ** 2))
    return 1.0 - left / spread if spread else 0.0


def _rmsle(target: Target, predictions: Predictions) -> float:
    """Predictions below zero count as zero."""
    logs = np.log1p(np.maximum(predictions[:, 0], 0.0))
    return float(np.sqrt(np.mean((np.log1p(np.asarray(target, dtype=np.float64)) - logs) ** 2)))


def _mape(target: Target, predictions: Predictions) -> float:
    floor = np.finfo(np.float64).eps
    size = np.maximum(np.abs(np.asarray(target, dtype=np.float64)), floor)
    return float(np.mean(np.abs(_residuals(target, predictions)) / size))


_BOTH = frozenset({"binary", "multiclass"})
_BINARY = frozenset({"binary"})
_REGRESSION = frozenset({"regression"})

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, "labels", _BOTH, _accuracy),
        Metric("balanced_accuracy", True, "labels", _BOTH, _balanced_accuracy),
        Metric("f1", True, "labels", _BINARY, _f1),
        Metric("f1_macro", True, "labels", _BOTH, _f1_macro),
        Metric("f1_weighted", True, "labels", _BOTH, _f1_weighted),
        Metric("precision", True, "labels", _BINARY, _precision),
        Metric("recall", True, "labels", _BINARY, _recall),
        Metric("roc_auc", True, "probabilities", _BOTH, _roc_auc),
        Metric("average_precision", True, "probabilities", _BINARY, _average_precision),
        Metric("log_loss", False, "probabilities", _BOTH, _log_loss),
        Metric("brier", False, "probabilities", _BOTH, _brier),
        Metric("quadratic_kappa", True, "labels", _BOTH, _quadratic_kappa),
        Metric("rmse", False, "values", _REGRESSION, _rmse),
        Metric("mse", False, "values", _REGRESSION, _mse),
        Metric("mae", False, "values", _REGRESSION, _mae),
        Metric("median_ae", False, "values", _REGRESSION, _median_ae),
        Metric("r2", True, "values", _REGRESSION, _r2),
        Metric("rmsle", False, "values", _REGRESSION, _rmsle),
        Metric("mape", False, "values", _REGRESSION, _mape),
    )
}


def metric_by_name(name: str, task: str) -> Metric:
    """The metric of this name for this task (``binary``, ``multiclass`` or ``regression``).

    Raises
    ------
    UsageError
        When no metric has the name, or when it is not defined for the task.
    """
    allowed = [known for known, metric in METRICS.items() if task in metric.tasks]
    if name not in METRICS:
        raise UsageError(f"There is no metric {name!r} for a {task} task. {did_you_mean(name, allowed)}")
    if name not in allowed:
        raise UsageError(f"Metric {name!r} is not defined for a {task} task. Allowed: {', '.join(allowed)}.")
    return METRICS[name]
