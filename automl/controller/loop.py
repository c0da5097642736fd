"""The loop: a free slot asks for a candidate; its result is learned from, tracked and weighed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from automl.controller.folder import KeptTrial, SearchFolder
from automl.controller.proposals import Proposals
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.pruning import Pruner
from automl.controller.strategy.refits import Refits
from automl.controller.strategy.scoring import scores_of
from automl.controller.trial_limits import TimeLimits
from automl.core.family import BASELINE
from automl.core.nodes import NodeState
from automl.core.trial import Candidate, Finished, Progress, Status, Ticket, Trial, TrialResult
from automl.executors.base import Executor
from automl.problem.problem import Problem

CHOICES_AT_THE_END = 6
"""Greedy selections that the champion and its honest score take at least."""
SECONDS_PER_JUDGED_ROW = 1.5e-5
"""Processor seconds in which the interval of the honest score is found, in haste (measured)."""
GRACE_SECONDS = 1.5
"""What an interrupted search gives its running trials to come back."""


class Watcher(Protocol):
    """Events of a running loop; all of them come from the controller's own thread."""

    def started(self, trial: Trial) -> None:
        """A trial was handed to a worker."""

    def progressed(self, progress: Progress) -> None:
        """A running trial reported its progress."""

    def weighed(self, weights: Mapping[int, float]) -> None:
        """Weights of the best ensemble so far, by trial number; comes before ``ended``."""

    def finished(self, trial: Trial, best: float | None) -> None:
        """A trial ended; ``best`` is the validation score of the best ensemble so far."""

    def restored(self, trials: Sequence[Trial], best: float | None, spent: float) -> None:
        """These ended in an earlier process, which used ``spent`` seconds of the budget."""

    def located(self, nodes: tuple[NodeState, ...]) -> None:
        """The machines of the executor, with what each runs; comes before ``ticked``."""

    def ticked(self) -> None:
        """About ten times a second."""


@dataclass(frozen=True)
class _Begun:
    """A running trial, and when it began by the monotonic clock."""

    trial: Trial
    at: float


