"""What is tried next: retries, then suggestions, then repeats, and the reason where there is nothing."""

from __future__ import annotations

from small_search import done, proposals

from automl.controller.strategy.retry import ORIGIN
from automl.core.trial import Candidate, Status, Trial, TrialResult


def test_so_many_trials_as_were_asked_for_are_proposed() -> None:
    asked, history = proposals(trials=3), {}
    while (candidate := asked.next(len(history), history)) is not None:
        history[len(history)] = done(len(history), candidate)
        asked.learner.hold(history[len(history) - 1])
    assert len(history) == 3
    assert history[0].candidate.family == "dummy"
    assert asked.end_reason == "3 trials were asked for"


def test_a_retry_goes_first_and_counts_as_a_trial() -> None:
    asked = proposals(trials=2)
    failed = Candidate(family="lightgbm", params={"num_leaves": 200})
    for number in range(2):
        asked.retries.consider(Trial(number, failed, TrialResult(status=Status.OOM)))
    candidate = asked.next(1, {})
    assert candidate is not None
    assert candidate.origin == ORIGIN
    assert asked.next(2, {}) is None
    assert asked.retries.first is not None, "it would have been the third"


def test_past_the_cap_members_are_repeated_before_more_configurations_are_tried() -> None:
    asked, history, order = proposals(cap=2), {}, []
    while (candidate := asked.next(len(history), history)) is not None:
        order.append((candidate.family, candidate.repeat))
        history[len(history)] = done(len(history), candidate)
        asked.learner.hold(history[len(history) - 1])
        asked.learner.learn(len(history) - 1)
    configurations = [place for place, (_, repeat) in enumerate(order) if not repeat]
    assert len(configurations) == 4, "twice the cap"
    assert order[2][1] == 1
    assert {repeat for _, repeat in order} >= {0, 1}
    assert "configurations are all" in asked.end_reason or "nothing left to gain" in asked.end_reason


def test_nothing_is_proposed_that_would_not_end_in_time() -> None:
    asked = proposals(seconds=0.0)
    assert asked.next(0, {}) is None
    assert asked.end_reason == "no further model would finish in the time left"


def test_a_resumed_search_proposes_what_the_interrupted_one_would_have() -> None:
    whole, resumed = proposals(trials=9), proposals(trials=9)
    history = {}
    for number in range(7):
        candidate = whole.next(number, history)
        assert candidate is not None
        history[number] = done(number, candidate)
        whole.learner.hold(history[number])
    for trial in history.values():
        resumed.restore(trial)
        resumed.learner.hold(trial)
    assert resumed.next(7, history) == whole.next(7, history)
