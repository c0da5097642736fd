"""What the target means, why, and that its own labels come back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from automl.core.built_in_tasks import BinaryTask, RegressionTask
from automl.core.errors import DataError, UsageError
from automl.core.metrics import METRICS
from automl.core.predictions import Loss
from automl.core.task_choice import choose_task, task_from_json


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["a", "b", "a"], "binary"),
        ([True, False, True], "binary"),
        ([0, 1, 1], "binary"),
        ([1.5, 2.25, 3.0, 8.1], "regression"),
        (list(range(500)), "regression"),
        ([3, 4, 5, 6, 7] * 40, "multiclass"),
        (["x", "y", "z"] * 5, "multiclass"),
    ],
)
def test_the_task_follows_from_the_target(values, name):
    choice = choose_task(np.array(values, dtype=object))
    assert choice.task.name == name
    assert choice.reason
    assert choice.metric_reason


def test_the_task_can_be_overridden_and_the_metric_decides_in_doubt():
    quality = np.array([3, 4, 5, 6, 7] * 40)
    assert choose_task(quality, requested="regression").task.name == "regression"
    assert choose_task(quality, metric="rmse").task.name == "regression"
    assert choose_task(np.arange(100) % 30, metric="log_loss").task.name == "multiclass"


def test_accuracy_is_no_default_for_an_imbalanced_target():
    choice = choose_task(np.array(["no"] * 95 + ["yes"] * 5))
    assert choice.task.metric.name == "roc_auc"
    assert "accuracy" in choice.metric_reason
    assert choose_task(np.array(["no"] * 50 + ["yes"] * 50)).task.metric.name == "accuracy"


@pytest.mark.parametrize(
    "labels",
    [["b", "a"], [True, False], [1, 0], [2.5, 1.5], ["Yes", "No"], ["ünï", "日本"], [0, 1, 2, 9]],
)
def test_labels_come_back_as_they_were(labels):
    target = np.array(labels * 4, dtype=object)
    task = choose_task(target, requested="classification").task
    codes = task.encode(target)
    decoded = task.decode(np.eye(task.n_outputs)[codes])
    assert [type(value.item() if isinstance(value, np.generic) else value) for value in decoded] == [
        type(value) for value in target
    ]
    assert list(decoded) == list(target)


def test_the_affirmative_word_is_the_positive_class():
    assert choose_task(np.array(["yes", "no", "no"], dtype=object)).task.labels == ("no", "yes")
    assert choose_task(np.array(["positive", "negative"] * 3, dtype=object)).task.labels[1] == "positive"


def test_spellings_that_differ_in_blanks_are_one_class():
    target = np.array(["Yes", "Yes ", "No", " No", "Yes"], dtype=object)
    task = choose_task(target).task
    assert task.labels == ("No", "Yes")
    assert list(task.encode(target)) == [1, 1, 0, 0, 1]


def test_a_task_survives_json():
    task = choose_task(np.array([True, False, True], dtype=object), metric="f1").task
    again = task_from_json(json.loads(json.dumps(task.to_json())))
    assert again == task


def test_a_callable_named_like_a_metric_of_another_task_does_not_keep_a_model_from_loading():
    written = choose_task(np.array([0, 1, 2] * 9), requested="classification").task.to_json()
    assert task_from_json(written | {"metric": "mae"}).metric.name == "log_loss"


def test_a_metric_of_logarithms_refuses_a_target_that_has_none():
    values = np.array([3.5, -2.0, 7.0, 1.5])
    task = choose_task(values, metric="rmsle").task
    with pytest.raises(DataError, match="-2 in row 2"):
        task.encode(values)
    assert task.encode(np.abs(values) - 0.5).tolist() == [3.0, 1.5, 6.5, 1.0]


def test_an_unknown_label_is_named():
    task = choose_task(np.array(["cat", "dog"], dtype=object)).task
    with pytest.raises(DataError, match="'cow'"):
        task.encode(np.array(["cat", "cow"], dtype=object))


def test_one_class_is_no_task():
    with pytest.raises(DataError, match="one class"):
        choose_task(np.array(["a", "a"], dtype=object))
    with pytest.raises(UsageError, match="regression"):
        choose_task(np.array([1.0, 2.0]), requested="regresion")


def test_row_losses_are_proper_and_strata_level():
    task = choose_task(np.random.default_rng(0).normal(size=1000)).task
    target = task.encode(np.random.default_rng(0).normal(size=1000))
    strata = task.strata(target)
    assert np.bincount(strata).max() <= 100
    assert (strata[target > np.quantile(target, 0.999)] == strata.max()).all()
    assert np.allclose(task.row_losses(target, target[:, None]), 0)


def test_absolute_errors_are_asked_for_by_metrics_of_regressions_alone() -> None:
    asked = [name for name in METRICS if RegressionTask(METRICS[name]).loss == Loss.ABSOLUTE]
    assert asked == ["mae", "median_ae", "mape"]
    assert BinaryTask(METRICS["mae"], (0, 1)).loss == Loss.LOGISTIC
