"""From probabilities to classes: weights per class, tuned on held-out predictions where the metric asks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from automl.core.metrics import Metric
from automl.core.predictions import Predictions
from automl.core.tasks import Encoded
from automl.core.weights import Weights

_GRID = np.exp(np.linspace(-3, 3, 49))
_TABLE_CLASSES = 50


def apply_weights(predictions: Predictions, weights: tuple[float, ...]) -> Predictions:
    """Class probabilities times a weight per class, summing to 1 again; unchanged without weights."""
    if not weights:
        return predictions
    scaled = predictions * np.asarray(weights)
    return np.asarray(scaled / np.maximum(scaled.sum(axis=1, keepdims=True), 1e-30))


def tune_weights(
    metric: Metric, target: Encoded, predictions: Predictions, rows: Weights | None = None
) -> tuple[float, ...]:
    """Weights per class that maximise a label metric on held-out predictions; empty when none helps.

    Only for metrics whose best decision is not the most probable class (F1, balanced accuracy, kappa).
    Coordinate ascent over log-spaced weights, from equal ones; two rounds. ``rows`` are the weights of the
    rows, ``(rows,)``.
    """
    if not metric.tunes_weights:
        return ()
    classes = predictions.shape[1]
    weights: npt.NDArray[np.float64] = np.ones(classes)
    best = metric.loss(target, predictions, rows)
    start = best
    order = np.argsort(np.bincount(np.asarray(target, dtype=np.int64), minlength=classes))
    moved = order[:1] if classes == 2 else order[: min(classes, 20)]
    for _ in range(1 if classes == 2 else 2):
        for code in moved:
            losses = _losses(metric, target, predictions, rows, weights, int(code))
            for factor, loss in zip(_GRID, losses, strict=True):
                if loss < best - 1e-9:
                    best = loss
                    weights = weights.copy()
                    weights[code] = factor
    if best >= start - 1e-6:
        return ()
    return tuple(float(weight) for weight in weights / weights.sum() * classes)


def _losses(
    metric: Metric,
    target: Encoded,
    predictions: Predictions,
    rows: Weights | None,
    weights: npt.NDArray[np.float64],
    code: int,
) -> Iterator[float]:
    """The loss for every factor of the grid as the weight of a class."""
    if metric.of_tables is not None and len(weights) <= _TABLE_CLASSES:
        scores = metric.of_tables(_tables(target, predictions, rows, weights, code))
        yield from (-scores if metric.greater_is_better else scores).tolist()
        return
    for factor in _GRID:
        trial = weights.copy()
        trial[code] = factor
        yield metric.loss(target, predictions * trial, rows)


def _tables(
    target: Encoded,
    predictions: Predictions,
    rows: Weights | None,
    weights: npt.NDArray[np.float64],
    code: int,
) -> npt.NDArray[np.float64]:
    """``(factors, classes, classes)`` of truth by answer, for every factor as the weight of a class.

    A row takes the class from some factor on: the one that lifts it above the best of the others.
    """
    classes, truth = len(weights), np.asarray(target, dtype=np.int64)
    others = predictions * weights
    others[:, code] = -1.0
    rival = others.argmax(axis=1)
    own = np.asarray(predictions[:, code], dtype=np.float64)
    greatest = np.asarray(others[np.arange(len(truth)), rival], dtype=np.float64)
    needed = np.divide(greatest, own, out=np.where(greatest > 0, np.inf, 0.0), where=own > 0)
    first = np.searchsorted(_GRID, needed)
    # Of equal probabilities the first class is taken.
    first += (code > rival) & (_GRID[np.minimum(first, len(_GRID) - 1)] == needed)
    steps = len(_GRID) + 1
    flat = np.bincount((first * classes + truth) * classes + rival, rows, minlength=steps * classes**2)
    counts = flat.astype(np.float64).reshape(steps, classes, classes)
    left = np.cumsum(counts[::-1], axis=0)[::-1][1:]  # rows that need more than each factor
    taken = np.cumsum(counts[:-1], axis=0).sum(axis=2)
    left[:, :, code] += taken
    return left
