"""Scores that are linear in a matrix: fitted along a path of L2 penalties, or with L1, judged by a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.core.family import FitContext
from automl.core.predictions import Answer, Link, Predictions
from automl.core.tasks import Encoded, Task
from automl.core.trial import Curve
from automl.core.weights import Weights as RowWeights
from automl.core.weights import deviation_of, mean_of, weights_of
from automl.families.engines.solvers import (
    STEPS,
    Matrix,
    RidgePath,
    Rotation,
    ScoreLoss,
    Squared,
    Weights,
    loss_of,
    minimise_elastic,
    minimise_l2,
)

_PATH = tuple(float(c) for c in np.logspace(-5, 5, 21))
_PATIENCE = 2
# The path begins where the first step moves scores by this much: with small columns, as those of text
# terms are, the strongest penalties let nothing happen for many points.
_FIRST_MOVE = 0.003
# The best C is found on at most this many numbers (rows · columns · classes); the fit at it takes all rows.
_PATH_CELLS = 20_000_000
# Coefficients of this many terms and classes are kept in single precision, for the size of the model.
_LARGE = 100_000
_LARGEST_LOGARITHM = 30.0


@dataclass(frozen=True, kw_only=True)
class LinearScores:
    """Scores ``matrix @ coefficients + intercept``, and the way from them to predictions.

    Attributes
    ----------
    coefficients, intercept:
        ``(columns, scores)`` and ``(scores,)``; one score for two classes, the log-odds of class 1.
    bounds:
        Least and largest prediction of a value.
    """

    coefficients: npt.NDArray[np.floating]
    intercept: npt.NDArray[np.float64]
    bounds: tuple[float, float]


def fit_scores(
    train: Matrix,
    held_out: Matrix | None,
    target: Encoded,
    task: Task,
    context: FitContext,
    *,
    elastic: tuple[float, float] | None = None,
    steps: int = STEPS,
) -> LinearScores:
    """The scores with the best of the path of L2 penalties.

    Parameters
    ----------
    train, held_out:
        Matrices ``(rows, columns)`` of the rows to learn from, and of ``context.valid``.
    elastic:
        Instead of the path: ``C`` and the share of L1 in an elastic net, 1 for L1 alone.
    steps:
        Steps of a solver at each penalty of the path, at most: it begins where the one before ended.
    """
    valid = None
    if held_out is not None and context.valid is not None:
        valid = _HeldOut(held_out, context.valid[1], context.valid_weights)
    values: Encoded = target
    mean, deviation, bounds = 0.0, 1.0, (-np.inf, np.inf)
    if task.answer is Answer.NUMBERS:
        # A line may leave the range of the target, but not by far: one outlier must not cost everything.
        reach = 0.5 * float(np.ptp(values))
        bounds = (float(values.min()) - reach, float(values.max()) + reach)
    if task.link is Link.IDENTITY:
        mean, deviation = mean_of(values, context.weights), deviation_of(values, context.weights) or 1.0
        values = np.asarray((values - mean) / deviation, dtype=np.float64)

    def judge(weights: Weights, held_out: _HeldOut) -> float:
        scores = weights.scores(held_out.matrix) * deviation + mean
        losses = task.row_losses(held_out.target, predictions_of(scores, task.link, bounds))
        return mean_of(losses, held_out.weights)

    rows = _Rows(train, values, context.weights, steps)
    if elastic is None:
        weights = _fit_path(rows, target, valid, task, context, judge)
    else:
        loss = rows.loss(task)
        weights = minimise_elastic(train, loss, *elastic, _start(train, loss), context.should_stop)
        context.facts["nonzero"] = float(np.count_nonzero(np.any(weights.coefficients != 0, axis=1)))
    coefficients = weights.coefficients * deviation
    if coefficients.size > _LARGE:
        coefficients = coefficients.astype(np.float32)
    intercept = weights.intercept * deviation + mean
    return LinearScores(coefficients=coefficients, intercept=intercept, bounds=bounds)


@dataclass(frozen=True)
class _Rows:
    """Rows to learn from, the target as it is fitted; the weights of the rows, or None; steps of a fit."""

    matrix: Matrix
    values: Encoded
    weights: RowWeights | None
    steps: int

    def loss(self, task: Task) -> ScoreLoss:
        """The loss of a task for these rows."""
        return loss_of(task.loss, self.values, task.n_outputs, self.weights)

    def take(self, rows: npt.NDArray[np.int64]) -> _Rows:
        """Some of the rows."""
        return _Rows(self.matrix[rows], self.values[rows], weights_of(self.weights, rows), self.steps)


@dataclass(frozen=True)
class _HeldOut:
    """Rows to judge with, the target in its own unit."""

    matrix: Matrix
    target: Encoded
    weights: RowWeights | None


def _fit_path(
    train: _Rows,
    target: Encoded,
    valid: _HeldOut | None,
    task: Task,
    context: FitContext,
    judge: Callable[[Weights, _HeldOut], float],
) -> Weights:
    """The best of the path on the held-out rows; without them on a fifth of the rows, then on all."""
    rows = train.matrix.shape[0]
    order = np.random.default_rng(context.seed).permutation(rows)
    if valid is None:
        held = np.sort(order[: max(1, rows // 5)])
        valid = _HeldOut(train.matrix[held], target[held], weights_of(train.weights, held))
        order = order[max(1, rows // 5) :] if rows > 1 else order
    enough = max(1000, _PATH_CELLS // (max(_cells_per_row(train.matrix), 1) * task.n_outputs))
    squared = isinstance(train.loss(task), Squared)
    if Rotation.pays(train.matrix) or (squared and RidgePath.affordable(train.matrix)):
        enough = rows  # one decomposition serves the whole path
    chosen = np.sort(order[:enough])
    part = train if len(chosen) == rows else train.take(chosen)
    best = _walk(part, valid, task, context, judge)
    if part is train or context.should_stop():
        return best.weights
    return _solver(train, task, context)(best.c * len(chosen) / rows, best.weights)


@dataclass(frozen=True)
class _Point:
    """One point of the path."""

    c: float
    weights: Weights
    loss: float


def _walk(
    train: _Rows,
    valid: _HeldOut,
    task: Task,
    context: FitContext,
    judge: Callable[[Weights, _HeldOut], float],
) -> _Point:
    """From the strongest penalty on, each fit from the one before, until two in a row bring nothing."""
    solve = _solver(train, task, context)
    loss = train.loss(task)
    weights = _start(train.matrix, loss)
    best, losses = None, []
    path = _path(train.matrix, loss, weights)
    for i, c in enumerate(path):
        weights = solve(c, weights)
        losses.append(judge(weights, valid))
        if best is None or losses[-1] < best.loss:
            best = _Point(c, weights, losses[-1])
        context.report((i + 1) / len(path), f"C {c:.3g}, loss {losses[-1]:.5g}")
        waited = len(losses) - 1 - losses.index(min(losses))
        if waited >= _PATIENCE or context.should_stop():
            break
    assert best is not None
    context.facts["C"] = best.c
    context.curves.append(Curve("valid_loss", tuple(range(len(losses))), tuple(losses)))
    return best


def _path(train: Matrix, loss: ScoreLoss, start: Weights) -> tuple[float, ...]:
    """The path without the penalties that are too strong to let anything happen; at least its last half."""
    _, by_score = loss.value_and_gradient(start.scores(train))
    # Under a strong penalty the coefficients are about -C · rows · gradient.
    rows = train.shape[0] if loss.weights is None else loss.weights.sum()
    move = np.asarray(train @ np.asarray(train.T @ by_score)) * rows
    per_c = float(np.sqrt(np.mean(move**2)))
    return tuple(c for c in _PATH if c * per_c >= _FIRST_MOVE or c >= 1.0)


def _solver(rows: _Rows, task: Task, context: FitContext) -> Callable[[float, Weights], Weights]:
    """``solve(C, weights to start from)`` by the way that suits the matrix's shape."""
    matrix, loss = rows.matrix, rows.loss(task)
    if isinstance(loss, Squared) and RidgePath.affordable(matrix):
        path = RidgePath(matrix, loss.target, loss.weights)
        return lambda c, start: path.weights(c)
    if Rotation.pays(matrix):
        rotation = Rotation.of(matrix)
        reduced = [_start(rotation.reduced, loss)]

        def solve_reduced(c: float, start: Weights) -> Weights:
            reduced[0] = minimise_l2(
                rotation.reduced, loss, c, reduced[0], context.should_stop, steps=rows.steps
            )
            return rotation.back(reduced[0])

        return solve_reduced
    return lambda c, start: minimise_l2(matrix, loss, c, start, context.should_stop, steps=rows.steps)


