"""Repeats: once enough configurations were tried, the ensemble's members again on other folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from automl.core.trial import Candidate, Trial


def next_repeat(
    trials: Iterable[Trial], weights: Mapping[int, float], *, can_finish: Callable[[str], bool]
) -> Candidate | None:
    """The heaviest member of the ensemble that was not repeated yet; None when all were.

    Parameters
    ----------
    weights:
        Of the ensemble's members, by number of trial.
    can_finish:
        Whether a trial of a family would end in the time that is left.
    """
    candidates = {trial.number: trial.candidate for trial in trials}
    repeated = {candidate.key for candidate in candidates.values() if candidate.repeat}
    for number, _ in sorted(weights.items(), key=lambda item: (-item[1], item[0])):
        member = candidates[number]
        first_time = member.repeat == 0 and member.key not in repeated
        if first_time and member.family != "dummy" and can_finish(member.family):
            return replace(member, seed=member.seed + 1, origin="repeat", repeat=1)
    return None
