"""What the clock allows a trial, and when the loop gives up."""

from __future__ import annotations

import pytest
from small_search import PROBLEM

from automl.controller.trial_limits import TimeLimits
from automl.core.time_budget import Clock


def limits(seconds: float | None, *, spent: float = 0.0, timed: bool = True) -> TimeLimits:
    return TimeLimits(
        problem=PROBLEM, clock=Clock(seconds, spent=spent), timed=timed, slots=lambda: 3, cores=lambda: 2
    )


def test_a_trial_may_take_a_share_of_the_budget_and_no_more_than_is_left() -> None:
    assert limits(600).usual == pytest.approx(100)
    late = limits(600, spent=540)
    assert late.usual == pytest.approx(late.left, abs=1)
    assert limits(None).usual == 24 * 3600


def test_the_simplest_family_has_all_that_is_left_until_a_model_is_on_record() -> None:
    early = limits(600)
    assert early.limit("linear", has_model=False) == pytest.approx(early.left, abs=1)
    assert early.limit("linear", has_model=True) == pytest.approx(100)
    assert early.limit("catboost", has_model=False) == pytest.approx(100)
    assert limits(None, timed=False).limit("linear", has_model=False) == 24 * 3600


def test_without_a_budget_in_seconds_all_slots_are_used_at_full_share() -> None:
    counted = limits(None, timed=False)
    counted.clock.pace.learn(1.0, 10.0)
    assert (counted.slots_now, counted.share, counted.too_late) == (3, 1.0, False)


def test_trials_are_given_up_shortly_before_the_end_and_a_first_model_is_awaited_longer() -> None:
    assert not limits(600, spent=300).overdue(has_model=True)
    reserve = limits(600).clock.reserve
    late = limits(600, spent=600 - 0.6 * reserve)
    assert late.overdue(has_model=True)
    assert not late.overdue(has_model=False)
    assert limits(600, spent=600).overdue(has_model=False)


def test_nothing_is_given_up_while_the_search_cannot_end() -> None:
    late = limits(600, spent=600)
    late.clock.meanwhile = 5.0
    assert not late.overdue(has_model=True)
