"""Greedy selection over held-out predictions: an ensemble after every trial.

Selection with replacement (Caruana et al., 2004, "Ensemble selection from libraries of models"): start
empty, add the trial that lowers the loss of the average most, repeat, keep the shortest best prefix.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from automl.core.metrics import METRICS, Metric
from automl.core.predictions import Predictions
from automl.core.tasks import Encoded
from automl.core.trial import Trial
from automl.core.weights import Weights, weights_of

LOOP_ROWS = 20_000
REBUILD_STEPS = 25
EXTRA_STEPS = 5
REBUILD_EVERY = 5
POOL = 24
JUDGED_AT_HAND = 3 * POOL
"""Trials whose judged rows are kept at hand where these are a part of all rows."""
BASELINE = "dummy"
"""Family that is a member only while there is nothing else: for a rank metric it would cost nothing."""


@dataclass(frozen=True)
class Ensemble:
    """Trials by number with weights that sum to 1, and the loss of their average (less is better)."""

    weights: dict[int, float] = field(default_factory=dict)
    loss: float = float("inf")


class _Objective:
    """The search's metric as a loss, with a proper loss as a small second term for label metrics.

    A step function such as accuracy ties and over-fits: among averages that get equally many rows right
    the better calibrated one generalises better, so a tenth of the log loss is added.
    """

    def __init__(self, metric: Metric, target: Encoded, weights: Weights | None = None) -> None:
        self.metric = metric
        self.target = target
        self.weights = weights
        self.second = METRICS["log_loss"] if metric.reads == "labels" else None

    def on(self, rows: npt.NDArray[np.int64]) -> _Objective:
        """The same objective over a part of the rows."""
        return _Objective(self.metric, self.target[rows], weights_of(self.weights, rows))

    def __call__(self, predictions: Predictions) -> float:
        loss = self.metric.loss(self.target, predictions, self.weights)
        if self.second is not None:
            loss += 0.1 * self.second.loss(self.target, predictions, self.weights)
        # Digits beyond these differ from machine to machine. A regression's loss has the target's own unit:
        # of one in billionths, six decimals would leave nothing.
        own_unit = self.metric.reads == "values" and abs(loss) < 0.1
        return float(f"{loss:.7g}") if own_unit or abs(loss) >= 1e3 else round(loss, 6)


class _Ranking:
    """Trials by their loss: the best ones and the best of each family, whatever their number."""

    def __init__(self) -> None:
        self._ranked: list[tuple[float, int]] = []
        self._by_family: dict[str, list[tuple[float, int]]] = {}

    def add(self, number: int, family: str, loss: float) -> None:
        """Take a trial in."""
        insort(self._ranked, (loss, number))
        insort(self._by_family.setdefault(family, []), (loss, number))

    def remove(self, number: int, family: str, loss: float) -> None:
        """Remove a trial that was taken in."""
        for ranked in (self._ranked, self._by_family[family]):
            del ranked[bisect_left(ranked, (loss, number))]
        if not self._by_family[family]:
            del self._by_family[family]

    def best_of(self, family: str) -> float | None:
        """The least loss of a family; None without a trial of it."""
        return self._by_family[family][0][0] if family in self._by_family else None

    def pool(self) -> tuple[int, ...]:
        """Numbers of the best trials, then of each family's best, by their loss."""
        leaders = sorted(ranked[0] for ranked in self._by_family.values())
        return tuple(dict.fromkeys(number for _, number in (*self._ranked[:POOL], *leaders)))


