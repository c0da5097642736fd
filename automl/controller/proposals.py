"""Proposals: the candidate that is worth the next free slot, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl.controller.readiness import Readiness
from automl.controller.strategy.fold_repeats import next_repeat
from automl.controller.strategy.learner import Learner
from automl.controller.strategy.optimizer import Terms
from automl.controller.strategy.retry import Retries
from automl.controller.time_limits import TimeLimits
from automl.core.trial import Candidate, Trial
from automl.problem.problem import Problem

_ASKED = ("portfolio", "sampler")


@dataclass(kw_only=True)
class Proposals:
    """Candidates: retries first, then what the families suggest, then repeats of the ensemble's members.

    Attributes
    ----------
    trials:
        Number of trials to run, or None for as many as the clock allows.
    cap:
        Most configurations to try within a time budget.
    end_reason:
        Why there was no candidate the last time, in words.
    """

    problem: Problem
    learner: Learner
    retries: Retries
    readiness: Readiness
    limits: TimeLimits
    trials: int | None
    cap: int
    seed: int
    end_reason: str = ""

    def next(self, number: int, history: Mapping[int, Trial]) -> Candidate | None:
        """The candidate of trial ``number``, after the trials of ``history``; None when there is none now."""
        retry = self.retries.first
        if retry is not None and (self.trials is None or number < self.trials) and self._can_retry(retry):
            return self.retries.pop()
        if self.trials is not None:
            if number >= self.trials:
                amount = f"{self.trials} trials were" if self.trials > 1 else "one trial was"
                self.end_reason = f"{amount} asked for"
                return None
            if not self.learner.learn_before(number):
                return None
        elif number >= self.cap:
            return self._repeat(history)
        return self._suggestion(number)

    def restore(self, trial: Trial) -> None:
        """Be as if a trial of an earlier process had been proposed here; in the order of their numbers."""
        if self.trials is not None:
            self.learner.learn_before(trial.number)
        if trial.candidate.origin in _ASKED:
            self.learner.recall(trial.number, trial.candidate)

    def _suggestion(self, number: int) -> Candidate | None:
        learner, suggestion = self.learner, None
        family = learner.allocator.choose(self.limits.left, self._can_begin)
        if family is not None:
            seed = self.seed * 1_000_003 + number
            suggestion = learner.optimizer.ask(family, number=number, seed=seed, terms=self._terms(family))
        if suggestion is None:
            self.end_reason = "no further model would finish in the time left"
            return None
        learner.suggested(number, suggestion)
        return suggestion.candidate

    def _repeat(self, history: Mapping[int, Trial]) -> Candidate | None:
        learner, candidate = self.learner, None
        if self.problem.repeats:
            candidate = next_repeat(
                history.values(),
                learner.builder.best.weights,
                can_finish=lambda family: learner.times.predict(family) <= self.limits.left,
            )
        if candidate is None:
            rows = len(self.problem.target)
            self.end_reason = f"{self.cap} configurations are all that {rows:,} rows can tell apart"
        return candidate

    def _terms(self, family: str) -> Terms | None:
        return self.readiness.terms(family, usual=self.limits.usual, left=self.limits.left)

    def _can_begin(self, family: str) -> bool:
        terms = self._terms(family)
        return terms is None or self.learner.optimizer.can_ask(family, terms)

    def _can_retry(self, candidate: Candidate) -> bool:
        terms = self._terms(candidate.family)
        return terms is None or terms.suits(candidate.params)
