from __future__ import annotations

from typing import Any

import torch

from automl.families.nets.groups import ParameterGroup
from automl.families.nets.loop import TrainingSettings
from automl.families.nets.lr_finder import lr_range_test, range_curves, valley
from automl.families.nets.runtime import seeded


def test_a_sane_rate_is_found_and_nothing_is_changed(digits: Any) -> None:
    with seeded(0):
        task = digits()
        source = task.source()
        weights = task.model[0].weight.clone()
        state, order = torch.get_rng_state(), source.generator.get_state()
        found = lr_range_test(task, source, TrainingSettings(epochs=1, learning_rate=0.0))
        assert torch.equal(torch.get_rng_state(), state)
    assert 1e-3 <= found.suggestion <= 0.3
    assert torch.equal(task.model[0].weight, weights)
    assert torch.equal(source.generator.get_state(), order)


def test_the_same_seed_suggests_the_same_rate(digits: Any) -> None:
    found = []
    for _ in range(2):
        with seeded(4):
            task = digits()
            found.append(lr_range_test(task, task.source(4), TrainingSettings(epochs=1, learning_rate=0.0)))
    assert found[0] == found[1]


def test_groups_learn_at_their_share_of_the_rate(digits: Any) -> None:
    def best_rate(share: float) -> float:
        with seeded(0):
            task = digits()
            groups = [ParameterGroup(tuple(task.model.parameters()), 0.0, share)]
            found = lr_range_test(
                task, task.source(), TrainingSettings(epochs=1, learning_rate=0.0), groups=groups
            )
        loss, rate = range_curves(found)
        assert loss.steps == rate.steps
        return rate.values[loss.values.index(min(loss.values))]

    assert best_rate(0.01) > 10 * best_rate(1.0)


def test_the_valley_lies_in_the_middle_of_the_longest_fall() -> None:
    rates = [10.0**i for i in range(12)]
    losses = [5, 5, 5, 4.5, 4, 3.5, 3, 2.5, 2, 1.5, 9, 9]
    assert valley(rates, losses) in rates[4:8]


def test_too_few_points_fall_back_to_a_usual_rate() -> None:
    assert valley([1.0], [1.0]) == 3e-3
