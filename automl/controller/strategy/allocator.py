"""Choice of the next family: a fixed opening of diverse defaults, then expected ensemble gain by its cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from automl.controller.strategy.trial_times import TimeModel
from automl.core.family import BASELINE
from automl.core.table import TABLE_KINDS
from automl.families import families

FLOOR = 0.05
_CAPS = (
    (100, 4),
    (500, 8),
    (1_000, 10),
    (2_500, 15),
    (5_000, 24),
    (10_000, 40),
    (30_000, 62),
    (100_000, 100),
)


def trial_cap(rows: int) -> int:
    """Most configurations to try: on few rows, more of them over-fit the validation score.

    Log-log interpolation of 100 rows → 4 … 100,000 rows → 100, straight on beyond both ends.
    """
    sizes = np.log([size for size, _ in _CAPS])
    caps = np.log([cap for _, cap in _CAPS])
    at = float(np.log(max(rows, 10)))
    if at > sizes[-1]:
        slope = (caps[-1] - caps[-2]) / (sizes[-1] - sizes[-2])
        return int(np.exp(caps[-1] + slope * (at - sizes[-1])))
    return max(3, round(float(np.exp(np.interp(at, sizes, caps)))))


def opening_of(names: Sequence[str]) -> list[str]:
    """The families of the first trials in their order, as the families state it, each as often as it does.

    Families of different kinds of data take turns, those of tables second; the baseline begins. Families
    that state no place come twice each, after the others.

    Cheap to diverse. The built-in places are from one-minute comparisons on tables of 500 to 40,000 rows: a
    net was the best single model on half of them and CatBoost, LightGBM with extra trees and the forests led
    the others, so each has run before any has run thrice. Nets come after a few seconds, when torch is loaded
    in the background and no trial has to wait for it. On images, two sizes of pictures come at once, then
    deeper training.
    """
    by_name = families()
    places: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if name in by_name and name != BASELINE:
            own = min(by_name[name].kinds - TABLE_KINDS, default="")
            places.setdefault(own, []).extend((place, name) for place in by_name[name].opening)
    in_turn = sorted((own for own, entries in places.items() if entries), key=lambda own: (own == "", own))
    queues = [[name for _, name in sorted(places[own])] for own in in_turn] or [[]]
    if BASELINE in names:
        queues[0].insert(0, BASELINE)
    opening = [name for turn in zip_longest(*queues) for name in turn if name is not None]
    return opening + [name for name in names if name not in opening] * 2


class Allocator:
    """Chooses the family of the next trial.

    Parameters
    ----------
    families:
        Those that fit the problem.
    times:
        The time model; families that cannot finish in what is left are not chosen.
    seed:
        Of the draws.
    timed:
        Whether seconds count; without, the same outcomes give the same choices on any machine.
    ready:
        Whether a trial of a family could begin now. Where seconds count, one that could not is put off
        while there is another.
    """

    def __init__(
        self,
        families: Sequence[str],
        times: TimeModel,
        *,
        seed: int = 0,
        timed: bool = True,
        ready: Callable[[str], bool] = lambda family: True,
    ) -> None:
        self._families = list(families)
        self._times = times
        self._timed = timed
        self._ready = ready
        self._seed = seed
        self._asked = 0
        self._gain: dict[str, float] = {}
        self._opening = opening_of(self._families)

    def choose(
        self,
        seconds_left: float,
        can_begin: Callable[[str], bool] = lambda family: True,
        *,
        trials_left: float = math.inf,
        foretold: Callable[[str], bool] = lambda family: False,
    ) -> str | None:
        """The family to ask next, or None when none can finish in ``seconds_left``.

        Parameters
        ----------
        can_begin:
            Whether a family has anything that can begin now; its turn in the opening waits until it has.
        trials_left:
            Configurations that may still be tried, where that is limited.
        foretold:
            Whether a family has anything that would end in time by its own measure, however long its
            earlier trials took.
        """
        self._asked += 1

        def fits(family: str) -> bool:
            return self._fits(family, seconds_left) or foretold(family)

        ready = self._startable()
        waiting: list[str] = []
        for place, family in enumerate(self._opening):
            if not fits(family):
                continue
            if family in ready and can_begin(family):
                self._opening = [*waiting, *self._opening[place + 1 :]]
                return family
            waiting.append(family)
        self._opening = waiting
        open_families = [name for name in ready if name != BASELINE and fits(name) and can_begin(name)]
        if not open_families:
            return None
        gains = np.array([self._gain.get(name, 0.0) for name in open_families])
        epsilon = max(float(gains.max()) * 0.1, 1e-9)
        share = (gains + epsilon) / self._costs(open_families, seconds_left, trials_left)
        share = np.maximum(share / share.sum(), FLOOR)
        # a generator per choice: what is drawn depends on the outcomes and on how many choices were made,
        # so a resumed search goes on as the interrupted one would have
        generator = np.random.default_rng([self._seed, self._asked])
        return open_families[int(generator.choice(len(open_families), p=share / share.sum()))]

    def _costs(
        self, names: Sequence[str], seconds_left: float, trials_left: float
    ) -> npt.NDArray[np.float64]:
        """Shares of the seconds and of the configurations left that a trial of each family takes, in all.

        By seconds alone, a family of a tenth of a second would use up the configurations of few rows.
        """
        if not self._timed:
            return np.ones(len(names))
        seconds = np.maximum([self._times.typical(name) for name in names], 0.05)
        return seconds / max(seconds_left, 0.05) + 1.0 / max(trials_left, 1.0)

    def recall(self, family: str) -> None:
        """An earlier process chose ``family`` at this point: continue as if it had been chosen here."""
        self._asked += 1
        if family in self._opening:
            self._opening.remove(family)

    def learn(self, family: str, gain: float) -> None:
        """The ensemble's loss fell by ``gain`` (≥ 0) with a trial of ``family``; a moving average is kept."""
        average = self._gain.get(family)
        self._gain[family] = max(gain, 0.0) if average is None else 0.7 * average + 0.3 * max(gain, 0.0)

    def _startable(self) -> list[str]:
        """The families whose trials could begin now; all where that is none but the baseline."""
        if not self._timed:
            return self._families
        ready = [name for name in self._families if self._ready(name)]
        return ready if {*ready} - {BASELINE} else self._families

    def _fits(self, family: str, seconds_left: float) -> bool:
        if not self._timed:
            return True
        if not self._times.knows(family):
            return seconds_left > self._times.guess(family)
        return self._times.predict(family) <= seconds_left
