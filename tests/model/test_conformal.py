"""Intervals and sets from held-out errors: coverage, ranks, difficulty, few rows, and the way to the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl.core.errors import UsageError
from automl.core.folds import Fold, Split
from automl.core.predictions import Answer
from automl.core.table import Features, Table
from automl.model.conformal import Bounds, ClassSets, Ranks, checked_level, load_conformal


def table_of(numbers: np.ndarray) -> Table:
    features = Features(tuple(f"x{place}" for place in range(numbers.shape[1])))
    return Table(features, numbers, np.zeros((len(numbers), 0), dtype=np.int32))


def split_of(rows: int, *, scheme: str = "folds") -> Split:
    numbers = np.arange(rows)
    folds = tuple(Fold(numbers[numbers % 5 != part], numbers[numbers % 5 == part]) for part in range(5))
    return Split(folds, scheme, "")


def uneven(rows: int, seed: int) -> tuple[Table, np.ndarray, np.ndarray]:
    """Rows whose noise grows with a feature, and predictions of their mean."""
    rng = np.random.default_rng(seed)
    x = rng.random((rows, 2))
    mean = 3 * x[:, 0]
    return table_of(x), mean + rng.normal(size=rows) * (0.05 + 2 * x[:, 1]), mean[:, None]


def test_a_rank_counts_the_new_row_too() -> None:
    ranks = Ranks.of(np.arange(1.0, 20.0))
    assert ranks.reached_by(0.9) == 18.0
    assert ranks.missed_by(0.1) == 2.0
    assert ranks.reached_by(0.96) == np.inf
    assert ranks.missed_by(0.04) == -np.inf


def test_thinned_ranks_err_on_the_safe_side() -> None:
    scores = np.random.default_rng(0).normal(size=12_345)
    thin = Ranks.of(scores)
    assert len(thin.values) == 1001
    for share in (0.05, 0.5, 0.9, 0.95):
        exact = np.sort(scores)[int(np.ceil(12_346 * share)) - 1]
        assert exact <= thin.reached_by(share) <= exact + 0.02


def test_a_row_of_weight_two_ranks_as_two_rows() -> None:
    rng = np.random.default_rng(10)
    scores, weights = rng.normal(size=900), rng.integers(1, 4, 900).astype(float)
    weighted, repeated = Ranks.of(scores, weights), Ranks.of(np.repeat(scores, weights.astype(int)))
    assert weighted.rows == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    for share in (0.05, 0.5, 0.95):
        assert weighted.reached_by(share) == pytest.approx(repeated.reached_by(share), abs=0.03)
        assert weighted.missed_by(share) == pytest.approx(repeated.missed_by(share), abs=0.03)


def test_equal_weights_rank_as_none() -> None:
    scores = np.random.default_rng(11).normal(size=300)
    plain, weighted = Ranks.of(scores), Ranks.of(scores, np.full(300, 7.0))
    for share in (0.01, 0.05, 0.5, 0.9, 0.95):
        assert weighted.reached_by(share) == plain.reached_by(share)
        assert weighted.missed_by(share) == plain.missed_by(share)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_intervals_cover_new_rows_at_their_level(level: float) -> None:
    table, target, predictions = uneven(3000, 1)
    bounds = Bounds.fitted(table, target, predictions, split_of(3000))
    new, truth, predicted = uneven(4000, 2)
    low, high = bounds.ends(new, predicted, level).T
    assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(level, abs=0.02)
    assert np.mean(truth < low) == pytest.approx((1 - level) / 2, abs=0.015)


@pytest.mark.parametrize("equal", [True, False])
def test_weighted_intervals_cover_the_weight_of_new_rows(equal: bool) -> None:
    table, target, predictions = uneven(3000, 1)
    weights = np.where(table.numbers[:, 1] > 0.8, 8.0, 1.0)  # heavy rows are hard to predict
    bounds = Bounds.fitted(table, target, predictions, split_of(3000), weights=weights, equal=equal)
    new, truth, predicted = uneven(4000, 2)
    low, high = bounds.ends(new, predicted, 0.9).T
    inside = (low <= truth) & (truth <= high)
    heavy = np.where(new.numbers[:, 1] > 0.8, 8.0, 1.0)
    assert np.average(inside, weights=heavy) == pytest.approx(0.9, abs=0.03)
    assert np.mean(inside) > 0.92


def test_intervals_are_wider_where_errors_are_larger() -> None:
    table, target, predictions = uneven(3000, 1)
    bounds = Bounds.fitted(table, target, predictions, split_of(3000))
    low, high = bounds.ends(table_of(np.array([[0.5, 0.05], [0.5, 0.95]])), np.full((2, 1), 1.5), 0.9).T
    assert high[1] - low[1] > 4 * (high[0] - low[0])
    plain = Ranks.of(target - predictions[:, 0])
    equal = plain.reached_by(0.95) - plain.missed_by(0.05)
    low, high = bounds.ends(table, predictions, 0.9).T
    assert np.mean(high - low) < 0.9 * equal


def test_equal_noise_leaves_intervals_of_equal_width() -> None:
    rng = np.random.default_rng(3)
    table, predictions = table_of(rng.random((1000, 3))), np.zeros((1000, 1))
    bounds = Bounds.fitted(table, rng.normal(size=1000), predictions, split_of(1000))
    assert bounds.difficulty is None
    assert len(np.unique(np.diff(bounds.ends(table, predictions, 0.9), axis=1).round(9))) == 1


def test_no_interval_of_an_amount_reaches_below_zero() -> None:
    rng = np.random.default_rng(4)
    target = rng.exponential(size=500)
    bounds = Bounds.fitted(table_of(rng.random((500, 1))), target, np.ones((500, 1)), split_of(500))
    assert bounds.ends(table_of(np.zeros((1, 1))), np.full((1, 1), 0.01), 0.9)[0, 0] == 0.0


def test_bounds_come_back_from_the_disk(tmp_path: Path) -> None:
    table, target, predictions = uneven(800, 5)
    bounds = Bounds.fitted(table, target, predictions, split_of(800, scheme="groups"))
    bounds.save(tmp_path)
    loaded = Bounds.load(tmp_path)
    assert loaded.holds_for == "rows of groups that training did not have"
    assert np.array_equal(loaded.ends(table, predictions, 0.9), bounds.ends(table, predictions, 0.9))


def without_ranks_below(saved: Path) -> None:
    """Leave out of a file what was not in it before rows with weights had ranks of their own."""
    with np.load(saved) as file:
        arrays = {name: file[name] for name in file.files}
    kept = {name: array for name, array in arrays.items() if not name.endswith("/ranks_below")}
    assert len(kept) == len(arrays) - 1
    with saved.open("wb") as file:
        np.savez(file, **kept)


def test_bounds_of_an_earlier_version_mean_what_they_meant(tmp_path: Path) -> None:
    table, target, predictions = uneven(1500, 11)
    bounds = Bounds.fitted(table, target, predictions, split_of(1500))
    bounds.save(tmp_path)
    without_ranks_below(tmp_path / "bounds.npz")
    again = load_conformal(tmp_path, Answer.NUMBERS)
    assert isinstance(again, Bounds)
    assert np.array_equal(again.ends(table, predictions, 0.9), bounds.ends(table, predictions, 0.9))


def test_class_sets_of_an_earlier_version_mean_what_they_meant(tmp_path: Path) -> None:
    probabilities, target = drawn(1500, 12)
    sets = ClassSets.fitted(target, probabilities, split_of(1500))
    sets.save(tmp_path)
    without_ranks_below(tmp_path / "classsets.npz")
    again, answers = load_conformal(tmp_path, Answer.CLASSES), probabilities.argmax(axis=1)
    assert isinstance(again, ClassSets)
    assert np.array_equal(
        again.members(probabilities, answers, 0.9), sets.members(probabilities, answers, 0.9)
    )


def test_too_few_rows_for_a_level_are_said_so() -> None:
    table, target, predictions = uneven(50, 6)
    bounds = Bounds.fitted(table, target, predictions, split_of(50))
    assert np.isfinite(bounds.ends(table, predictions, 0.95)).all()
    with pytest.raises(UsageError, match="needs 199 held-out rows or more, and this model was judged on 50"):
        bounds.ends(table, predictions, 0.99)


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([1.5, 1.0, 0.7], rows)
    return probabilities, np.array([rng.choice(3, p=row) for row in probabilities])


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_hold_the_true_class_at_their_level(level: float) -> None:
    probabilities, truth = drawn(2000, 7)
    sets = ClassSets.fitted(truth, probabilities, split_of(2000))
    new, codes = drawn(2000, 8)
    inside = sets.members(new, new.argmax(axis=1), level)
    assert np.mean(inside[np.arange(2000), codes]) == pytest.approx(level, abs=0.025)
    assert 1 < inside.sum(axis=1).mean() < 3


def test_weighted_sets_hold_the_weight_of_true_classes() -> None:
    probabilities, truth = drawn(2000, 7)
    weights = np.where(truth == 2, 9.0, 1.0)  # heavy rows are those of the rarest class
    sets = ClassSets.fitted(truth, probabilities, split_of(2000), weights=weights)
    new, codes = drawn(2000, 8)
    inside = sets.members(new, new.argmax(axis=1), 0.8)[np.arange(2000), codes]
    assert np.average(inside, weights=np.where(codes == 2, 9.0, 1.0)) == pytest.approx(0.8, abs=0.03)
    assert np.mean(inside) > 0.85


def test_a_set_holds_the_answer_even_where_it_is_unlikely() -> None:
    probabilities, truth = drawn(500, 9)
    sets = ClassSets.fitted(truth, probabilities, split_of(500))
    inside = sets.members(np.array([[0.98, 0.01, 0.01]]), np.array([2]), 0.8)
    assert inside.tolist() == [[True, False, True]]


@pytest.mark.parametrize("level", [0, 1, 90, "0.9", True, float("nan")])
def test_a_level_is_a_share(level: object) -> None:
    with pytest.raises(UsageError, match="not a level"):
        checked_level(level)
