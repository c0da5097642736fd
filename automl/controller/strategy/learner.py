"""Learning from outcomes: ensemble, allocator, time model, optimizer, updated in an order that repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from automl.controller.strategy.allocator import Allocator
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.optimizer import Optimizer, Suggestion
from automl.controller.strategy.trial_times import TimeModel
from automl.core.predictions import Predictions
from automl.core.trial import Candidate, Status, Trial, TrialResult
from automl.executors.evaluate import PREPARE_SECONDS

LAG = 4
"""With ``--trials`` a suggestion knows the outcomes up to the LAG-th trial before it, on any machine ..."""
LAG_SHARE = 50
"""... and from trial ``LAG * LAG_SHARE`` on, all but the last fiftieth: so many run at once on a cluster."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Outcome of a trial for the ensemble.

    Attributes
    ----------
    gain:
        By how much the trial made its loss fall.
    bag, loss:
        The ensemble with it: the trials, each as often as it was added, and the loss of their average.
    seconds:
        Processor seconds of the last greedy selection from nothing.
    """

    number: int
    gain: float
    bag: tuple[int, ...]
    loss: float
    seconds: float


class Lessons(Protocol):
    """Lessons of an earlier process, and the place for those of this one."""

    def recall(self, number: int) -> Lesson | None:
        """The lesson of a trial where it was learned at this point before; None else."""

    def note(self, lesson: Lesson) -> None:
        """Keep a lesson."""


class _Forgotten:
    """Lessons that nobody keeps."""

    def recall(self, number: int) -> Lesson | None:
        return None

    def note(self, lesson: Lesson) -> None: ...


@dataclass(kw_only=True)
class Learner:
    """Everything that learns from outcomes.

    Attributes
    ----------
    lessons:
        What an earlier process learned in the same order, so that it is not computed again.
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
    lessons: Lessons = field(default_factory=_Forgotten)
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
        while self._next <= number - max(LAG, number // LAG_SHARE):
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
            self.allocator.learn(family, self._weigh(number, family, result.held_out))
            loss = self.builder.loss_of(number)
        elif result.status is Status.PRUNED:
            loss = self.pruned_losses.get(number)
        self._learn_time(family, result)
        suggestion = self._suggestions.pop(number, None)
        if suggestion is not None:
            finite_loss = loss if loss is not None and np.isfinite(loss) else None
            self.optimizer.tell(suggestion, finite_loss, result.facts)

    def _weigh(self, number: int, family: str, held_out: Predictions) -> float:
        """Take a trial into the ensemble; returns by how much the loss fell."""
        builder, lesson = self.builder, self.lessons.recall(number)
        if lesson is not None:
            builder.hold(number, family, held_out)
            builder.resume(lesson.bag, lesson.loss, seconds=lesson.seconds)
            return lesson.gain
        before = builder.best.loss
        builder.add(number, family, held_out)
        gain = before - builder.best.loss if np.isfinite(before) else 0.0
        self.lessons.note(
            Lesson(
                number=number,
                gain=gain,
                bag=builder.bag,
                loss=builder.best.loss,
                seconds=builder.rebuild_seconds,
            )
        )
        return gain

    def _learn_time(self, family: str, result: TrialResult) -> None:
        foreseen = self.foresees(family)
        if result.status is Status.DONE or (result.status is Status.TIMEOUT and not foreseen):
            # Time spent on what others share is not a trial's own, and is foreseen by other means.
            own = result.seconds - (result.facts.get(PREPARE_SECONDS, 0.0) if foreseen else 0.0)
            self.times.learn(family, own * result.share)
