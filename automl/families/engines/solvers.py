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
from automl.core.weights import Weights as RowWeights
from automl.core.weights import mean_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Matrix: TypeAlias = "npt.NDArray[np.float64] | npt.NDArray[np.float32] | csr_matrix"
STEPS = 100
"""Steps of a fit at most."""
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
    """A loss of scores ``(rows, outputs)``, averaged over rows by their weights."""

    @property
    def weights(self) -> RowWeights | None:
        """Of the rows, ``(rows,)``; None where each counts once."""
        ...

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
    weights: RowWeights | None = None
    curvature: float = 1.0

    def start(self) -> Floats:
        """The mean."""
        return np.array([mean_of(self.target, self.weights)])

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """See :class:`ScoreLoss`."""
        error = scores - self.target[:, None]
        return 0.5 * mean_of(error[:, 0] ** 2, self.weights), _shared(error, self.weights)


@dataclass(frozen=True)
class Logistic:
    """Log loss of two classes by the log-odds of class 1; ``target`` is ``(rows,)`` of 0 and 1."""

    target: Floats
    weights: RowWeights | None = None
    curvature: float = 0.25

    def start(self) -> Floats:
        """The log-odds of the class's share, half a row added to both."""
        ones = _total(self.target, self.weights)
        return np.array([np.log((ones + 0.5) / (_count(self.target, self.weights) - ones + 0.5))])

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """See :class:`ScoreLoss`."""
        score = scores[:, 0]
        decay = np.exp(-np.abs(score))
        value = np.log1p(decay) + np.maximum(score, 0) - score * self.target
        share = np.where(score >= 0, 1.0, decay) / (1.0 + decay)
        return mean_of(value, self.weights), _shared((share - self.target)[:, None], self.weights)


@dataclass(frozen=True)
class Multinomial:
    """Log loss of ``classes`` classes by their logits; ``target`` is ``(rows,)`` codes."""

    target: npt.NDArray[np.int64]
    classes: int
    weights: RowWeights | None = None
    curvature: float = 0.5

    def start(self) -> Floats:
        """Logarithms of the classes' shares, half a row added to each."""
        counts = np.bincount(self.target, self.weights, minlength=self.classes) + 0.5
        return np.asarray(np.log(counts / counts.sum()))

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """See :class:`ScoreLoss`."""
        rows = np.arange(len(scores))
        shifted = scores - scores.max(axis=1, keepdims=True)
        exponents = np.exp(shifted)
        total = exponents.sum(axis=1)
        value = mean_of(np.log(total) - shifted[rows, self.target], self.weights)
        gradient = exponents / total[:, None]
        gradient[rows, self.target] -= 1.0
        return value, _shared(gradient, self.weights)


@dataclass(frozen=True)
class Poisson:
    """Half of Poisson's deviance, less a constant, of ``(rows,)`` values by the logarithm of the mean."""

    target: Floats
    weights: RowWeights | None = None

    @property
    def curvature(self) -> float:
        """See :class:`ScoreLoss`: the largest prediction, taken to be that of the target."""
        return float(self.target.max(initial=1.0))

    def start(self) -> Floats:
        """The logarithm of the mean, half a row of 1 added."""
        return np.array(
            [np.log((_total(self.target, self.weights) + 0.5) / (_count(self.target, self.weights) + 0.5))]
        )

    def value_and_gradient(self, scores: Floats) -> tuple[float, Floats]:
        """See :class:`ScoreLoss`."""
        score = np.clip(scores[:, 0], -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)
        means = np.exp(score)
        gradient = _shared((means - self.target)[:, None], self.weights)
        return mean_of(means - self.target * score, self.weights), gradient


def loss_of(
    name: str, target: npt.NDArray[np.generic], outputs: int, weights: RowWeights | None = None
) -> ScoreLoss:
    """The loss of a task for its encoded target ``(rows,)``.

    Parameters
    ----------
    name:
        One of :class:`automl.core.predictions.Loss`. For absolute errors squared ones stand in, which have a
        solution by steps of L-BFGS.
    outputs:
        Columns of scores.
    weights:
        Of the rows, ``(rows,)``; None where each counts once.
    """
    return _LOSSES[name](target, outputs, weights)


