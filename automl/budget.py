"""The clock, what a trial will cost, and what must be left for the end."""

from __future__ import annotations

import math
import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from automl.errors import UsageError
from automl.pace import Pace

END_SECONDS = 1.2
"""Processor seconds from the last trial to the end of the process: 0.5 to 0.6 measured, 1.0 with the card."""
END_SHARE = 0.35
SCARCE = 0.6
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def parse_seconds(text: str | float) -> float:
    """Seconds of ``"60s"``, ``"10m"``, ``"1h30m"``, ``90`` or ``"90"``.

    Raises
    ------
    UsageError
        For anything else, and for less than one second.
    """
    if not isinstance(text, str):  # NumPy's numbers among them
        seconds = float(text)
    else:
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*(min|[smhd])?", text.strip().lower())
        joined = "".join(number + unit for number, unit in parts)
        if not parts or joined != re.sub(r"\s+", "", text.strip().lower()):
            raise UsageError(f"{text!r} is no duration. Write it like 60s, 10m or 1h30m.")
        seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if not 1 <= seconds < 10_000_000:
        raise UsageError(f"A budget of {seconds:g} s is out of range: from one second to 115 days.")
    return seconds


def parse_bytes(text: str | float) -> int:
    """Bytes of ``"4GB"``, ``"512MB"`` or a number; powers of 1024.

    Raises
    ------
    UsageError
        For anything else.
    """
    if not isinstance(text, str):
        if not 0 <= float(text) < math.inf:
            raise UsageError(f"{text} is no size. Write it like 4GB or 512MB.")
        return int(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().lower())
    if match is None:
        raise UsageError(f"{text!r} is no size. Write it like 4GB or 512MB.")
    return int(float(match[1]) * 1024 ** "_kmgt".index(match[2] or "_"))


def trial_seconds(seconds: float, rows: int, *, images: bool = False) -> float:
    """Seconds of a budget that a single trial may take at most.

    A sixth where every family can have several trials, a quarter on more rows, a third for images, where
    a net that sees all of them takes long and features are kept for others; 8 s in any case.
    """
    return max(8.0, seconds / (3 if images else 6 if rows < 10_000 else 4))


def first_pace() -> Pace:
    """A guess from the running processes per core, last minute's mean; 1 to a third, measured soon after.

    1 where the system keeps no such mean (Windows).
    """
    if not hasattr(os, "getloadavg"):
        return Pace()
    return Pace(1 / min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), 3.0))


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
    meanwhile:
        The same while there is no model yet: trials may go on until it is done, as the search cannot end.
    """

    def __init__(self, seconds: float | None, *, spent: float = 0.0, pace: Pace | None = None) -> None:
        self.seconds = seconds
        self.pace = pace or Pace()
        self.owed = self.meanwhile = 0.0
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
        need = min(END_SECONDS / self.pace.share, END_SHARE * self.seconds)
        return max(alone, need) + self.owed / self.pace.share

    @property
    def left_for_trials(self) -> float:
        """Seconds until the last trial must be back."""
        if self.seconds is None:
            return self.left
        return max(0.0, self.left - self.reserve, self.meanwhile / self.pace.share)


@dataclass
class TimeModel:
    """What a trial of a family takes, learnt from those that ran.

    It learns what trials take on a free machine, and predicts what they take at the pace of now: the 80 %
    quantile of the family's last 20, so that four of five trials that are started come back in time. Trials
    cut short count as what they used.
    """

    pace: Pace = field(default_factory=Pace)
    _seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, family: str, seconds: float) -> None:
        """A trial of ``family`` takes ``seconds`` where nothing slows it down."""
        self._seconds[family].append(seconds)

    def knows(self, family: str) -> bool:
        """Whether a trial of the family ran already."""
        return bool(self._seconds[family])

    def predict(self, family: str) -> float:
        """Seconds that four of five trials of ``family`` do not exceed now; 0 while nothing is known."""
        seen = self._seconds[family][-20:]
        return float(np.quantile(seen, 0.8)) / self.pace.share if seen else 0.0

    def guess(self, family: str) -> float:
        """Seconds without which no trial of an unknown family should be begun.

        A second on a processor, and where that is scarce half of what the other families took.
        """
        seen = [seconds for name, times in self._seconds.items() if name != "dummy" for seconds in times]
        half = 0.5 * float(np.median(seen)) if seen and self.pace.share < SCARCE else 0.0
        return max(1.0, half) / self.pace.share

    def typical(self, family: str) -> float:
        """Median seconds of a trial of ``family``; that of all families while it is unknown."""
        seen = self._seconds[family][-20:] or [s for times in self._seconds.values() for s in times]
        return float(np.median(seen)) / self.pace.share if seen else 1.0
