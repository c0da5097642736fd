"""Probabilities that come true: one temperature for all classes, where held-out rows show that it helps.

Log-probabilities are divided by the temperature (Guo, Pleiss, Sun and Weinberger, ICML 2017): above 1 they
become less certain, below 1 more. The order of a row's classes stays, so no answer changes; of two classes
the order of the rows stays, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Predictions
from automl.core.tasks import Encoded
from automl.core.weights import Weights

FEWEST_ROWS = 100
_MOST_ROWS, _CELLS = 10_000, 200_000
_PARTS = 5
CLEAR_Z = 2.0
"""Standard errors that a gain over rows has to be above zero."""
_LEAST, _GREATEST = 1 / 3, 3.0  # of the sharpness, which is 1 / temperature
_EPSILON = 1e-7  # as in the log loss

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A temperature with what it changes on rows that it was not fitted on.

    Attributes
    ----------
    before, after:
        Log loss of the held-out rows as they are, and with temperatures that are each fitted on the other
        rows (cross-fitted, in fifths).
    """

    temperature: float
    before: float
    after: float


def fit_temperature(
    target: Encoded, probabilities: Predictions, weights: Weights | None = None
) -> Calibration | None:
    """The temperature that lowers the log loss of held-out rows; 1 where that is within the noise.

    Parameters
    ----------
    target:
        Class codes ``(rows,)``.
    probabilities:
        Held-out probabilities ``(rows, classes)``.
    weights:
        Of the rows, ``(rows,)``.

    Returns
    -------
    Calibration or None
        None for fewer than 100 rows, which cannot tell.
    """
    rows, classes = probabilities.shape
    if rows < FEWEST_ROWS:
        return None
    truth, shares = np.asarray(target, dtype=np.int64), np.ones(rows) if weights is None else weights
    order = np.random.default_rng(0).permutation(rows)[: min(_MOST_ROWS, max(1000, _CELLS // classes))]
    logs, own, shares = _log_ratios(probabilities[order]), truth[order], shares[order]
    if not shares.any():
        return None
    chosen = logs[np.arange(len(order)), own]
    sharpness = _sharpness(logs, chosen, shares, 1.0, steps=12)
    before, after = _losses(logs, chosen, 1.0), np.empty(len(order))
    parts = np.array_split(np.arange(len(order)), _PARTS)  # of rows in random order
    for part in parts:
        kept = np.ones(len(order), dtype=bool)
        kept[part] = False
        fitted = _sharpness(logs[kept], chosen[kept], shares[kept], sharpness, steps=2)
        after[part] = _losses(logs[part], chosen[part], fitted)
    total = float(shares.sum())
    saved = before - after
    gain = float(shares @ saved) / total
    error = float(np.sqrt((shares**2) @ (saved - gain) ** 2)) / total
    helps = gain > CLEAR_Z * error
    return Calibration(
        1 / sharpness if helps else 1.0, float(shares @ before) / total, float(shares @ after) / total
    )


def heated(probabilities: Predictions, temperature: float) -> Predictions:
    """Probabilities ``(rows, classes)`` at a temperature, summing to 1; unchanged at 1."""
    if temperature == 1.0 or not len(probabilities):
        return probabilities
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), 1e-30)) / temperature
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _log_ratios(probabilities: Predictions) -> Array:
    """Logarithms of probabilities over the row's greatest."""
    logs = np.log(np.clip(np.asarray(probabilities, dtype=np.float64), _EPSILON, 1.0))
    return np.asarray(logs - logs.max(axis=1, keepdims=True))


def _losses(logs: Array, chosen: Array, sharpness: float) -> Array:
    return np.asarray(np.log(np.exp(sharpness * logs).sum(axis=1)) - sharpness * chosen)


def _sharpness(logs: Array, chosen: Array, shares: Weights, start: float, *, steps: int) -> float:
    """The minimum of the log loss, which is convex in 1 / temperature, by Newton's method."""
    sharpness = start
    for _ in range(steps):
        raised = np.exp(sharpness * logs)
        raised /= raised.sum(axis=1, keepdims=True)
        raised *= logs
        mean, square = raised.sum(axis=1), np.einsum("ij,ij->i", raised, logs)
        slope, curve = float(shares @ (mean - chosen)), float(shares @ (square - mean**2))
        if curve <= 0:
            break
        moved = float(np.clip(sharpness - slope / curve, _LEAST, _GREATEST))
        if abs(moved - sharpness) < 1e-5:
            return moved
        sharpness = moved
    return sharpness
