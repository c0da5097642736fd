"""The clock of a search: the time used, the time left, and what must be left for the end."""

from __future__ import annotations

import os
import time

from automl.core.machine import machine_cores
from automl.core.processor_share import Pace

END_SECONDS = 1.2
"""Processor seconds from the last trial to the end of the process: 0.5 to 0.6 measured, 1.0 with the card."""
END_SHARE = 0.35


def first_pace() -> Pace:
    """A guess from the running processes per core, last minute's mean; 1 to a third, measured soon after.

    1 where the system keeps no such mean (Windows).
    """
    if not hasattr(os, "getloadavg"):
        return Pace()
    return Pace(1 / min(max(os.getloadavg()[0] / machine_cores(), 1.0), 3.0))


class Clock:
    """Time since the search began, by the monotonic clock alone.

    Parameters
    ----------
    seconds:
        The budget, or None when trials are counted instead.
    spent:
        Seconds that count as used already (imports before the call, an earlier session).
    pace:
        What this search's processes get of the processor; the loop keeps it up to date.

    Attributes
    ----------
    owed:
        Processor seconds of work in the background that the end has to wait for.
    choosing:
        Processor seconds that the choice at the end takes, as similar choices took while the search ran.
    refitting:
        Seconds in which members of the ensemble are fitted again on all rows, after the last other trial.
    meanwhile:
        The same while there is no model yet: trials may go on until it is done, as the search cannot end.
    """

    def __init__(self, seconds: float | None, *, spent: float = 0.0, pace: Pace | None = None) -> None:
        self.seconds = seconds
        self.pace = pace or Pace()
        self.owed = self.meanwhile = self.choosing = self.refitting = 0.0
        self._began = time.monotonic() - spent

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds of the budget that are left; infinite without one, never below 0."""
        return float("inf") if self.seconds is None else max(0.0, self.seconds - self.elapsed)

    @property
    def reserve(self) -> float:
        """Seconds kept for the end: choosing, scoring the test part, saving, registering.

        The folds' models are deployed as they are, so nothing is fitted then; 2 s or 5 %, at most 20 s,
        and a fifth of budgets below 10 s. More where other work leaves less of the processor: what the end
        takes of it, by the share that this search gets, up to 35 % of the budget.
        """
        if self.seconds is None:
            return 0.0
        alone = min(max(min(2.0, 0.2 * self.seconds), 0.05 * self.seconds), 20.0)
        need = min((END_SECONDS + self.choosing) / self.pace.share, END_SHARE * self.seconds)
        return max(alone, need) + self.owed / self.pace.share

    def ends(self, work: float = 0.0) -> bool:
        """Tell whether the end of a search needs what is left, with ``work`` processor seconds more."""
        return self.left < (END_SECONDS + work) / self.pace.share

    @property
    def left_for_trials(self) -> float:
        """Seconds until the last trial must be back."""
        if self.seconds is None:
            return self.left
        return max(0.0, self.left - self.reserve - self.refitting, self.meanwhile / self.pace.share)
