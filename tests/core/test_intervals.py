"""Intervals and decision weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from automl.core.metrics import METRICS
from automl.core.score_intervals import (
    _joined,
    gain_interval,
    score_interval,
    share_interval,
    standard_error,
)
from automl.model.class_weights import apply_weights, tune_weights

RNG = np.random.default_rng(0)
CODES = (RNG.random(600) < 0.2).astype(int)
RAW = np.round(np.clip(RNG.normal(0.2 + 0.25 * CODES, 0.15), 0.01, 0.99), 2)
TWO = np.stack([1 - RAW, RAW], axis=1)


def test_the_interval_of_accuracy_agrees_with_the_binomial():
    interval = score_interval(METRICS["accuracy"], CODES, TWO)
    exact = stats.binomtest(int(interval.value * 600), 600).proportion_ci(method="wilson")
    assert interval.low == pytest.approx(exact.low, abs=0.012)
    assert interval.high == pytest.approx(exact.high, abs=0.012)
    assert interval.rows == 600


def test_the_auc_interval_agrees_with_scipy_bca():
    ours = score_interval(METRICS["roc_auc"], CODES, TWO, draws=2000)

    def auc(codes: np.ndarray, raw: np.ndarray) -> float:
        return METRICS["roc_auc"].score(codes, np.stack([1 - raw, raw], axis=1))

    theirs = stats.bootstrap(
        (CODES, RAW), auc, paired=True, vectorized=False, n_resamples=500, rng=0
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_the_closed_form_jackknife_equals_leaving_rows_out():
    jackknife = METRICS["roc_auc"].jackknife
    assert jackknife is not None
    left_out = jackknife(CODES[:80], TWO[:80])
    expected = [roc_auc_score(np.delete(CODES[:80], i), np.delete(RAW[:80], i)) for i in range(80)]
    assert np.allclose(left_out, expected)


def test_a_larger_test_part_gives_a_narrower_interval():
    wide = score_interval(METRICS["accuracy"], CODES[:100], TWO[:100])
    narrow = score_interval(METRICS["accuracy"], CODES, TWO)
    assert narrow.high - narrow.low < wide.high - wide.low


def test_drawn_groups_are_their_rows_one_after_another():
    starts = np.array([0, 2, 3, 7])  # groups of two rows, of one, of four
    assert _joined(starts, np.array([2, 0, 2])).tolist() == [3, 4, 5, 6, 0, 1, 3, 4, 5, 6]


def test_groups_of_equal_rows_count_as_one_row_each():
    rng = np.random.default_rng(0)
    target = rng.normal(size=80)
    predictions = (target + rng.normal(size=80))[:, None]
    alone = score_interval(METRICS["rmse"], target, predictions)
    copies = np.repeat(target, 5), np.repeat(predictions, 5, axis=0)
    grouped = score_interval(METRICS["rmse"], *copies, units=np.repeat(np.arange(80), 5))
    assert grouped.value == pytest.approx(alone.value)
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_the_standard_error_comes_from_folds_or_from_rows():
    assert standard_error(METRICS["rmse"], CODES, TWO, (1.0, 2.0, 3.0)) == pytest.approx(1 / np.sqrt(3))
    exact = np.sqrt(0.8 * 0.2 / 600)
    assert standard_error(METRICS["accuracy"], CODES, TWO, (0.8,)) == pytest.approx(exact, rel=0.5)


def test_tuned_weights_raise_f1_and_leave_accuracy_alone():
    weights = tune_weights(METRICS["f1"], CODES, TWO)
    before = METRICS["f1"].score(CODES, TWO)
    assert METRICS["f1"].score(CODES, apply_weights(TWO, weights)) > before + 0.02
    assert tune_weights(METRICS["accuracy"], CODES, TWO) == ()
    assert np.allclose(apply_weights(TWO, weights).sum(axis=1), 1)


def test_weights_for_many_classes_raise_balanced_accuracy():
    codes = RNG.choice(4, 1500, p=[0.7, 0.2, 0.06, 0.04])
    raw = RNG.dirichlet(np.array([14, 4, 1.2, 0.8]), 1500) + 0.35 * np.eye(4)[codes]
    predictions = raw / raw.sum(axis=1, keepdims=True)
    metric = METRICS["balanced_accuracy"]
    tuned = apply_weights(predictions, tune_weights(metric, codes, predictions))
    assert metric.score(codes, tuned) > metric.score(codes, predictions)


def two_classes(codes: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Probabilities of two classes that are right where it says so."""
    sure = np.where(right, 0.9, 0.1)
    return np.stack([np.where(codes == 0, sure, 1 - sure), np.where(codes == 1, sure, 1 - sure)], axis=1)


CLASSIFIED = [name for name, metric in METRICS.items() if "binary" in metric.tasks]
NUMBERS = [name for name, metric in METRICS.items() if "regression" in metric.tasks]


