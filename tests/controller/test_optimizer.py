"""Ask and tell: what the sampler learns of portfolio entries."""

from __future__ import annotations

from dataclasses import replace

from automl.controller.strategy.optimizer import Optimizer
from automl.controller.strategy.space_files import load_space
from automl.core.table import Kind
from automl.families import families


def _net_optimizer() -> Optimizer:
    space = load_space("tabular_net", families()["tabular_net"].params).for_task("binary", 1000)
    return Optimizer({"tabular_net": space}, seed=2)


def test_a_measured_learning_rate_is_learnt_with_the_value_that_was_used():
    optimizer = _net_optimizer()
    study = optimizer._studies["tabular_net"]
    measured = 0
    for number in range(len(optimizer._portfolio["tabular_net"])):
        suggestion = optimizer.ask("tabular_net", number=number, seed=number)
        asked = float(suggestion.candidate.params["learning_rate"])
        optimizer.tell(suggestion, 0.5, {"learning_rate": asked or 0.0123})
        measured += asked == 0
    rates = [trial.params["learning_rate"] for trial in study.trials if trial.value is not None]
    assert measured
    assert rates.count(0.0123) == measured
    assert len(rates) == number + 1


def test_a_stated_learning_rate_is_learnt_as_it_was_asked_for():
    optimizer = _net_optimizer()
    suggestion = optimizer.ask("tabular_net", number=0, seed=0)
    assert suggestion.candidate.params["learning_rate"] > 0
    optimizer.tell(suggestion, 0.5, {"learning_rate": 0.0123})
    (trial,) = optimizer._studies["tabular_net"].trials
    assert trial.params["learning_rate"] == suggestion.candidate.params["learning_rate"]


def test_an_outcome_without_a_loss_teaches_nothing():
    optimizer = _net_optimizer()
    optimizer.tell(optimizer.ask("tabular_net", number=0, seed=0), None, {"learning_rate": 0.0123})
    assert [trial.value for trial in optimizer._studies["tabular_net"].trials] == [None]


def test_a_family_whose_draws_were_all_tried_is_exhausted():
    space = load_space("linear", families()["linear"].params).for_task("binary", 1000)
    few = replace(space.for_kinds({Kind.TEXT}), portfolio=())
    optimizer = Optimizer({"linear": replace(few, params=few.params[:1])}, seed=0)
    assert [param.kind for param in few.params[:1]] == ["choice"]
    count = 0
    while not optimizer.exhausted("linear"):
        suggestion = optimizer.ask("linear", number=count, seed=count)
        optimizer.tell(suggestion, 0.5)
        count += 1
    assert 3 <= count < 40
    assert not _net_optimizer().exhausted("tabular_net")
