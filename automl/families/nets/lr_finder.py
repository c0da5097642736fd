"""The learning rate range test: raise the rate until the loss explodes, then suggest one from the fall."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from automl.core.trial import TESTED_LOSS, TESTED_RATE, Curve
from automl.families.nets.batches import BatchSource, first_batches
from automl.families.nets.groups import ParameterGroup, parameter_groups
from automl.families.nets.loop import Objective, TrainingSettings, clip_gradients, make_optimizer
from automl.families.nets.runtime import autocast, random_states, restore_random_states

_SMOOTHING = 0.98
_EXPLODED = 4.0
_DROPPED_END = 5
_FALLBACK = 3e-3


@dataclass(frozen=True)
class RateRange:
    """Result of a range test.

    Attributes
    ----------
    rates, losses:
        The rates that were tried, and the smoothed losses.
    suggestion:
        The "valley" rate.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def lr_range_test(
    objective: Objective,
    source: BatchSource,
    settings: TrainingSettings,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    groups: Sequence[ParameterGroup] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RateRange:
    """Train ``steps`` batches with a rate that grows from ``low`` to ``high``, and put everything back.

    Smith 2017 (arXiv 1506.01186); smoothing, stop and "valley" as in fastai 2.8 (``lr_find``). Several nets
    are judged by their mean loss. Weights, random states and the order of batches are as before afterwards.
    Each of ``groups`` (by default the whole model is one) learns at its share of the rate.
    """
    model, device = objective.model, settings.device
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    states, order = random_states(device), source.generator.get_state()
    layers = list(groups or parameter_groups([model], weight_decay=settings.weight_decay))
    parameters = [parameter for group in layers for parameter in group.parameters]
    optimizer = make_optimizer(layers, replace(settings, learning_rate=low))
    rates: list[float] = []
    losses: list[float] = []
    average, best = 0.0, math.inf
    model.train()
    for step, batch in enumerate(first_batches(source, steps)):
        rate = low * (high / low) ** (step / max(steps - 1, 1))
        for group, layer in zip(optimizer.param_groups, layers, strict=True):
            group["lr"] = rate * layer.rate_share
        with autocast(device):
            batch_losses = objective.losses(batch)
        loss = float(batch_losses.detach().mean())
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        smooth = average / (1 - _SMOOTHING ** (step + 1))
        if not math.isfinite(smooth) or smooth > _EXPLODED * best or should_stop():
            break
        best = min(best, smooth)
        rates.append(rate)
        losses.append(smooth)
        batch_losses.sum().backward()  # type: ignore[no-untyped-call]
        clip_gradients(parameters, len(batch_losses), settings.clip or math.inf)
        optimizer.step()
        optimizer.zero_grad()
    model.load_state_dict(kept)
    restore_random_states(states, device)
    source.generator.set_state(order)
    # The first tenth is warm-up, the last points are the explosion.
    shown = slice(steps // 10, max(len(rates) - _DROPPED_END, steps // 10))
    return RateRange(tuple(rates), tuple(losses), valley(rates[shown], losses[shown]))


def range_curves(tested: RateRange) -> list[Curve]:
    """Curves of a range test for the record: losses and rates by the number of the step."""
    steps = tuple(range(len(tested.rates)))
    return [Curve(TESTED_LOSS, steps, tested.losses), Curve(TESTED_RATE, steps, tested.rates)]


def valley(rates: list[float], losses: list[float]) -> float:
    """A rate in the middle third of the longest fall of the losses (fastai 2.8, ``valley``).

    The longest strictly falling subsequence is cut into thirds, and the rate in the middle of the second one
    is taken. A fallback of 3e-3 where too few points were measured.
    """
    count = len(losses)
    if count < 3:
        return _FALLBACK
    length = [1] * count
    for i in range(1, count):
        for j in range(i):
            if losses[i] < losses[j] and length[i] < length[j] + 1:
                length[i] = length[j] + 1
    end = max(range(count), key=length.__getitem__)
    start = end - length[end]
    third = (end - start) / 3
    return rates[max(0, start + int(third) + int(third / 2))]
