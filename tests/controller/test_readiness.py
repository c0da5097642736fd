"""While one trial computes what others share, the others use what is there; what does not fit waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from small_search import PROBLEM

from automl.controller.readiness import Readiness
from automl.controller.strategy.allocator import Allocator
from automl.controller.strategy.optimizer import Optimizer, Suggestion, Terms
from automl.controller.strategy.space_files import load_space
from automl.controller.strategy.trial_times import TimeModel
from automl.core.family import Outlook, Scope
from automl.core.trial import Candidate, Trial
from automl.families import families

SHARED = families()["image_probe"].shared_params


def optimizer() -> Optimizer:
    space = load_space("image_probe", families()["image_probe"].params).for_task("multiclass", 500)
    return Optimizer({"image_probe": space})


def ask(asked: Optimizer, number: int, terms: Terms) -> Suggestion | None:
    return asked.ask("image_probe", number=number, seed=number, terms=terms)


def left(asked: Optimizer) -> int:
    """Portfolio entries that were not tried yet."""
    return len(asked._portfolio["image_probe"])


def small(params: Mapping[str, Any]) -> bool:
    return (params["px"], params["view"], params["views"]) == (128, "whole", 1)


def test_heads_do_not_wait_for_other_features() -> None:
    asked = optimizer()
    first = ask(asked, 0, Terms(lambda params: True))
    assert first is not None
    assert small(first.candidate.params)
    terms = Terms(small, shared=SHARED, may_compute=False)
    heads = [ask(asked, number, terms) for number in range(1, 9)]
    candidates = [head.candidate for head in heads if head is not None]
    assert len(candidates) == 8
    assert all(small(candidate.params) for candidate in candidates)
    assert {candidate.origin for candidate in candidates} == {"portfolio", "sampler"}
    assert len({candidate.key for candidate in candidates}) == 8


def test_what_was_passed_over_is_tried_when_it_fits() -> None:
    asked = optimizer()
    before = left(asked)
    ask(asked, 0, Terms(small, shared=SHARED))
    big = ask(asked, 1, Terms(lambda params: True, prefers=lambda params: params["views"] == 6))
    assert big is not None
    assert big.candidate.params["views"] == 6
    nothing = Terms(lambda params: False, shared=SHARED, may_compute=False)
    assert ask(asked, 2, nothing) is None
    assert not asked.can_ask("image_probe", nothing)
    assert left(asked) == before - 2


def test_a_familys_turn_waits_until_it_can_begin() -> None:
    allocator = Allocator(("dummy", "image_probe", "image_tail"), TimeModel())
    first = [allocator.choose(1e9, lambda family: family != "image_probe") for _ in range(2)]
    assert first == ["dummy", "image_tail"]
    assert allocator.choose(1e9, lambda family: False) is None
    assert allocator.choose(1e9) == "image_probe"


def test_a_recalled_entry_is_not_tried_again() -> None:
    first, second = optimizer(), optimizer()
    big = ask(first, 0, Terms(lambda params: params["views"] == 6))
    assert big is not None
    second.recall(big.candidate, number=0)
    following = [ask(second, number, Terms(lambda params: True)) for number in range(1, 4)]
    assert big.candidate.key not in {item.candidate.key for item in following if item is not None}
    assert left(second) == left(first) - 3


def readiness() -> Readiness:
    """Of a family whose sharp trials compute 20 s for all folds, and whose others find all they need."""

    def outlook(params: Any, tables: Any, scope: Scope) -> Outlook:
        return Outlook(prepare=20.0 if params.C > 1 else 0.0, fit=1.0)

    foreseen = replace(families()["linear"], outlook=outlook, shared_params=("C",))
    return Readiness(
        problem=PROBLEM, scope=Scope(40, 3, 10.0, "cpu", workers=2), families={"linear": foreseen}
    )


def test_one_trial_at_a_time_computes_for_the_others() -> None:
    ready = readiness()
    sharp, mild = Candidate(family="linear", params={"C": 2.0}), Candidate(family="linear", params={"C": 0.5})
    before = ready.terms("linear", usual=60, left=600)
    assert before is not None
    assert before.may_compute
    assert before.prefers(sharp.params)
    ready.began(Trial(0, sharp))
    beside = ready.terms("linear", usual=60, left=600)
    assert beside is not None
    assert not beside.may_compute
    assert [beside.suits(candidate.params) for candidate in (sharp, mild)] == [False, True]
    assert ready.computed(0)
    ready.ended(Trial(0, sharp))
    assert not ready.computed(0)


def test_what_nobody_foresees_begins_at_once() -> None:
    ready = Readiness(problem=PROBLEM, scope=Scope(40, 3, 10.0, "cpu"))
    trial = Trial(0, Candidate(family="linear"))
    ready.began(trial)
    assert ready.terms("linear", usual=60, left=600) is None
    assert ready.limit(trial.candidate, usual=60, left=600) == 60
    assert not ready.computed(0)
