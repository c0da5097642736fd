"""Solvers of linear models: penalised logistic, multinomial and least-squares fits that keep a deadline.

All minimise ``mean loss + penalty / (C · rows)`` with an intercept that is not penalised, the scale of
scikit-learn's ``C``. They are written on numpy and scipy's L-BFGS so that the first model of a search
does not wait for scikit-learn to load, and so that a fit can end at any step with what it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Loss

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Matrix: TypeAlias = "npt.NDArray[np.float64] | npt.NDArray[np.float32] | csr_matrix"
_ITERATIONS = 100
_MOST_EIGEN = 2500
_LARGEST_LOGARITHM = 30.0


@dataclass(frozen=True)
class Weights:
    """A linear model: ``matrix @ coefficients + intercept`` gives scores ``(rows, outputs)``."""

    coefficients: Floats
    intercept: Floats

    def scores(self, matrix: Matrix) -> Floats:
        """``(rows, outputs)`` log-odds, logits or values."""
        return np.asarray(matrix @ self.coefficients) + self.intercept


class ScoreLoss(Protocol):
    """A loss of scores ``(rows, outputs)``, averaged over rows."""

    @property
    def curvature(self) -> float:
        """Upper bound of the second derivative by score."""
        ...

    def start(self) -> Floats:
        """The best intercept ``(outputs,)`` without any column."""
        ...

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """Mean loss, and its gradient by score ``(rows, outputs)``."""
        ...


@dataclass(frozen=True)
class Squared:
    """Half the squared error of ``(rows,)`` values."""

    target: Floats
    curvature: float = 1.0

    def start(self) -> Floats:
        """The mean."""
        return np.array([self.target.mean()])

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """See :class:`ScoreLoss`."""
        error = scores - self.target[:, None]
        return float(0.5 * np.mean(error**2)), error / len(error)


@dataclass(frozen=True)
class Logistic:
    """Log loss of two classes by the log-odds of class 1; ``target`` is ``(rows,)`` of 0 and 1."""

    target: Floats
    curvature: float = 0.25

    def start(self) -> Floats:
        """The log-odds of the class's share, half a row added to both."""
        ones = self.target.sum()
        return np.array([np.log((ones + 0.5) / (len(self.target) - ones + 0.5))])

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """See :class:`ScoreLoss`."""
        score = scores[:, 0]
        decay = np.exp(-np.abs(score))
        value = np.log1p(decay) + np.maximum(score, 0) - score * self.target
        share = np.where(score >= 0, 1.0, decay) / (1.0 + decay)
        return float(value.mean()), ((share - self.target) / len(score))[:, None]


@dataclass(frozen=True)
class Multinomial:
    """Log loss of ``classes`` classes by their logits; ``target`` is ``(rows,)`` codes."""

    target: npt.NDArray[np.int64]
    classes: int
    curvature: float = 0.5

    def start(self) -> Floats:
        """Logarithms of the classes' shares, half a row added to each."""
        counts = np.bincount(self.target, minlength=self.classes) + 0.5
        return np.asarray(np.log(counts / counts.sum()))

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """See :class:`ScoreLoss`."""
        rows = np.arange(len(scores))
        shifted = scores - scores.max(axis=1, keepdims=True)
        exponents = np.exp(shifted)
        total = exponents.sum(axis=1)
        value = float(np.mean(np.log(total) - shifted[rows, self.target]))
        gradient = exponents / total[:, None]
        gradient[rows, self.target] -= 1.0
        return value, gradient / len(scores)


@dataclass(frozen=True)
class Poisson:
    """Half of Poisson's deviance, less a constant, of ``(rows,)`` values by the logarithm of the mean."""

    target: Floats

    @property
    def curvature(self) -> float:
        """See :class:`ScoreLoss`: the largest prediction, taken to be that of the target."""
        return float(self.target.max(initial=1.0))

    def start(self) -> Floats:
        """The logarithm of the mean, half a row of 1 added."""
        return np.array([np.log((self.target.sum() + 0.5) / (len(self.target) + 0.5))])

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """See :class:`ScoreLoss`."""
        score = np.clip(scores[:, 0], -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)
        means = np.exp(score)
        return float(np.mean(means - self.target * score)), ((means - self.target) / len(score))[:, None]


