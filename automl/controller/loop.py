"""The loop: a free slot asks, a candidate goes out, a result comes back, is told, tracked and weighed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from automl.controller.folder import KeptTrial, SearchFolder
from automl.controller.readiness import COMPUTING_SHARE, Readiness
from automl.controller.strategy import retry
from automl.controller.strategy.allocator import Allocator, trial_cap
from automl.controller.strategy.budget import TimeModel, trial_seconds
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.optimizer import Optimizer, Suggestion, Terms
from automl.core.clock import Clock
from automl.core.intervals import standard_error
from automl.core.trial import Candidate, Finished, Progress, Result, Scores, Status, Ticket, Trial
from automl.executors.base import Executor
from automl.executors.evaluate import PREPARE_SECONDS
from automl.problem.capacity import cores, workers_at
from automl.problem.problem import Problem

LAG = 4
"""With ``--trials`` a suggestion knows the outcomes up to the LAG-th trial before it, on any machine."""
PRUNE_Z = 3.0
GRACE_SECONDS = 1.5
"""What an interrupted search gives its running trials to come back."""
_ASKED = ("portfolio", "sampler")


class Watcher(Protocol):
    """What the loop tells while it runs; all of it comes from the controller's own thread."""

    def started(self, trial: Trial) -> None:
        """A trial was handed to a worker."""

    def progressed(self, progress: Progress) -> None:
        """A running trial said how far it is."""

    def weighed(self, weights: Mapping[int, float]) -> None:
        """Before a trial is said to have ended: the best ensemble so far, by trial number."""

    def finished(self, trial: Trial, best: float | None) -> None:
        """A trial ended; ``best`` is the validation score of the best ensemble so far."""

    def restored(self, trials: Sequence[Trial], best: float | None, spent: float) -> None:
        """These ended in an earlier process, which used ``spent`` seconds of the budget."""

    def ticked(self) -> None:
        """About ten times a second."""


