"""Code of the families of boosted trees: the data of a fold, and the control of their rounds."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from automl.core.family import FitContext, ScoreTerms, TrialStopped
from automl.core.predictions import Link, Loss, Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.trial import Curve
from automl.core.weights import Weights, deviation_of, mean_of
from automl.families.preprocess.interactions import Interactions
from automl.families.preprocess.saved import Saved
from automl.families.preprocess.tree_matrix import TreeData, TreeMatrix

MAX_ROUNDS = 10_000
_HIGH_CARDINALITY = 100
_CURVE_POINTS = 100
_REPORT_SECONDS = 0.3
_WORTH_THREADS = 200_000  # rows times trees; LightGBM and XGBoost take about 30 ns for each
# Rounds times learning rate that boosting takes to level off on most tables (0.1 → 150 rounds).
_TRAVEL = 15.0
_HIGHEST_RATE = 0.3
# Rounds times learning rate beyond which few rows are exhausted; one more for every 100 rows.
_LEAST_TRAVEL = 50.0
# Rounds without improvement to wait for, at most, and the same times the learning rate where that is more.
_PATIENT_ROUNDS, _PATIENT_TRAVEL, _MOST_PATIENT_ROUNDS = 100, 2.0, 300
# An improvement of the held-out loss (log loss, or errors in standard deviations) that is worth waiting for.
# Without a least one, separable classes improve for thousands of rounds in the fifth digit.
_NOTABLE, _NOTABLE_LEAST = 1e-3, 1e-4
_FEWEST_COLUMNS = 3
_KEPT = 2e-4  # and the least relative one for which rounds stay in the model


_LOSS_NAMES: dict[str, str] = {
    Loss.SQUARED: "rmse",
    Loss.ABSOLUTE: "mae",
    Loss.POISSON: "poisson",
    Loss.LOGISTIC: "log_loss",
    Loss.SOFTMAX: "log_loss",
}


def prediction_threads(rows: int, trees: int) -> int:
    """Threads for a prediction: 1 where others cost more than they save, else 0, the library's own."""
    return 0 if rows * trees > _WORTH_THREADS else 1


def column_share(share: float, columns: int) -> float:
    """The share of the columns that a tree is given: of few columns more, so that a tree sees three at least.

    A tree that is given one column of two adds up what each says alone. No sum of such trees learns what only
    both together tell, such as whether they differ.
    """
    return share if round(share * columns) >= _FEWEST_COLUMNS else min(1.0, _FEWEST_COLUMNS / columns)


@dataclass(frozen=True, kw_only=True)
class BoosterInputs(Saved):
    """The fitted way from tables to what a library is given and back; one file in a model folder.

    Libraries keep targets in float32, so values whose link is the identity are standardised; that also gives
    penalties on sums of absolute values (L1) the same meaning on every table.

    Attributes
    ----------
    interactions:
        Features of two columns, if they were asked for.
    n_outputs:
        Columns of predictions.
    mean, deviation:
        Of a standardised target; 0 and 1 for others.
    link:
        How predictions follow from the library's scores; empty in models of earlier versions.
    """

    matrix: TreeMatrix
    interactions: Interactions | None
    n_outputs: int
    mean: float = 0.0
    deviation: float = 1.0
    link: str = ""

    @property
    def used_link(self) -> Link:
        """The link, for models of earlier versions by the number of their outputs."""
        return Link(self.link or Link.usual(self.n_outputs))

    def transform(self, inputs: Table) -> TreeData:
        """The matrix of rows that were not fitted on."""
        data = self.matrix.transform(inputs)
        if self.interactions is None:
            return data
        return _widened(data, self.interactions.transform(inputs))

    def terms(self, inputs: Table, contributions: npt.NDArray[np.floating]) -> ScoreTerms | None:
        """A library's Shapley values by the features of the table; values in the target's unit.

        Parameters
        ----------
        contributions:
            ``(rows, columns + 1)``: of each column of the matrix, then the score of the whole training set.

        Returns
        -------
        ScoreTerms or None
            None where a column with a value is made of several features.
        """
        features = inputs.features
        owners = self.matrix.owners(len(features.categories))
        columns = np.asarray(contributions[:, :-1], dtype=np.float64) * self.deviation
        if np.any(columns[:, owners < 0]):
            return None
        values = np.zeros((inputs.rows, len(features.names)))
        np.add.at(values.T, owners[owners >= 0], columns[:, owners >= 0].T)
        base = float(contributions[0, -1]) * self.deviation + self.mean
        return ScoreTerms(values, base, self.used_link)

    def explains(self, inputs: Table) -> bool:
        """True where one score is a sum over columns that are each made of one feature."""
        return bool(inputs.rows) and self.interactions is None and self.used_link is not Link.SOFTMAX

    def scaled(self, target: Encoded) -> npt.NDArray[np.float64]:
        """A target as the library is given it."""
        return (np.asarray(target, dtype=np.float64) - self.mean) / self.deviation

    def predictions(self, raw: npt.NDArray[np.floating]) -> Predictions:
        """Scores of a library, ``(rows,)`` or ``(rows, classes)``, as ``(rows, n_outputs)``."""
        if self.n_outputs == 1:
            return raw.reshape(-1, 1).astype(np.float64) * self.deviation + self.mean
        if raw.ndim == 1:
            return np.column_stack([1.0 - raw, raw])
        return raw


