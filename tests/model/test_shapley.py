from __future__ import annotations

import itertools
from collections.abc import Callable
from math import factorial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from automl.core.table import Features, Table
from automl.model import prediction_pace, shapley
from automl.model.prediction_pace import PredictionPace
from automl.model.shapley import Contributions, Game, add_up, sampled
from automl.model.source_columns import SharedPiece, SourceColumn

FOREVER = float("inf")
QUICK = PredictionPace(1e-6)


def table(numbers: Any) -> Table:
    numbers = np.asarray(numbers, dtype=np.float64)
    features = Features(tuple(f"x{place}" for place in range(numbers.shape[1])))
    return Table(features, numbers, np.zeros((len(numbers), 0), dtype=np.int32))


def game(predict: Callable[[np.ndarray], np.ndarray], typical: Any, groups: Any = None) -> Game:
    cells = table(typical)
    groups = [(place,) for place in range(cells.numbers.shape[1])] if groups is None else groups
    columns = [
        SourceColumn(f"x{group[0]}", "number", tuple(("number", place) for place in group))
        for group in groups
    ]
    return Game(lambda rows: predict(rows.numbers), columns, cells)


def explained(
    played: Game, row: Any, *, until: float = FOREVER, pace: PredictionPace = QUICK
) -> Contributions:
    base = float(played.scores(played.typical).mean())
    return sampled(played, table([row]), base, until=until, pace=pace)