@pytest.mark.parametrize("rows", [12, 178])
@pytest.mark.parametrize("name", [name for name in CLASSIFIED if name not in ("log_loss", "brier")])
def test_all_right_and_all_wrong_leave_room_for_what_was_not_seen(name, rows):
    codes = np.arange(rows) % 2
    best = score_interval(METRICS[name], codes, two_classes(codes, np.ones(rows, dtype=bool)))
    assert best.high == 1
    assert 1 - 12 / rows < best.low < 1 - 2 / rows
    worst = score_interval(METRICS[name], codes, two_classes(codes, np.zeros(rows, dtype=bool)))
    assert worst.high - worst.low > 2 / rows


@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "median_ae"])
def test_errors_of_nothing_leave_room_for_what_was_not_seen(name):
    values = np.linspace(1, 9, 60)
    found = score_interval(METRICS[name], values, values[:, None])
    assert found.low <= found.value <= found.high
    assert found.high - found.low > 0.01
    saturated = np.eye(2)[np.arange(60) % 2]
    assert score_interval(METRICS["log_loss"], np.arange(60) % 2, saturated).high > 0.01


def test_one_more_right_row_narrows_and_the_exact_ends_are_those_of_scipy():
    for right, rows in ((178, 178), (12, 12), (0, 9), (59, 60)):
        exact = stats.binomtest(right, rows).proportion_ci(method="exact")
        assert share_interval(right, rows) == pytest.approx((exact.low, exact.high))
    assert share_interval(0, 0) == (0, 1)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "f1", "roc_auc"])
def test_the_interval_covers_a_high_score_of_few_rows(name):
    """0.99 of 60 rows right: over a half of such samples have no mistake to resample."""
    random = np.random.default_rng(0)
    many = np.arange(90_000) % 3 == 0
    world = two_classes(many.astype(int), random.random(90_000) < 0.99) + random.normal(
        0, 0.02, (90_000, 1)
    ) * [1, -1]
    truth, metric = METRICS[name].score(many, world), METRICS[name]
    samples = [random.integers(0, 90_000, 60) for _ in range(100)]
    found = [score_interval(metric, many[rows].astype(int), world[rows], draws=200) for rows in samples]
    assert np.mean([item.low <= truth <= item.high for item in found]) >= 0.93


def test_two_perfect_models_may_still_differ_and_a_model_does_not_from_itself():
    codes = np.arange(178) % 2
    sure = two_classes(codes, np.ones(178, dtype=bool))
    for name in ("accuracy", "roc_auc", "f1"):
        found = gain_interval(METRICS[name], codes, sure, 0.8 * sure + 0.1)
        assert found.value == 0
        assert -0.08 < found.low < -0.01 < 0.01 < found.high < 0.08
        assert gain_interval(METRICS[name], codes, sure, sure).high == 0


def test_no_fold_with_a_mistake_has_still_a_standard_error():
    codes = np.arange(178) % 2
    sure = two_classes(codes, np.ones(178, dtype=bool))
    assert 0.001 < standard_error(METRICS["accuracy"], codes, sure, (1.0, 1.0, 1.0)) < 0.01


@pytest.mark.parametrize("size", [1e-12, 1e-7, 1e-3])
@pytest.mark.parametrize("name", NUMBERS)
def test_the_interval_of_tiny_errors_is_of_their_own_size(name, size):
    random = np.random.default_rng(0)
    values = random.normal(10, 2, 200)
    metric = METRICS[name]
    for errors in (random.normal(0, size, 200), random.choice([0.0, 0.0, size, 2 * size], 200)):
        found = score_interval(metric, values, (values + errors)[:, None], draws=200)
        doubled = metric.score(values, (values + 2 * errors)[:, None])
        assert found.low <= found.value <= found.high
        assert found.high - found.low <= 1.01 * abs(doubled - found.value) + size


@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "median_ae"])
def test_errors_that_are_all_alike_leave_room_in_proportion_to_them(name):
    values = np.linspace(5, 9, 60)
    found = score_interval(METRICS[name], values, values[:, None] + 1e-5)
    assert found.low <= found.value <= found.high
    assert 0 < found.high - found.low < 1e-4


@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_probabilities_that_are_hardly_off_have_an_interval_of_that_size(name):
    random = np.random.default_rng(0)
    codes, off = np.arange(200) % 2, random.uniform(1e-8, 1e-7, 200)
    sure = np.eye(2)[codes] + off[:, None] * np.where(np.eye(2)[codes] == 1, -1, 1)
    found = score_interval(METRICS[name], codes, sure)
    assert 0 < found.low <= found.value <= found.high < 2 * found.value
    gain = gain_interval(METRICS[name], codes, sure, 0.5 * sure + 0.5 * np.eye(2)[codes], draws=200)
    assert 0 < gain.low <= gain.value <= gain.high < 2 * gain.value


def test_two_models_with_tiny_errors_differ_by_no_more_than_these():
    random = np.random.default_rng(0)
    values = random.normal(10, 2, 200)
    two = [(values + random.normal(0, size, 200))[:, None] for size in (1e-12, 2e-12)]
    found = gain_interval(METRICS["rmse"], values, two[1], two[0], draws=200)
    assert 0 < found.low < found.value < found.high < 2e-12
