"""Scores that follow from tables of truth by answer, for many tables at once.

All take ``(…, classes, classes)`` counts or weights of rows, a row per true class and a column per answer,
and return ``(…,)`` scores: those of :mod:`automl.core.formulas` for the same answers. Weights of classes are
tuned with them, which asks for the scores of thousands of answers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Tables = npt.NDArray[np.float64]


def balanced_accuracy(tables: Tables) -> npt.NDArray[np.float64]:
    """The mean of every class's share of right rows."""
    support = tables.sum(axis=-1)
    shares = _over(_diagonal(tables), support)
    return np.asarray(shares.sum(axis=-1) / (support > 0).sum(axis=-1))


def f1(tables: Tables) -> npt.NDArray[np.float64]:
    """The F1 of class 1."""
    total = tables[..., 1].sum(axis=-1) + tables[..., 1, :].sum(axis=-1)
    return _over(2 * tables[..., 1, 1], total)


def f1_macro(tables: Tables) -> npt.NDArray[np.float64]:
    """The mean of the classes' F1."""
    total = tables.sum(axis=-1) + tables.sum(axis=-2)
    scores = _over(2 * _diagonal(tables), total)
    return np.asarray(scores.sum(axis=-1) / (total > 0).sum(axis=-1))


def f1_weighted(tables: Tables) -> npt.NDArray[np.float64]:
    """The mean of the classes' F1 by their shares of the rows."""
    support = tables.sum(axis=-1)
    scores = _over(2 * _diagonal(tables), support + tables.sum(axis=-2))
    return np.asarray((scores * support).sum(axis=-1) / support.sum(axis=-1))


def quadratic_kappa(tables: Tables) -> npt.NDArray[np.float64]:
    """Cohen's kappa with quadratic weights."""
    steps = np.arange(tables.shape[-1])
    weight = (steps[:, None] - steps[None, :]) ** 2
    support, chosen = tables.sum(axis=-1), tables.sum(axis=-2)
    chance = np.einsum("...i,...j,ij->...", support, chosen, weight) / support.sum(axis=-1)
    missed = (weight * tables).sum(axis=(-2, -1))
    return np.asarray(np.where(chance > 0, 1.0 - _over(missed, chance), 0.0))


def _diagonal(tables: Tables) -> npt.NDArray[np.float64]:
    return np.asarray(np.diagonal(tables, axis1=-2, axis2=-1))


def _over(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shares, 0 where there is no whole."""
    return np.asarray(np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0))
