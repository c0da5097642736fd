"""Scores by name: their inputs, their direction, and their formulas.

All take the encoded target (class codes or values) and predictions of shape ``(rows, n_outputs)``:
class probabilities, or one column of values. Formulas follow scikit-learn's metrics of the same names;
``tests/core/test_metrics.py`` compares them. They are written in numpy because the ensemble calls them
hundreds of times per search, where scikit-learn's input checks cost more than the sums.

Another package offers a metric by an entry point in the group ``automl.metrics`` that leads to a
:class:`Metric` or to a module with a ``METRIC``. Whatever a search, an interval or a report does differently
for one metric is stated by the metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.entry_points import BrokenPlugIn, Offers, held_by, offers
from automl.core.errors import UsageError
from automl.core.predictions import Predictions

Target = npt.NDArray[np.generic]
METRIC_GROUP = "automl.metrics"
"""The group of entry points by which packages offer metrics."""
_EPSILON = 1e-7

Score = Callable[[Target, Predictions], float]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One score, with what differs by it.

    How sure the score is follows from one of ``right``, ``shares`` and ``medians``, where it has an exact
    interval; else from resamples of the rows (:mod:`automl.core.intervals`).

    Attributes
    ----------
    name:
        The name users give, e.g. ``roc_auc``.
    greater_is_better:
        Direction.
    reads:
        ``labels`` (the most probable class), ``probabilities`` or ``values``.
    tasks:
        Names of the tasks it is defined for: ``binary``, ``multiclass``, ``regression``, or those of other
        packages. A task takes the metrics of its :attr:`~automl.core.tasks.Task.kin`, too.
    function:
        ``function(target, predictions)`` → float.
    absolute:
        Whether it asks for small absolute errors, not for small squared ones.
    tunes_weights:
        Whether its best decision is not the most probable class, so that a weight per class is tuned for it.
    above:
        Every value of the target must lie above this.
    telling_above:
        Beside the metric that was asked for, it is shown where every value of the target lies above this.
    caution:
        What to know of its score on a group of rows, in a sentence.
    right:
        ``right(target, predictions)`` → ``(rows,)`` bool, where the score is their share.
    shares:
        ``shares(target, predictions)`` → ``(right, rows)`` of independent shares whose mean the score is.
    medians:
        ``medians(target, predictions)`` → ``(rows,)`` values whose median the score is.
    jackknife:
        ``jackknife(target, predictions)`` → ``(rows,)`` scores without each row in turn, for a sharper
        interval over resamples; None where these predictions have no closed form of it.
    least:
        Of a metric of probabilities that is the mean over rows of how far off each is: its score for
        probabilities of 1 as they are rounded. 0 for all others, which count mistakes or measure values.
    """

    name: str
    greater_is_better: bool
    reads: str
    tasks: frozenset[str]
    function: Score
    absolute: bool = False
    tunes_weights: bool = False
    above: float = -np.inf
    telling_above: float = -np.inf
    caution: str = ""
    right: Callable[[Target, Predictions], npt.NDArray[np.bool_]] | None = None
    shares: Callable[[Target, Predictions], Sequence[tuple[int, int]]] | None = None
    medians: Callable[[Target, Predictions], npt.NDArray[np.float64]] | None = None
    jackknife: Callable[[Target, Predictions], npt.NDArray[np.float64] | None] | None = None
    least: float = 0.0

    def score(self, target: Target, predictions: Predictions) -> float:
        """The score in the metric's own unit and direction."""
        return float(self.function(target, predictions))

    def loss(self, target: Target, predictions: Predictions) -> float:
        """The score turned so that less is better."""
        value = self.score(target, predictions)
        return -value if self.greater_is_better else value

    def is_better(self, score: float, than: float) -> bool:
        """True where ``score`` beats ``than``."""
        return score > than if self.greater_is_better else score < than

    def is_telling(self, target: Target) -> bool:
        """True where its score means something for this target."""
        return not np.isfinite(self.telling_above) or float(np.min(target)) > self.telling_above


def _labels(predictions: Predictions) -> npt.NDArray[np.int64]:
    return np.asarray(predictions.argmax(axis=1), dtype=np.int64)


def right_rows(target: Target, predictions: Predictions) -> npt.NDArray[np.bool_]:
    """``(rows,)`` whether the most probable class is the row's own."""
    return np.asarray(predictions.argmax(axis=1) == np.asarray(target), dtype=np.bool_)


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


def _class_shares(target: Target, predictions: Predictions) -> list[tuple[int, int]]:
    right, truth = right_rows(target, predictions), np.asarray(target)
    classes = [right[truth == code] for code in np.unique(truth)]
    return [(int(own.sum()), len(own)) for own in classes]


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


def _precision_shares(target: Target, predictions: Predictions) -> list[tuple[int, int]]:
    chosen = _labels(predictions) == 1
    return [(int((chosen & (np.asarray(target) == 1)).sum()), int(chosen.sum()))]


def _recall_shares(target: Target, predictions: Predictions) -> list[tuple[int, int]]:
    actual = np.asarray(target) == 1
    return [(int((actual & (_labels(predictions) == 1)).sum()), int(actual.sum()))]


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


