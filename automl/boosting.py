"""What the families of boosted trees share: the data of a fold, and the control of their rounds."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from automl.data.table import Table
from automl.families.base import FitContext, TrialStopped
from automl.preprocess.tree_matrix import TreeData, TreeMatrix
from automl.tasks import Encoded, Predictions, Task
from automl.trial import Curve

MAX_ROUNDS = 10_000
_HIGH_CARDINALITY = 100
_ABSOLUTE = frozenset({"mae", "median_ae", "mape"})
_CURVE_POINTS = 100
_REPORT_SECONDS = 0.3
# Rounds times learning rate that boosting takes to level off on most tables (0.1 → 150 rounds).
_TRAVEL = 15.0
_HIGHEST_RATE = 0.3
# Rounds times learning rate beyond which few rows are exhausted; one more for every 100 rows.
_LEAST_TRAVEL = 50.0
# An improvement of the held-out loss (log loss, or errors in standard deviations) that is worth waiting for.
# Without a least one, separable classes improve for thousands of rounds in the fifth digit.
_NOTABLE, _NOTABLE_LEAST = 1e-3, 1e-4


def objective_of(task: Task) -> str:
    """What is minimised: ``binary``, ``multiclass`` (log loss), ``squared`` or ``absolute`` (errors)."""
    if task.name != "regression":
        return task.name
    return "absolute" if task.metric.name in _ABSOLUTE else "squared"


@dataclass(frozen=True)
class TargetScale:
    """A regression target's mean and standard deviation; libraries keep targets in float32.

    They also make penalties on absolute sums (L1) mean the same on every table.
    """

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, target: Encoded, task: Task) -> Self:
        """The scale of a training target; class codes stay as they are."""
        if task.name != "regression":
            return cls()
        deviation = float(np.std(target))
        return cls(float(np.mean(target)), deviation if deviation > 0 else 1.0)

    def apply(self, target: Encoded) -> npt.NDArray[np.float64]:
        """The target as the library is given it."""
        return (np.asarray(target, dtype=np.float64) - self.mean) / self.deviation

    def predictions(self, raw: npt.NDArray[np.floating], n_outputs: int) -> Predictions:
        """What a library answered, ``(rows,)`` or ``(rows, classes)``, as ``(rows, n_outputs)``."""
        if n_outputs == 1:
            return raw.reshape(-1, 1).astype(np.float64) * self.deviation + self.mean
        if raw.ndim == 1:
            return np.column_stack([1.0 - raw, raw])
        return raw


@dataclass(frozen=True)
class FoldData:
    """One fold's rows as matrices, with scaled targets; shared by the trials of a worker."""

    matrix: TreeMatrix
    scale: TargetScale
    train: TreeData
    target: npt.NDArray[np.float64]
    valid: TreeData | None
    valid_target: npt.NDArray[np.float64] | None
    key: tuple[object, ...]

    @classmethod
    def prepare(
        cls, inputs: Table, target: Encoded, task: Task, context: FitContext, *, encode_high: bool
    ) -> FoldData:
        """The fold's data, from the cache if a trial of this worker has prepared it before.

        Parameters
        ----------
        encode_high:
            Whether categories of many levels become target encodings; False leaves them to the library.
        """
        # Where no category has many levels, both ways are the same matrix.
        encode_high = encode_high or all(len(names) <= _HIGH_CARDINALITY for names in inputs.features.levels)
        # The target is part of the key: trials on its logarithm share the rows but not the encodings.
        digest = hashlib.blake2b(np.ascontiguousarray(target).tobytes(), digest_size=16).hexdigest()
        key = ("boosting", digest, inputs.rows, encode_high, context.valid is None)

        def build() -> FoldData:
            # A constant seed, since trials of all seeds share the matrix.
            matrix, train = TreeMatrix.fit(
                inputs, target, task, encode_high=encode_high, high_cardinality=_HIGH_CARDINALITY, seed=0
            )
            scale = TargetScale.of(target, task)
            valid, valid_target = None, None
            if context.valid is not None:
                valid, valid_target = matrix.transform(context.valid[0]), scale.apply(context.valid[1])
            return cls(matrix, scale, train, scale.apply(target), valid, valid_target, key)

        data = context.cached(key, build)
        if context.should_stop():
            raise TrialStopped("The time was over before the first round.")
        return data


@dataclass
class RoundControl:
    """Decides after every round whether boosting goes on, and at which learning rate.

    Stops at the deadline, on request, and once the held-out loss has not improved notably for
    ``max(0.3 · best round + 20, 3·10⁶ / rows within 20 … 300)`` rounds (AutoGluon's adaptive patience).
    When the time left allows far fewer rounds than the learning rate needs, the rate is raised: a coarser
    model that levels off beats a finer one that is cut off.

    Attributes
    ----------
    learning_rate:
        The rate for the next round.
    best_round:
        Rounds after which the held-out loss was least; all of them without held-out rows.
    """

    context: FitContext
    rows: int
    learning_rate: float
    max_rounds: int
    loss_name: str
    unit: float = 1.0
    round: int = 0
    best_round: int = 0
    _best_loss: float = float("inf")
    _notable_loss: float = sys.float_info.max
    _notable_round: int = 0
    _losses: dict[int, float] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)
    _reported: float = 0.0

    @classmethod
    def of(
        cls, data: FoldData, task: Task, context: FitContext, *, learning_rate: float, n_rounds: int
    ) -> RoundControl:
        """The control of one fit; ``n_rounds`` is used without held-out rows."""
        name = {"squared": "rmse", "absolute": "mae"}.get(objective_of(task), "log_loss")
        most = min(MAX_ROUNDS, math.ceil((_LEAST_TRAVEL + len(data.target) / 100) / learning_rate))
        rounds = n_rounds if data.valid is None else most
        return cls(context, len(data.target), learning_rate, rounds, name, data.scale.deviation)

    @property
    def patience(self) -> float:
        """Rounds without improvement after which boosting stops."""
        return max(0.3 * self._notable_round + 20, min(max(3e6 / self.rows, 20), 300))

    def after_round(self, loss: float | None) -> bool:
        """Note the round's held-out loss (None where it was not measured); whether to go on."""
        self.round += 1
        if self.context.valid is None:
            self.best_round = self.round
        elif loss is not None:
            self._losses[self.round] = float(loss)
            if loss < self._best_loss or self.best_round == 0:
                self._best_loss, self.best_round = float(loss), self.round
            if loss < self._notable_loss - _NOTABLE * self._notable_loss - _NOTABLE_LEAST:
                self._notable_loss, self._notable_round = float(loss), self.round
        self._report()
        self._fit_rate_to_time()
        waited = self.round - self._notable_round if self._losses else 0
        return waited < self.patience and self.round < self.max_rounds and not self.context.should_stop()

    def restart(self) -> None:
        """Begin again at round 0 with the learning rate as it is now."""
        self.round, self.best_round, self._notable_round = 0, 0, 0
        self._best_loss, self._notable_loss, self._losses = float("inf"), sys.float_info.max, {}
        self._started = time.monotonic()

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
        """Raise the rate when the time left is too short for it; looked at in rounds 10, 20, 40 …"""
        left = self.context.seconds_left
        if self.round not in _CHECKS or left == float("inf"):
            return
        possible = left / max((time.monotonic() - self._started) / self.round, 1e-9)
        needed = _TRAVEL / self.learning_rate - self.round
        if possible < needed / 2:
            self.learning_rate = min(max(_TRAVEL / max(possible, 1.0), self.learning_rate), _HIGHEST_RATE)


_CHECKS = frozenset(10 * 2**k for k in range(10))