@dataclass
class Loop:
    """One search over one problem.

    Attributes
    ----------
    folder:
        Where candidates are kept before they start and results before anything learns of them.
    slots:
        How many trials run at once.
    trials:
        Number of trials to run, or None for as many as the clock allows.
    cap:
        Most configurations to try within a time budget (:func:`.allocator.trial_cap`).
    readiness:
        Which trials can begin now, where some compute what others share; None lets all begin.
    """

    problem: Problem
    optimizer: Optimizer
    allocator: Allocator
    times: TimeModel
    clock: Clock
    executor: Executor
    builder: EnsembleBuilder
    watcher: Watcher
    folder: SearchFolder
    seed: int = 0
    slots: int = 2
    trials: int | None = None
    stop_requested: Callable[[], bool] = lambda: False
    cap: int = 0
    readiness: Readiness | None = None
    history: dict[int, Trial] = field(default_factory=dict)
    end_reason: str = ""
    _suggestions: dict[int, Suggestion] = field(default_factory=dict)
    _running: dict[int, Trial] = field(default_factory=dict)
    _began: dict[int, float] = field(default_factory=dict)
    _computing: set[int] = field(default_factory=set)
    _again: list[int] = field(default_factory=list)
    _retries: list[Candidate] = field(default_factory=list)
    _untold: dict[int, Trial] = field(default_factory=dict)
    _told: int = 0
    _first_fold: dict[str, tuple[float, np.ndarray]] = field(default_factory=dict)
    _pruned_loss: dict[int, float] = field(default_factory=dict)

    def run(self) -> dict[int, Trial]:
        """Run until trials, time or ideas are used up; returns every trial by number."""
        self.cap = self.cap or max(trial_cap(len(self.problem.target)), len(self.optimizer.families))
        self.watcher.ticked()
        while not self.stop_requested():
            self._fill()
            if not self._running:
                break
            self._receive(min(0.1, max(0.01, self.clock.left_for_trials)))
            if self.clock.left_for_trials <= 0 and self._overdue():
                self.end_reason = "the time is used up"
                break
        self.end(interrupted=self.stop_requested())
        return self.history

    def _receive(self, seconds: float) -> None:
        for event in self.executor.wait(seconds):
            if isinstance(event, Finished):
                self._finish(event)
            else:
                self._progress(event)
        self.clock.pace.learn(*self.executor.demand())
        self.watcher.ticked()
        self.folder.spend(self.clock.elapsed)

    def restore(self, kept: Sequence[KeptTrial]) -> None:
        """Take in what an earlier process left: its results are told again, its interrupted trials run again.

        Everything is asked and told in the order of then, so that what follows is suggested as it would
        have been.
        """
        for item in kept:
            number, candidate = item.trial.number, item.trial.candidate
            if self.trials is not None:
                self._tell_up_to(number - LAG)
            if candidate.origin in _ASKED:
                self.allocator.recall(candidate.family)
                self._suggestions[number] = self.optimizer.recall(candidate, number=number)
            self.history[number] = item.trial
            if item.trial.result is None:
                self._again.append(number)
                continue
            scores = self._scores(item.trial, item.trial.result)
            self.history[number] = self._untold[number] = replace(item.trial, scores=scores)
            if item.pruned_loss is not None:
                self._pruned_loss[number] = item.pruned_loss
        if self.trials is None:
            for item in sorted(kept, key=lambda item: item.ended):
                if item.trial.result is not None:
                    self._tell(item.trial.number)
        retried = {item.trial.candidate.seed for item in kept if item.trial.candidate.origin == retry.ORIGIN}
        ended = [trial for trial in self.history.values() if trial.result is not None]
        for trial in ended:
            if trial.candidate.seed not in retried:
                self._retry(trial)
        self.watcher.weighed(self.builder.best.weights)
        self.watcher.restored(ended, self.best_score, self.clock.elapsed)

    def _overdue(self) -> bool:
        """Trials still running a moment after their deadline are given up; a longer one where all wait."""
        if self.clock.meanwhile > 0:
            return False
        reserve = self.clock.reserve
        moment = min(0.6 / self.clock.pace.share, 0.25 * reserve)
        if not self._has_model:  # the first one is worth the haste at the end
            moment = 0.5 * reserve
        return self.clock.left < max(0.25, reserve - max(0.6, moment))

    @property
    def _has_model(self) -> bool:
        """Whether a trial has a score that is not the baseline's."""
        trials = self.history.values()
        return any(trial.scores is not None and trial.candidate.family != "dummy" for trial in trials)

    def _fill(self) -> None:
        while len(self._running) < self._slots_now() and self.executor.idle > 0:
            trial = self._next()
            if trial is None:
                return
            limit = self._limit_of(trial)
            self._start(trial, self.executor, limit, spare=max(0.0, self.clock.left_for_trials - limit))

    def _start(self, trial: Trial, executor: Executor, seconds: float, *, spare: float = 0.0) -> None:
        folder = self.folder.begin(trial)
        self.history[trial.number] = self._running[trial.number] = trial
        self._began[trial.number] = time.monotonic()
        share = self.clock.pace.share if self.trials is None else 1.0
        executor.submit(Ticket(trial.number, trial.candidate, str(folder), seconds, share=share, spare=spare))
        self.watcher.started(trial)

    def _slots_now(self) -> int:
        """Fewer than all where running trials starve each other, with a time budget."""
        if self.trials is not None:
            return self.slots
        return workers_at(self.clock.pace.share, self.slots, cores())

    def _limit(self) -> float:
        """Seconds a trial may take: what is left, and a share of the budget at most.

        The share is of time on a processor: where other work leaves less of it, the limit is longer.
        """
        if self.clock.seconds is None:
            return 24 * 3600.0
        images = bool(self.problem.table.images)
        most = trial_seconds(self.clock.seconds, len(self.problem.target), images=images)
        return max(0.5, min(self.clock.left_for_trials, most / self.clock.pace.share))

    def _limit_of(self, trial: Trial) -> float:
        """The same, and more for a trial that computes what others share."""
        if self.readiness is None or self.clock.seconds is None:
            return self._limit()
        if self.readiness.computes(trial.candidate):
            self._computing.add(trial.number)
        left = max(0.5, self.clock.left_for_trials)
        return self.readiness.limit(trial.candidate, usual=self._limit(), left=left)

    def _next(self) -> Trial | None:
        """The interrupted trials of an earlier process first, then new ones; None when there is none."""
        short = self.trials is None and self.clock.left_for_trials < 0.3 and len(self.history) > 1
        if self._again and not short:
            return self.history[self._again.pop(0)]
        number = len(self.history)
        if short:
            self.end_reason = "the time is used up"
            return None
        candidate = self._retries.pop(0) if self._room_for_retry(number) else self._candidate(number)
        return None if candidate is None else Trial(number, candidate)

    def _room_for_retry(self, number: int) -> bool:
        if not self._retries or (self.trials is not None and number >= self.trials):
            return False
        terms = self._terms(self._retries[0].family)
        return terms is None or terms.suits(self._retries[0].params)

    def _terms(self, family: str) -> Terms | None:
        """What of a family can begin now; None where everything can."""
        if self.readiness is None or not self.readiness.foresees(family):
            return None
        ready, computing = self.readiness, bool(self._computing & self._running.keys())
        left = self.clock.left_for_trials
        seconds = min(left, max(self._limit(), COMPUTING_SHARE * left))
        suits = ready.suits(family, seconds=seconds, computing=computing)
        # While one computes, the other workers fit heads on what is there: the next that computes goes first.
        first = self.slots > 1 and not computing
        return Terms(
            suits,
            lambda values: first and ready.computes(Candidate(family, dict(values))),
            ready.shared_params(family),
            not computing,
        )

    def _can_begin(self, family: str) -> bool:
        terms = self._terms(family)
        return terms is None or self.optimizer.can_ask(family, terms)

    def _retry(self, trial: Trial) -> None:
        """A trial that ran out of memory is tried again, smaller; one that computed for others goes on."""
        if trial.result is None or trial.candidate.origin == retry.ORIGIN:
            return
        if trial.result.status is Status.TIMEOUT and trial.number in self._computing:
            self._retries.append(replace(trial.candidate, origin=retry.ORIGIN))
        if trial.result.status is not Status.OOM:
            return
        space = self.optimizer.spaces.get(trial.candidate.family)
        candidate = None if space is None else retry.smaller(trial.candidate, space)
        if candidate is not None:
            self._retries.append(candidate)

    def _candidate(self, number: int) -> Candidate | None:
        if self.trials is not None:
            if number >= self.trials:
                asked = f"{self.trials} trials were" if self.trials > 1 else "one trial was"
                self.end_reason = f"{asked} asked for"
                return None
            if not self._tell_up_to(number - LAG):
                return None
        elif number >= self.cap:
            return self._repeat()
        family = self.allocator.choose(self.clock.left_for_trials, self._can_begin)
        suggestion = None
        if family is not None:
            seed = self.seed * 1_000_003 + number
            suggestion = self.optimizer.ask(family, number=number, seed=seed, terms=self._terms(family))
        if suggestion is None:
            self.end_reason = "no further model would finish in the time left"
            return None
        self._suggestions[number] = suggestion
        return suggestion.candidate

    def _repeat(self) -> Candidate | None:
        """Past the cap: the ensemble's members again, on other folds; None when all were."""
        repeated = {trial.candidate.key for trial in self.history.values() if trial.candidate.repeat}
        if self.problem.repeats:
            by_weight = sorted(self.builder.best.weights.items(), key=lambda item: (-item[1], item[0]))
            for number, _ in by_weight:
                member = self.history[number].candidate
                if member.repeat == 0 and member.family != "dummy" and member.key not in repeated:
                    if self.times.predict(member.family) > self.clock.left_for_trials:
                        continue
                    return replace(member, seed=member.seed + 1, origin="repeat", repeat=1)
        self.end_reason = (
            f"{self.cap} configurations are all that {len(self.problem.target):,} rows can tell apart"
        )
        return None

    def _progress(self, progress: Progress) -> None:
        self.watcher.progressed(progress)
        trial = self._running.get(progress.number)
        if trial is None or progress.held_out is None or progress.fold != 0:
            return
        split = self.problem.split_for(trial.candidate.repeat)
        if len(split.folds) < 2 or trial.candidate.repeat or self.trials is not None:
            return
        rows = split.folds[0].valid
        if len(rows) < 2:
            return  # one row tells nothing of its spread
        target = self.problem.target[rows]
        losses = self.problem.task.row_losses(target, progress.held_out)
        best = self._first_fold.get(trial.candidate.family)
        if best is None or losses.mean() < best[0]:
            self._first_fold[trial.candidate.family] = (float(losses.mean()), losses)
            return
        paired = losses - best[1]
        error = float(paired.std(ddof=1) / np.sqrt(len(paired)))
        positions = np.searchsorted(split.scored, rows)
        # the family's first trial may still be running: nothing to extrapolate from, so nothing is pruned
        finished = [
            self.builder.loss_of(other.number)
            for other in self.history.values()
            if self.builder.knows(other.number) and other.candidate.family == trial.candidate.family
        ]
        clearly_worse = bool(finished) and paired.mean() > PRUNE_Z * error
        if clearly_worse and self.builder.gain_of(progress.held_out, positions) <= 0:
            reference = min(finished)
            if best[0] > 0:  # else no multiple of it says how much worse this trial is
                worse = float(paired.mean() / best[0])
                self._pruned_loss[trial.number] = reference + abs(reference) * worse
            self.executor.stop(trial.number)

    def _finish(self, event: Finished) -> None:
        trial = self._running[event.number]
        trial = trial.finished(event.result, self._scores(trial, event.result))
        self.folder.keep(trial, pruned_loss=self._pruned_loss.get(trial.number))
        del self._running[trial.number]
        self.history[trial.number] = trial
        self._untold[trial.number] = trial
        self._retry(trial)
        self._computing.discard(trial.number)
        if self.readiness is not None:
            self.readiness.ended(trial.candidate.family)
        if self.trials is None:
            self._tell(trial.number)
        self.watcher.weighed(self.builder.best.weights)
        self.watcher.finished(trial, self.best_score)

    @property
    def best_score(self) -> float | None:
        """Validation score of the best ensemble so far, in the metric's own direction."""
        return self.builder.best_score if self.builder.best.weights else None

    def _scores(self, trial: Trial, result: Result) -> Scores | None:
        if result.status is not Status.DONE or result.held_out is None:
            return None
        task, target = self.problem.task, self.problem.target
        split = self.problem.split_for(trial.candidate.repeat)
        scored = split.scored
        folds = tuple(
            task.metric.score(target[fold.valid], result.held_out[np.searchsorted(scored, fold.valid)])
            for fold in split.folds
        )
        train = None
        if result.train_rows is not None and result.train_predictions is not None:
            train = task.metric.score(target[result.train_rows], result.train_predictions)
        validation = task.metric.score(target[scored], result.held_out)
        error = standard_error(task.metric, target[scored], result.held_out, folds)
        return Scores(validation, error, folds, train)

    def _tell_up_to(self, number: int) -> bool:
        """Tell, in order, the outcomes up to this number and no further; False while one is missing."""
        while self._told <= number:
            if self._told not in self._untold:
                return False
            self._tell(self._told)
            self._told += 1
        return True

    def _tell(self, number: int) -> None:
        trial = self._untold.pop(number)
        result = trial.result
        assert result is not None
        loss: float | None = None
        scored = trial.scores is not None and np.isfinite(trial.scores.validation)
        if scored and result.held_out is not None:
            before = self.builder.best.loss
            self.builder.add(number, trial.candidate.family, result.held_out)
            gain = before - self.builder.best.loss if np.isfinite(before) else 0.0
            self.allocator.learn(trial.candidate.family, gain)
            loss = self.builder.loss_of(number)
        elif result.status is Status.PRUNED:
            loss = self._pruned_loss.get(number)
        foreseen = self.readiness is not None and self.readiness.foresees(trial.candidate.family)
        if result.status is Status.DONE or (result.status is Status.TIMEOUT and not foreseen):
            # What was computed for others as well is no trial's own, and is foreseen by other means.
            own = result.seconds - (result.facts.get(PREPARE_SECONDS, 0.0) if foreseen else 0.0)
            self.times.learn(trial.candidate.family, own * result.share)
        suggestion = self._suggestions.pop(number, None)
        if suggestion is not None:
            known = loss if loss is not None and np.isfinite(loss) else None
            self.optimizer.tell(suggestion, known, result.facts)

    def rescue(self, executor: Executor) -> None:
        """The baseline in this process, when no trial came back: there is always a model in the end."""
        candidate = Candidate("dummy", {}, self.seed, origin="rescue")
        self._start(Trial(len(self.history), candidate), executor, 60.0)
        for event in executor.wait(60.0):
            if isinstance(event, Finished):
                self._finish(event)
        self.end()

    def end(self, *, interrupted: bool = False) -> None:
        """Record what is still running as timed out; tell what was held back.

        Nothing runs after it: the executor is closed. Interrupted, it waits a moment for trials that are
        almost done; the others are as if they had not been started here, and run again when the search is
        resumed.
        """
        until = time.monotonic() + GRACE_SECONDS
        while interrupted and self._running and time.monotonic() < until:
            self._receive(0.1)
        # All workers at once, and none in their place: one by one, hanging ones would cost seconds each.
        now = time.monotonic()
        self.executor.close()
        for number in (*self._running, *self._again):
            trial = self.history.pop(number)
            if not interrupted:
                ran = now - self._began.get(number, now)
                cut = Result(Status.TIMEOUT, seconds=ran, error="the search's time was used up")
                trial = trial.finished(cut, None)
                self.folder.keep(trial)
                self.history[number] = self._untold[number] = trial
                self.watcher.finished(trial, self.best_score)
        self._running.clear()
        self._again.clear()
        for number in sorted(self._untold):
            self._tell(number)
        if self.builder.best.weights:
            self.builder.rebuild()
        self.folder.spend(self.clock.elapsed, now=True)
