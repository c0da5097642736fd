"""Time limits: seconds that a trial may take, workers that the machine can feed, the moment to give up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automl.controller.strategy.trial_times import trial_seconds
from automl.core.time_budget import Clock
from automl.families import quick_families
from automl.problem.capacity import workers_at
from automl.problem.problem import Problem

_DAY = 24 * 3600.0
_TOO_SHORT = 0.3


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """Limits by the clock.

    Attributes
    ----------
    timed:
        Whether seconds end the search; False where the number of trials does.
    slots:
        Trials that run at once where nothing else uses the machine; asked each time, as machines may join.
    cores:
        Processors of all trials; asked each time too.
    """

    problem: Problem
    clock: Clock
    timed: bool
    slots: Callable[[], int]
    cores: Callable[[], int]

    @property
    def left(self) -> float:
        """Seconds until the last trial must be back."""
        return self.clock.left_for_trials

    @property
    def usual(self) -> float:
        """Seconds a trial may take: what is left, and a share of the budget at most.

        The share is of time on a processor: where other work leaves less of it, the limit is longer.
        """
        if self.clock.seconds is None:
            return _DAY
        most = trial_seconds(self.clock.seconds, len(self.problem.target), self.problem.modality)
        return max(0.5, min(self.left, most / self.clock.pace.share))

    def limit(self, family: str, *, has_model: bool) -> float:
        """Seconds that a trial of a family may take.

        A quick family has all that is left while no model is on record: stopped a moment before its end, it
        would leave the search without any.
        """
        if self.timed and not has_model and family in quick_families():
            return max(self.usual, self.left)
        return self.usual

    @property
    def share(self) -> float:
        """Of a processor, what a trial gets; all of it where seconds do not count."""
        return self.clock.pace.share if self.timed else 1.0

    @property
    def slots_now(self) -> int:
        """Fewer than all where running trials starve each other, with a time budget."""
        slots = self.slots()
        return workers_at(self.clock.pace.share, slots, self.cores()) if self.timed else slots

    @property
    def too_late(self) -> bool:
        """True when the time is too short for one more trial."""
        return self.timed and self.left < _TOO_SHORT

    def overdue(self, *, has_model: bool) -> bool:
        """Tell whether to give up the trials that still run: a moment after their deadline.

        A longer moment where all wait for a first model, and none while the search cannot end.
        """
        if self.left > 0 or self.clock.meanwhile > 0:
            return False
        reserve = self.clock.reserve
        moment = min(0.6 / self.clock.pace.share, 0.25 * reserve)
        if not has_model:  # the first one is worth the haste at the end
            moment = 0.5 * reserve
        return self.clock.left < max(0.25, reserve - max(0.6, moment))
