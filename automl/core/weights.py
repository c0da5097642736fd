"""Weights of rows: how much each counts where models are fitted, judged and put together.

Weights are ``(rows,)`` float64 of 0 or more, or None where every row counts once. A row of weight 2 counts as
two rows would.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]
SAMPLE_WEIGHT = "sample_weight"
"""The argument of functions that are metrics, by scikit-learn's name."""


def mean_of(values: npt.NDArray[Any], weights: Weights | None) -> float:
    """The (weighted) mean of ``(rows,)`` values; of no weight at all NaN."""
    if weights is None:
        return float(np.mean(values))
    total = float(np.sum(weights))
    return float(np.sum(weights * values)) / total if total > 0 else float("nan")


def deviation_of(values: npt.NDArray[Any], weights: Weights | None) -> float:
    """The (weighted) standard deviation of ``(rows,)`` values."""
    if weights is None:
        return float(np.std(values))
    return float(np.sqrt(mean_of((values - mean_of(values, weights)) ** 2, weights)))


def median_of(values: npt.NDArray[np.float64], weights: Weights | None) -> float:
    """The (weighted) median of ``(rows,)`` values: that of the rows repeated as often as they weigh."""
    if weights is None:
        return float(np.median(values))
    counted = weights > 0
    values, weights = values[counted], weights[counted]
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    half = reached[-1] / 2
    close = 1e-12 * reached[-1]
    low, high = np.searchsorted(reached, [half - close, half + close])
    return float(values[order[low]] + values[order[min(high, len(order) - 1)]]) / 2


def quantile_of(values: npt.NDArray[Any], share: float, weights: Weights | None) -> float:
    """The (weighted) quantile of ``(rows,)`` values at a share between 0 and 1.

    Of weighted rows it is the smallest value that the share of the weight does not exceed.
    """
    if weights is None:
        return float(np.quantile(values, share))
    return float(np.quantile(values, share, weights=weights, method="inverted_cdf"))


def sum_of(rows: npt.NDArray[Any], weights: Weights | None) -> float:
    """The weight of the rows that are True in ``(rows,)``; their number without weights."""
    return float(np.sum(rows)) if weights is None else float(np.sum(weights[rows]))


def effective_rows(rows: int, weights: Weights | None) -> float:
    """The number of equal rows that tell as much (Kish, Survey Sampling, 1965): ``(Σw)² / Σw²``."""
    if weights is None:
        return float(rows)
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares > 0 else 0.0


def weights_of(weights: Weights | None, rows: npt.NDArray[Any]) -> Weights | None:
    """The weights of some rows; None for None."""
    return None if weights is None else np.asarray(weights[rows], dtype=np.float64)


def takes_weights(function: Callable[..., Any], argument: str = "weights") -> bool:
    """Return whether a function has an argument of this name; ``*args`` and ``**kwargs`` do not count."""
    try:
        parameter = inspect.signature(function).parameters.get(argument)
    except ValueError:  # of some functions in C nothing is known
        return False
    return parameter is not None and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )
