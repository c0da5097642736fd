"""Second tries: which ended trials get one, in which order, and once only."""

from __future__ import annotations

from automl.controller.strategy.retry import ORIGIN, Retries
from automl.controller.strategy.space_files import load_space
from automl.core.trial import Candidate, Status, Trial, TrialResult
from automl.families import families

SPACES = {"lightgbm": load_space("lightgbm", families()["lightgbm"].params).for_task("binary", 5000)}
LEAVES = Candidate(family="lightgbm", params={"num_leaves": 200}, seed=7)


def ended(candidate: Candidate, status: Status, number: int = 0) -> Trial:
    return Trial(number, candidate, TrialResult(status=status))


def test_a_trial_out_of_memory_is_tried_again_smaller_and_no_third_time() -> None:
    retries = Retries(SPACES)
    retries.consider(ended(LEAVES, Status.OOM))
    retry = retries.pop()
    assert (retry.origin, retry.seed, retry.params["num_leaves"]) == (ORIGIN, 7, 100)
    retries.consider(ended(retry, Status.OOM))
    assert retries.first is None


def test_what_was_computed_for_others_goes_on_after_the_time_was_used_up() -> None:
    retries = Retries(SPACES)
    retries.consider(ended(LEAVES, Status.TIMEOUT))
    assert retries.first is None
    retries.consider(ended(LEAVES, Status.TIMEOUT), computed=True)
    assert retries.pop().params == LEAVES.params


def test_other_ends_and_unknown_families_get_no_second_try() -> None:
    retries = Retries(SPACES)
    for status in (Status.DONE, Status.FAILED, Status.PRUNED):
        retries.consider(ended(LEAVES, status))
    retries.consider(ended(Candidate(family="gone", params={"num_leaves": 200}), Status.OOM))
    retries.consider(Trial(0, LEAVES))
    assert retries.first is None


def test_a_resumed_search_queues_only_what_was_not_begun_again() -> None:
    other = Candidate(family="lightgbm", params={"num_leaves": 300}, seed=8)
    begun = Candidate(family="lightgbm", params={"num_leaves": 100}, seed=7, origin=ORIGIN)
    retries = Retries(SPACES)
    retries.restore([ended(LEAVES, Status.OOM), ended(other, Status.OOM, 1), Trial(2, begun)])
    assert retries.pop().seed == 8
    assert retries.first is None
