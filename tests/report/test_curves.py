"""The numbers behind the champion's plots, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from automl.model.decision import Decision
from automl.report.facts import prediction_quality as curves


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 400)
    raw = rng.random((400, 3)) + 1.2 * np.eye(3)[target]
    return target, raw / raw.sum(axis=1, keepdims=True)


def test_areas_equal_those_of_scikit_learn(judged):
    target, predictions = judged
    found = curves.rates(target, predictions, 1)
    assert found.area == pytest.approx(metrics.roc_auc_score(target == 1, predictions[:, 1]))
    assert found.average_precision == pytest.approx(
        metrics.average_precision_score(target == 1, predictions[:, 1])
    )
    assert (found.recall[-1], found.false_positive[-1]) == (1.0, 1.0)


def test_confusion_and_classes_equal_those_of_scikit_learn(judged):
    target, predictions = judged
    table = curves.confusion(target, predictions)
    assert (table == metrics.confusion_matrix(target, predictions.argmax(axis=1))).all()
    rows = curves.by_class(target, predictions, ("a", "b", "c"))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        target, predictions.argmax(axis=1)
    )
    assert [row.precision for row in rows] == pytest.approx(precision)
    assert [row.recall for row in rows] == pytest.approx(recall)
    assert [row.f1 for row in rows] == pytest.approx(f1)
    assert [row.rows for row in rows] == list(support)


def test_weighted_figures_equal_those_of_scikit_learn(judged):
    target, predictions = judged
    target = (target + (np.arange(len(target)) % 4 == 0)) % 3
    weights = np.random.default_rng(2).gamma(1.0, size=len(target))
    answers, told = predictions.argmax(axis=1), {"sample_weight": weights}
    table = curves.confusion(target, predictions, weights)
    assert table == pytest.approx(metrics.confusion_matrix(target, answers, **told))
    rows = sorted(curves.by_class(target, predictions, ("a", "b", "c"), weights), key=lambda row: row.label)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(target, answers, **told)
    assert [(row.precision, row.recall, row.f1) for row in rows] == [
        pytest.approx(row) for row in zip(precision, recall, f1, strict=True)
    ]
    assert [row.rows for row in rows] == np.bincount(target).tolist()
    assert all(row.recall_low < row.recall < row.recall_high for row in rows)
    found = curves.rates(target, predictions, 1, weights)
    assert found.area == pytest.approx(metrics.roc_auc_score(target == 1, predictions[:, 1], **told))
    expected = metrics.average_precision_score(target == 1, predictions[:, 1], **told)
    assert found.average_precision == pytest.approx(expected)


def test_equal_weights_change_no_figure(judged):
    target, predictions = judged
    twice = np.full(len(target), 2.0)
    plain, weighted = (curves.calibration(target, predictions, 1, weights=w) for w in (None, twice))
    assert weighted.observed == pytest.approx(plain.observed)
    assert weighted.low == pytest.approx(plain.low)
    assert curves.calibration_error(weighted) == pytest.approx(curves.calibration_error(plain))
    errors = np.stack([target + predictions[:, 0]], axis=1)
    assert curves.by_part(target, errors, twice) == curves.by_part(target, errors)


def test_heavy_rows_decide_whether_probabilities_come_true():
    probabilities = np.repeat([[0.5, 0.5]], 1000, axis=0)
    target = np.arange(1000) % 2
    curve = curves.calibration(target, probabilities, 1, weights=np.where(target == 1, 3.0, 1.0))
    assert curve.observed == pytest.approx(0.75, abs=0.05)
    assert curves.calibration_error(curve) == pytest.approx(0.25, abs=0.02)
    assert curves.by_part(target, probabilities[:, :1], np.where(target == 1, 3.0, 1.0))[0].rows == 200


def test_a_class_without_rows_has_no_recall_and_no_area(judged):
    target, predictions = judged
    absent = np.where(target == 2, 0, target)
    assert np.isnan(curves.by_class(absent, predictions, ("a", "b", "c"))[2].recall)
    assert np.isnan(curves.rates(absent, predictions, 2).area)


def test_probabilities_that_come_true_are_calibrated():
    rng = np.random.default_rng(1)
    probability = rng.random(20_000)
    target = (rng.random(20_000) < probability).astype(int)
    honest = np.stack([1 - probability, probability], axis=1)
    assert curves.calibration_error(curves.calibration(target, honest, 1)) < 0.02
    bold = np.stack([1 - probability**3, probability**3], axis=1)
    assert curves.calibration_error(curves.calibration(target, bold, 1)) > 0.15


def test_the_threshold_follows_from_the_class_weights():
    weights = (0.5, 1.5)
    used = Decision(class_weights=weights).threshold
    assert used == pytest.approx(0.25)
    assert (1 - used) * weights[0] == pytest.approx(used * weights[1])
    assert Decision().threshold == 0.5


def test_parts_of_a_range_hold_equal_numbers_of_rows():
    target = np.arange(100.0)
    rows = curves.by_part(target, (target + 2)[:, None])
    assert [row.rows for row in rows] == [20] * 5
    assert all(row.mean_error == pytest.approx(2) for row in rows)