def loss_of(name: str, target: npt.NDArray[np.generic], outputs: int) -> ScoreLoss:
    """The loss of a task for its encoded target ``(rows,)``.

    Parameters
    ----------
    name:
        One of :class:`automl.core.predictions.Loss`. For absolute errors squared ones stand in, which have a
        solution by steps of L-BFGS.
    outputs:
        Columns of scores.
    """
    return _LOSSES[name](target, outputs)


_LOSSES: dict[str, Callable[[npt.NDArray[np.generic], int], ScoreLoss]] = {
    Loss.SQUARED: lambda target, outputs: Squared(np.asarray(target, dtype=np.float64)),
    Loss.ABSOLUTE: lambda target, outputs: Squared(np.asarray(target, dtype=np.float64)),
    Loss.POISSON: lambda target, outputs: Poisson(np.asarray(target, dtype=np.float64)),
    Loss.LOGISTIC: lambda target, outputs: Logistic(np.asarray(target, dtype=np.float64)),
    Loss.SOFTMAX: lambda target, outputs: Multinomial(np.asarray(target, dtype=np.int64), outputs),
}
LINEAR_LOSSES = frozenset(_LOSSES)
"""The losses that a linear model can minimise."""


def minimise_l2(
    matrix: Matrix, loss: ScoreLoss, c: float, start: Weights, should_stop: Callable[[], bool]
) -> Weights:
    """L2 penalty ``½ |coefficients|²`` by L-BFGS from ``start``; on a stop the latest point."""
    from scipy.optimize import minimize

    rows, columns = matrix.shape
    outputs = len(start.intercept)
    strength = 1.0 / (c * rows)
    transposed = matrix.T

    def objective(flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(columns + 1, outputs)
        coefficients = table[:-1]
        scores = np.asarray(matrix @ coefficients.astype(matrix.dtype), dtype=np.float64) + table[-1]
        value, by_score = loss.value_and_gradient(scores)
        gradient = np.empty_like(table)
        gradient[:-1] = transposed @ by_score.astype(matrix.dtype) + strength * coefficients
        gradient[-1] = by_score.sum(axis=0)
        return value + 0.5 * strength * float((coefficients**2).sum()), gradient.ravel()

    def callback(intermediate_result: Any) -> None:
        if should_stop():
            raise StopIteration

    result = minimize(
        objective,
        np.vstack([start.coefficients, start.intercept]).ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=callback,
        options={"maxiter": _ITERATIONS, "gtol": 1e-4, "ftol": 1e-7, "maxcor": 20},
    )
    table = result.x.reshape(columns + 1, outputs)
    return Weights(table[:-1], table[-1])


def minimise_elastic(
    matrix: Matrix,
    loss: ScoreLoss,
    c: float,
    l1_ratio: float,
    start: Weights,
    should_stop: Callable[[], bool],
) -> Weights:
    """Elastic net ``r |w|₁ + ½ (1 - r) |w|²`` by accelerated proximal gradients.

    FISTA (Beck and Teboulle 2009) with the restart of O'Donoghue and Candès (2015).
    """
    rows = matrix.shape[0]
    strength = 1.0 / (c * rows)
    ridge, lasso = (1 - l1_ratio) * strength, l1_ratio * strength
    step = 1.0 / (loss.curvature * _largest_eigenvalue(matrix) * 1.05 + ridge)
    current = np.vstack([start.coefficients, start.intercept])
    ahead, momentum = current, 1.0
    for _ in range(5 * _ITERATIONS):
        if should_stop():
            break
        _, by_score = loss.value_and_gradient(np.asarray(matrix @ ahead[:-1]) + ahead[-1])
        moved = np.empty_like(ahead)
        moved[:-1] = ahead[:-1] - step * (matrix.T @ by_score + ridge * ahead[:-1])
        moved[-1] = ahead[-1] - step * by_score.sum(axis=0)
        moved[:-1] = np.sign(moved[:-1]) * np.maximum(np.abs(moved[:-1]) - step * lasso, 0.0)
        change = moved - current
        if float(((ahead - moved) * change).sum()) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + (momentum - 1) / following * change
        current, momentum = moved, following
        if np.abs(change).max() <= 1e-5 * max(1.0, np.abs(moved).max()):
            break
    return Weights(current[:-1], current[-1])


class RidgePath:
    """All ridge fits of one matrix from one eigen-decomposition of the smaller of its Gram matrices."""

    def __init__(self, matrix: Matrix, target: Floats) -> None:
        rows, columns = matrix.shape
        self._matrix = matrix
        self._centre = np.asarray(matrix.mean(axis=0)).ravel()
        self._mean = float(target.mean())
        self._dual = columns > rows
        residual = target - self._mean
        if self._dual:
            gram = np.asarray(_dense(matrix @ matrix.T))
            shift = np.asarray(matrix @ self._centre)
            gram = gram - shift[:, None] - shift[None, :] + float(self._centre @ self._centre)
            self._values, self._vectors = np.linalg.eigh(gram)
            self._projected = self._vectors.T @ residual
        else:
            gram = np.asarray(_dense(matrix.T @ matrix)) - rows * np.outer(self._centre, self._centre)
            self._values, self._vectors = np.linalg.eigh(gram)
            self._projected = self._vectors.T @ np.asarray(matrix.T @ residual)
        self._values = np.maximum(self._values, 0.0)

    def weights(self, c: float) -> Weights:
        """The fit with penalty ``1 / C``."""
        solution = self._vectors @ (self._projected / (self._values + 1.0 / c))
        if self._dual:
            # Both ends of the centred kernel: columns are centred once more on the way back.
            coefficients = np.asarray(self._matrix.T @ solution) - self._centre * solution.sum()
        else:
            coefficients = solution
        intercept = np.array([self._mean - float(self._centre @ coefficients)])
        return Weights(coefficients[:, None], intercept)

    @staticmethod
    def affordable(matrix: Matrix) -> bool:
        """Tell whether the decomposition takes only seconds."""
        return bool(min(matrix.shape) <= _MOST_EIGEN)


@dataclass(frozen=True)
class Rotation:
    """A wide matrix as its coordinates within the space that its rows span.

    With an L2 penalty the best coefficients are a combination of rows, so that a fit on ``reduced``
    ``(rows, rank)`` is the same fit, and costs rows² instead of rows · columns per step.
    """

    reduced: npt.NDArray[np.float32]
    basis: Floats
    matrix: Matrix

    @classmethod
    def of(cls, matrix: Matrix) -> Rotation:
        """The coordinates of ``(rows, columns)`` with more columns than rows."""
        gram = np.asarray(_dense(matrix @ matrix.T))
        values, vectors = np.linalg.eigh(gram)
        kept = values > 1e-9 * max(float(values[-1]), 1e-30)
        lengths = np.sqrt(values[kept])
        # Half the bytes are half the time of a step, and float32 is exact enough for its gradient.
        reduced = (vectors[:, kept] * lengths).astype(np.float32)
        return cls(reduced, vectors[:, kept] / lengths, matrix)

    def back(self, weights: Weights) -> Weights:
        """Weights of the reduced columns as weights of the original ones."""
        return Weights(np.asarray(self.matrix.T @ (self.basis @ weights.coefficients)), weights.intercept)

    @staticmethod
    def pays(matrix: Matrix) -> bool:
        """Tell whether there are many more columns than rows, and few enough rows to decompose."""
        return bool(matrix.shape[1] > 1.5 * matrix.shape[0] and matrix.shape[0] <= _MOST_EIGEN)


def _largest_eigenvalue(matrix: Matrix) -> float:
    """Of the mean outer product of rows (an intercept column included), by 30 power iterations."""
    rows, columns = matrix.shape
    vector = np.full(columns + 1, 1.0 / np.sqrt(columns + 1))
    vector[:-1] += 0.1 * np.cos(np.arange(columns))  # no direction is exactly missed
    value = 1.0
    for _ in range(30):
        image = np.asarray(matrix @ vector[:-1]) + vector[-1]
        vector = np.append(np.asarray(matrix.T @ image), image.sum()) / rows
        value = float(np.linalg.norm(vector))
        if value == 0:
            return 1.0
        vector /= value
    return value


def _dense(matrix: Any) -> Any:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
