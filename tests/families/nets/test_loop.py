from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from automl.families.nets.loop import (
    Trainer,
    TrainingControl,
    TrainingOutcome,
    TrainingSettings,
    clip_gradients,
)
from automl.families.nets.runtime import seeded, threads


def train(
    digits: Any, control: TrainingControl | None = None, seed: int = 0, **settings: Any
) -> tuple[Any, TrainingOutcome]:
    nets = settings.pop("nets", 1)
    with seeded(seed):
        task = digits(nets=nets)
        chosen = TrainingSettings(**{"epochs": 6, "learning_rate": 0.01, **settings})
        return task, Trainer(task, task.source(seed), chosen, control).run()


def test_a_short_cycle_learns_digits(digits: Any) -> None:
    task, outcome = train(digits)
    assert task.accuracy() > 0.88
    assert not outcome.stopped
    assert outcome.epochs == 6
    assert len(outcome.history.valid) == len(outcome.history.rates) == 6


def test_one_cycle_tolerates_a_high_rate_better_than_a_constant_one(digits: Any) -> None:
    cycle, _ = train(digits, learning_rate=0.1)
    constant, _ = train(digits, learning_rate=0.1, schedule="constant")
    assert cycle.accuracy() >= constant.accuracy()


def test_the_best_epoch_is_kept(digits: Any) -> None:
    task, outcome = train(digits, schedule="constant", learning_rate=0.1, epochs=8)
    assert outcome.best_losses[0] == min(outcome.history.valid)
    assert task.evaluate() == pytest.approx(outcome.best_losses)


def test_the_same_seed_gives_the_same_weights_and_the_global_state_is_left_alone(digits: Any) -> None:
    before = torch.get_rng_state()
    (first, _), (second, _), (other, _) = train(digits), train(digits), train(digits, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    weights = [task.model[0].weight for task in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_late_deadline_changes_no_result(digits: Any) -> None:
    (free, _), (timed, _) = train(digits), train(digits, TrainingControl(seconds_left=lambda: 1e6))
    assert torch.equal(free.model[0].weight, timed.model[0].weight)


def test_a_cycle_is_shortened_before_it_starts_not_cut(digits: Any) -> None:
    end = time.monotonic() + 2
    control = TrainingControl(lambda: time.monotonic() > end + 60, lambda: end - time.monotonic())
    with threads(1):  # several would wait for each other on busy cores
        task, outcome = train(digits, control, epochs=50_000)
    assert not outcome.stopped
    assert outcome.epochs < 50_000
    assert outcome.history.rates[-1] < 1e-4
    assert task.accuracy() > 0.5


def test_a_stop_keeps_the_best_epoch_so_far(digits: Any) -> None:
    calls = iter(range(10**9))
    task, outcome = train(digits, TrainingControl(should_stop=lambda: next(calls) > 70), epochs=50)
    assert outcome.stopped
    assert 0 < outcome.best_epochs[0] <= 4
    assert task.evaluate() == pytest.approx(outcome.best_losses)


def test_a_stop_before_the_first_epoch_leaves_no_best(digits: Any) -> None:
    _, outcome = train(digits, TrainingControl(should_stop=lambda: True))
    assert outcome.best_losses == ()


def test_a_stop_before_the_first_judgement_is_no_divergence(digits: Any) -> None:
    steps = iter(range(1000))
    control = TrainingControl(should_stop=lambda: next(steps) > 30)  # of 19 in an epoch
    _, outcome = train(digits, control, evaluate_every=2)
    assert outcome.best_losses == ()
    assert outcome.stopped


def test_a_slow_first_step_shortens_no_cycle_of_single_steps(digits: Any) -> None:
    with seeded(0):
        task = digits()
        losses, calls = task.losses, iter(range(1000))

        def slow_at_first(batch: Any) -> torch.Tensor:
            if next(calls) == 0:
                time.sleep(1.5)
            return losses(batch)

        task.losses = slow_at_first
        control = TrainingControl(seconds_left=lambda: 15.0)
        settings = TrainingSettings(epochs=20, learning_rate=0.01)
        assert Trainer(task, task.source(batch_size=1200), settings, control).run().epochs == 20


def test_an_average_of_weights_is_evaluated_and_kept(digits: Any) -> None:
    task, outcome = train(digits, ema=0.9, schedule="constant", learning_rate=0.03)
    assert task.evaluate() == pytest.approx(outcome.best_losses)
    assert task.accuracy() > 0.85


def test_nets_trained_together_learn_as_well_as_one(digits: Any) -> None:
    task, outcome = train(digits, nets=3)
    assert len(outcome.best_losses) == 3
    assert len(set(outcome.best_losses)) == 3
    assert task.accuracy() > 0.88


def test_reports_grow_to_one(digits: Any) -> None:
    fractions: list[float] = []
    train(digits, TrainingControl(report=lambda fraction, message: fractions.append(fraction)))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@dataclass
class Diverging:
    """Two nets, the second of which breaks after some steps."""

    from_step: int
    step: int = 0

    def __post_init__(self) -> None:
        self.model: nn.Module = nn.ParameterDict({"weight": nn.Parameter(torch.ones(2, 3))})

    def losses(self, batch: Any) -> torch.Tensor:
        self.step += 1
        broken = torch.tensor([1.0, math.nan if self.step >= self.from_step else 1.0])
        return self.model["weight"].square().sum(dim=1) * broken  # type: ignore[index]

    def evaluate(self) -> list[float]:
        return self.model["weight"].detach().square().sum(dim=1).tolist()  # type: ignore[index, no-any-return]


def test_a_net_that_diverges_keeps_its_best_and_spares_the_others(digits: Any) -> None:
    task = Diverging(from_step=60)
    outcome = Trainer(task, digits(nets=2).source(), TrainingSettings(epochs=8, learning_rate=0.01)).run()
    assert outcome.best_epochs[1] <= 4 < outcome.best_epochs[0]
    assert task.model["weight"].isfinite().all()  # type: ignore[index]


def test_a_loss_that_never_is_finite_is_an_error_that_names_the_rate(digits: Any) -> None:
    with pytest.raises(FloatingPointError, match=r"learning rate 0\.01"):
        Trainer(
            Diverging(from_step=1), digits(nets=2).source(), TrainingSettings(epochs=2, learning_rate=0.01)
        ).run()


def test_clipping_limits_each_net_by_itself() -> None:
    weight = nn.Parameter(torch.zeros(2, 4))
    weight.grad = torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.3, 0.4, 0.0, 0.0]])
    clip_gradients([weight], 2, 1.0)
    assert weight.grad.norm(dim=1).tolist() == pytest.approx([1.0, 0.5], rel=1e-4)