class EnsembleBuilder:
    """Keeps held-out predictions and the best weights over them.

    Predictions are kept as they are given, so that those that lie in a file take no memory.

    Parameters
    ----------
    metric:
        What is optimised.
    target:
        Encoded target of the scored rows, ``(rows,)``.
    seed:
        Of the 20,000-row subsample that the loop works on.

    Attributes
    ----------
    best:
        The best ensemble so far.
    rebuild_seconds:
        Processor seconds of the last greedy selection from nothing.
    weights:
        Of these rows, ``(rows,)``; None where each counts once.
    """

    def __init__(
        self, metric: Metric, target: Encoded, *, seed: int = 0, weights: Weights | None = None
    ) -> None:
        rows = len(target)
        self._rows: npt.NDArray[np.int64] | None = None
        if rows > LOOP_ROWS:
            self._rows = np.sort(np.random.default_rng(seed).choice(rows, LOOP_ROWS, replace=False))
        objective = _Objective(metric, target, weights)
        self._objective = objective if self._rows is None else objective.on(self._rows)
        self._predictions: dict[int, Predictions] = {}
        self._at_hand: dict[int, Predictions] = {}
        self._losses: dict[int, float] = {}
        self._families: dict[int, str] = {}
        self._models, self._baselines = _Ranking(), _Ranking()
        self._bag: list[int] = []
        self.best = Ensemble()
        self.rebuild_seconds = 0.0

    def add(self, number: int, family: str, predictions: Predictions) -> Ensemble:
        """Take a finished trial in, unless its loss is not a number; returns the best ensemble so far."""
        if not self.hold(number, family, predictions) or (family == BASELINE and self._bag):
            return self.best
        if self._bag and all(self._families[member] == BASELINE for member in self._bag):
            self._bag, self.best = [], Ensemble()
        if len(self._predictions) % REBUILD_EVERY == 0 or not self._bag:
            self.rebuild()
        else:
            pool = (*dict.fromkeys(self._bag), number)
            self._extend(self._bag, EXTRA_STEPS, pool)
            if self._losses[number] < self.best.loss:
                self._extend([number], EXTRA_STEPS, pool)
        return self.best

    def hold(self, number: int, family: str, predictions: Predictions) -> bool:
        """Take a trial in without building on it; False where its loss is not a number."""
        judged = self._judged_rows(predictions)
        loss = self._losses[number] = self._objective(judged)
        if not math.isfinite(loss):
            return False
        self._predictions[number] = judged if self._rows is None else predictions
        self._families[number] = family
        self._ranking_of(family).add(number, family, loss)
        return True

    def rebuild(self, steps: int = REBUILD_STEPS) -> Ensemble:
        """Greedy selection from nothing over the best trials and each family's best."""
        began = time.thread_time()
        self._extend([], steps, self._pool())
        self.rebuild_seconds = time.thread_time() - began
        return self.best

    def resume(self, bag: Sequence[int], loss: float, *, seconds: float) -> None:
        """Go on with an ensemble that an earlier process built, of trials that were taken in.

        Parameters
        ----------
        bag:
            The trials, each as often as it was added.
        seconds:
            Of its last greedy selection from nothing.
        """
        self._bag = list(bag)
        self.best = _as_ensemble(self._bag, loss) if bag else Ensemble()
        self.rebuild_seconds = seconds

    @property
    def bag(self) -> tuple[int, ...]:
        """The trials of the best ensemble so far, each as often as it was added."""
        return tuple(self._bag)

    def forget(self, numbers: Collection[int]) -> None:
        """Remove trials whose models are gone: they cannot be members any more."""
        gone = [number for number in numbers if number in self._predictions]
        for number in gone:
            family, loss = self._families.pop(number), self._losses.pop(number)
            self._ranking_of(family).remove(number, family, loss)
            del self._predictions[number]
            self._at_hand.pop(number, None)
        if set(gone) & set(self.best.weights):
            self._bag, self.best = [], Ensemble()
            self.rebuild()

    def knows(self, number: int) -> bool:
        """Tell whether a trial was taken in and not forgotten."""
        return number in self._predictions

    def build(self, steps: int, *, among: Collection[int] = ()) -> Ensemble:
        """The greedy ensemble of ``steps`` steps at most, without keeping it as the best.

        Parameters
        ----------
        among:
            The trials to choose from; empty for the usual ones.
        """
        bag, loss = self._grow([], steps, tuple(among) or self._pool())
        return _as_ensemble(bag, loss)

    def loss_with(self, weights: Mapping[int, float]) -> float:
        """The loss of the weighted mean of some trials, on the rows that ensembles are judged on."""
        return self._objective(weighted_mean((self._judged(n), w) for n, w in weights.items()))

    def gain_of(self, predictions: Predictions, rows: npt.NDArray[np.int64]) -> float:
        """Loss that one greedy step with a partial trial saves on ``rows`` (positions).

        Returns infinity where that cannot be told: before there is an ensemble, or when the ensemble is
        built on a subsample.
        """
        if not self._bag or self._rows is not None:
            return float("inf")
        objective = self._objective.on(rows)
        total = np.sum([self._judged(number)[rows] for number in self._bag], axis=0)
        before = objective(total / len(self._bag))
        return before - objective((total + predictions) / (len(self._bag) + 1))

    def loss_of(self, number: int) -> float:
        """The loss of one trial on the rows that ensembles are judged on."""
        return self._losses[number]

    def best_loss_of(self, family: str) -> float | None:
        """The least loss of a family's trials that were taken in and not forgotten; None without one."""
        return self._ranking_of(family).best_of(family)

    @property
    def best_score(self) -> float:
        """The best ensemble's score in the metric's own unit, on the rows it is judged on."""
        parts = ((self._judged(number), weight) for number, weight in self.best.weights.items())
        judge = self._objective
        return judge.metric.score(judge.target, weighted_mean(parts), judge.weights)

    def _ranking_of(self, family: str) -> _Ranking:
        return self._baselines if family == BASELINE else self._models

    def _pool(self) -> tuple[int, ...]:
        return self._models.pool() or self._baselines.pool()

    def _judged_rows(self, predictions: Predictions) -> Predictions:
        return np.ascontiguousarray(predictions if self._rows is None else predictions[self._rows])

    def _judged(self, number: int) -> Predictions:
        """Predictions of a trial for the rows that ensembles are judged on."""
        if self._rows is None:
            return self._predictions[number]
        judged = self._at_hand.pop(number, None)
        if judged is None:
            judged = self._judged_rows(self._predictions[number])
        while len(self._at_hand) >= JUDGED_AT_HAND:
            del self._at_hand[next(iter(self._at_hand))]
        self._at_hand[number] = judged  # at the end: the first one was not asked for the longest
        return judged

    def _extend(self, bag: list[int], steps: int, pool: tuple[int, ...]) -> None:
        best_bag, best_loss = self._grow(bag, steps, pool)
        if best_bag and best_loss <= self.best.loss:
            self._bag = best_bag
            self.best = _as_ensemble(best_bag, best_loss)

    def _grow(self, bag: list[int], steps: int, pool: tuple[int, ...]) -> tuple[list[int], float]:
        """The best prefix of ``bag`` followed by ``steps`` greedy additions, and its loss."""
        bag = list(bag)
        total = np.zeros(self._judged(pool[0]).shape, dtype=np.float64)
        for number in bag:
            total += self._judged(number)
        best_loss = self._objective(total / len(bag)) if bag else float("inf")
        best_bag = list(bag)
        for _ in range(steps):
            size = len(bag) + 1
            members = set(bag)
            loss, _, chosen = min(
                (self._objective((total + self._judged(number)) / size), number not in members, number)
                for number in pool
            )
            bag.append(chosen)
            total += self._judged(chosen)
            if loss < best_loss:
                best_loss, best_bag = loss, list(bag)
        return best_bag, best_loss


