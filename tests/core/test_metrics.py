"""Every metric against scikit-learn's of the same name."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

from automl.core.errors import UsageError
from automl.core.metrics import METRICS, metric_by_name

RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 2, 500)
RAW = np.round(np.clip(RNG.normal(0.3 + 0.4 * CODES, 0.25), 0.01, 0.99), 2)
TWO = np.stack([1 - RAW, RAW], axis=1)
CODES3 = RNG.integers(0, 3, 500)
THREE = RNG.dirichlet(np.ones(3), 500) * 0.5 + 0.5 * np.eye(3)[CODES3]
VALUES = RNG.lognormal(size=300)
GUESS = (VALUES * RNG.lognormal(sigma=0.2, size=300))[:, None]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", reference.accuracy_score(CODES, TWO.argmax(1))),
        ("balanced_accuracy", reference.balanced_accuracy_score(CODES, TWO.argmax(1))),
        ("f1", reference.f1_score(CODES, TWO.argmax(1))),
        ("f1_macro", reference.f1_score(CODES, TWO.argmax(1), average="macro")),
        ("f1_weighted", reference.f1_score(CODES, TWO.argmax(1), average="weighted")),
        ("precision", reference.precision_score(CODES, TWO.argmax(1))),
        ("recall", reference.recall_score(CODES, TWO.argmax(1))),
        ("roc_auc", reference.roc_auc_score(CODES, RAW)),
        ("average_precision", reference.average_precision_score(CODES, RAW)),
        ("log_loss", reference.log_loss(CODES, TWO)),
        ("brier", reference.brier_score_loss(CODES, RAW)),
    ],
)
def test_binary_metrics_equal_scikit_learn(name, expected):
    assert METRICS[name].score(CODES, TWO) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", reference.accuracy_score(CODES3, THREE.argmax(1))),
        ("f1_macro", reference.f1_score(CODES3, THREE.argmax(1), average="macro")),
        ("roc_auc", reference.roc_auc_score(CODES3, THREE, multi_class="ovr")),
        ("log_loss", reference.log_loss(CODES3, THREE)),
        ("quadratic_kappa", reference.cohen_kappa_score(CODES3, THREE.argmax(1), weights="quadratic")),
    ],
)
def test_multiclass_metrics_equal_scikit_learn(name, expected):
    assert METRICS[name].score(CODES3, THREE) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rmse", reference.root_mean_squared_error(VALUES, GUESS[:, 0])),
        ("mse", reference.mean_squared_error(VALUES, GUESS[:, 0])),
        ("mae", reference.mean_absolute_error(VALUES, GUESS[:, 0])),
        ("median_ae", reference.median_absolute_error(VALUES, GUESS[:, 0])),
        ("r2", reference.r2_score(VALUES, GUESS[:, 0])),
        ("rmsle", reference.root_mean_squared_log_error(VALUES, GUESS[:, 0])),
        ("mape", reference.mean_absolute_percentage_error(VALUES, GUESS[:, 0])),
    ],
)
def test_regression_metrics_equal_scikit_learn(name, expected):
    assert METRICS[name].score(VALUES, GUESS) == pytest.approx(expected)


def test_loss_turns_every_metric_so_that_less_is_better():
    better, worse = np.eye(2)[CODES], np.eye(2)[1 - CODES]
    for metric in METRICS.values():
        if "binary" in metric.tasks:
            assert metric.loss(CODES, better) < metric.loss(CODES, worse), metric.name


def test_an_unknown_metric_suggests_a_known_one():
    with pytest.raises(UsageError, match="accuracy"):
        metric_by_name("acuracy", "binary")
    with pytest.raises(UsageError, match="not defined for a regression"):
        metric_by_name("roc_auc", "regression")
