"""Repeats of the ensemble's members on other folds: the heaviest first, each once."""

from __future__ import annotations

from automl.controller.strategy.fold_repeats import next_repeat
from automl.core.trial import Candidate, Trial

TRIALS = [
    Trial(number, Candidate(family=family, params={"size": number}, seed=number))
    for number, family in enumerate(("dummy", "net", "forest", "linear"))
]
WEIGHTS = {0: 0.5, 3: 0.1, 2: 0.2, 1: 0.2}


def test_members_are_repeated_by_weight_and_none_twice() -> None:
    trials = list(TRIALS)
    order = []
    while (candidate := next_repeat(trials, WEIGHTS, can_finish=lambda family: True)) is not None:
        assert (candidate.origin, candidate.repeat) == ("repeat", 1)
        assert candidate.seed == candidate.params["size"] + 1, "another seed than the member's own"
        order.append(candidate.family)
        trials.append(Trial(len(trials), candidate))
    assert order == ["net", "forest", "linear"], "and never the baseline"


def test_a_member_that_would_not_end_in_time_is_passed_over() -> None:
    candidate = next_repeat(TRIALS, WEIGHTS, can_finish=lambda family: family == "linear")
    assert candidate is not None
    assert candidate.family == "linear"
    assert next_repeat(TRIALS, WEIGHTS, can_finish=lambda family: False) is None


def test_repeats_in_the_ensemble_are_not_repeated() -> None:
    repeat = Trial(4, Candidate(family="net", params={"size": 1}, seed=2, origin="repeat", repeat=1))
    assert next_repeat([*TRIALS, repeat], {4: 0.6, 1: 0.4}, can_finish=lambda family: True) is None
