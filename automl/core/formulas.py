"""Formulas of the built-in metrics, as scikit-learn has them, with and without weights of rows.

All take the encoded target ``(rows,)`` and predictions ``(rows, n_outputs)``. They are written in numpy, as
the ensemble calls them hundreds of times per search, where scikit-learn's checks cost more than the sums.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Predictions
from automl.core.weights import Weights, mean_of, median_of, sum_of

Target = npt.NDArray[np.generic]
_EPSILON = 1e-7
_FEW_CLASSES = 4


def _labels(predictions: Predictions) -> npt.NDArray[np.int64]:
    """The most probable class of each row, the first of equal ones.

    Column by column: numpy's ``argmax`` along rows of a few numbers takes twice as long.
    """
    rows, classes = predictions.shape
    if classes > _FEW_CLASSES:
        return np.asarray(predictions.argmax(axis=1), dtype=np.int64)
    labels = np.zeros(rows, dtype=np.int64)
    best = predictions[:, 0]
    for code in range(1, classes):
        column = predictions[:, code]
        labels[column > best] = code
        best = np.maximum(best, column)
    return labels


def right_rows(target: Target, predictions: Predictions) -> npt.NDArray[np.bool_]:
    """``(rows,)`` whether the most probable class is the row's own."""
    return np.asarray(_labels(predictions) == np.asarray(target), dtype=np.bool_)


