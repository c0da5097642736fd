"""Intervals and decision weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from automl.decision import apply_weights, tune_weights
from automl.intervals import _auc_jackknife, bootstrap_interval, standard_error
from automl.metrics import METRICS

RNG = np.random.default_rng(0)
CODES = (RNG.random(600) < 0.2).astype(int)
RAW = np.round(np.clip(RNG.normal(0.2 + 0.25 * CODES, 0.15), 0.01, 0.99), 2)
TWO = np.stack([1 - RAW, RAW], axis=1)


def test_the_interval_of_accuracy_agrees_with_the_binomial():
    interval = bootstrap_interval(METRICS["accuracy"], CODES, TWO)
    exact = stats.binomtest(int(interval.value * 600), 600).proportion_ci(method="wilson")
    assert interval.low == pytest.approx(exact.low, abs=0.012)
    assert interval.high == pytest.approx(exact.high, abs=0.012)
    assert interval.rows == 600


def test_the_auc_interval_agrees_with_scipy_bca():
    ours = bootstrap_interval(METRICS["roc_auc"], CODES, TWO, draws=2000)
    theirs = stats.bootstrap(
        (CODES, RAW), lambda y, p: roc_auc_score(y, p), paired=True, vectorized=False, n_resamples=500, rng=0
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_the_closed_form_jackknife_equals_leaving_rows_out():
    left_out = _auc_jackknife(CODES[:80], RAW[:80])
    expected = [roc_auc_score(np.delete(CODES[:80], i), np.delete(RAW[:80], i)) for i in range(80)]
    assert np.allclose(left_out, expected)


def test_a_larger_test_part_gives_a_narrower_interval():
    wide = bootstrap_interval(METRICS["accuracy"], CODES[:100], TWO[:100])
    narrow = bootstrap_interval(METRICS["accuracy"], CODES, TWO)
    assert narrow.high - narrow.low < wide.high - wide.low


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
