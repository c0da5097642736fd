"""The course of a net's training on images: complete cycles one after another, the average of their ends."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import torch

from automl.core.family import FitContext, TrialStopped
from automl.core.trial import Curve
from automl.families.nets.batches import TensorBatches
from automl.families.nets.groups import ParameterGroup, parameter_groups
from automl.families.nets.images.net import ImageNet
from automl.families.nets.images.objective import NetObjective
from automl.families.nets.images.plan import NetTraining
from automl.families.nets.loop import Trainer, TrainingControl, TrainingOutcome, TrainingSettings
from automl.families.nets.lr_finder import lr_range_test, range_curves

_CYCLE_MARGIN = 1.2
# The range test is for people to look at: it may take a twentieth of the steps, and of the time left.
_TEST_SHARE, _LEAST_TEST, _MOST_TEST = 0.05, 15, 100
_LOWEST_TESTED, _HIGHEST_TESTED = 1e-6, 1.0


def train_image_net(objective: NetObjective, plan: NetTraining, context: FitContext, device: str) -> None:
    """Train the objective's net in ``plan.cycles`` complete cycles, each from the end of the one before.

    The weights at their ends are averaged (Izmailov et al. 2018, "Averaging weights leads to wider optima").
    A later cycle that the time left has no room for is not begun, and one that is cut does not count.

    Raises
    ------
    TrialStopped
        When there was no time for a single epoch.
    """
    generator = torch.Generator().manual_seed(context.seed)
    source = TensorBatches([torch.arange(objective.rows)[None]], plan.batch_size, generator)
    epochs = max(1, plan.epochs)
    settings = TrainingSettings(
        epochs=math.ceil(epochs / plan.cycles),
        learning_rate=plan.learning_rate,
        schedule=plan.schedule,
        weight_decay=plan.weight_decay,
        ema=plan.ema,
        device=device,
    )
    groups = layer_groups(objective.model, plan)
    _test_rates(objective, source, settings, groups, context)
    outcomes: list[TrainingOutcome] = []
    soup: dict[str, torch.Tensor] = {}
    seconds = 0.0
    for _ in range(plan.cycles):
        if outcomes and context.seconds_left < _CYCLE_MARGIN * seconds:
            break
        began = time.monotonic()
        outcome = _cycle(objective, source, settings, groups, context)
        seconds = time.monotonic() - began
        if outcomes and outcome.stopped:
            break
        if not outcome.best_losses:
            raise TrialStopped("the time ran out before the first epoch")
        outcomes.append(outcome)
        soup = stirred(soup, objective.model.state_dict(), len(outcomes))
    objective.model.load_state_dict(soup)
    _record(outcomes, plan, context)


def layer_groups(net: ImageNet, plan: NetTraining) -> list[ParameterGroup]:
    """Frozen stages, three groups of those that learn with growing rates, and the head."""
    stages = list(net.trunk.stages)
    first = 0 if net.shape.cut else plan.first_stage(len(stages))
    if not plan.backbone:
        return parameter_groups([net], weight_decay=plan.weight_decay)
    learning = len(stages) - first
    shares = [0.0] * first
    for place in range(learning):
        shares.append(3.0 ** (place * 3 // learning - 2))
    return parameter_groups([*stages, net.head], weight_decay=plan.weight_decay, shares=[*shares, plan.head])


def stirred(
    soup: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], count: int
) -> dict[str, torch.Tensor]:
    """The mean of ``count`` nets' weights, of which ``soup`` is the mean of all but the last."""
    mixed = {name: value.detach().clone() for name, value in state.items()}
    for name, value in soup.items():
        if value.is_floating_point():
            mixed[name] = value + (mixed[name] - value) / count
    return mixed


def _cycle(
    objective: NetObjective,
    source: TensorBatches,
    settings: TrainingSettings,
    groups: Sequence[ParameterGroup],
    context: FitContext,
) -> TrainingOutcome:
    control = TrainingControl(context.should_stop, lambda: context.seconds_left, context.report)
    trainer = Trainer(objective, source, settings, control, groups=groups)
    # Until the cycle is planned, its steps are timed: on pictures of full size, for no early and smaller ones
    # to promise more than there is time for.
    objective.progress = lambda: trainer.step / trainer.planned_steps if trainer.planned_steps else 1.0
    try:
        return trainer.run()
    finally:
        objective.progress = lambda: 1.0  # the other holds the trainer, and that the objective with its maps


def _test_rates(
    objective: NetObjective,
    source: TensorBatches,
    settings: TrainingSettings,
    groups: Sequence[ParameterGroup],
    context: FitContext,
) -> None:
    """Record a range test of the first fold's net where the training is long; it leaves no trace in it."""
    steps = min(int(_TEST_SHARE * settings.epochs * source.steps), _MOST_TEST)
    if context.fold or steps < _LEAST_TEST:
        return
    latest = time.monotonic() + _TEST_SHARE * context.seconds_left
    tested = lr_range_test(
        objective,
        source,
        settings,
        groups=groups,
        low=_LOWEST_TESTED,
        high=_HIGHEST_TESTED,
        steps=steps,
        should_stop=lambda: context.should_stop() or time.monotonic() > latest,
    )
    context.curves.extend(range_curves(tested))
    context.facts["learning_rate_valley"] = tested.suggestion


def _record(outcomes: Sequence[TrainingOutcome], plan: NetTraining, context: FitContext) -> None:
    epochs: list[float] = []
    train: list[float] = []
    rates: list[float] = []
    for outcome in outcomes:
        before = epochs[-1] if epochs else 0.0
        epochs += [before + epoch for epoch in outcome.history.epochs]
        train += outcome.history.train
        rates += outcome.history.rates
    steps = tuple(math.ceil(epoch) for epoch in epochs)
    context.curves.append(Curve("train_loss", steps, tuple(train)))
    context.curves.append(Curve("learning_rate", steps, tuple(rates)))
    context.facts |= {
        "epochs": sum(outcome.epochs for outcome in outcomes),
        "steps": float(sum(outcome.steps for outcome in outcomes)),
        "cycles": float(len(outcomes)),
        "batch_size": float(plan.batch_size),
        "learning_rate": plan.learning_rate,
    }
