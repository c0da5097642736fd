"""Weights of rows in solvers, encodings and nets; what a family makes of them is a check of its contract."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from automl.core.built_in_tasks import BinaryTask, RegressionTask
from automl.core.family import FitContext
from automl.core.metrics import METRICS
from automl.core.predictions import Loss
from automl.families import families
from automl.families.engines.solvers import (
    RidgePath,
    Rotation,
    Weights,
    loss_of,
    minimise_elastic,
    minimise_l2,
)
from automl.families.preprocess.categories import TargetEncoding
from automl.families.preprocess.numbers import Standard
from automl.families.preprocess.text_scores import TextScores
from automl.testing.sample_weights import WeightedRows

RNG = np.random.default_rng(0)
ROWS = 120
COUNTS = RNG.integers(1, 5, ROWS)
WEIGHTS = COUNTS.astype(np.float64)
REPEATED = np.repeat(np.arange(ROWS), COUNTS)
NARROW, WIDE = RNG.normal(size=(ROWS, 6)), RNG.normal(size=(ROWS, 300))
VALUES = NARROW[:, 0] + WIDE[:, 1] + RNG.normal(size=ROWS)
TWO = (VALUES > 0.3).astype(np.int64)
VALUES_TASK = RegressionTask(METRICS["rmse"])


def going_on() -> bool:
    return False


@pytest.mark.parametrize("matrix", [NARROW, WIDE, csr_matrix(WIDE)], ids=["narrow", "wide", "sparse"])
def test_a_weighted_ridge_path_is_that_of_repeated_rows(matrix):
    weighted = RidgePath(matrix, VALUES, WEIGHTS).weights(0.3)
    repeated = RidgePath(matrix[REPEATED], VALUES[REPEATED]).weights(0.3)
    np.testing.assert_allclose(weighted.coefficients, repeated.coefficients, atol=1e-8)
    np.testing.assert_allclose(weighted.intercept, repeated.intercept, atol=1e-8)


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (Loss.LOGISTIC, TWO),
        (Loss.SOFTMAX, TWO + (VALUES > 1)),
        (Loss.POISSON, np.maximum(np.round(VALUES), 0.0)),
        (Loss.SQUARED, VALUES),
    ],
)
def test_weighted_steps_lead_where_those_of_repeated_rows_do(loss, target):
    outputs = 3 if loss == Loss.SOFTMAX else 1
    found = []
    for rows, weights in ((np.arange(ROWS), WEIGHTS), (REPEATED, None)):
        goal = loss_of(loss, target[rows], outputs, weights)
        start = Weights(np.zeros((6, outputs)), goal.start())
        ridge = minimise_l2(NARROW[rows], goal, 0.1, start, going_on)
        lasso = minimise_elastic(NARROW[rows], goal, 0.1, 0.5, start, going_on)
        found.append((start.intercept, ridge.coefficients, lasso.coefficients))
    for weighted, repeated in zip(*found, strict=True):
        np.testing.assert_allclose(weighted, repeated, atol=2e-3)


def test_a_rotated_matrix_has_the_same_weighted_solution():
    loss = loss_of(Loss.LOGISTIC, TWO, 1, WEIGHTS)
    rotation = Rotation.of(WIDE)
    start = Weights(np.zeros((rotation.reduced.shape[1], 1)), loss.start())
    turned = rotation.back(minimise_l2(rotation.reduced, loss, 0.01, start, going_on))
    plain = minimise_l2(WIDE, loss, 0.01, Weights(np.zeros((300, 1)), loss.start()), going_on)
    np.testing.assert_allclose(turned.scores(WIDE), plain.scores(WIDE), atol=0.05)


def test_scales_and_target_encodings_follow_the_weights():
    scale, repeated = Standard.fit(NARROW, WEIGHTS), Standard.fit(NARROW[REPEATED])
    np.testing.assert_allclose(scale.mean, repeated.mean)
    np.testing.assert_allclose(scale.scale, repeated.scale)
    codes = RNG.integers(0, 9, (ROWS, 2)).astype(np.int32)
    weighted, held_out = TargetEncoding.fit_transform(codes, VALUES, VALUES_TASK, weights=WEIGHTS)
    plain, _ = TargetEncoding.fit_transform(codes[REPEATED], VALUES[REPEATED], VALUES_TASK)
    np.testing.assert_allclose(weighted.values, plain.values, atol=1e-5)
    assert np.isfinite(held_out).all()


def test_scores_of_texts_follow_the_weights():
    words = np.array(["red stone", "green river", "blue cloud"], dtype=object)[RNG.integers(0, 3, ROWS)]
    heavy = np.arange(ROWS) % 3 == 0
    values = np.where(heavy, 10.0, 0.0)
    for weights, expected in ((np.where(heavy, 20.0, 1.0), 200 / 22), (np.where(heavy, 1.0, 20.0), 10 / 41)):
        scores, held_out = TextScores.fit_transform((words,), values, VALUES_TASK, weights=weights)
        assert scores.transform((words,)).mean() == pytest.approx(expected, abs=0.7)
        assert np.average(held_out[:, 0], weights=weights) == pytest.approx(expected, abs=0.7)


def test_nets_of_all_folds_follow_their_own_weights():
    rows = WeightedRows.made(texts=False)
    task = BinaryTask(METRICS["log_loss"], ("no", "yes"))
    target = (rows.scores > np.median(rows.scores)).astype(np.int64)
    learned, held_out = (rows.table.take(part) for part in (rows.train, rows.valid))
    contexts = [
        FitContext(
            seed=1,
            fold=fold,
            valid=(held_out, target[rows.valid]),
            weights=weights[rows.train],
            valid_weights=weights[rows.valid],
        )
        for fold, weights in enumerate((rows.weights, 1 / rows.weights))
    ]
    family = families()["tabular_net"]
    models = family.fit_folds(family.params(), [(learned, target[rows.train])] * 2, task, contexts)
    shares = [model.predict(held_out)[:, 1].mean() for model in models]
    heavier = np.average(target, weights=rows.weights), np.average(target, weights=1 / rows.weights)
    assert shares == pytest.approx(heavier, abs=0.1)
    assert heavier[0] - heavier[1] > 0.3
