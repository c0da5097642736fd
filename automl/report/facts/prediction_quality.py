"""The numbers behind the champion's plots: confusion, rates by threshold, calibration, classes, residuals.

All functions take the encoded truth ``(rows,)`` and predictions ``(rows, n_outputs)``, as metrics do, and
weights ``(rows,)`` or None where each row counts once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Predictions
from automl.core.score_intervals import share_interval
from automl.core.weights import Weights, effective_rows, mean_of, weights_of

Array = npt.NDArray[np.float64]
Target = npt.NDArray[np.generic]
_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Rates for every threshold on one class's probability; arrays of equal length, thresholds descending.

    Attributes
    ----------
    area, average_precision:
        Areas under the ROC curve and the precision–recall curve; NaN if one side has no rows.
    share:
        Share of rows of the class: the precision of guessing.
    """

    thresholds: Array
    false_positive: Array
    recall: Array
    precision: Array
    area: float
    average_precision: float
    share: float


@dataclass(frozen=True)
class Calibration:
    """Predicted against observed: means of bins with about equal numbers of rows.

    ``low`` and ``high`` are the exact 95 % intervals of the observed shares, ``weights`` what the rows of
    each bin count together.
    """

    predicted: Array
    observed: Array
    weights: Array
    low: Array
    high: Array


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """Scores of one class by weight, with the exact 95 % interval of its recall; ``rows`` are counted."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float
    recall_low: float
    recall_high: float


@dataclass(frozen=True)
class PartRow:
    """Errors in one part of a number's range, by weight; ``rows`` are counted."""

    low: float
    high: float
    rows: int
    mean_error: float
    mean_absolute_error: float


def confusion(
    target: Target, predictions: Predictions, weights: Weights | None = None
) -> npt.NDArray[np.number]:
    """Counts ``(classes, classes)``: a row per true class, a column per most probable class.

    Weighted rows are counted by their weight.
    """
    classes = predictions.shape[1]
    flat = np.asarray(target, dtype=np.int64) * classes + predictions.argmax(axis=1)
    return np.bincount(flat, weights, minlength=classes * classes).reshape(classes, classes)


def rates(target: Target, predictions: Predictions, code: int, weights: Weights | None = None) -> Rates:
    """ROC and precision–recall of one class against the rest, thinned to at most 200 points."""
    positive = np.asarray(target) == code
    score = np.asarray(predictions[:, code], dtype=np.float64)
    order = np.argsort(-score, kind="stable")
    positive, score = positive[order], score[order]
    ends = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]
    shares = np.ones(len(order)) if weights is None else weights[order]
    hits, taken = np.cumsum(shares * positive)[ends], np.cumsum(shares)[ends]
    actual, rows = float(hits[-1]), float(taken[-1])
    both = 0 < positive.sum() < len(positive)
    recall = hits / (actual or 1.0)
    wrong = (taken - hits) / (rows - actual if both else max(rows - actual, 1.0))
    precision = hits / taken
    area = float(np.trapezoid(np.r_[0.0, recall], np.r_[0.0, wrong])) if both else float("nan")
    average = float(np.sum(np.diff(np.r_[0.0, recall]) * precision)) if actual else float("nan")
    kept = np.unique(np.linspace(0, len(ends) - 1, min(_POINTS, len(ends))).astype(int))
    return Rates(
        thresholds=score[ends][kept],
        false_positive=np.r_[0.0, wrong[kept]],
        recall=np.r_[0.0, recall[kept]],
        precision=np.r_[precision[0], precision[kept]],
        area=area,
        average_precision=average,
        share=actual / rows,
    )


def calibration(
    target: Target,
    predictions: Predictions,
    code: int | None,
    *,
    bins: int = 10,
    weights: Weights | None = None,
) -> Calibration:
    """Reliability of one class's probability, or with ``None`` of the most probable class's."""
    if code is None:
        score = predictions.max(axis=1)
        hit = predictions.argmax(axis=1) == target
    else:
        score, hit = predictions[:, code], np.asarray(target) == code
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, max(2, min(bins, len(order) // 20))) if len(part)]
    own = [weights_of(weights, part) for part in parts]
    pairs = list(zip(parts, own, strict=True))
    ends = np.array([_share_ends(hit[part], shares) for part, shares in pairs])
    return Calibration(
        np.array([mean_of(score[part], shares) for part, shares in pairs]),
        np.array([mean_of(hit[part], shares) for part, shares in pairs]),
        np.array([float(len(part) if shares is None else shares.sum()) for part, shares in pairs]),
        ends[:, 0],
        ends[:, 1],
    )


def _share_ends(right: npt.NDArray[np.bool_], weights: Weights | None) -> tuple[float, float]:
    """The 95 % interval of the (weighted) share of right rows; of no rows 0 to 1."""
    if not len(right):
        return share_interval(0, 0)
    number = effective_rows(len(right), weights)
    return share_interval(right.sum() if weights is None else mean_of(right, weights) * number, number)


def calibration_error(curve: Calibration) -> float:
    """Expected calibration error: the mean distance of predicted and observed over the rows."""
    return mean_of(np.abs(curve.predicted - curve.observed), curve.weights)


def by_class(
    target: Target,
    predictions: Predictions,
    labels: tuple[str, ...],
    weights: Weights | None = None,
) -> list[ClassRow]:
    """Precision, recall and F1 of every class, the hardest first; classes without rows last."""
    table = confusion(target, predictions, weights)
    truth = np.asarray(target)
    answers = predictions.argmax(axis=1)
    support, chosen, right = table.sum(axis=1), table.sum(axis=0), np.diag(table)
    rows = []
    for code, label in enumerate(labels):
        precision = right[code] / chosen[code] if chosen[code] else float("nan")
        recall = right[code] / support[code] if support[code] else float("nan")
        total = support[code] + chosen[code]
        f1 = 2 * right[code] / total if total else float("nan")
        own = truth == code
        low, high = _share_ends(answers[own] == code, weights_of(weights, own))
        rows.append(
            ClassRow(
                label=label,
                rows=int(own.sum()),
                precision=float(precision),
                recall=float(recall),
                f1=float(f1),
                recall_low=low,
                recall_high=high,
            )
        )
    return sorted(rows, key=lambda row: (not row.rows, np.isnan(row.f1), row.f1))


def by_part(
    target: Target, predictions: Predictions, weights: Weights | None = None, *, parts: int = 5
) -> list[PartRow]:
    """Errors in parts of the target's range with about equal numbers of rows."""
    values = np.asarray(target, dtype=np.float64)
    errors = predictions[:, 0] - values
    order = np.argsort(values, kind="stable")
    rows = []
    for part in np.array_split(order, min(parts, max(1, len(order) // 10))):
        chosen, shares = errors[part], weights_of(weights, part)
        rows.append(
            PartRow(
                float(values[part].min()),
                float(values[part].max()),
                len(part),
                mean_of(chosen, shares),
                mean_of(np.abs(chosen), shares),
            )
        )
    return rows