def _start(matrix: Matrix, loss: ScoreLoss) -> Weights:
    intercept = loss.start()
    return Weights(np.zeros((matrix.shape[1], len(intercept))), intercept)


def _cells_per_row(matrix: Matrix) -> int:
    if isinstance(matrix, np.ndarray):
        return int(matrix.shape[1])
    return int(matrix.nnz // max(matrix.shape[0], 1))


def predictions_of(scores: npt.NDArray[np.float64], link: Link, bounds: tuple[float, float]) -> Predictions:
    """Predictions ``(rows, n_outputs)`` of scores ``(rows, scores)``, within ``bounds``."""
    return np.clip(_BY_LINK[link](scores), *bounds)


def _two_shares(scores: npt.NDArray[np.float64]) -> Predictions:
    share = 0.5 * (1.0 + np.tanh(0.5 * scores[:, 0]))
    return np.column_stack([1.0 - share, share])


def _shares(scores: npt.NDArray[np.float64]) -> Predictions:
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


_BY_LINK: dict[Link, Callable[[npt.NDArray[np.float64]], Predictions]] = {
    Link.IDENTITY: lambda scores: scores,
    Link.LOG: lambda scores: np.exp(np.minimum(scores, _LARGEST_LOGARITHM)),
    Link.LOGISTIC: _two_shares,
    Link.SOFTMAX: _shares,
}
