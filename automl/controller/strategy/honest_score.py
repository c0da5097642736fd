"""The honest score: what the whole choice reaches on rows that it was not made on.

A champion is chosen by its held-out predictions, so its score on them is optimistic. The choice is repeated
on rows drawn with replacement and judged on the rows that were not drawn; by how much it does worse there
than the champion is the optimism, which is taken off the champion's score (bootstrap bias correction:
Tsamardinos, Greasidou and Borboudakis, Machine Learning 107, 2018, doi 10.1007/s10994-018-5714-4). No model
is fitted again, and no row has to be set aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from automl.controller.strategy.champion import choose_champion
from automl.controller.strategy.ensemble import builder_of, weighted_mean
from automl.core.errors import NoTrialError
from automl.core.folds import Fold, RowNumbers, Split
from automl.core.intervals import HonestScore, Interval, score_interval
from automl.core.metrics import Metric
from automl.core.predictions import Predictions
from automl.core.tasks import Encoded
from automl.core.text import counted
from automl.core.trial import Trial
from automl.core.weights import Weights
from automl.model.champion import Champion
from automl.problem.problem import Problem

_MOST_DRAWS, _LEAST_DRAWS, _ROW_DRAWS = 40, 8, 80_000
_MOST_ROWS = 20_000
_MOST_TRIALS = 60
_STEPS = 12
"""Steps of the greedy ensembles of drawn rows: most of the gain, at half of the time."""
_LEAST_UNITS = 8
"""Rows, groups or windows of time, below which draws of them say nothing."""


def honest_score(
    problem: Problem, trials: Mapping[int, Trial], champion: Champion, *, prefer: str = "best", seed: int = 0
) -> HonestScore | None:
    """The champion's score without the optimism of its choice, with a 95 % interval.

    Rows that belong together (groups, copies, windows of time) are drawn as wholes.

    Parameters
    ----------
    trials:
        Those that could have been chosen: their models are there.
    prefer:
        What the champion was chosen for.

    Returns
    -------
    HonestScore or None
        None where too few rows or groups were judged to repeat the choice.
    """
    choice = _Choice(problem=problem, trials=trials, champion=champion, prefer=prefer)
    if choice.unit_count < _LEAST_UNITS:
        return None
    losses = choice.losses(np.random.default_rng(seed))
    if len(losses) < _LEAST_DRAWS:
        return None
    every = np.arange(len(choice.scored))
    plain = score_interval(
        choice.metric,
        choice.target(every),
        champion.decision.weighted(champion.held_out),
        weights=choice.weights(every),
        units=None if problem.split.units is None else choice.units,
    )
    return _corrected(plain, losses, choice)


def _corrected(plain: Interval, losses: npt.NDArray[np.float64], choice: _Choice) -> HonestScore:
    """The score of fixed predictions, moved by what the choice lost on rows that it was not made on."""
    sign = -1.0 if choice.metric.greater_is_better else 1.0
    moved = sign * float(losses.mean())
    value, low, high = (end + moved for end in (plain.value, plain.low, plain.high))
    how = f"{counted(len(losses), 'repeat')} of the choice over {choice.unit_words}"
    return HonestScore(value, low, high, plain.rows, how)


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """A choice among trials by held-out predictions, which can be made again on other rows."""

    problem: Problem
    trials: Mapping[int, Trial]
    champion: Champion
    prefer: str

    @property
    def metric(self) -> Metric:
        return self.problem.task.metric

    @cached_property
    def scored(self) -> RowNumbers:
        """The judged rows."""
        return self.problem.split.scored

    @cached_property
    def fold_of(self) -> npt.NDArray[np.int64]:
        """The fold that judged each of them."""
        numbers = np.empty(len(self.scored), dtype=np.int64)
        for number, fold in enumerate(self.problem.split.folds):
            numbers[np.searchsorted(self.scored, fold.valid)] = number
        return numbers

    @cached_property
    def units(self) -> npt.NDArray[np.int64]:
        """The unit of each judged row, from 0."""
        units = self.problem.split.units
        if units is None:
            return np.arange(len(self.scored))
        return np.unique(np.asarray(units)[self.scored], return_inverse=True)[1]

    @property
    def unit_count(self) -> int:
        return int(self.units.max(initial=-1)) + 1

    @property
    def unit_words(self) -> str:
        """``1,234 held-out rows`` or ``24 windows of time``."""
        names = {"groups": ("group", ""), "time": ("window", "windows of time")}
        rows = counted(len(self.scored), "held-out row")
        if self.problem.split.scheme not in names or self.problem.split.units is None:
            return rows
        return f"{counted(self.unit_count, *names[self.problem.split.scheme])} ({rows})"

    @cached_property
    def eligible(self) -> dict[int, Trial]:
        """The trials that a choice can fall on: all of them, or the best of very many."""
        sign = -1.0 if self.metric.greater_is_better else 1.0
        done = {n: trial for n, trial in self.trials.items() if trial.scores is not None}
        if len(done) <= _MOST_TRIALS:
            return done
        ranked = sorted(done, key=lambda n: sign * done[n].scores.validation)  # type: ignore[union-attr]
        return {n: done[n] for n in sorted({*ranked[:_MOST_TRIALS], *self.champion.weights})}

    def losses(self, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """By draw, how much worse a choice on drawn rows is than the champion on the rows left out."""
        used = min(len(self.scored), _MOST_ROWS)
        draws = int(np.clip(_ROW_DRAWS // max(used, 1), _LEAST_DRAWS, _MOST_DRAWS))
        lost = []
        for _ in range(draws):
            drawn, left_out = self._drawn(generator)
            try:
                anew = self.on(drawn)
            except NoTrialError:
                continue  # no class but one was drawn: no score of any trial
            lost.append(self.loss(anew, left_out) - self.loss(self.champion, left_out))
        found = np.array(lost, dtype=np.float64)
        return found[np.isfinite(found)]

    def _drawn(self, generator: np.random.Generator) -> tuple[RowNumbers, RowNumbers]:
        """Judged rows drawn with replacement, by units, and those of units that were not drawn."""
        counts = np.bincount(
            generator.integers(0, self.unit_count, self.unit_count), minlength=self.unit_count
        )[self.units]
        positions = np.arange(len(counts))
        drawn, left_out = np.repeat(positions, counts), positions[counts == 0]
        return _at_most(drawn, _MOST_ROWS, generator), _at_most(left_out, _MOST_ROWS, generator)

    def on(self, rows: RowNumbers) -> Champion:
        """The champion of some of the judged rows (positions, ascending, with repeats)."""
        target = self.target(rows)
        none = np.empty(0, dtype=np.int64)
        folds = (np.flatnonzero(self.fold_of[rows] == n) for n in range(len(self.problem.split.folds)))
        split = Split(tuple(Fold(none, valid) for valid in folds if len(valid)), "folds", "")
        weights = self.weights(rows)
        trials = {}
        for number, trial in self.eligible.items():
            held_out = self.held_out(number, rows)
            assert trial.result is not None
            assert trial.scores is not None
            trials[number] = replace(
                trial,
                result=replace(trial.result, held_out=held_out),
                scores=replace(trial.scores, validation=self.metric.score(target, held_out, weights)),
            )
        builder = builder_of(self.metric, target, trials, weights=weights, steps=_STEPS)
        problem = replace(self.problem, target=target, weights=weights, split=split)
        return choose_champion(problem, builder, trials, prefer=self.prefer)

    def loss(self, champion: Champion, rows: RowNumbers) -> float:
        """The loss of a champion on some of the judged rows, decided as it decides."""
        mean = weighted_mean((self.held_out(n, rows), weight) for n, weight in champion.weights.items())
        decided = champion.decision.apply(mean)
        return self.metric.loss(self.target(rows), decided, self.weights(rows))

    def held_out(self, number: int, rows: RowNumbers) -> Predictions:
        """Held-out predictions of a trial for some of the judged rows."""
        result = self.trials[number].result
        assert result is not None
        assert result.held_out is not None
        return np.asarray(result.held_out[rows])

    def weights(self, rows: RowNumbers) -> Weights | None:
        """Their weights; None where each counts once."""
        return self.problem.weights_of(self.scored[rows])

    def target(self, rows: RowNumbers) -> Encoded:
        """Their encoded target."""
        return self.problem.target[self.scored[rows]]


def _at_most(rows: RowNumbers, most: int, generator: np.random.Generator) -> RowNumbers:
    return rows if len(rows) <= most else np.sort(generator.choice(rows, most, replace=False))
