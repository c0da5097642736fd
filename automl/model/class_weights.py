"""From probabilities to classes: weights per class, tuned on held-out predictions where the metric asks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl.core.metrics import Metric
from automl.core.predictions import Predictions
from automl.core.tasks import Encoded
from automl.core.weights import Weights


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
    grid = np.exp(np.linspace(-3, 3, 49))
    order = np.argsort(np.bincount(np.asarray(target, dtype=np.int64), minlength=classes))
    moved = order[:1] if classes == 2 else order[: min(classes, 20)]
    for _ in range(1 if classes == 2 else 2):
        for code in moved:
            for factor in grid:
                trial = weights.copy()
                trial[code] = factor
                loss = metric.loss(target, predictions * trial, rows)
                if loss < best - 1e-9:
                    best, weights = loss, trial
    if best >= start - 1e-6:
        return ()
    return tuple(float(weight) for weight in weights / weights.sum() * classes)
