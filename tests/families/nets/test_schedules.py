from __future__ import annotations

import pytest

from automl.families.nets.schedules import SCHEDULES, cosine, flat_cos, one_cycle, one_cycle_momentum


@pytest.mark.parametrize(
    ("t", "share"), [(0.0, 0.04), (0.125, 0.52), (0.25, 1.0), (0.625, 0.500005), (1.0, 1e-5)]
)
def test_one_cycle_has_fastais_values(t: float, share: float) -> None:
    assert one_cycle(t) == pytest.approx(share, rel=1e-6)


@pytest.mark.parametrize(("t", "momentum"), [(0.0, 0.95), (0.125, 0.9), (0.25, 0.85), (1.0, 0.95)])
def test_momentum_moves_against_the_rate(t: float, momentum: float) -> None:
    assert one_cycle_momentum(t) == pytest.approx(momentum)


def test_cosine_and_flat_cos_end_at_nothing() -> None:
    assert [cosine(t) for t in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5, 0.0])
    assert [flat_cos(t) for t in (0.0, 0.75, 0.875, 1.0)] == pytest.approx([1.0, 1.0, 0.5, 0.0])


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_stays_within_its_bounds(name: str) -> None:
    schedule = SCHEDULES[name]
    for i in range(101):
        assert 0 <= schedule.rate(i / 100) <= 1
        assert 0.8 <= schedule.momentum(i / 100) <= 0.95
