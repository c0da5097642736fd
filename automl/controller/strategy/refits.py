"""Refits: members of the ensemble once more on all rows, where a single holdout kept some from them.

Folds show every row to most of a member's models. A single holdout, which searches by time take for large
data and for most images and texts, shows the judged rows to none: what was chosen by them is fitted again
with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from automl.core.family import Family
from automl.core.trial import Candidate, Status, Trial
from automl.executors.evaluate import PREPARE_SECONDS
from automl.problem.problem import Problem

ORIGIN = "refit"
SHARE = 0.1
"""Of the budget, what the refits may take: members that take longer are deployed as they were judged."""
_MARGIN, _LOADING_SECONDS = 1.3, 0.3
_LIGHT = 0.02


@dataclass(frozen=True, kw_only=True)
class Refits:
    """The members that are worth fitting again.

    Attributes
    ----------
    families:
        By name.
    seconds:
        Of the budget.
    """

    problem: Problem
    families: Mapping[str, Family]
    seconds: float

    def needed(self, trials: Mapping[int, Trial], weights: Mapping[int, float]) -> float:
        """Seconds that the refits of these members take, one after another."""
        return sum(seconds for _, seconds in self._due(trials, weights))

    def next(
        self, trials: Mapping[int, Trial], weights: Mapping[int, float], *, left: float
    ) -> Candidate | None:
        """The next one, the heaviest member first; None where none would end in the time that is left."""
        for member, seconds in self._due(trials, weights):
            if seconds <= left:
                return replace(member.candidate, origin=ORIGIN, repeat=1)
        return None

    def _due(
        self, trials: Mapping[int, Trial], weights: Mapping[int, float]
    ) -> Iterator[tuple[Trial, float]]:
        """Members that were not fitted again yet, with the seconds it takes, while these are affordable."""
        if not self.problem.can_refit:
            return
        begun = {trial.candidate.key for trial in trials.values() if trial.candidate.origin == ORIGIN}
        affordable = SHARE * self.seconds
        for number in sorted(weights, key=lambda number: (-weights[number], number)):
            trial = trials[number]
            if weights[number] < _LIGHT or not self.families[trial.candidate.family].refits:
                continue
            seconds = self._seconds(trial)
            if seconds > affordable:
                continue
            affordable -= seconds
            if trial.candidate.key not in begun:
                yield trial, seconds

    def _seconds(self, trial: Trial) -> float:
        """By the seconds that the trial took with fewer rows; what it computed for all trials is kept."""
        result, fold = trial.result, self.problem.split.folds[0]
        assert result is not None
        own = result.seconds - result.facts.get(PREPARE_SECONDS, 0.0)
        rows = len(self.problem.target) / max(1, len(fold.train))
        return _MARGIN * max(own, 0.0) * rows + _LOADING_SECONDS


def deployed(trials: Mapping[int, Trial], number: int) -> Trial:
    """The trial whose models are deployed for a member: its refit on all rows, where that was done."""
    member = trials[number]
    for trial in trials.values():
        done = trial.result is not None and trial.result.status is Status.DONE
        if done and trial.candidate.origin == ORIGIN and trial.candidate.key == member.candidate.key:
            return trial
    return member