def accuracy(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The share of right rows."""
    return mean_of(_labels(predictions) == target, weights)


def _confusion(
    target: Target, labels: Target, classes: int, weights: Weights | None = None
) -> npt.NDArray[np.float64]:
    flat = np.asarray(target, dtype=np.int64) * classes + np.asarray(labels, dtype=np.int64)
    counts = np.bincount(flat, weights, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def balanced_accuracy(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The mean of every class's share of right rows."""
    table = _confusion(target, _labels(predictions), predictions.shape[1], weights)
    support = table.sum(axis=1)
    present = support > 0
    return float(np.mean(np.diag(table)[present] / support[present]))


def class_shares(target: Target, predictions: Predictions) -> list[tuple[int, int]]:
    """``(right, rows)`` of every class that there is."""
    right, truth = right_rows(target, predictions), np.asarray(target)
    classes = [right[truth == code] for code in np.unique(truth)]
    return [(int(own.sum()), len(own)) for own in classes]


def _f1_by_class(
    target: Target, predictions: Predictions, weights: Weights | None
) -> npt.NDArray[np.float64]:
    table = _confusion(target, _labels(predictions), predictions.shape[1], weights)
    support, chosen = table.sum(axis=1), table.sum(axis=0)
    present = (support + chosen) > 0
    scores = 2 * np.diag(table)[present] / (support + chosen)[present]
    return np.asarray(scores, dtype=np.float64)


def f1_macro(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The mean of the classes' F1."""
    return float(np.mean(_f1_by_class(target, predictions, weights)))


def f1(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The F1 of class 1."""
    chosen = _labels(predictions) == 1
    actual = np.asarray(target) == 1
    both = sum_of(chosen & actual, weights)
    total = sum_of(chosen, weights) + sum_of(actual, weights)
    return 2 * both / total if total else 0.0


def f1_weighted(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The mean of the classes' F1 by their shares of the rows."""
    table = _confusion(target, _labels(predictions), predictions.shape[1], weights)
    support, chosen = table.sum(axis=1), table.sum(axis=0)
    scores = np.divide(
        2 * np.diag(table), support + chosen, out=np.zeros(len(support)), where=support + chosen > 0
    )
    return float(np.sum(scores * support) / np.sum(support))


def precision(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The share of class 1 among the rows that are taken for it."""
    return _share(np.asarray(target) == 1, _labels(predictions) == 1, weights)


def recall(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The share of the rows of class 1 that are taken for it."""
    return _share(_labels(predictions) == 1, np.asarray(target) == 1, weights)


def _share(right: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_], weights: Weights | None) -> float:
    """The share of the rows that are right among some; 0 where there are none."""
    if not among.any():
        return 0.0
    share = mean_of(right[among], None if weights is None else weights[among])
    return share if np.isfinite(share) else 0.0


def precision_shares(target: Target, predictions: Predictions) -> list[tuple[int, int]]:
    """``(right, rows)`` of the rows that are taken for class 1."""
    chosen = _labels(predictions) == 1
    return [(int((chosen & (np.asarray(target) == 1)).sum()), int(chosen.sum()))]


def recall_shares(target: Target, predictions: Predictions) -> list[tuple[int, int]]:
    """``(right, rows)`` of the rows of class 1."""
    actual = np.asarray(target) == 1
    return [(int((actual & (_labels(predictions) == 1)).sum()), int(actual.sum()))]


def _area_under_curve(
    positive: npt.NDArray[np.bool_], score: npt.NDArray[np.floating], weights: Weights | None
) -> float:
    """Rank formulation (Mann–Whitney U); NaN where one class is absent."""
    hits = int(positive.sum())
    misses = len(positive) - hits
    if hits == 0 or misses == 0:
        return float("nan")
    if weights is not None:
        _, inverse = np.unique(score, return_inverse=True)
        ups = np.bincount(inverse, weights * positive)
        downs = np.bincount(inverse, weights * ~positive)
        pairs = float(ups.sum() * downs.sum())
        return float(np.sum(ups * (np.cumsum(downs) - downs / 2)) / pairs) if pairs > 0 else float("nan")
    ups, downs = np.sort(score[positive]), np.sort(score[~positive])
    # Two sorted runs are merged in linear time; of equal scores the first run's come first.
    won = np.flatnonzero(np.argsort(np.concatenate([ups, downs]), kind="stable") < hits).sum()
    not_lost = np.flatnonzero(np.argsort(np.concatenate([downs, ups]), kind="stable") >= misses).sum()
    return float((won + not_lost - hits * (hits - 1)) / 2 / (hits * misses))


def roc_auc(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """Binary: of class 1. Multiclass: macro mean of one class against the rest."""
    if predictions.shape[1] == 2:
        return _area_under_curve(np.asarray(target) == 1, predictions[:, 1], weights)
    areas = [
        _area_under_curve(np.asarray(target) == code, predictions[:, code], weights)
        for code in range(predictions.shape[1])
    ]
    return float(np.nanmean(areas)) if not np.all(np.isnan(areas)) else float("nan")


def auc_jackknife(target: Target, predictions: Predictions) -> npt.NDArray[np.float64] | None:
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


def average_precision(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The mean of the precisions at the steps of the recall of class 1."""
    positive = np.asarray(target) == 1
    score = predictions[:, 1]
    order = np.argsort(-score, kind="stable")
    positive, score = positive[order], score[order]
    ends = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]
    ordered = None if weights is None else weights[order]
    hits = np.cumsum(positive if ordered is None else positive * ordered)[ends]
    chosen = ends + 1 if ordered is None else np.cumsum(ordered)[ends]
    if hits[-1] == 0:
        return 0.0
    recalls = np.diff(np.r_[0.0, hits / hits[-1]])
    return float(np.sum(recalls * hits / np.maximum(chosen, 1e-300)))


def log_loss(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The mean of minus the logarithm of the true class's probability."""
    rows, classes = predictions.shape
    probabilities = np.clip(predictions, _EPSILON, 1.0)
    # A product with ones and flat positions: sums along rows of a few numbers take twenty times as long.
    totals = probabilities @ np.ones(classes, dtype=probabilities.dtype)
    chosen = probabilities.ravel()[np.arange(0, rows * classes, classes) + np.asarray(target, dtype=np.int64)]
    return -mean_of(np.log(chosen / totals), weights)


def brier(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """Half the mean squared distance between probabilities and the truth."""
    actual = np.eye(predictions.shape[1])[np.asarray(target, dtype=np.int64)]
    return mean_of(np.sum((predictions - actual) ** 2, axis=1), weights) / 2


def quadratic_kappa(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """Cohen's kappa with squared distances of the codes."""
    classes = predictions.shape[1]
    table = _confusion(target, _labels(predictions), classes, weights)
    steps = np.arange(classes)
    distance = (steps[:, None] - steps[None, :]) ** 2
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chance = float((distance * expected).sum())
    return 1.0 - float((distance * table).sum()) / chance if chance else 0.0


def _residuals(target: Target, predictions: Predictions) -> npt.NDArray[np.float64]:
    return np.asarray(target, dtype=np.float64) - predictions[:, 0]


def rmse(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The root of the mean squared error."""
    return float(np.sqrt(mean_of(_residuals(target, predictions) ** 2, weights)))


def mse(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The mean squared error."""
    return mean_of(_residuals(target, predictions) ** 2, weights)


def mae(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The mean absolute error."""
    return mean_of(np.abs(_residuals(target, predictions)), weights)


def absolute_errors(target: Target, predictions: Predictions) -> npt.NDArray[np.float64]:
    """``(rows,)`` errors without their sign."""
    return np.abs(_residuals(target, predictions))


def median_ae(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The median absolute error."""
    return median_of(absolute_errors(target, predictions), weights)


def r2(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The share of the target's spread that is explained."""
    values = np.asarray(target, dtype=np.float64)
    spread = (values - mean_of(values, weights)) ** 2
    left = _residuals(target, predictions) ** 2
    if weights is not None:
        spread, left = spread * weights, left * weights
    total = float(np.sum(spread))
    return 1.0 - float(np.sum(left)) / total if total else 0.0


def rmsle(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The root of the mean squared error of logarithms; predictions below zero count as zero."""
    logs = np.log1p(np.maximum(predictions[:, 0], 0.0))
    errors = np.log1p(np.asarray(target, dtype=np.float64)) - logs
    return float(np.sqrt(mean_of(errors**2, weights)))


def mape(target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
    """The mean of errors as shares of the target."""
    floor = np.finfo(np.float64).eps
    size = np.maximum(np.abs(np.asarray(target, dtype=np.float64)), floor)
    return mean_of(np.abs(_residuals(target, predictions)) / size, weights)