_MakeLoss = Callable[[npt.NDArray[np.generic], int, RowWeights | None], ScoreLoss]
_LOSSES: dict[str, _MakeLoss] = {
    Loss.SQUARED: lambda target, outputs, weights: Squared(np.asarray(target, dtype=np.float64), weights),
    Loss.ABSOLUTE: lambda target, outputs, weights: Squared(np.asarray(target, dtype=np.float64), weights),
    Loss.POISSON: lambda target, outputs, weights: Poisson(np.asarray(target, dtype=np.float64), weights),
    Loss.LOGISTIC: lambda target, outputs, weights: Logistic(np.asarray(target, dtype=np.float64), weights),
    Loss.SOFTMAX: lambda target, outputs, weights: Multinomial(
        np.asarray(target, dtype=np.int64), outputs, weights
    ),
}
LINEAR_LOSSES = frozenset(_LOSSES)
"""The losses that a linear model can minimise."""


def _count(target: npt.NDArray[Any], weights: RowWeights | None) -> float:
    """The number of rows, as their weights count them."""
    return float(len(target)) if weights is None else float(weights.sum())


def _total(values: Floats, weights: RowWeights | None) -> float:
    return float(values.sum()) if weights is None else float(weights @ values)


def _shared(gradient: Floats, weights: RowWeights | None) -> Floats:
    """Each row's share of the gradient of the mean, ``(rows, outputs)``."""
    if weights is None:
        return gradient / len(gradient)
    return np.asarray(gradient * (weights / weights.sum())[:, None])


def _scaled_rows(matrix: Any, factors: Floats) -> Any:
    """The matrix with each row times its factor."""
    if isinstance(matrix, np.ndarray):
        return matrix * factors[:, None].astype(matrix.dtype)
    from scipy.sparse import diags

    return (diags(factors) @ matrix).tocsr()


def minimise_l2(
    matrix: Matrix,
    loss: ScoreLoss,
    c: float,
    start: Weights,
    should_stop: Callable[[], bool],
    *,
    steps: int = STEPS,
) -> Weights:
    """L2 penalty ``½ |coefficients|²`` by L-BFGS from ``start``; on a stop the latest point."""
    from scipy.optimize import minimize

    rows, columns = matrix.shape
    outputs = len(start.intercept)
    strength = 1.0 / (c * (rows if loss.weights is None else float(loss.weights.sum())))
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
        options={"maxiter": steps, "gtol": 1e-4, "ftol": 1e-7, "maxcor": 20},
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
    rows = matrix.shape[0] if loss.weights is None else float(loss.weights.sum())
    strength = 1.0 / (c * rows)
    ridge, lasso = (1 - l1_ratio) * strength, l1_ratio * strength
    step = 1.0 / (loss.curvature * _largest_eigenvalue(matrix, loss.weights) * 1.05 + ridge)
    current = np.vstack([start.coefficients, start.intercept])
    ahead, momentum = current, 1.0
    for _ in range(5 * STEPS):
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

    def __init__(self, matrix: Matrix, target: Floats, weights: RowWeights | None = None) -> None:
        columns = matrix.shape[1]
        self._dual = columns > matrix.shape[0]
        rows = _count(target, weights)
        self._mean = mean_of(target, weights)
        residual = target - self._mean
        # With weights every centred row stands for as many as it weighs: rows times their roots.
        self._roots = None if weights is None else np.sqrt(weights)
        if self._roots is None or weights is None:
            self._centre = np.asarray(matrix.mean(axis=0)).ravel()
        else:
            self._centre = np.asarray(matrix.T @ weights).ravel() / rows
            matrix, residual = _scaled_rows(matrix, self._roots), residual * self._roots
        self._matrix = matrix
        if self._dual:
            gram = np.asarray(_dense(matrix @ matrix.T))
            shift = np.asarray(matrix @ self._centre)
            middle, across = np.asarray(self._centre @ self._centre), shift[:, None]
            if self._roots is not None:
                middle = middle * np.outer(self._roots, self._roots)
                across = np.outer(shift, self._roots)
            gram = gram - across - across.T + middle
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
            total = solution.sum() if self._roots is None else float(self._roots @ solution)
            coefficients = np.asarray(self._matrix.T @ solution) - self._centre * total
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


def _largest_eigenvalue(matrix: Matrix, weights: RowWeights | None) -> float:
    """Of the mean outer product of rows (an intercept column included), by 30 power iterations."""
    rows, columns = matrix.shape
    vector = np.full(columns + 1, 1.0 / np.sqrt(columns + 1))
    vector[:-1] += 0.1 * np.cos(np.arange(columns))  # no direction is exactly missed
    value = 1.0
    for _ in range(30):
        image = np.asarray(matrix @ vector[:-1]) + vector[-1]
        if weights is not None:
            image = image * (weights * (rows / weights.sum()))
        vector = np.append(np.asarray(matrix.T @ image), image.sum()) / rows
        value = float(np.linalg.norm(vector))
        if value == 0:
            return 1.0
        vector /= value
    return value


def _dense(matrix: Any) -> Any:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