def exact(predict: Callable[[np.ndarray], np.ndarray], row: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Shapley values by their definition: the mean over all coalitions."""
    count = len(row)

    def worth(own: tuple[int, ...]) -> float:
        mixed = typical.copy()
        mixed[:, list(own)] = row[list(own)]
        return float(predict(mixed).mean())

    values = np.zeros(count)
    for place in range(count):
        others = [other for other in range(count) if other != place]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for own in itertools.combinations(others, size):
                values[place] += weight * (worth((*own, place)) - worth(own))
    return values


def tangled(x: np.ndarray) -> np.ndarray:
    return np.asarray(x[:, 0] * x[:, 1] * x[:, 2] + np.abs(x).max(axis=1) ** 2 + x[:, 0])


def test_sampled_values_agree_with_the_definition_within_their_errors() -> None:
    rng = np.random.default_rng(0)
    typical, rows = rng.normal(size=(60, 4)), rng.normal(size=(8, 4))
    distances = []
    for row in rows:
        made = explained(game(tangled, typical), row)
        true = exact(tangled, row, typical)
        assert made.values.sum() == pytest.approx(made.prediction - made.base, abs=1e-12)
        assert np.all(made.errors < 0.05 * np.abs(true).sum())
        distances += list((made.values - true) / made.errors)
    assert 0.5 < np.sqrt(np.mean(np.square(distances))) < 2.0
    assert np.abs(distances).max() < 5


def test_a_sum_of_functions_is_recovered_exactly_once_every_typical_row_was_used() -> None:
    rng = np.random.default_rng(1)
    typical, row = rng.normal(size=(50, 3)), np.array([0.5, -1.0, 2.0])
    parts = [np.sin, np.square, lambda x: 3 * x]

    def predict(x: np.ndarray) -> np.ndarray:
        return np.sum([part(x[:, place]) for place, part in enumerate(parts)], axis=0)

    made = explained(game(predict, typical), row)
    true = [part(row[place]) - part(typical[:, place]).mean() for place, part in enumerate(parts)]
    np.testing.assert_allclose(made.values, true, atol=1e-12)
    np.testing.assert_allclose(made.errors, 0, atol=1e-12)
    assert made.pairs == 100


def test_a_column_that_is_not_used_contributes_nothing() -> None:
    typical = np.random.default_rng(2).normal(size=(40, 3))
    made = explained(game(lambda x: x[:, 0] * x[:, 1], typical), [1.0, 2.0, 3.0])
    assert made.values[2] == made.errors[2] == 0.0


def test_features_of_one_column_move_together() -> None:
    """Two indicators of one category: no mixture of two levels is ever asked about."""
    seen = []

    def predict(x: np.ndarray) -> np.ndarray:
        seen.append(x)
        return x[:, 0] + 2 * x[:, 2]

    typical = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, 7.0]] * 5)
    made = explained(game(predict, typical, groups=[(0, 1), (2,)]), [0.0, 1.0, 1.0])
    assert np.all(np.concatenate(seen)[:, :2].sum(axis=1) == 1)
    np.testing.assert_allclose(made.values, [-0.5, -10.0])


def test_a_single_column_has_the_whole_distance() -> None:
    made = explained(game(lambda x: x[:, 0] ** 2, [[1.0], [2.0], [3.0]]), [5.0])
    assert made.values == pytest.approx([25 - 14 / 3])
    assert made.errors == pytest.approx([0.0])


def test_missing_values_are_put_in_as_they_are() -> None:
    def predict(x: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(x[:, 0]), 10.0, x[:, 0]) + x[:, 1]

    made = explained(game(predict, [[1.0, 0.0], [3.0, np.nan], [2.0, 1.0]][::2] * 3), [np.nan, 4.0])
    np.testing.assert_allclose(made.values, [8.5, 3.5])


class Clock:
    """A clock that only predictions move."""

    def __init__(self, seconds_per_row: float) -> None:
        self.now, self.each = 0.0, seconds_per_row

    def monotonic(self) -> float:
        return self.now

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.now += self.each * len(x)
        return tangled(x)


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_a_slow_model_ends_in_time_with_larger_errors(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0.01)
    typical = np.random.default_rng(3).normal(size=(100, 4))
    played = game(clock.predict, typical)
    for module in (shapley, prediction_pace):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    base, began = float(played.scores(played.typical).mean()), clock.now
    row = table([[1.0, 2.0, 3.0, 4.0]])
    made = sampled(played, row, base, until=began + seconds, pace=PredictionPace(0.01))
    assert 0.4 * seconds < clock.now - began <= seconds
    assert 4 <= made.pairs < 200
    assert np.all(made.errors > 0)
    assert made.values.sum() == pytest.approx(made.prediction - base, abs=1e-9)


def test_the_same_seed_gives_the_same_values() -> None:
    typical = np.random.default_rng(4).normal(size=(30, 4))
    first, second = (explained(game(tangled, typical), [1.0, 2.0, 3.0, 4.0]) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)


def test_what_is_left_over_goes_where_the_values_are_least_certain() -> None:
    np.testing.assert_allclose(add_up(np.array([1.0, 1.0]), 3.0, np.array([1.0, 0.0])), [2.0, 1.0])
    np.testing.assert_allclose(add_up(np.array([3.0, 1.0]), 8.0, np.zeros(2)), [6.0, 2.0])
    np.testing.assert_allclose(add_up(np.zeros(2), 1.0, np.zeros(2)), [0.5, 0.5])


def test_what_two_columns_share_stays_typical_until_both_are_the_rows_own() -> None:
    seen: list[np.ndarray] = []

    def scores(rows: Table) -> np.ndarray:
        seen.append(rows.numbers)
        return rows.numbers.sum(axis=1)

    columns = [SourceColumn(name, "date", (("number", place),)) for place, name in enumerate(("from", "to"))]
    typical = table([[1.0, 2.0, 7.0], [3.0, 9.0, 5.0]])
    played = Game(scores, columns, typical, (SharedPiece(("number", 2), (0, 1)),))
    sampled(played, table([[100.0, 106.0, 6.0]]), 13.5, until=FOREVER, pace=QUICK)
    rows = np.concatenate(seen)
    both = (rows[:, 0] == 100) & (rows[:, 1] == 106)
    assert set(rows[both, 2]) == {6.0}
    assert set(rows[~both, 2]) == {5.0, 7.0}
