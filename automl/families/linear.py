"""Linear models: logistic, multinomial and ridge regression along a path of penalties; L1 and elastic net."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from automl.core.family import Family, FitContext, ScoreTerms, TrialStopped
from automl.core.predictions import Answer, Link, Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.trial import Curve
from automl.core.weights import Weights as RowWeights
from automl.core.weights import deviation_of, mean_of, weights_of
from automl.families.engines.solvers import (
    LINEAR_LOSSES,
    RidgePath,
    Rotation,
    ScoreLoss,
    Squared,
    Weights,
    loss_of,
    minimise_elastic,
    minimise_l2,
)
from automl.families.preprocess.linear_matrix import LinearMatrix, Matrix
from automl.families.preprocess.saved import Saved

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


@dataclass(frozen=True)
class Params:
    """Parameters of a linear model.

    Attributes
    ----------
    penalty:
        ``path``: L2, its strength chosen among 21 values; ``l1`` and ``elastic``: at strength ``C``.
    C:
        Inverse strength of the penalty, on scikit-learn's scale.
    l1_ratio:
        Share of L1 in an elastic net.
    numeric:
        How numbers are prepared.
    """

    penalty: Literal["path", "l1", "elastic"] = "path"
    C: float = 1.0
    l1_ratio: float = 0.5
    numeric: Literal["standard", "squash", "quantile", "splines"] = "standard"


@dataclass(frozen=True, kw_only=True)
class FittedLinear(Saved):
    """Coefficients with the way from tables to their matrix.

    Attributes
    ----------
    coefficients, intercept:
        ``(columns, scores)`` and ``(scores,)``; one score for two classes, the log-odds of class 1.
    bounds:
        Least and largest prediction of a value.
    link:
        How predictions follow from scores; empty in models of earlier versions.
    """

    matrix: LinearMatrix
    coefficients: npt.NDArray[np.floating]
    intercept: npt.NDArray[np.float64]
    n_outputs: int
    bounds: tuple[float, float]
    link: str = ""

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        scores = np.asarray(self.matrix.transform(inputs) @ self.coefficients) + self.intercept
        return _predictions(scores, Link(self.link or Link.usual(self.n_outputs)), self.bounds)


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedLinear:
    """Fit along the path of penalties, or at the one asked for."""
    matrix, train, held_out = _prepare(params, inputs, target, task, context)
    valid = None
    if held_out is not None and context.valid is not None:
        valid = _HeldOut(held_out, context.valid[1], context.valid_weights)
    if context.should_stop():
        raise TrialStopped("The time ran out before the first step.")
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
        losses = task.row_losses(held_out.target, _predictions(scores, task.link, bounds))
        return mean_of(losses, held_out.weights)

    rows = _Rows(train, values, context.weights)
    if params.penalty == "path":
        weights = _fit_path(rows, target, valid, task, context, judge)
    else:
        loss = rows.loss(task)
        ratio = 1.0 if params.penalty == "l1" else params.l1_ratio
        weights = minimise_elastic(train, loss, params.C, ratio, _start(train, loss), context.should_stop)
        context.facts["nonzero"] = float(np.count_nonzero(np.any(weights.coefficients != 0, axis=1)))
    coefficients = weights.coefficients * deviation
    if coefficients.size > _LARGE:
        coefficients = coefficients.astype(np.float32)
    intercept = weights.intercept * deviation + mean
    return FittedLinear(
        matrix=matrix,
        coefficients=coefficients,
        intercept=intercept,
        n_outputs=task.n_outputs,
        bounds=bounds,
        link=task.link,
    )


@dataclass(frozen=True)
class _Rows:
    """Rows to learn from, the target as it is fitted; the weights of the rows, or None."""

    matrix: Matrix
    values: Encoded
    weights: RowWeights | None

    def loss(self, task: Task) -> ScoreLoss:
        """The loss of a task for these rows."""
        return loss_of(task.loss, self.values, task.n_outputs, self.weights)

    def take(self, rows: npt.NDArray[np.int64]) -> _Rows:
        """Some of the rows."""
        return _Rows(self.matrix[rows], self.values[rows], weights_of(self.weights, rows))


@dataclass(frozen=True)
class _HeldOut:
    """Rows to judge with, the target in its own unit."""

    matrix: Matrix
    target: Encoded
    weights: RowWeights | None


def load(folder: Path) -> FittedLinear:
    """The model that ``save`` wrote."""
    return FittedLinear.load(folder)


def terms(fitted: FittedLinear, inputs: Table, typical: Table) -> ScoreTerms | None:
    """Each coefficient times the distance of its column from the mean of the typical rows.

    These are the Shapley values of a linear model (Štrumbelj and Kononenko 2014, section 3.2).
    """
    if fitted.coefficients.shape[1] > 1 or not inputs.rows:
        return None
    features, coefficients = inputs.features, np.asarray(fitted.coefficients[:, 0], dtype=np.float64)
    mean = np.asarray(fitted.matrix.transform(typical).mean(axis=0), dtype=np.float64).ravel()
    owners = fitted.matrix.owners(len(features.categories))
    rows: Any = fitted.matrix.transform(inputs)
    by_feature = np.zeros((len(owners), len(features.names)))
    by_feature[np.arange(len(owners)), owners] = coefficients
    values = np.asarray(rows @ by_feature) - mean @ by_feature
    link = Link(fitted.link or Link.usual(fitted.n_outputs))
    return ScoreTerms(values, float(mean @ coefficients + fitted.intercept[0]), link)


def _prepare(
    params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext
) -> tuple[LinearMatrix, Matrix, Matrix | None]:
    """The matrices of the fold's rows and of the held-out ones, from the cache if they were made before."""
    digest = hashlib.blake2b(np.ascontiguousarray(target).tobytes(), digest_size=16).hexdigest()

    def build() -> tuple[LinearMatrix, Matrix, Matrix | None]:
        # A constant seed, since trials of all seeds share the matrix.
        matrix, train = LinearMatrix.fit(
            inputs, target, task, numeric=params.numeric, seed=0, weights=context.weights
        )
        return matrix, train, None if context.valid is None else matrix.transform(context.valid[0])

    key = ("linear", digest, inputs.rows, params.numeric, context.valid is None)
    return context.cached(key, build)


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
            reduced[0] = minimise_l2(rotation.reduced, loss, c, reduced[0], context.should_stop)
            return rotation.back(reduced[0])

        return solve_reduced
    return lambda c, start: minimise_l2(matrix, loss, c, start, context.should_stop)


def _start(matrix: Matrix, loss: ScoreLoss) -> Weights:
    intercept = loss.start()
    return Weights(np.zeros((matrix.shape[1], len(intercept))), intercept)


def _cells_per_row(matrix: Matrix) -> int:
    if isinstance(matrix, np.ndarray):
        return int(matrix.shape[1])
    return int(matrix.nnz // max(matrix.shape[0], 1))


def _predictions(scores: npt.NDArray[np.float64], link: Link, bounds: tuple[float, float]) -> Predictions:
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


FAMILY = Family(
    name="linear",
    summary="Logistic, multinomial or ridge regression along a path of penalties; L1 and elastic net.",
    losses=LINEAR_LOSSES,
    params=Params,
    fit=fit,
    load=load,
    terms=terms,
    opening=(10, 110, 180),
    quick=True,
    sample_weights=True,
)
