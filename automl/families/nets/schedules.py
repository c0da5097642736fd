"""Learning rate and momentum as functions of a training's progress, from 0 at its start to 1 at its end."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Curve = Callable[[float], float]

HIGH_MOMENTUM = 0.95
LOW_MOMENTUM = 0.85


def between(start: float, end: float, t: float) -> float:
    """Half a cosine from ``start`` (t = 0) to ``end`` (t = 1)."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(max(t, 0.0), 1.0)))


def one_cycle(
    t: float, *, rise: float = 0.25, start_divisor: float = 25.0, end_divisor: float = 1e5
) -> float:
    """Share of the highest rate: up over the first ``rise``, then down to almost nothing, cosines both ways.

    Smith 2018 (arXiv 1803.09820) with fastai's constants (2.8, ``fit_one_cycle``).
    """
    if t < rise:
        return between(1 / start_divisor, 1.0, t / rise)
    return between(1.0, 1 / end_divisor, (t - rise) / (1 - rise) if rise < 1 else 1.0)


def one_cycle_momentum(t: float, *, rise: float = 0.25) -> float:
    """Momentum that falls while the rate rises, and rises while it falls: .95 → .85 → .95."""
    if t < rise:
        return between(HIGH_MOMENTUM, LOW_MOMENTUM, t / rise)
    return between(LOW_MOMENTUM, HIGH_MOMENTUM, (t - rise) / (1 - rise) if rise < 1 else 1.0)


def cosine(t: float) -> float:
    """Share of the highest rate: a cosine from 1 to 0."""
    return between(1.0, 0.0, t)


def flat_cos(t: float, *, flat: float = 0.75) -> float:
    """Share of the highest rate: 1 for the share ``flat``, then a cosine to 0 (fastai ``fit_flat_cos``)."""
    return 1.0 if t < flat else between(1.0, 0.0, (t - flat) / (1 - flat))


@dataclass(frozen=True)
class Schedule:
    """Rate (as a share of the highest) and momentum over the progress of a training."""

    rate: Curve
    momentum: Curve


SCHEDULES: dict[str, Schedule] = {
    "one_cycle": Schedule(one_cycle, one_cycle_momentum),
    "cosine": Schedule(cosine, lambda t: 0.9),
    "flat_cos": Schedule(flat_cos, lambda t: 0.9),
    "constant": Schedule(lambda t: 1.0, lambda t: 0.9),
    # fastai's fine_tune: the new head alone rises through almost the whole of its one epoch; then all
    # layers together start at a fifth of their rate.
    "head": Schedule(lambda t: one_cycle(t, rise=0.99), lambda t: one_cycle_momentum(t, rise=0.99)),
    "body": Schedule(
        lambda t: one_cycle(t, rise=0.3, start_divisor=5.0), lambda t: one_cycle_momentum(t, rise=0.3)
    ),
}
