"""Repeats: once enough configurations were tried, the ensemble's members again on other folds.

More configurations of few rows over-fit the score that chooses among them. The same ones on other folds and
with other seeds make the average steadier without choosing anything, and are worth every second that is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from automl.core.family import BASELINE
from automl.core.trial import Candidate, Trial

_LIGHT = 0.02
"""Configurations of less weight in the ensemble are not repeated."""


@dataclass(frozen=True, kw_only=True)
class MemberRepeats:
    """Rounds of repeats: in each every configuration of the ensemble once, the heaviest first.

    Attributes
    ----------
    trials:
        All that were begun.
    weights:
        Of the ensemble's members, by number of trial.
    rounds:
        Deals of the rows that there are besides the first one.
    """

    trials: tuple[Trial, ...]
    weights: Mapping[int, float]
    rounds: int

    def next(self, *, can_finish: Callable[[str], bool]) -> Candidate | None:
        """The next repeat; None where all were begun, or none would end in time.

        Parameters
        ----------
        can_finish:
            Whether a trial of a family would end in the time that is left.
        """
        counts, members = self._counts, self._members
        order = sorted(
            members, key=lambda key: (counts.get(key, 0), -members[key][1], members[key][0].number)
        )
        for key in order:
            member, count = members[key][0].candidate, counts.get(key, 0)
            if count < self.rounds and can_finish(member.family):
                return replace(member, seed=member.seed + count + 1, origin="repeat", repeat=count + 1)
        return None

    @property
    def complete(self) -> int:
        """Rounds whose repeats all ended."""
        if not self._members:
            return 0
        running = [trial.candidate.repeat for trial in self.trials if trial.result is None]
        least = min(self._counts.get(key, 0) for key in self._members)
        return min([least, *(repeat - 1 for repeat in running if repeat)])

    def before(self, complete: int) -> tuple[int, ...]:
        """Numbers of the trials without those of the last complete round and later ones."""
        return tuple(trial.number for trial in self.trials if trial.candidate.repeat < complete)

    @cached_property
    def _counts(self) -> dict[str, int]:
        """The last round that a configuration was begun in, by its key."""
        counts: dict[str, int] = {}
        for trial in self.trials:
            key, repeat = trial.candidate.key, trial.candidate.repeat
            counts[key] = max(counts.get(key, 0), repeat)
        return counts

    @cached_property
    def _members(self) -> dict[str, tuple[Trial, float]]:
        """Configurations of some weight: the first trial of each, and the weight of all its trials."""
        first: dict[str, Trial] = {}
        weight: dict[str, float] = {}
        for trial in self.trials:
            key = trial.candidate.key
            first.setdefault(key, trial)
            weight[key] = weight.get(key, 0.0) + self.weights.get(trial.number, 0.0)
        return {
            key: (trial, weight[key])
            for key, trial in first.items()
            if weight[key] >= _LIGHT and trial.candidate.family != BASELINE
        }
