"""Predictions of the target from texts, a column per class, for models that cannot use thousands of terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from automl.core.table import Strings
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights
from automl.families.preprocess.saved import Saved
from automl.families.preprocess.text import TextTerms

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
_FOLDS = 5
_MOST_CLASSES = 50
_STRENGTHS = (0.3, 1.0, 3.0)
# Above this many rows the Gram matrix of the rows costs more than conjugate gradients on the terms.
_MOST_ROWS_OF_GRAM = 2500
_STEPS = 25


@dataclass(frozen=True)
class TextScores(Saved):
    """Ridge regression of the target (of each class's indicator) on the TF-IDF terms of all text columns.

    Training rows get out-of-fold scores, as in a target encoding. If texts determine the class, trees gain
    far more from these few columns than from the leading directions of the terms.

    Attributes
    ----------
    coefficients, intercept:
        ``(terms, k)`` and ``(k,)``; k is 1 for a regression or two classes, else one per class, for at most
        the 50 most frequent ones.
    """

    terms: TextTerms
    coefficients: Float32
    intercept: Float32

    @classmethod
    def fit_transform(
        cls,
        texts: Sequence[Strings],
        target: Encoded,
        task: Task,
        *,
        seed: int = 0,
        weights: Weights | None = None,
    ) -> tuple[Self, Float32]:
        """The scores fitted on all rows, and ``(rows, k)`` out-of-fold scores of these rows.

        With ``weights`` of the rows, ``(rows,)``, their squared errors are weighted.
        """
        terms = TextTerms.fit(texts, words=False)
        matrix = terms.transform(texts)
        outputs = task.averaged_columns(target, _MOST_CLASSES)
        if weights is not None:
            return cls._weighted(terms, matrix, outputs, weights, seed)
        mean, scale = outputs.mean(axis=0), np.maximum(outputs.std(axis=0), 1e-100)
        fold = np.random.default_rng(seed).permutation(len(outputs)) % _FOLDS
        solve = _by_gram if len(outputs) <= _MOST_ROWS_OF_GRAM else _by_steps
        coefficients, held_out = solve(matrix, (outputs - mean) / scale, fold)
        scores = cls(terms, (coefficients * scale).astype(np.float32), mean.astype(np.float32))
        return scores, (held_out * scale + mean).astype(np.float32)

    @classmethod
    def _weighted(
        cls, terms: TextTerms, matrix: csr_matrix, outputs: Floats, weights: Weights, seed: int
    ) -> tuple[Self, Float32]:
        """The same of rows times the roots of their weights: squared errors are then weighted ones."""
        from scipy.sparse import diags

        mean = weights @ outputs / weights.sum()
        scale = np.maximum(np.sqrt(weights @ (outputs - mean) ** 2 / weights.sum()), 1e-100)
        roots = np.sqrt(weights)[:, None]
        fold = np.random.default_rng(seed).permutation(len(outputs)) % _FOLDS
        solve = _by_gram if len(outputs) <= _MOST_ROWS_OF_GRAM else _by_steps
        rows = (diags(roots[:, 0]) @ matrix).tocsr()
        coefficients, held_out = solve(rows, roots * (outputs - mean) / scale, fold)
        scores = cls(terms, (coefficients * scale).astype(np.float32), mean.astype(np.float32))
        return scores, (held_out / roots * scale + mean).astype(np.float32)

    def transform(self, texts: Sequence[Strings]) -> Float32:
        """``(rows, k)`` scores of rows that were not used to fit."""
        values = self.terms.transform(texts) @ self.coefficients + self.intercept
        return np.asarray(values, dtype=np.float32)

    @property
    def outputs(self) -> int:
        """Number of columns (k)."""
        return len(self.intercept)


def _by_gram(matrix: csr_matrix, outputs: Floats, fold: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Coefficients and out-of-fold scores, with the strength that is best out of fold.

    With ``G = (K + s·I)⁻¹`` the residual of a group of rows, had it been left out, is
    ``(G of the group)⁻¹ · (G · outputs) of the group``: every fold follows from one inverse.
    """
    gram = (matrix @ matrix.T).toarray().astype(np.float64)
    best_error, best_dual, best_held_out = np.inf, np.zeros_like(outputs), np.zeros_like(outputs)
    for strength in _STRENGTHS:
        inverse = np.linalg.inv(gram + strength * np.eye(len(gram)))
        dual = inverse @ outputs
        held_out = np.empty_like(outputs)
        for rows in (np.flatnonzero(fold == k) for k in np.unique(fold)):
            held_out[rows] = outputs[rows] - np.linalg.solve(inverse[np.ix_(rows, rows)], dual[rows])
        error = float(np.mean((held_out - outputs) ** 2))
        if error < best_error:
            best_error, best_dual, best_held_out = error, dual, held_out
    return np.asarray(matrix.T @ best_dual), best_held_out


def _by_steps(matrix: csr_matrix, outputs: Floats, fold: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Coefficients and out-of-fold scores by conjugate gradients, for many rows."""
    held_out = np.empty_like(outputs)
    for k in np.unique(fold):
        train, rows = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        held_out[rows] = matrix[rows] @ _conjugate_gradients(matrix[train], outputs[train])
    return _conjugate_gradients(matrix, outputs), held_out


def _conjugate_gradients(matrix: csr_matrix, outputs: Floats, strength: float = 1.0) -> Floats:
    """``(terms, k)`` ridge coefficients; 25 steps, after which held-out scores hardly change."""
    transposed = matrix.T.tocsr()
    residual = np.asarray(transposed @ outputs)
    solution, direction = np.zeros_like(residual), residual.copy()
    length = (residual**2).sum(axis=0)
    for _ in range(_STEPS):
        image = np.asarray(transposed @ (matrix @ direction)) + strength * direction
        step = length / np.maximum((direction * image).sum(axis=0), 1e-30)
        solution += step * direction
        residual -= step * image
        following = (residual**2).sum(axis=0)
        direction = residual + following / np.maximum(length, 1e-30) * direction
        length = following
    return solution
