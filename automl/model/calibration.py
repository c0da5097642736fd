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
class FittedTemperature:
    """A temperature with what it changes on rows that it was not fitted on.

    Attributes
    ----------
    before, after:
        Log loss of the held-out rows as they are, and with temperatures that are each fitted on the other
        rows (cross-fitted, in fifths); equal where not even the rows that it was fitted on gain by one.
    """

    temperature: float
    before: float
    after: float


def fit_temperature(
    target: Encoded, probabilities: Predictions, weights: Weights | None = None
) -> FittedTemperature | None:
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
    FittedTemperature or None
        None for fewer than 100 rows, which cannot tell.
    """
    rows, classes = probabilities.shape
    if rows < FEWEST_ROWS:
        return None
    truth, shares = np.asarray(target, dtype=np.int64), np.ones(rows) if weights is None else weights
    order = np.random.default_rng(0).permutation(rows)[: min(_MOST_ROWS, max(1000, _CELLS // classes))]
    shares, gaps = shares[order], _gaps(probabilities[order], truth[order])
    if not shares.any():
        return None
    sharpness = _sharpness(gaps, shares, 1.0, steps=12)
    before = _losses(gaps, 1.0)
    mean = float(shares @ before) / float(shares.sum())
    if not _is_clear(before - _losses(gaps, sharpness), shares):
        return FittedTemperature(
            1.0, mean, mean
        )  # on the very rows that it was fitted on: no need to look further
    after = np.empty(len(order))
    for part in np.array_split(np.arange(len(order)), _PARTS):  # of rows in random order
        kept = np.ones(len(order), dtype=bool)
        kept[part] = False
        fitted = _sharpness(gaps[kept], shares[kept], sharpness, steps=2)
        after[part] = _losses(gaps[part], fitted)
    helps = _is_clear(before - after, shares)
    return FittedTemperature(
        1 / sharpness if helps else 1.0, mean, float(shares @ after) / float(shares.sum())
    )


def _is_clear(saved: Array, shares: Weights) -> bool:
    """Tell whether the mean of what rows save is above 0 by more than noise."""
    total = float(shares.sum())
    gain = float(shares @ saved) / total
    return gain > CLEAR_Z * float(np.sqrt((shares**2) @ (saved - gain) ** 2)) / total


def heated(probabilities: Predictions, temperature: float) -> Predictions:
    """Probabilities ``(rows, classes)`` at a temperature, summing to 1; unchanged at 1."""
    if temperature == 1.0 or not len(probabilities):
        return probabilities
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), 1e-30)) / temperature
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _gaps(probabilities: Predictions, truth: npt.NDArray[np.int64]) -> Array:
    """``(rows, classes - 1)`` logarithms of the other classes' probabilities over that of the true one."""
    logs = np.log(np.clip(np.asarray(probabilities, dtype=np.float64), _EPSILON, 1.0))
    rows, classes = logs.shape
    others = np.ones(logs.shape, dtype=bool)
    others[np.arange(rows), truth] = False
    own = logs[np.arange(rows), truth]
    return np.asarray(logs[others].reshape(rows, classes - 1) - own[:, None])


def _losses(gaps: Array, sharpness: float) -> Array:
    return np.asarray(np.log1p(np.exp(sharpness * gaps).sum(axis=1)))


def _sharpness(gaps: Array, shares: Weights, start: float, *, steps: int) -> float:
    """The minimum of the log loss, which is convex in 1 / temperature, by Newton's method."""
    sharpness = start
    for _ in range(steps):
        raised = np.exp(sharpness * gaps)
        raised /= 1.0 + raised.sum(axis=1, keepdims=True)
        raised *= gaps
        slopes = raised.sum(axis=1)
        slope = float(shares @ slopes)
        curve = float(shares @ (np.einsum("ij,ij->i", raised, gaps) - slopes**2))
        if curve <= 0:
            break
        moved = float(np.clip(sharpness - slope / curve, _LEAST, _GREATEST))
        if abs(moved - sharpness) < 1e-5:
            return moved
        sharpness = moved
    return sharpness
