"""Scores by name: their inputs, their direction, and their formulas.

All take the encoded target (class codes or values) and predictions of shape ``(rows, n_outputs)``:
class probabilities, or one column of values. The formulas stand in :mod:`automl.core.formulas`.

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

from automl.core import formulas, table_scores
from automl.core.entry_points import BrokenPlugIn, Offers, held_by, offers
from automl.core.errors import UsageError
from automl.core.formulas import Target
from automl.core.predictions import Predictions
from automl.core.weights import Weights, takes_weights

METRIC_GROUP = "automl.metrics"
"""The group of entry points by which packages offer metrics."""

Score = Callable[..., float]
"""``score(target, predictions)`` or ``score(target, predictions, weights)`` → float."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One score, with what differs by it.

    How sure the score is follows from one of ``right``, ``shares`` and ``medians``, where it has an exact
    interval; else from resamples of the rows (:mod:`automl.core.score_intervals`).

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
        ``function(target, predictions, weights=None)`` → float. ``weights`` are those of the rows,
        ``(rows,)``; a function without that argument cannot judge a search with ``--weight``.
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
    costs:
        What wrong answers cost, by true class and answer (:mod:`automl.core.error_costs`); answers are those
        that are expected to cost least. Empty where every mistake is one.
    of_tables:
        The score by tables of truth by answer (:mod:`automl.core.table_scores`), with which weights of
        classes are tuned in a fraction of the time; None where it does not follow from one.
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
    costs: tuple[tuple[float, ...], ...] = ()
    of_tables: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] | None = None

    def score(self, target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
        """The score in the metric's own unit and direction.

        Parameters
        ----------
        weights:
            Of the rows, ``(rows,)``; the score is that of rows repeated as often as they weigh.
            Only where :attr:`takes_weights`.
        """
        if weights is None:
            return float(self.function(target, predictions))
        return float(self.function(target, predictions, weights=weights))

    def loss(self, target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
        """The score turned so that less is better; see :meth:`score`."""
        value = self.score(target, predictions, weights)
        return -value if self.greater_is_better else value

    @property
    def takes_weights(self) -> bool:
        """True where it can weigh rows: where its function has an argument ``weights``."""
        return takes_weights(self.function)

    def is_better(self, score: float, than: float) -> bool:
        """True where ``score`` beats ``than``."""
        return score > than if self.greater_is_better else score < than

    def is_telling(self, target: Target) -> bool:
        """True where its score means something for this target."""
        return not np.isfinite(self.telling_above) or float(np.min(target)) > self.telling_above


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
        _of_classes("accuracy", formulas.accuracy, right=formulas.right_rows),
        _of_classes(
            "balanced_accuracy",
            formulas.balanced_accuracy,
            tunes_weights=True,
            shares=formulas.class_shares,
            of_tables=table_scores.balanced_accuracy,
        ),
        _of_classes("f1", formulas.f1, _BINARY, tunes_weights=True, of_tables=table_scores.f1),
        _of_classes("f1_macro", formulas.f1_macro, tunes_weights=True, of_tables=table_scores.f1_macro),
        _of_classes(
            "f1_weighted", formulas.f1_weighted, tunes_weights=True, of_tables=table_scores.f1_weighted
        ),
        _of_classes("precision", formulas.precision, _BINARY, shares=formulas.precision_shares),
        _of_classes("recall", formulas.recall, _BINARY, shares=formulas.recall_shares),
        _of_classes(
            "roc_auc",
            formulas.roc_auc,
            reads="probabilities",
            caution=f"It ranks rows within a group only: {_WITHIN_GROUP}",
            jackknife=formulas.auc_jackknife,
        ),
        _of_classes(
            "average_precision",
            formulas.average_precision,
            _BINARY,
            reads="probabilities",
            caution="It depends on how frequent the class is in a group.",
        ),
        _of_classes("log_loss", formulas.log_loss, reads="probabilities", better=False, least=1e-12),
        _of_classes("brier", formulas.brier, reads="probabilities", better=False, least=1e-24),
        _of_classes(
            "quadratic_kappa",
            formulas.quadratic_kappa,
            tunes_weights=True,
            of_tables=table_scores.quadratic_kappa,
        ),
        _of_numbers("rmse", formulas.rmse),
        _of_numbers("mse", formulas.mse),
        _of_numbers("mae", formulas.mae, absolute=True),
        _of_numbers("median_ae", formulas.median_ae, absolute=True, medians=formulas.absolute_errors),
        _of_numbers(
            "r2", formulas.r2, better=True, caution=f"It is about the spread within a group: {_WITHIN_GROUP}"
        ),
        # Logarithmic and relative errors mean nothing for targets that reach zero or below.
        _of_numbers("rmsle", formulas.rmsle, above=-1.0, telling_above=0.0),
        _of_numbers("mape", formulas.mape, absolute=True, telling_above=0.0),
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
