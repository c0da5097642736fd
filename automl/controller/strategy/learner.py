"""Learning from outcomes: ensemble, allocator, time model, optimizer, updated in an order that repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from automl.controller.strategy.allocator import Allocator
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.optimizer import Optimizer, Suggestion
from automl.controller.strategy.trial_times import TimeModel
from automl.core.trial import Candidate, Status, Trial, TrialResult
from automl.executors.evaluate import PREPARE_SECONDS

LAG = 4
"""With ``--trials`` a suggestion knows the outcomes up to the LAG-th trial before it, on any machine."""


@dataclass(kw_only=True)
class Learner:
    """Everything that learns from outcomes.

    Attributes
    ----------
    foresees:
        Whether what a trial of a family takes is foreseen by other means than the time model.
    pruned_losses:
        The extrapolated loss of pruned trials, by number.
    """

    optimizer: Optimizer
    allocator: Allocator
    times: TimeModel
    builder: EnsembleBuilder
    foresees: Callable[[str], bool]
    pruned_losses: Mapping[int, float]
    _suggestions: dict[int, Suggestion] = field(default_factory=dict)
    _held: dict[int, Trial] = field(default_factory=dict)
    _next: int = 0

    def suggested(self, number: int, suggestion: Suggestion) -> None:
        """A suggestion is tried as this trial: its study hears of the outcome."""
        self._suggestions[number] = suggestion

    def recall(self, number: int, candidate: Candidate) -> None:
        """An earlier process asked for this candidate: continue as if it had been asked for here."""
        self.allocator.recall(candidate.family)
        self._suggestions[number] = self.optimizer.recall(candidate, number=number)

    def hold(self, trial: Trial) -> None:
        """Take an ended trial in, to learn from it when its turn comes."""
        self._held[trial.number] = trial

    def learn_before(self, number: int) -> bool:
        """Learn, in order, what a suggestion for this trial may know; False while an outcome is missing."""
        while self._next <= number - LAG:
            if self._next not in self._held:
                return False
            self.learn(self._next)
            self._next += 1
        return True

    def learn_rest(self) -> None:
        """Learn from everything that is held."""
        for number in sorted(self._held):
            self.learn(number)

    def learn(self, number: int) -> None:
        """Learn from a trial that is held."""
        trial = self._held.pop(number)
        family, result = trial.candidate.family, trial.result
        assert result is not None
        loss: float | None = None
        if trial.scores is not None and np.isfinite(trial.scores.validation) and result.held_out is not None:
            before = self.builder.best.loss
            self.builder.add(number, family, result.held_out)
            gain = before - self.builder.best.loss if np.isfinite(before) else 0.0
            self.allocator.learn(family, gain)
            loss = self.builder.loss_of(number)
        elif result.status is Status.PRUNED:
            loss = self.pruned_losses.get(number)
        self._learn_time(family, result)
        suggestion = self._suggestions.pop(number, None)
        if suggestion is not None:
            finite_loss = loss if loss is not None and np.isfinite(loss) else None
            self.optimizer.tell(suggestion, finite_loss, result.facts)

    def _learn_time(self, family: str, result: TrialResult) -> None:
        foreseen = self.foresees(family)
        if result.status is Status.DONE or (result.status is Status.TIMEOUT and not foreseen):
            # Time spent on what others share is not a trial's own, and is foreseen by other means.
            own = result.seconds - (result.facts.get(PREPARE_SECONDS, 0.0) if foreseen else 0.0)
            self.times.learn(family, own * result.share)
