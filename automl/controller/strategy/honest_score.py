"""The honest score: what the whole choice reaches on rows that it was not made on.

A champion is chosen by its held-out predictions, so its score on them is optimistic. The whole choice is made
again on two thirds of the judged rows and judged on the last third, for every third in turn and a few times
over; by how much it does worse than the champion is the optimism, which is taken off the champion's score. No
model is fitted again, and no row has to be set aside.

The idea is that of bootstrap bias correction (Tsamardinos, Greasidou and Borboudakis, Machine Learning 107,
2018, doi 10.1007/s10994-018-5714-4), which chooses on rows drawn with replacement. A draw holds 63 % of the
rows, some of them several times, and twice the noise: choices on it are worse than the one that was made, and
so much worse where weights of rare classes are tuned that the score became far too low.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from automl.controller.strategy.champion import choose_champion
from automl.controller.strategy.ensemble import builder_of, weighted_mean
from automl.core.errors import NoTrialError
from automl.core.folds import Fold, RowNumbers, Split
from automl.core.metrics import METRICS, Metric
from automl.core.predictions import Predictions
from automl.core.score_intervals import HonestScore, score_interval
from automl.core.tasks import Encoded
from automl.core.text import counted
from automl.core.trial import Trial
from automl.core.weights import Weights
from automl.model.champion import Champion
from automl.model.decision import Decision
from automl.problem.problem import Problem

_PARTS = 3
_TUNED_PARTS = 4
"""Pieces of a part that is left out: weights of classes are tuned for each on all rows but it. On two thirds
of the rows they come out worse than on all, by up to half a standard error."""
_REPEATS = ((5_000, 8), (50_000, 4), (1_000_000, 2))
"""Up to so many predicted numbers (rows · classes), so many times over; above, once."""
_WIDER = 1.4
"""The interval beside that of fixed predictions of independent rows: which models were fitted and chosen is
chance, too, and no more of it shows in one set of folds (Bengio and Grandvalet, Journal of Machine Learning
Research 5, 2004). Measured on sets of predictions, see docs/decisions/024-honest-score.md."""
_MOST_ROWS = 20_000
_MOST_TRIALS = 60
_STEPS = 12
"""Steps of the greedy ensembles of a part of the rows: most of the gain, at half of the time."""
_DRAWS, _DRAWS_IN_HASTE = 1000, 100
"""Resamples for the interval."""
_LEAST_UNITS = 8
"""Rows, groups or windows of time, below which a choice without some of them says nothing."""


def honest_score(
    problem: Problem,
    trials: Mapping[int, Trial],
    champion: Champion,
    *,
    prefer: str = "best",
    seed: int = 0,
    in_haste: Callable[[], bool] = lambda: False,
) -> HonestScore | None:
    """The champion's score without the optimism of its choice, with a 95 % interval.

    Rows that belong together (groups, copies, windows of time) are drawn as wholes.

    Parameters
    ----------
    trials:
        Those that could have been chosen: their models are there.
    prefer:
        What the champion was chosen for.
    in_haste:
        Whether to end with the rows as they were dealt so far, and fewer resamples; asked after each deal.

    Returns
    -------
    HonestScore or None
        None where too few rows or groups were judged to repeat the choice.
    """
    choice = _Choice(problem=problem, trials=trials, champion=champion, prefer=prefer)
    if choice.unit_count < _LEAST_UNITS:
        return None
    metric, target, weights = choice.metric, choice.target(choice.every), choice.weights(choice.every)
    repeats = choice.repeated(np.random.default_rng(seed), in_haste)
    try:
        scores = [metric.score(target, predictions, weights) for predictions in repeats]
    except NoTrialError:
        return None
    if not np.isfinite(scores).all():
        return None
    plain = score_interval(
        metric,
        target,
        champion.decision.weighted(champion.held_out),
        draws=_DRAWS_IN_HASTE if in_haste() else _DRAWS,
        weights=weights,
        units=None if problem.split.units is None else choice.units,
    )
    value = float(np.mean(scores))
    below, above, moved = plain.value - plain.low, plain.high - plain.value, abs(value - plain.value)
    # A score at the end of its scale has no room on that side; moved away from the end, it has as much.
    low = value - _WIDER * max(below, min(above, moved))
    high = value + _WIDER * max(above, min(below, moved))
    if metric.name in METRICS:  # of these, scores that are better when greater reach 1, and losses 0
        high = min(high, 1.0) if metric.greater_is_better else high
        low = max(low, 0.0) if plain.low >= 0 else low
    times = len(scores) * choice.parts
    how = f"the choice repeated {times} times, each judged on rows that it did not see ({choice.unit_words})"
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
        """``1,234 held-out rows`` or ``24 windows of time, 1,234 held-out rows``."""
        names = {"groups": ("group", ""), "time": ("window", "windows of time")}
        rows = counted(len(self.scored), "held-out row")
        if self.problem.split.scheme not in names or self.problem.split.units is None:
            return rows
        return f"{counted(self.unit_count, *names[self.problem.split.scheme])}, {rows}"

    @cached_property
    def eligible(self) -> dict[int, Trial]:
        """The trials that a choice can fall on: all of them, or the best of very many."""
        sign = -1.0 if self.metric.greater_is_better else 1.0
        done = {n: trial for n, trial in self.trials.items() if trial.scores is not None}
        if len(done) <= _MOST_TRIALS:
            return done
        ranked = sorted(done, key=lambda n: sign * done[n].scores.validation)  # type: ignore[union-attr]
        return {n: done[n] for n in sorted({*ranked[:_MOST_TRIALS], *self.champion.weights})}

    @property
    def every(self) -> RowNumbers:
        """Positions of all judged rows."""
        return np.arange(len(self.scored))

    @property
    def parts(self) -> int:
        """Parts that are left out in turn."""
        return min(_PARTS, self.unit_count)

    def repeated(self, generator: np.random.Generator, in_haste: Callable[[], bool]) -> Iterator[Predictions]:
        """Decided predictions of all judged rows, each by a choice that was made without its part.

        Raises
        ------
        NoTrialError
            When no choice can be made without a part.
        """
        cells = self.champion.held_out.size
        repeats = next((count for most, count in _REPEATS if cells <= most), 1)
        for _ in range(repeats):
            piece = self._dealt(generator)
            part = piece % self.parts
            made = np.empty(self.champion.held_out.shape)
            for number in range(self.parts):
                inside = part == number
                chosen = self.on(_at_most(np.flatnonzero(~inside), _MOST_ROWS, generator))
                made[inside] = self.decided(chosen, inside, piece, generator)
            yield made
            if in_haste():
                return

    def _dealt(self, generator: np.random.Generator) -> npt.NDArray[np.int64]:
        """The piece of each judged row ``(rows,)``: units are dealt whole, classes in equal shares.

        The rest of its division by the number of parts is the part.
        """
        strata = self.problem.task.strata(self.target(self.every))
        _, first = np.unique(self.units, return_index=True)
        order = generator.permutation(len(first))
        order = order[np.argsort(strata[first][order], kind="stable")]
        piece = np.empty(len(first), dtype=np.int64)
        piece[order] = np.arange(len(first)) % (_TUNED_PARTS * self.parts)
        return piece[self.units]

    def on(self, rows: RowNumbers) -> Champion:
        """The champion of some of the judged rows (positions, ascending)."""
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

    def decided(
        self,
        champion: Champion,
        inside: npt.NDArray[np.bool_],
        piece: npt.NDArray[np.int64],
        generator: np.random.Generator,
    ) -> Predictions:
        """Predictions of a champion for a part of the judged rows, as decided without the row's piece.

        Parameters
        ----------
        inside, piece:
            Whether each judged row is in the part, and its piece, ``(rows,)``.
        """
        judged = self.every if champion.decision.class_weights else np.flatnonzero(inside)
        mean = weighted_mean((self.held_out(n, judged), weight) for n, weight in champion.weights.items())
        if not champion.decision.class_weights:
            return champion.decision.apply(mean)
        made = np.empty(mean.shape)
        for number in np.unique(piece[inside]):
            own = piece == number
            others = _at_most(np.flatnonzero(~own), _MOST_ROWS, generator)
            decision = Decision.fitted(
                self.problem.task, self.target(others), mean[others], self.weights(others)
            )
            made[own] = decision.apply(mean[own])
        return made[inside]

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
