"""What is tried next: retries, then suggestions, then repeats, and the reason where there is nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_search import SPACES, done, proposals

from automl.controller.proposals import Proposals
from automl.controller.strategy.retry import ORIGIN
from automl.core.family import Outlook
from automl.core.trial import Candidate, Status, Trial, TrialResult
from automl.families import families


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
    asked = proposals(cap=2)
    order = everything(asked)
    configurations = [place for place, candidate in enumerate(order) if not candidate.repeat]
    assert len(configurations) == 4, "twice the cap"
    assert order[2].repeat == 1
    assert {candidate.repeat for candidate in order} >= {0, 1}
    assert "configurations are all" in asked.end_reason or "nothing left to gain" in asked.end_reason


@pytest.mark.parametrize(("fit", "whole"), [(5.0, True), (0.0, False), (1e9, False)])
def test_past_the_cap_entries_that_train_whole_nets_are_tried_where_they_will_end(
    fit: float, whole: bool
) -> None:
    asked = proposals(cap=2)
    asked.problem = replace(asked.problem, repeats=())
    net = replace(families()["lightgbm"], outlook=lambda params, tables, scope: Outlook(fit=fit))
    asked.readiness.families = {"lightgbm": net}
    order = everything(asked)
    nets = [candidate for candidate in order if candidate.family == "lightgbm"]
    if whole:
        assert len(nets) == sum(not entry.log_target for entry in SPACES["lightgbm"].portfolio) > 4
        assert {candidate.origin for candidate in nets} == {"portfolio"}
    else:
        assert len(order) == 4, "twice the cap"


@pytest.mark.parametrize("measured", [True, False])
def test_how_long_others_of_its_family_took_does_not_keep_a_net_back_that_will_end(measured: bool) -> None:
    asked = proposals(cap=1, seconds=100)
    asked.problem = replace(asked.problem, repeats=())
    asked.learner.times.learn("lightgbm", 1000.0)
    if measured:
        net = replace(families()["lightgbm"], outlook=lambda params, tables, scope: Outlook(fit=5.0))
        asked.readiness.families = {"lightgbm": net}
    assert ("lightgbm" in {candidate.family for candidate in everything(asked)}) is measured


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


def everything(asked: Proposals) -> list[Candidate]:
    """All that is proposed, one after another; each comes back at once."""
    history: dict[int, Trial] = {}
    while (candidate := asked.next(len(history), history)) is not None:
        number = len(history)
        history[number] = done(number, candidate, seconds=0.01)
        asked.learner.hold(history[number])
        asked.learner.learn(number)
    return [trial.candidate for trial in history.values()]
