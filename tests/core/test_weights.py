"""Weights of rows: metrics as scikit-learn weighs them, and as rows that are repeated."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.metrics import METRICS
from automl.core.score_intervals import gain_interval, score_interval, share_interval, standard_error
from automl.core.weights import deviation_of, effective_rows, mean_of, median_of

RNG = np.random.default_rng(0)
ROWS = 400
COUNTS = RNG.integers(1, 5, ROWS)
WEIGHTS = COUNTS.astype(np.float64)
REPEATED = np.repeat(np.arange(ROWS), COUNTS)
CODES, CODES3 = RNG.integers(0, 2, ROWS), RNG.integers(0, 3, ROWS)
RAW = np.round(np.clip(RNG.normal(0.3 + 0.4 * CODES, 0.25), 0.01, 0.99), 2)
TWO = np.stack([1 - RAW, RAW], axis=1)
THREE = RNG.dirichlet(np.ones(3), ROWS) * 0.7 + 0.3 * np.eye(3)[CODES3]
VALUES = RNG.lognormal(size=ROWS)
GUESS = (VALUES * RNG.lognormal(sigma=0.2, size=ROWS))[:, None]
CASES = {"binary": (CODES, TWO), "multiclass": (CODES3, THREE), "regression": (VALUES, GUESS)}
BINARY, LABELS = {"sample_weight": WEIGHTS}, TWO.argmax(1)


@pytest.mark.parametrize(
    ("name", "task"),
    [(name, task) for name, metric in METRICS.items() for task in CASES if task in metric.tasks],
)
def test_a_weighted_score_is_that_of_rows_repeated_as_often_as_they_weigh(name, task):
    target, predictions = CASES[task]
    weighted = METRICS[name].score(target, predictions, WEIGHTS)
    assert weighted == pytest.approx(METRICS[name].score(target[REPEATED], predictions[REPEATED]), rel=1e-9)
    assert weighted != pytest.approx(METRICS[name].score(target, predictions), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", reference.accuracy_score(CODES, LABELS, **BINARY)),
        ("balanced_accuracy", reference.balanced_accuracy_score(CODES, LABELS, **BINARY)),
        ("f1", reference.f1_score(CODES, LABELS, **BINARY)),
        ("f1_macro", reference.f1_score(CODES, LABELS, average="macro", **BINARY)),
        ("f1_weighted", reference.f1_score(CODES, LABELS, average="weighted", **BINARY)),
        ("precision", reference.precision_score(CODES, LABELS, **BINARY)),
        ("recall", reference.recall_score(CODES, LABELS, **BINARY)),
        ("roc_auc", reference.roc_auc_score(CODES, RAW, **BINARY)),
        ("average_precision", reference.average_precision_score(CODES, RAW, **BINARY)),
        ("log_loss", reference.log_loss(CODES, TWO, **BINARY)),
        ("brier", reference.brier_score_loss(CODES, RAW, **BINARY)),
        ("quadratic_kappa", reference.cohen_kappa_score(CODES, LABELS, weights="quadratic", **BINARY)),
    ],
)
def test_weighted_metrics_of_classes_equal_scikit_learn(name, expected):
    assert METRICS[name].score(CODES, TWO, WEIGHTS) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("rmse", reference.root_mean_squared_error),
        ("mse", reference.mean_squared_error),
        ("mae", reference.mean_absolute_error),
        ("r2", reference.r2_score),
        ("rmsle", reference.root_mean_squared_log_error),
        ("mape", reference.mean_absolute_percentage_error),
    ],
)
def test_weighted_metrics_of_numbers_equal_scikit_learn(name, function):
    expected = function(VALUES, GUESS[:, 0], sample_weight=WEIGHTS)
    assert METRICS[name].score(VALUES, GUESS, WEIGHTS) == pytest.approx(expected)


def test_equal_weights_are_none():
    for task, (target, predictions) in CASES.items():
        for metric in METRICS.values():
            if task in metric.tasks:
                plain = metric.score(target, predictions)
                assert metric.score(target, predictions, np.full(ROWS, 0.1)) == pytest.approx(plain, rel=1e-9)


def test_sums_follow_the_weights():
    assert mean_of(VALUES, WEIGHTS) == pytest.approx(VALUES[REPEATED].mean())
    assert deviation_of(VALUES, WEIGHTS) == pytest.approx(VALUES[REPEATED].std())
    assert median_of(VALUES, WEIGHTS) == pytest.approx(np.median(VALUES[REPEATED]))
    assert median_of(np.array([1.0, 2.0, 9.0]), np.array([1.0, 0.0, 1.0])) == 5.0
    assert effective_rows(4, np.array([1.0, 1.0, 1.0, 1.0])) == 4
    assert effective_rows(4, np.array([9.0, 1.0, 1.0, 1.0])) == pytest.approx(144 / 84)


def test_the_constant_prediction_follows_the_weights():
    for task, target in (
        (BinaryTask(METRICS["log_loss"], ("a", "b")), CODES),
        (MulticlassTask(METRICS["log_loss"], ("a", "b", "c")), CODES3),
        (RegressionTask(METRICS["rmse"]), VALUES),
        (RegressionTask(METRICS["mae"]), VALUES),
    ):
        expected = task.constant_prediction(target[REPEATED])
        assert task.constant_prediction(target, WEIGHTS) == pytest.approx(expected)


def test_a_weighted_share_has_the_interval_of_its_effective_rows():
    interval = score_interval(METRICS["accuracy"], CODES, TWO, weights=WEIGHTS)
    rows = effective_rows(ROWS, WEIGHTS)
    assert rows < ROWS
    low, high = share_interval(interval.value * rows, rows)
    assert (interval.low, interval.high) == pytest.approx((low, high))


@pytest.mark.parametrize("name", ["roc_auc", "balanced_accuracy", "f1", "log_loss"])
def test_intervals_of_weighted_rows_are_wider_than_without_weights_where_few_rows_decide(name):
    few = np.where(np.arange(ROWS) < 40, 50.0, 1.0)
    plain = score_interval(METRICS[name], CODES, TWO, draws=200)
    weighted = score_interval(METRICS[name], CODES, TWO, draws=200, weights=few)
    assert weighted.low <= METRICS[name].score(CODES, TWO, few) <= weighted.high
    assert weighted.high - weighted.low > 1.5 * (plain.high - plain.low)


def test_gains_and_standard_errors_follow_the_weights():
    few = np.where(np.arange(ROWS) < 40, 50.0, 1.0)
    worse = TWO[:, ::-1]
    gain = gain_interval(METRICS["accuracy"], CODES, worse, TWO, draws=200, weights=few)
    expected = METRICS["accuracy"].score(CODES, TWO, few) - METRICS["accuracy"].score(CODES, worse, few)
    assert gain.value == pytest.approx(expected)
    assert gain.low < gain.value < gain.high
    errors = [standard_error(METRICS["rmse"], VALUES, GUESS, (), weights=w) for w in (None, few)]
    assert errors[1] > errors[0]


def test_flawless_weighted_rows_do_not_promise_a_flawless_score():
    few = np.where(np.arange(ROWS) < 10, 1000.0, 1.0)
    interval = score_interval(METRICS["f1"], CODES, np.eye(2)[CODES], draws=100, weights=few)
    assert interval.value == interval.high == 1.0
    assert interval.low < 0.9  # ten rows or so have told of it
