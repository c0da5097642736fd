"""What is fitted on held-out predictions: temperature, class weights, and what neither of them changes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.metrics import METRICS
from automl.core.tasks import Task
from automl.model.calibration import fit_temperature, heated
from automl.model.class_weights import apply_weights, tune_weights
from automl.model.decision import Decision


def drawn(rows: int, classes: int, temperature: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and the probabilities that they were drawn with at another temperature."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(classes, 0.7), rows)
    codes = (rng.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return codes, heated(true, 1 / temperature)


def task_of(metric: str, classes: int) -> Task:
    kind = BinaryTask if classes == 2 else MulticlassTask
    return kind(METRICS[metric], tuple(range(classes)))


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("temperature", [0.6, 1.6])
def test_a_temperature_is_found_again(classes: int, temperature: float) -> None:
    codes, predictions = drawn(4000, classes, temperature)
    found = fit_temperature(codes, predictions)
    assert found is not None
    assert found.temperature == pytest.approx(temperature, rel=0.08)
    assert found.before == pytest.approx(log_loss(codes, predictions, labels=range(classes)), rel=1e-3)
    assert found.after < found.before


def test_calibrated_probabilities_are_left_alone() -> None:
    for seed in range(5):
        codes, predictions = drawn(1000, 3, seed=seed)
        decision = Decision.fitted(task_of("log_loss", 3), codes, predictions)
        assert decision.temperature == 1.0
        assert decision.apply(predictions) is predictions


def test_few_rows_cannot_tell() -> None:
    codes, predictions = drawn(60, 2, 2.0)
    assert Decision.fitted(task_of("log_loss", 2), codes, predictions) == Decision()


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    codes, predictions = drawn(600, 3, 1.8)
    weights = np.where(np.arange(600) < 300, 2.0, 1.0)
    twice = np.r_[np.arange(600), np.arange(300)]
    one, two = fit_temperature(codes, predictions, weights), fit_temperature(codes[twice], predictions[twice])
    assert one is not None
    assert two is not None
    assert one.temperature == pytest.approx(two.temperature, rel=1e-6)
    assert one.before == pytest.approx(two.before)


@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy", "accuracy", "roc_auc", "average_precision"])
def test_a_temperature_changes_neither_answers_nor_the_order_of_two_classes(metric: str) -> None:
    codes, predictions = drawn(2000, 2, 2.0)
    codes = np.where(np.arange(2000) % 3, 0, codes)
    decision = Decision.fitted(task_of(metric, 2), codes, predictions)
    assert decision.temperature != 1.0
    decided = apply_weights(predictions, tune_weights(METRICS[metric], codes, predictions))
    applied = decision.apply(predictions)
    assert np.array_equal(applied.argmax(axis=1), decided.argmax(axis=1))
    assert METRICS[metric].score(codes, applied) == pytest.approx(
        METRICS[metric].score(codes, decided), abs=1e-9
    )


def test_the_log_loss_on_new_rows_falls_too() -> None:
    codes, predictions = drawn(1500, 4, 1.5)
    decision = Decision.fitted(task_of("log_loss", 4), codes, predictions)
    new, given = drawn(4000, 4, 1.5, seed=1)
    score = METRICS["log_loss"].score
    assert score(new, decision.apply(given)) < score(new, given) - 0.01
    assert decision.log_losses[1] < decision.log_losses[0]


def test_a_decision_comes_back_from_json_and_numbers_have_none() -> None:
    codes, predictions = drawn(1000, 3, 2.0)
    decision = Decision.fitted(task_of("f1_macro", 3), codes, predictions)
    assert Decision.from_json(decision.to_json()) == decision
    assert Decision.from_json({"class_weights": [1.0, 2.0]}) == Decision(class_weights=(1.0, 2.0))
    values = np.arange(300.0)
    regression = Decision.fitted(RegressionTask(METRICS["rmse"]), values, values[:, None])
    assert regression == Decision()
