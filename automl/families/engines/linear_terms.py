"""Scores that are linear in a matrix as exact sums over the features of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.family import ScoreTerms
from automl.core.predictions import Link


def linear_terms(
    rows: Any,
    typical: Any,
    coefficients: npt.NDArray[np.floating],
    intercept: float,
    *,
    owners: npt.NDArray[np.int64],
    features: int,
    link: Link,
) -> ScoreTerms:
    """Each coefficient times the distance of its column from the mean of the typical rows, by feature.

    These are the Shapley values of a linear model (Štrumbelj and Kononenko 2014, section 3.2).

    Parameters
    ----------
    rows, typical:
        Matrices ``(rows, columns)``, dense or sparse.
    coefficients:
        ``(columns,)`` of one score.
    owners:
        ``(columns,)``: the feature that each column is made of.
    features:
        How many features the table has.
    """
    coefficients = np.asarray(coefficients, dtype=np.float64)
    mean = np.asarray(typical.mean(axis=0), dtype=np.float64).ravel()
    by_feature = np.zeros((len(owners), features))
    by_feature[np.arange(len(owners)), owners] = coefficients
    values = np.asarray(rows @ by_feature) - mean @ by_feature
    return ScoreTerms(values, float(mean @ coefficients + intercept), link)