def builder_of(
    metric: Metric,
    target: Encoded,
    trials: Mapping[int, Trial],
    *,
    weights: Weights | None = None,
    seed: int = 0,
    steps: int = REBUILD_STEPS,
) -> EnsembleBuilder:
    """The best ensemble of these trials, which have held-out predictions of the target's rows."""
    builder = EnsembleBuilder(metric, target, seed=seed, weights=weights)
    for number, trial in trials.items():
        if trial.result is not None and trial.result.held_out is not None:
            builder.hold(number, trial.candidate.family, trial.result.held_out)
    if any(map(builder.knows, trials)):
        builder.rebuild(steps)
    return builder


def _as_ensemble(bag: list[int], loss: float) -> Ensemble:
    return Ensemble({number: bag.count(number) / len(bag) for number in dict.fromkeys(bag)}, loss)


def weighted_mean(parts: Iterable[tuple[Predictions, float]]) -> Predictions:
    """The weighted mean of predictions ``(rows, n_outputs)``; weights need not sum to 1."""
    total: Predictions | None = None
    weight_sum = 0.0
    for predictions, weight in parts:
        part = np.asarray(predictions, dtype=np.float64) * weight
        total = part if total is None else total + part
        weight_sum += weight
    if total is None:
        raise ValueError("nothing to average")
    return total / weight_sum
