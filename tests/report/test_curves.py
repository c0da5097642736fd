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
