"""Proposals: the candidate that is worth the next free slot, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from automl.controller.readiness import Readiness
from automl.controller.strategy.ensemble import REBUILD_STEPS
from automl.controller.strategy.fold_repeats import MemberRepeats
from automl.controller.strategy.learner import Learner
from automl.controller.strategy.optimizer import Terms
from automl.controller.strategy.retry import Retries
from automl.controller.trial_limits import TimeLimits
from automl.core.text import score_text
from automl.core.trial import Candidate, Trial
from automl.problem.problem import Problem

_ASKED = ("portfolio", "sampler")
_FURTHER = 2
"""Times the cap: most configurations where time is left after their repeats."""
_NOISE = 0.02
"""Standard errors of the score: a round of repeats that gains less is the last."""


@dataclass(kw_only=True)
class Proposals:
    """Candidates: retries first, then what the families suggest, then what makes the ensemble steadier.

    Attributes
    ----------
    trials:
        Number of trials to run, or None for as many as the clock allows.
    cap:
        Configurations to try within a time budget before their repeats: more of them over-fit the score that
        chooses, so that the end of the search judges whether further ones helped.
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
    _judged: dict[int, str] = field(default_factory=dict)

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
            return self._past_the_cap(number, history)
        return self._suggestion(number, self.cap - number)

    def restore(self, trial: Trial) -> None:
        """Be as if a trial of an earlier process had been proposed here; in the order of their numbers."""
        if self.trials is not None:
            self.learner.learn_before(trial.number)
        if trial.candidate.origin in _ASKED:
            self.learner.recall(trial.number, trial.candidate)

    def _suggestion(
        self, number: int, trials_left: float = math.inf, *, can_begin: Callable[[str], bool] | None = None
    ) -> Candidate | None:
        learner, suggestion = self.learner, None
        family = learner.allocator.choose(
            self.limits.left, can_begin or self._can_begin, trials_left=trials_left, foretold=self._foretold
        )
        if family is not None:
            seed = self.seed * 1_000_003 + number
            suggestion = learner.optimizer.ask(family, number=number, seed=seed, terms=self._terms(family))
        if suggestion is None:
            self.end_reason = "no further model would finish in the time left"
            return None
        learner.suggested(number, suggestion)
        return suggestion.candidate

    def _past_the_cap(self, number: int, history: Mapping[int, Trial]) -> Candidate | None:
        """Every member once more on other folds, then further configurations, then further repeats.

        Where there is nothing to repeat, entries of portfolios that train whole nets come first, for as long
        as they will end: a few, fixed beforehand, whose turn cheaper ones would else take by their number.
        """
        builder, left = self.learner.builder, self.limits.left
        deals = 0 if self.problem.can_refit else len(self.problem.repeats)
        repeats = MemberRepeats(
            trials=tuple(history.values()),
            weights=builder.best.weights,
            rounds=deals,
        )
        complete = repeats.complete
        if complete > 1 and complete not in self._judged:
            self._judged[complete] = self._gained_nothing(repeats, complete, history)
        if reason := self._judged.get(complete):
            self.end_reason = reason
            return None
        repeat = repeats.next(can_finish=lambda family: self.learner.times.predict(family) <= left)
        configurations = sum(trial.candidate.origin in _ASKED for trial in history.values())
        further = _FURTHER * self.cap - configurations
        if repeat is None and (net := self._suggestion(number, can_begin=self._foretold)) is not None:
            return net
        if (complete or repeat is None) and further > 0:
            return self._suggestion(number, further) or repeat
        if repeat is None:
            rows = len(self.problem.target)
            self.end_reason = f"{configurations} configurations are all that {rows:,} rows can tell apart"
        return repeat

    def _gained_nothing(self, repeats: MemberRepeats, complete: int, history: Mapping[int, Trial]) -> str:
        """The reason to stop where the last round of repeats gained nothing beyond noise; else empty."""
        builder, metric = self.learner.builder, self.problem.task.metric
        members = [number for number in repeats.before(complete) if builder.knows(number)]
        lead = history[max(builder.best.weights, key=lambda n: builder.best.weights[n])].scores
        if not members or lead is None:
            return ""
        gain = builder.build(REBUILD_STEPS, among=members).loss - builder.best.loss
        if gain >= _NOISE * lead.standard_error:
            return ""
        return (
            f"nothing left to gain: repeating every member on other folds (round {complete}) improved "
            f"{metric.name} by {score_text(max(gain, 0.0), 2)}, where the score is uncertain by "
            f"{score_text(lead.standard_error, 2)}"
        )

    def _terms(self, family: str) -> Terms | None:
        return self.readiness.terms(family, usual=self.limits.usual, left=self.limits.left)

    def _can_begin(self, family: str) -> bool:
        if self.trials is None and self.learner.optimizer.exhausted(family):
            return False
        terms = self._terms(family)
        return terms is None or self.learner.optimizer.can_ask(family, terms)

    def _foretold(self, family: str) -> bool:
        """Tell whether an entry of a portfolio can begin that trains a whole net and will end in time."""
        terms = self._terms(family)
        return terms is not None and self.learner.optimizer.has_entry(
            family, self.readiness.whole(family, terms)
        )

    def _can_retry(self, candidate: Candidate) -> bool:
        terms = self._terms(candidate.family)
        return terms is None or terms.suits(candidate.params)
