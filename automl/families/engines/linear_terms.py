"""Scores that are linear in a matrix as exact sums over the features of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from automl.core.family import ScoreTerms
from automl.core.predictions import Link
from automl.core.table import Table


class Transformation(Protocol):
    """The way from tables to matrices ``(rows, columns)``, dense or sparse."""

    def transform(self, table: Table) -> Any:
        """The matrix of rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class LinearScore:
    """A model whose scores are linear in a matrix.

    Attributes
    ----------
    coefficients, intercept:
        ``(columns, scores)`` and ``(scores,)``.
    owners:
        ``(columns,)``: the feature that each column is made of.
    """

    matrix: Transformation
    coefficients: npt.NDArray[np.floating]
    intercept: npt.NDArray[np.float64]
    owners: npt.NDArray[np.int64]
    link: Link

    def terms(self, inputs: Table, typical: Table) -> ScoreTerms | None:
        """Exact terms of each feature, for models of one score; None for others and without rows.

        They are each coefficient times the distance of its column from the mean of the typical rows, by
        feature: the Shapley values of a linear model (Štrumbelj and Kononenko 2014, section 3.2).
        """
        if self.coefficients.shape[1] > 1 or not inputs.rows:
            return None
        coefficients = np.asarray(self.coefficients[:, 0], dtype=np.float64)
        mean = np.asarray(self.matrix.transform(typical).mean(axis=0), dtype=np.float64).ravel()
        by_feature = np.zeros((len(self.owners), len(inputs.features.names)))
        by_feature[np.arange(len(self.owners)), self.owners] = coefficients
        values = np.asarray(self.matrix.transform(inputs) @ by_feature) - mean @ by_feature
        return ScoreTerms(values, float(mean @ coefficients + self.intercept[0]), self.link)