@dataclass(kw_only=True)
class Loop:
    """One search over one problem.

    Attributes
    ----------
    proposals:
        What to try next.
    pruner:
        Judges first folds, in searches by time.
    folder:
        Where candidates are kept before they start and results before anything learns of them.
    refits:
        The last trials of a search by time with a single holdout: members fitted again on all rows.
    history:
        Every trial that was begun, by number.
    end_reason:
        Why no more trials were begun, in words.
    """

    problem: Problem
    proposals: Proposals
    pruner: Pruner
    limits: TimeLimits
    executor: Executor
    watcher: Watcher
    folder: SearchFolder
    refits: Refits | None = None
    stop_requested: Callable[[], bool] = lambda: False
    history: dict[int, Trial] = field(default_factory=dict)
    end_reason: str = ""
    _running: dict[int, _Begun] = field(default_factory=dict)
    _again: list[int] = field(default_factory=list)
    _refitting: bool = False

    @property
    def builder(self) -> EnsembleBuilder:
        """The ensemble of what was learned so far."""
        return self.proposals.learner.builder

    def run(self) -> dict[int, Trial]:
        """Run until trials, time or ideas are used up; returns every trial by number."""
        self.watcher.ticked()
        while not self.stop_requested():
            self._fill()
            if not self._running:
                break
            self._receive(min(0.1, max(0.01, self.limits.left)))
            if self.limits.overdue(has_model=self._has_model):
                self.end_reason = "the time is used up"
                break
        self.end(interrupted=self.stop_requested())
        return self.history

    def restore(self, kept: Sequence[KeptTrial]) -> None:
        """Take in what an earlier process left: learn its results again, run its interrupted trials again.

        Everything happens in the order of then, so that what follows is suggested as it would
        have been.
        """
        learner = self.proposals.learner
        ended_at: dict[int, int] = {}
        for item in kept:
            self.proposals.restore(item.trial)
            number = item.trial.number
            scored = item.trial
            if scored.scores is None:  # an earlier version kept none
                scored = replace(scored, scores=scores_of(scored, self.problem))
            self.history[number] = self.folder.shelved(scored.lean())
            if item.trial.result is None:
                self._again.append(number)
                continue
            ended_at[number] = item.ended
            learner.hold(self.history[number])
            if item.pruned_loss is not None:
                self.pruner.losses[number] = item.pruned_loss
        if self.limits.timed:
            for number in sorted(ended_at, key=lambda number: ended_at[number]):
                learner.learn(number)
        self.proposals.retries.restore(self.history.values())
        ended = [trial for trial in self.history.values() if trial.result is not None]
        self.watcher.weighed(self.builder.best.weights)
        self.watcher.restored(ended, self.best_score, self.limits.clock.elapsed)

    def rescue(self, executor: Executor) -> None:
        """The baseline in this process, when no trial came back: there is always a model in the end."""
        candidate = Candidate(family="dummy", params={}, seed=self.proposals.seed, origin="rescue")
        self._start(Trial(len(self.history), candidate), executor, 60.0)
        for event in executor.wait(60.0):
            if isinstance(event, Finished):
                self._finish(event)
        self.end()

    def end(self, *, interrupted: bool = False, grace: float = GRACE_SECONDS) -> None:
        """Record what is still running as timed out; learn what was held back.

        Nothing runs after it: the executor is closed. Interrupted, it waits ``grace`` seconds for trials that
        are almost done; the others are as if they had not been started here, and run again when the search is
        resumed.
        """
        until = time.monotonic() + grace
        while interrupted and self._running and time.monotonic() < until:
            self._receive(0.1)
        # All workers at once, without new ones: one by one, hanging ones would cost seconds each.
        now = time.monotonic()
        self.executor.close()
        for number in (*self._running, *self._again):
            trial = self.history.pop(number)
            if not interrupted:
                ran = now - self._running[number].at if number in self._running else 0.0
                cut = TrialResult(status=Status.TIMEOUT, seconds=ran, error="the search's time was used up")
                trial = trial.finished(cut, None)
                self.folder.keep(trial)
                self.history[number] = trial
                self.proposals.learner.hold(trial)
                self.watcher.finished(trial, self.best_score)
        self._running.clear()
        self._again.clear()
        self.proposals.learner.learn_rest()
        if self.builder.best.weights:
            self.builder.rebuild()
        self.folder.spend(self.limits.clock.elapsed, now=True)

    @property
    def best_score(self) -> float | None:
        """Validation score of the best ensemble so far, in the metric's own direction."""
        return self.builder.best_score if self.builder.best.weights else None

    @property
    def _has_model(self) -> bool:
        """True once a trial other than the baseline has a score."""
        trials = self.history.values()
        return any(trial.scores is not None and trial.candidate.family != BASELINE for trial in trials)

    def _fill(self) -> None:
        """Begin trials while there is a slot for one."""
        limits, readiness = self.limits, self.proposals.readiness
        while len(self._running) < limits.slots_now and self.executor.idle > 0:
            trial = self._next()
            if trial is None:
                return
            readiness.began(trial)
            usual = limits.limit(trial.candidate.family, has_model=self._has_model)
            seconds = readiness.limit(trial.candidate, usual=usual, left=max(0.5, limits.left))
            self._start(trial, self.executor, seconds, spare=max(0.0, limits.left - seconds))

    def _next(self) -> Trial | None:
        """The interrupted trials of an earlier process first, then new ones; None when there is none."""
        if self._refitting:
            return self._refit()
        if self.limits.too_late and len(self.history) > 1:
            self.end_reason = "the time is used up"
            return self._refit()
        if self._again:
            return self.history[self._again.pop(0)]
        number = len(self.history)
        candidate = self.proposals.next(number, self.history)
        if candidate is None:
            self.end_reason = self.proposals.end_reason
            # what still runs may join the ensemble, and make room for other proposals
            return None if self._running else self._refit()
        return Trial(number, candidate)

    def _refit(self) -> Trial | None:
        """The next member to fit again on all rows, in the time that was kept for it; None at the end."""
        if self.refits is None:
            return None
        self._refitting, self.limits.clock.refitting = True, 0.0
        candidate = self.refits.next(self.history, self.builder.best.weights, left=self.limits.left)
        return None if candidate is None else Trial(len(self.history), candidate)

    def _start(self, trial: Trial, executor: Executor, seconds: float, *, spare: float = 0.0) -> None:
        folder, share = self.folder.begin(trial), self.limits.share
        self.history[trial.number] = trial
        self._running[trial.number] = _Begun(trial, time.monotonic())
        executor.submit(
            Ticket(
                number=trial.number,
                candidate=trial.candidate,
                folder=str(folder),
                seconds=seconds,
                share=share,
                spare=spare,
            )
        )
        self.watcher.started(trial)

    def _receive(self, seconds: float) -> None:
        for event in self.executor.wait(seconds):
            if isinstance(event, Finished):
                self._finish(event)
            else:
                self._progress(event)
        self.limits.clock.pace.learn(*self.executor.demand())
        self.watcher.located(self.executor.nodes())
        self.watcher.ticked()
        self.folder.spend(self.limits.clock.elapsed)

    def _progress(self, progress: Progress) -> None:
        self.watcher.progressed(progress)
        begun = self._running.get(progress.number)
        if begun is not None and self.limits.timed and self.pruner.prunes(begun.trial, progress):
            self.executor.stop(progress.number)

    def _finish(self, event: Finished) -> None:
        trial = self._running[event.number].trial.finished(event.result, None)
        trial = replace(trial, scores=scores_of(trial, self.problem))
        self.folder.keep(trial, pruned_loss=self.pruner.losses.get(trial.number))
        trial = self.folder.shelved(trial)
        del self._running[trial.number]
        self.history[trial.number] = trial.lean()
        learner, readiness = self.proposals.learner, self.proposals.readiness
        learner.hold(self.history[trial.number])
        self.proposals.retries.consider(trial, computed=readiness.computed(trial.number))
        readiness.ended(trial)
        if self.limits.timed:
            learner.learn(trial.number)
            judged = sum(len(fold.valid) for fold in self.problem.split.folds)
            choices = CHOICES_AT_THE_END * self.builder.rebuild_seconds
            self.limits.clock.choosing = choices + SECONDS_PER_JUDGED_ROW * judged
            if self.refits is not None and not self._refitting:
                self.limits.clock.refitting = self.refits.needed(self.history, self.builder.best.weights)
        self.watcher.weighed(self.builder.best.weights)
        self.watcher.finished(trial, self.best_score)
