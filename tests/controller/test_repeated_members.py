"""MemberRepeats of the ensemble's members on other folds: round by round, the heaviest first."""

from __future__ import annotations

from dataclasses import replace

from automl.controller.strategy.fold_repeats import MemberRepeats
from automl.core.trial import Candidate, Status, Trial, TrialResult

ENDED = TrialResult(status=Status.DONE)
TRIALS = [
    Trial(number, Candidate(family=family, params={"size": number}, seed=number), ENDED)
    for number, family in enumerate(("dummy", "net", "forest", "linear", "unused"))
]
WEIGHTS = {0: 0.4, 3: 0.1, 2: 0.25, 1: 0.25}


def repeats_of(trials: list[Trial], weights: dict[int, float], rounds: int) -> MemberRepeats:
    return MemberRepeats(trials=tuple(trials), weights=weights, rounds=rounds)


def begun(trials: list[Trial], rounds: int) -> list[Candidate]:
    """The repeats in their order, each ended before the next; ``trials`` grows."""
    order = []
    while (candidate := repeats_of(trials, WEIGHTS, rounds).next(can_finish=lambda family: True)) is not None:
        order.append(candidate)
        trials.append(Trial(len(trials), candidate, ENDED))
    return order


def test_members_are_repeated_by_weight_round_by_round() -> None:
    order = begun(list(TRIALS), rounds=2)
    assert [candidate.family for candidate in order] == ["net", "forest", "linear"] * 2, "never the baseline"
    assert [candidate.repeat for candidate in order] == [1, 1, 1, 2, 2, 2]
    assert [candidate.seed for candidate in order] == [2, 3, 4, 3, 4, 5], "each with a seed of its own"
    assert {candidate.origin for candidate in order} == {"repeat"}


def test_a_member_that_would_not_end_in_time_is_passed_over() -> None:
    repeats = repeats_of(TRIALS, WEIGHTS, 1)
    candidate = repeats.next(can_finish=lambda family: family == "linear")
    assert candidate is not None
    assert candidate.family == "linear"
    assert repeats.next(can_finish=lambda family: False) is None


def test_a_repeat_carries_the_weight_of_its_configuration() -> None:
    repeat = Trial(5, Candidate(family="net", params={"size": 1}, seed=2, origin="repeat", repeat=1), ENDED)
    candidate = repeats_of([*TRIALS, repeat], {5: 1.0}, 2).next(can_finish=lambda family: True)
    assert candidate is not None
    assert (candidate.family, candidate.repeat) == ("net", 2)


def test_a_round_is_complete_when_its_last_repeat_ended() -> None:
    trials = list(TRIALS)
    begun(trials, rounds=1)
    assert repeats_of(trials, WEIGHTS, 3).complete == 1
    assert repeats_of(trials, WEIGHTS, 3).before(1) == (0, 1, 2, 3, 4)
    running = [*trials[:-1], replace(trials[-1], result=None)]
    assert repeats_of(running, WEIGHTS, 3).complete == 0
    assert repeats_of(trials, {**WEIGHTS, 4: 0.1}, 3).complete == 0, "a member joined"
