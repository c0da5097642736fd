"""What a training on images keeps of its cycles."""

from __future__ import annotations

import gc
import time
import weakref
from typing import Any

import pytest
import torch
from torch.nn import functional

from automl.core.family import FitContext, TrialStopped
from automl.families.nets.images.net import NetShape, build_net
from automl.families.nets.images.plan import NetTraining
from automl.families.nets.images.train import stirred, train_image_net
from automl.families.nets.runtime import seeded


def test_a_soup_is_the_mean_of_all_ends_and_counts_as_the_last() -> None:
    soup: dict[str, torch.Tensor] = {}
    for count, value in enumerate((3.0, 5.0, 10.0), start=1):
        state = {"weight": torch.full((2,), value), "batches": torch.tensor(count)}
        soup = stirred(soup, state, count)
    torch.testing.assert_close(soup["weight"], torch.full((2,), 6.0))
    assert soup["batches"] == 3


def test_a_soup_does_not_follow_the_net_that_it_was_made_of() -> None:
    weight = torch.ones(2)
    soup = stirred({}, {"weight": weight}, 1)
    weight += 1
    torch.testing.assert_close(soup["weight"], torch.ones(2))


class Pictures:
    """A small net on a few random pictures; notes how far its training was at each step."""

    def __init__(self) -> None:
        self.model = build_net(
            NetShape(backbone="", cut=0, pooling="avg", columns=1, features=64, outputs=2, width=8)
        )
        self.pixels = torch.randn(24, 3, 16, 16)
        self.rows = len(self.pixels)
        self.progress = lambda: 1.0
        self.steps: list[float] = []

    def losses(self, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        self.steps.append(self.progress())
        rows = batch[0][0]
        return functional.cross_entropy(self.model(self.pixels[rows]), rows % 2)[None]

    def evaluate(self) -> None:
        return None


def train(context: FitContext, stop_at: int = -1) -> Any:
    plan = NetTraining(
        backbone="",
        px=16,
        view="whole",
        learning_rate=0.01,
        epochs=4,
        cycles=2,
        batch_size=8,
        norms="train",
        schedule="one_cycle",
    )
    with seeded(0):
        pictures: Any = Pictures()
        context.stop_requested = lambda: stop_at == len(pictures.steps)
        train_image_net(pictures, plan, context, "cpu")
    return pictures


def test_a_stop_in_a_later_cycle_keeps_the_cycles_before() -> None:
    context = FitContext(seed=1)
    train(context, stop_at=7)  # of 6 steps in the first cycle, and as many in the second
    assert (context.facts["cycles"], context.facts["epochs"]) == (1, 2)


def test_a_stop_in_the_first_cycle_leaves_nothing() -> None:
    with pytest.raises(TrialStopped):
        train(FitContext(seed=1), stop_at=1)


def test_steps_are_timed_on_pictures_of_full_size() -> None:
    timed = train(FitContext(seed=1, deadline=time.monotonic() + 1000))
    assert timed.steps[:4] == [1.0, 1.0, 1.0, 0.0]


def test_pictures_and_maps_are_free_once_the_training_ends() -> None:
    gc.collect()
    gc.disable()
    try:
        kept = weakref.ref(train(FitContext(seed=1)))
        assert kept() is None
    finally:
        gc.enable()
