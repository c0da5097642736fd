"""Outcomes are told in the order of their numbers where trials are counted, and teach what they can."""

from __future__ import annotations

import pytest
from small_search import done, proposals

from automl.controller.strategy.learner import LAG, Learner
from automl.core.trial import Candidate, Status, Trial, TrialResult
from automl.executors.evaluate import PREPARE_SECONDS

LINEAR = Candidate(family="linear")


def learner(*, foreseen: bool = False) -> Learner:
    return proposals(foreseen=foreseen).learner


def test_a_suggestion_waits_for_the_outcomes_it_may_know_and_knows_no_later_ones() -> None:
    lessons = learner()
    lessons.hold(done(1, LINEAR))
    lessons.hold(done(2, LINEAR))
    assert not lessons.learn_before(1 + LAG), "trial 0 is missing"
    assert not lessons.builder.knows(1)
    lessons.hold(done(0, LINEAR))
    assert lessons.learn_before(1 + LAG)
    assert [lessons.builder.knows(number) for number in range(3)] == [True, True, False]
    lessons.learn_rest()
    assert lessons.builder.knows(2)


def test_a_scored_trial_teaches_the_ensemble_the_times_and_its_study() -> None:
    lessons = learner()
    suggestion = lessons.optimizer.ask("linear", number=0, seed=0)
    assert suggestion is not None
    lessons.suggested(0, suggestion)
    lessons.hold(done(0, suggestion.candidate, seconds=3.0))
    lessons.learn(0)
    assert lessons.builder.best.weights == {0: 1.0}
    assert lessons.times.typical("linear") == 3.0
    (trial,) = lessons.optimizer._studies["linear"].trials
    assert trial.value == lessons.builder.loss_of(0)


def test_a_pruned_trial_teaches_its_study_what_it_would_have_lost() -> None:
    lessons = learner()
    lessons.pruned_losses = {0: 7.5}
    suggestion = lessons.optimizer.ask("linear", number=0, seed=0)
    assert suggestion is not None
    lessons.suggested(0, suggestion)
    lessons.hold(Trial(0, suggestion.candidate, TrialResult(status=Status.PRUNED, seconds=3.0)))
    lessons.learn(0)
    assert [trial.value for trial in lessons.optimizer._studies["linear"].trials] == [7.5]
    assert not lessons.times.knows("linear")


@pytest.mark.parametrize(
    ("status", "foreseen", "learnt"),
    [
        (Status.DONE, False, [5.0]),
        (Status.DONE, True, [3.0]),
        (Status.TIMEOUT, False, [5.0]),
        (Status.TIMEOUT, True, []),
        (Status.FAILED, False, []),
    ],
)
def test_the_time_model_learns_what_is_a_trials_own(
    status: Status, foreseen: bool, learnt: list[float]
) -> None:
    lessons = learner(foreseen=foreseen)
    lessons.hold(Trial(0, LINEAR, TrialResult(status=status, seconds=5.0, facts={PREPARE_SECONDS: 2.0})))
    lessons.learn(0)
    assert lessons.times._seconds["linear"] == learnt
