"""The expected size of a prediction's error, row by row, from the prediction and the row's features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from automl.core.errors import ModelFileError
from automl.core.predictions import Predictions
from automl.core.table import Table
from automl.core.weights import Weights, mean_of, quantile_of, weights_of
from automl.families.engines.averaged_trees import Forest
from automl.families.preprocess.saved import Saved

FEWEST_ROWS = 200
_FIT_ROWS = 4_000
_TREES = 25
_COLUMNS = 100
_LEAVES = 100
_HIGHEST = 0.99  # quantile of the errors above which they count alike: one of them should not fill a leaf
_LOWEST = 0.1  # of the mean error: no row is taken to be easier

Array = npt.NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True)
class Difficulty(Saved):
    """A small forest that predicts absolute errors from the prediction, numbers and categories of a row.

    Attributes
    ----------
    forest:
        Of extremely randomised trees with a hundredth of the rows in a leaf.
    lowest:
        No row's error is expected to be smaller.
    """

    forest: Forest
    lowest: float

    @classmethod
    def fitted(
        cls,
        table: Table,
        predictions: Predictions,
        errors: Array,
        *,
        weights: Weights | None = None,
        seed: int = 0,
    ) -> Self:
        """From the held-out errors ``(rows,)`` of encoded rows and the predictions ``(rows, 1)`` for them."""
        return cls._grown(_matrix(table, predictions), _bounded(errors, weights), weights, seed)

    @classmethod
    def cross_fitted(
        cls,
        table: Table,
        predictions: Predictions,
        errors: Array,
        parts: npt.NDArray[np.int64],
        *,
        weights: Weights | None = None,
        seed: int = 0,
    ) -> Array | None:
        """Expected errors ``(rows,)``, each from the rows of other parts; None for few rows, or no error."""
        sizes = _bounded(errors, weights)
        if len(errors) < FEWEST_ROWS or not sizes.any():
            return None
        matrix, expected = _matrix(table, predictions), np.empty(len(errors))
        for part in np.unique(parts):
            judged = parts == part
            grown = cls._grown(matrix[~judged], sizes[~judged], weights_of(weights, ~judged), seed)
            expected[judged] = grown._expected(matrix[judged])
        return expected

    def of(self, table: Table, predictions: Predictions) -> Array:
        """Expected size of the error, ``(rows,)``, above 0.

        Raises
        ------
        ModelFileError
            Where the trees read other columns than the rows have.
        """
        matrix = _matrix(table, predictions)
        if matrix.shape[1] != self.forest.columns:
            raise ModelFileError(
                f"The intervals read {self.forest.columns} columns, and the rows have {matrix.shape[1]}: the "
                "model is damaged. Next: train again."
            )
        return self._expected(matrix)

    def _expected(self, matrix: npt.NDArray[np.float32]) -> Array:
        return np.maximum(self.forest.predict(matrix)[:, 0], self.lowest)

    @classmethod
    def _grown(
        cls, matrix: npt.NDArray[np.float32], sizes: Array, weights: Weights | None, seed: int
    ) -> Self:
        from sklearn.ensemble import ExtraTreesRegressor

        if len(sizes) > _FIT_ROWS:
            chosen = np.random.default_rng(seed).choice(len(sizes), _FIT_ROWS, replace=False)
            matrix, sizes, weights = matrix[chosen], sizes[chosen], weights_of(weights, chosen)
        leaf = max(10, len(sizes) // _LEAVES)
        model: Any = ExtraTreesRegressor(
            n_estimators=_TREES, min_samples_leaf=leaf, max_features=0.5, random_state=seed
        ).fit(matrix, sizes, sample_weight=weights)
        forest = Forest.of([tree.tree_ for tree in model.estimators_], None, 1)
        return cls(forest=forest, lowest=_LOWEST * mean_of(sizes, weights) or 1e-12)


def _bounded(errors: Array, weights: Weights | None) -> Array:
    sizes = np.abs(errors)
    return np.asarray(np.minimum(sizes, quantile_of(sizes, _HIGHEST, weights)), dtype=np.float64)


def _matrix(table: Table, predictions: Predictions) -> npt.NDArray[np.float32]:
    """``(rows, columns)``: the prediction, then numbers and codes of categories, 100 of them at most."""
    numbers = table.numbers[:, :_COLUMNS]
    codes = table.codes[:, : _COLUMNS - numbers.shape[1]]
    largest = float(np.finfo(np.float32).max)
    joined = np.concatenate([predictions[:, :1], numbers, codes], axis=1, dtype=np.float64)
    return np.clip(joined, -largest, largest).astype(np.float32)
