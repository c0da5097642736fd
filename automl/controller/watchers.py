"""Followers of a search: the user's view, none, and the tracker beside either; a trial in one line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from automl.controller.live_sign import LiveSign
from automl.controller.loop import Watcher
from automl.controller.strategy.refits import ORIGIN as REFIT
from automl.core.nodes import NodeState
from automl.core.text import duration, score_text
from automl.core.time_budget import Clock
from automl.core.trial import Progress, Status, Trial
from automl.executors.base import Capacity
from automl.problem.preparation import Prepared
from automl.tracker import Tracker

BASELINE = "dummy"
_THREAD_SHARE = 0.7  # of what the process gets, while it is also asking and telling
_SIGN_SECONDS = 1.0
WAITING_WHOLE = 100
"""Trials that wait for the store in memory with their curves; further ones are read again from the disk."""
OPENING_SECONDS = 2.5
"""Processor seconds in which MLflow is imported and the store opened with it (measured)."""


class SearchWatcher(Watcher, Protocol):
    """A follower of a search from outside, e.g. the command line's view."""

    def placed(self, capacity: Capacity) -> None:
        """An executor is there, with these cores and this limit of memory for the trials."""

    def preparing(self, fraction: float, message: str) -> None:
        """Images are being decoded; may come from several threads."""

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None:
        """The data was read and everything decided."""

    def warned(self, message: str) -> None:
        """A problem that the search survives."""

    def stop_requested(self) -> bool:
        """True to end now and keep the best so far."""

    def unfinished(self, name: str, description: str) -> bool:
        """Ask whether to resume the same search, which is unfinished, instead of starting again."""


class _Nobody:
    """Watches nothing."""

    def placed(self, capacity: Capacity) -> None: ...

    def preparing(self, fraction: float, message: str) -> None: ...

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None: ...

    def started(self, trial: Trial) -> None: ...

    def progressed(self, progress: Progress) -> None: ...

    def weighed(self, weights: Mapping[int, float]) -> None: ...

    def finished(self, trial: Trial, best: float | None) -> None: ...

    def restored(self, trials: Sequence[Trial], best: float | None, spent: float) -> None: ...

    def located(self, nodes: tuple[NodeState, ...]) -> None: ...

    def ticked(self) -> None: ...

    def warned(self, message: str) -> None: ...

    def stop_requested(self) -> bool:
        return False

    def unfinished(self, name: str, description: str) -> bool:
        return False


NOBODY: SearchWatcher = _Nobody()


class Recording:
    """Passes the loop's events on to the user's watcher, and to the tracker what is to be on record.

    Parameters
    ----------
    whole:
        Reads a lean trial with all of its result again: so many trials may wait for the store.
    """

    def __init__(
        self,
        watcher: SearchWatcher,
        tracker: Tracker,
        clock: Clock,
        sign: LiveSign,
        whole: Callable[[Trial], Trial],
    ) -> None:
        self._watcher = watcher
        self._tracker = tracker
        self._clock = clock
        self._sign = sign
        self._whole = whole
        self._signed = 0.0
        self._has_model = False
        self._troubled = False
        self._refits: set[int] = set()

    def started(self, trial: Trial) -> None:
        """Pass it on; a member's refit stays, too."""
        if trial.candidate.origin == REFIT:
            self._refits.add(trial.number)
        self._sign.started(trial)
        self._watcher.started(trial)

    def progressed(self, progress: Progress) -> None:
        """Pass it on."""
        self._sign.progressed(progress)
        self._watcher.progressed(progress)

    def located(self, nodes: tuple[NodeState, ...]) -> None:
        """Pass it on."""
        self._sign.located(nodes)
        self._watcher.located(nodes)

    def ticked(self) -> None:
        """Look after the store: the search ends when nothing more can be recorded."""
        if time.monotonic() - self._signed > _SIGN_SECONDS:
            self._show()
        owed = self._owed()
        self._clock.owed, self._clock.meanwhile = (owed, 0.0) if self._has_model else (0.0, owed)
        if self._tracker.stopped is not None:
            raise self._tracker.stopped
        if bool(self._tracker.trouble) != self._troubled:
            self._troubled = not self._troubled
            self._watcher.warned(
                f"The store does not answer; trials are kept on disk meanwhile. {self._tracker.trouble}"
                if self._troubled
                else "The store answers again; what was kept is being recorded."
            )
        self._watcher.ticked()

    def _show(self) -> None:
        """Let those who follow the search from elsewhere see how it is now."""
        self._signed = time.monotonic()
        self._tracker.show(self._sign.state())

    def _owed(self) -> float:
        """Processor time that is left of importing MLflow, which the end needs."""
        if self._tracker.connected:
            return 0.0
        since = self._tracker.connecting_since
        took = 0.0 if since is None else time.monotonic() - since
        return max(0.0, OPENING_SECONDS - _THREAD_SHARE * self._clock.pace.share * took)

    def weighed(self, weights: Mapping[int, float]) -> None:
        """Let no member's model be dropped to bound the disk space."""
        self._tracker.protect({*weights, *self._refits})
        self._sign.weighed(weights)
        self._watcher.weighed(weights)

    def finished(self, trial: Trial, best: float | None) -> None:
        """Put a trial on record."""
        if trial.scores is not None and trial.candidate.family != BASELINE:
            self._has_model = True
        if self._tracker.waiting < WAITING_WHOLE:
            self._tracker.finish_trial(trial)
        else:
            self._finish_lean(trial.lean())
        if best is not None:
            self._tracker.best_so_far(trial.number, best)
        self._sign.finished(trial, best)
        if self._sign.idle:
            self._show()  # what follows may take long, and nothing ticks then
        self._watcher.finished(trial, best)
        if trial.result is not None:
            for note in trial.result.notes:
                self._watcher.warned(f"#{trial.number} {trial.candidate.family}: {note}")

    def restored(self, trials: Sequence[Trial], best: float | None, spent: float) -> None:
        """Put on record what an earlier process could not."""
        for trial in trials:
            self._finish_lean(trial)
        self._sign.restored(trials, best)
        self._watcher.restored(trials, best, spent)

    def _finish_lean(self, trial: Trial) -> None:
        self._tracker.finish_trial(trial, whole=lambda: self._whole(trial))


def trial_line(trial: Trial, metric: str) -> str:
    """A trial in one line: number, family, outcome, time, and the node where there are several."""
    result = trial.result
    head = f"#{trial.number:<3d} {trial.candidate.family:14}"
    if result is None:
        return head
    took = f"{duration(result.seconds)}{f' on {result.node}' if result.node else ''}"
    if trial.scores is not None:
        scores = trial.scores
        text = f"{metric} {score_text(scores.validation)} ±{score_text(scores.standard_error, 2)}"
        return f"{head} {text:32} {took}"
    if result.status is Status.DONE and trial.candidate.origin == REFIT:
        return f"{head} {'fitted again on all rows':32} {took}"
    reason = f" ({result.error})" if result.error and result.status is not Status.PRUNED else ""
    return f"{head} {result.status.value}{reason} {took}"