@dataclass(frozen=True, kw_only=True)
class FoldData:
    """One fold's rows as matrices, with scaled targets; shared by the trials of a worker.

    Attributes
    ----------
    key:
        Tells apart what was prepared in different ways, for a library's own data made from this.
    weights, valid_weights:
        Of the rows, ``(rows,)``; None where each counts once.
    """

    inputs: BoosterInputs
    train: TreeData
    target: npt.NDArray[np.float64]
    valid: TreeData | None
    valid_target: npt.NDArray[np.float64] | None
    key: tuple[object, ...]
    weights: Weights | None = None
    valid_weights: Weights | None = None


@dataclass(frozen=True)
class Preparation:
    """The form in which a fit wants its data.

    Attributes
    ----------
    encode_high:
        Whether categories of many levels become target encodings; False leaves them to the library.
    interactions:
        Whether features of two columns are added.
    """

    encode_high: bool
    interactions: bool

    def fold_data(self, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FoldData:
        """The fold's data, from the cache if a trial of this worker has prepared it before."""
        # Where no category has many levels, both ways are the same matrix.
        few = all(len(names) <= _HIGH_CARDINALITY for names in inputs.features.levels)
        encode_high = self.encode_high or few
        # The target is part of the key: trials on its logarithm share the rows but not the encodings.
        digest = hashlib.blake2b(np.ascontiguousarray(target).tobytes(), digest_size=16).hexdigest()
        base_key = ("boosting", digest, inputs.rows, encode_high, context.valid is None)
        data = context.cached(base_key, lambda: _base(inputs, target, task, context, base_key))
        if self.interactions:
            key = (*base_key, "interactions")
            base = data
            data = context.cached(key, lambda: _with_interactions(base, inputs, target, task, context, key))
        if context.should_stop():
            raise TrialStopped("The time ran out before the first round.")
        return data


def _base(
    inputs: Table, target: Encoded, task: Task, context: FitContext, key: tuple[object, ...]
) -> FoldData:
    # A constant seed, since trials of all seeds share the matrix.
    matrix, train = TreeMatrix.fit(
        inputs,
        target,
        task,
        encode_high=bool(key[3]),
        high_cardinality=_HIGH_CARDINALITY,
        seed=0,
        weights=context.weights,
    )
    mean, deviation = 0.0, 1.0
    if task.link is Link.IDENTITY:
        mean = mean_of(target, context.weights)
        deviation = deviation_of(target, context.weights) or 1.0
    fitted = BoosterInputs(
        matrix=matrix,
        interactions=None,
        n_outputs=task.n_outputs,
        mean=mean,
        deviation=deviation,
        link=task.link,
    )
    valid, valid_target = None, None
    if context.valid is not None:
        valid, valid_target = fitted.transform(context.valid[0]), fitted.scaled(context.valid[1])
    return FoldData(
        inputs=fitted,
        train=train,
        target=fitted.scaled(target),
        valid=valid,
        valid_target=valid_target,
        key=key,
        weights=context.weights,
        valid_weights=context.valid_weights,
    )


def _with_interactions(
    base: FoldData, inputs: Table, target: Encoded, task: Task, context: FitContext, key: tuple[object, ...]
) -> FoldData:
    interactions, made = Interactions.fit(
        inputs, target, task, base.train, threads=context.threads, weights=context.weights
    )
    valid = base.valid
    if valid is not None and context.valid is not None:
        valid = _widened(valid, interactions.transform(context.valid[0]))
    fitted = replace(base.inputs, interactions=interactions)
    return replace(base, inputs=fitted, train=_widened(base.train, made), valid=valid, key=key)


def _widened(data: TreeData, values: npt.NDArray[np.float32]) -> TreeData:
    names = tuple(f"interaction {k}" for k in range(values.shape[1]))
    return TreeData(np.hstack([data.values, values]), data.categorical, data.names + names)


@dataclass(kw_only=True)
class RoundControl:
    """Decides after every round whether boosting goes on, and at which learning rate.

    Stops at the deadline, on request, and once the held-out loss has not improved notably for
    :attr:`patience` rounds.
    When the time left allows far fewer rounds than the learning rate needs, the rate is raised: a coarser
    model that levels off beats a finer one that is cut off.

    Attributes
    ----------
    learning_rate:
        The rate for the next round.
    best_round:
        Rounds that the model keeps: those after which the held-out loss was least, except for differences of
        0.02 %; all of them without held-out rows.
    rounds_possible:
        How many more rounds the time left allows, when this was last looked at.
    """

    context: FitContext
    rows: int
    learning_rate: float
    max_rounds: int
    loss_name: str
    unit: float = 1.0
    round: int = 0
    best_round: int = 0
    rounds_possible: float = float("inf")
    _best_loss: float = float("inf")
    _notable_loss: float = sys.float_info.max
    _notable_round: int = 0
    _losses: dict[int, float] = field(default_factory=dict)
    _first_round_ended: float = 0.0
    _reported: float = 0.0

    @classmethod
    def of(
        cls, data: FoldData, task: Task, context: FitContext, *, learning_rate: float, n_rounds: int
    ) -> RoundControl:
        """The control of one fit; ``n_rounds`` is used without held-out rows."""
        name = _LOSS_NAMES[task.loss]
        most = min(MAX_ROUNDS, math.ceil((_LEAST_TRAVEL + len(data.target) / 100) / learning_rate))
        rounds = n_rounds if data.valid is None else most
        return cls(
            context=context,
            rows=len(data.target),
            learning_rate=learning_rate,
            max_rounds=rounds,
            loss_name=name,
            unit=data.inputs.deviation,
        )

    @property
    def patience(self) -> float:
        """Rounds without improvement after which boosting stops.

        ``max(0.3 · best round + 20, 3·10⁶ / rows within 20 … most)``, AutoGluon's adaptive patience. There
        ``most`` is 300; here it is 100, and more at rates below 0.02, whose rounds go less far. Measured, see
        docs/decisions/031-patience-by-the-learning-rate.md.
        """
        most = min(max(_PATIENT_TRAVEL / self.learning_rate, _PATIENT_ROUNDS), _MOST_PATIENT_ROUNDS)
        return max(0.3 * self._notable_round + 20, min(max(3e6 / self.rows, 20), most))

    def after_round(self, loss: float | None) -> bool:
        """Note the round's held-out loss (None where it was not measured); whether to go on."""
        self.round += 1
        if self.round == 1:  # which holds the library's preparations
            self._first_round_ended = time.monotonic()
        if self.context.valid is None:
            self.best_round = self.round
        elif loss is not None:
            self._losses[self.round] = float(loss)
            # Rounds that gain next to nothing are not kept: predicting takes time in proportion to rounds.
            if self.best_round == 0 or loss < _below(self._best_loss, _KEPT):
                self._best_loss, self.best_round = float(loss), self.round
            if loss < self._notable_loss - _NOTABLE * abs(self._notable_loss) - _NOTABLE_LEAST:
                self._notable_loss, self._notable_round = float(loss), self.round
        self._report()
        self._fit_rate_to_time()
        waited = self.round - self._notable_round if self._losses else 0
        return waited < self.patience and self.round < self.max_rounds and not self.context.should_stop()

    def restart(self) -> None:
        """Begin again at round 0 with the learning rate as it is now."""
        self.round, self.best_round, self._notable_round = 0, 0, 0
        self._best_loss, self._notable_loss, self._losses = float("inf"), sys.float_info.max, {}

    def record(self, first_rate: float) -> None:
        """Leave the curve and the facts in the context; ``first_rate`` is the rate that was asked for."""
        self.context.facts["best_iteration"] = float(self.best_round)
        self.context.facts["rounds"] = float(self.round)
        if self.learning_rate != first_rate:
            self.context.facts["learning_rate_used"] = self.learning_rate
        if self._losses:
            rounds = np.array(list(self._losses))
            thinned = np.linspace(0, len(rounds) - 1, min(_CURVE_POINTS, len(rounds))).round().astype(int)
            steps = tuple(int(step) for step in rounds[thinned])
            values = tuple(self._losses[step] * self.unit for step in steps)
            self.context.curves.append(Curve(f"valid_{self.loss_name}", steps, values))

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            end = min(self.max_rounds, self._notable_round + self.patience)
            best = f", {self.loss_name} {self._best_loss * self.unit:.5g}" if self._losses else ""
            self.context.report(min(0.99, self.round / end), f"round {self.round}{best}")

    def _fit_rate_to_time(self) -> None:
        """Raise the rate when the time left is too short for it; looked at in rounds 3, 5, 9, 17 …"""
        left = self.context.seconds_left
        if self.round not in _CHECKS or left == float("inf"):
            return
        seconds = (time.monotonic() - self._first_round_ended) / (self.round - 1)
        self.rounds_possible = left / max(seconds, 1e-9)
        needed = _TRAVEL / self.learning_rate - self.round
        if self.rounds_possible < needed / 2:
            rate = _TRAVEL / max(self.rounds_possible, 1.0)
            self.learning_rate = max(min(rate, _HIGHEST_RATE), self.learning_rate)


def _below(loss: float, share: float) -> float:
    """A loss that is less by a share of its size; some are below 0."""
    return loss * (1 - share) if loss > 0 else loss * (1 + share)


_CHECKS = frozenset(1 + 2**k for k in range(1, 14))