def _auc_jackknife(target: Target, predictions: Predictions) -> npt.NDArray[np.float64] | None:
    """Binary AUC without each row in turn, from every row's share of concordant pairs (DeLong, 1988)."""
    if predictions.shape[1] != 2:
        return None
    score = predictions[:, 1]
    positive = np.asarray(target) == 1
    ups, downs = np.sort(score[positive]), np.sort(score[~positive])
    if len(ups) < 2 or len(downs) < 2:
        return np.zeros(len(score))
    below = np.searchsorted(downs, score[positive], "left")
    tied = np.searchsorted(downs, score[positive], "right") - below
    of_positive = (below + tied / 2) / len(downs)
    above = len(ups) - np.searchsorted(ups, score[~positive], "right")
    tied = len(ups) - above - np.searchsorted(ups, score[~positive], "left")
    of_negative = (above + tied / 2) / len(ups)
    area = of_positive.mean()
    left_out = np.empty(len(score))
    left_out[positive] = (len(ups) * area - of_positive) / (len(ups) - 1)
    left_out[~positive] = (len(downs) * area - of_negative) / (len(downs) - 1)
    return left_out


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


def _absolute_errors(target: Target, predictions: Predictions) -> npt.NDArray[np.float64]:
    return np.abs(_residuals(target, predictions))


def _median_ae(target: Target, predictions: Predictions) -> float:
    return float(np.median(_absolute_errors(target, predictions)))


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

_WITHIN_GROUP = "all groups may lie below the score of all rows."


def _of_classes(
    name: str,
    function: Score,
    tasks: frozenset[str] = _BOTH,
    *,
    reads: str = "labels",
    better: bool = True,
    **more: Any,
) -> Metric:
    return Metric(name=name, greater_is_better=better, reads=reads, tasks=tasks, function=function, **more)


def _of_numbers(name: str, function: Score, *, better: bool = False, **more: Any) -> Metric:
    return Metric(
        name=name, greater_is_better=better, reads="values", tasks=_REGRESSION, function=function, **more
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _of_classes("accuracy", _accuracy, right=right_rows),
        _of_classes("balanced_accuracy", _balanced_accuracy, tunes_weights=True, shares=_class_shares),
        _of_classes("f1", _f1, _BINARY, tunes_weights=True),
        _of_classes("f1_macro", _f1_macro, tunes_weights=True),
        _of_classes("f1_weighted", _f1_weighted, tunes_weights=True),
        _of_classes("precision", _precision, _BINARY, shares=_precision_shares),
        _of_classes("recall", _recall, _BINARY, shares=_recall_shares),
        _of_classes(
            "roc_auc",
            _roc_auc,
            reads="probabilities",
            caution=f"It ranks rows within a group only: {_WITHIN_GROUP}",
            jackknife=_auc_jackknife,
        ),
        _of_classes(
            "average_precision",
            _average_precision,
            _BINARY,
            reads="probabilities",
            caution="It depends on how frequent the class is in a group.",
        ),
        _of_classes("log_loss", _log_loss, reads="probabilities", better=False, least=1e-12),
        _of_classes("brier", _brier, reads="probabilities", better=False, least=1e-24),
        _of_classes("quadratic_kappa", _quadratic_kappa, tunes_weights=True),
        _of_numbers("rmse", _rmse),
        _of_numbers("mse", _mse),
        _of_numbers("mae", _mae, absolute=True),
        _of_numbers("median_ae", _median_ae, absolute=True, medians=_absolute_errors),
        _of_numbers(
            "r2", _r2, better=True, caution=f"It is about the spread within a group: {_WITHIN_GROUP}"
        ),
        # Logarithmic and relative errors mean nothing for targets that reach zero or below.
        _of_numbers("rmsle", _rmsle, above=-1.0, telling_above=0.0),
        _of_numbers("mape", _mape, absolute=True, telling_above=0.0),
    )
}
"""The built-in metrics; :func:`metrics` also has those of packages."""


def metrics() -> Mapping[str, Metric]:
    """Every usable metric by name: the built-in ones, then those of packages."""
    return metric_offers().by_name


def broken_metrics() -> tuple[BrokenPlugIn, ...]:
    """Plug-ins of the group ``automl.metrics`` that cannot be used."""
    return metric_offers().broken


def refresh_metrics() -> None:
    """Look again, where a plug-in was installed or removed while this process runs."""
    metric_offers.cache_clear()


@cache
def metric_offers() -> Offers[Metric]:
    """The metrics of this package and of installed ones."""
    return offers(
        METRIC_GROUP, METRICS, lambda loaded: held_by(loaded, "METRIC", Metric), lambda metric: metric.name
    )


def metric_by_name(name: str, *tasks: str) -> Metric:
    """The metric of this name for a task.

    Parameters
    ----------
    tasks:
        The task's name, such as ``binary``; then further ones whose metrics it takes.

    Raises
    ------
    UsageError
        When no metric has the name, when its plug-in is broken, or when it is not defined for the task.
    """
    available = metric_offers()
    allowed = tuple(item for item, metric in available.by_name.items() if metric.tasks & set(tasks))
    if name not in available.by_name:
        available.refuse("metric", name, allowed, f" for a {tasks[0]} task")
    if name not in allowed:
        raise UsageError(
            f"Metric {name!r} is not defined for a {tasks[0]} task. Allowed: {', '.join(allowed)}."
        )
    return available.by_name[name]
