"""Times of trials by family, learnt while the search runs, and the share of the budget that one may take."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from automl.core.family import BASELINE
from automl.core.modality import TABLES, Modality
from automl.core.processor_share import Pace

SCARCE = 0.6
_MANY_ROWS = 10_000


def trial_seconds(seconds: float, rows: int, modality: Modality = TABLES) -> float:
    """Seconds of a budget that a single trial may take at most: a share by modality, 8 s in any case.

    On tables a sixth where every family can have several trials, a quarter on more rows.
    """
    few, many = modality.trials_in_budget
    return max(8.0, seconds / (few if rows < _MANY_ROWS else many))


@dataclass
class TimeModel:
    """Times of a family's trials, learnt from those that ran.

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
        """Tell whether a trial of the family ran already."""
        return bool(self._seconds[family])

    def predict(self, family: str) -> float:
        """Seconds that four of five trials of ``family`` do not exceed now; 0 while nothing is known."""
        seen = self._seconds[family][-20:]
        return float(np.quantile(seen, 0.8)) / self.pace.share if seen else 0.0

    def guess(self, family: str) -> float:
        """Seconds without which no trial of an unknown family should be begun.

        A second on a processor, and where that is scarce half of what the other families took.
        """
        seen = [seconds for name, times in self._seconds.items() if name != BASELINE for seconds in times]
        half = 0.5 * float(np.median(seen)) if seen and self.pace.share < SCARCE else 0.0
        return max(1.0, half) / self.pace.share

    def typical(self, family: str) -> float:
        """Median seconds of a trial of ``family``; that of all families while it is unknown."""
        seen = self._seconds[family][-20:] or [s for times in self._seconds.values() for s in times]
        return float(np.median(seen)) / self.pace.share if seen else 1.0
