from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from automl.controller.strategy.space_files import load_space
from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.family import FitContext, TrialStopped
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.core.tasks import Task
from automl.families import linear
from automl.families.engines.solvers import (
    Logistic,
    Multinomial,
    RidgePath,
    Squared,
    Weights,
    minimise_elastic,
    minimise_l2,
)
from automl.testing.families import check_family

BINARY = BinaryTask(METRICS["log_loss"], (0, 1))
REGRESSION = RegressionTask(METRICS["rmse"])


def numbers(values: np.ndarray) -> Table:
    features = Features(tuple(f"x{i}" for i in range(values.shape[1])))
    return Table(features, values.astype(np.float64), np.empty((len(values), 0), np.int32))


def bundled(name: str) -> tuple[Table, np.ndarray, Task]:
    values, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "diabetes":
        return numbers(values), target.astype(np.float64), REGRESSION
    classes = tuple(range(int(target.max()) + 1))
    task = BINARY if len(classes) == 2 else MulticlassTask(METRICS["log_loss"], classes)
    return numbers(values), target.astype(np.int64), task


def scaled(name: str) -> tuple[np.ndarray, np.ndarray]:
    values, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1), target


def never() -> bool:
    return False


def test_linear_keeps_the_contract() -> None:
    check_family(linear.FAMILY, space=load_space("linear", linear.Params))


@pytest.mark.parametrize(
    ("name", "worst"), [("breast_cancer", 0.11), ("wine", 0.11), ("digits", 0.16), ("diabetes", 57.0)]
)
@pytest.mark.parametrize("numeric", ["standard", "squash"])
def test_reference_scores_are_reached(name: str, worst: float, numeric: Any) -> None:
    table, target, task = bundled(name)
    fold = np.arange(table.rows) % 5
    scores = []
    for held in range(5):
        train, valid = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        context = FitContext(valid=(table.take(valid), target[valid]))
        params = linear.Params(numeric=numeric)
        model = linear.fit(params, table.take(train), target[train], task, context)
        scores.append(task.metric.score(target[valid], model.predict(table.take(valid))))
    assert np.mean(scores) < worst


def test_a_refit_chooses_its_penalty_within_the_rows() -> None:
    table, target, task = bundled("breast_cancer")
    context = FitContext()
    model = linear.fit(linear.Params(), table, target, task, context)
    assert 0.001 <= context.facts["C"] <= 100
    assert task.metric.score(target, model.predict(table)) < 0.09


def test_logistic_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    values, target = scaled("breast_cancer")
    loss = Logistic(target.astype(np.float64))
    ours = minimise_l2(values, loss, 0.3, Weights(np.zeros((30, 1)), loss.start()), never)
    theirs = LogisticRegression(C=0.3, tol=1e-6, max_iter=1000).fit(values, target)
    np.testing.assert_allclose(ours.coefficients[:, 0], theirs.coef_[0], atol=0.02)


def test_multinomial_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    values, target = scaled("wine")
    loss = Multinomial(target, 3)
    ours = minimise_l2(values, loss, 0.3, Weights(np.zeros((13, 3)), loss.start()), never)
    theirs = LogisticRegression(C=0.3, tol=1e-6, max_iter=1000).fit(values, target)
    np.testing.assert_allclose(ours.coefficients.T, theirs.coef_, atol=0.02)


@pytest.mark.parametrize("columns", [10, 600])
def test_ridge_agrees_with_scikit_learn_for_tall_and_wide_tables(columns: int) -> None:
    from sklearn.linear_model import Ridge

    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, columns)) + 1.0
    target = values[:, 0] - values[:, 1] + generator.normal(size=200)
    ours = RidgePath(values, target).weights(0.1)
    theirs = Ridge(alpha=10.0).fit(values, target)
    np.testing.assert_allclose(ours.coefficients[:, 0], theirs.coef_, atol=1e-6)
    assert ours.intercept[0] == pytest.approx(theirs.intercept_, abs=1e-6)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_elastic_net_agrees_with_scikit_learn(l1_ratio: float) -> None:
    from sklearn.linear_model import ElasticNet

    values, target = scaled("diabetes")
    target = (target - target.mean()) / target.std()
    loss = Squared(target)
    ours = minimise_elastic(values, loss, 0.02, l1_ratio, Weights(np.zeros((10, 1)), loss.start()), never)
    theirs = ElasticNet(alpha=1 / (0.02 * len(target)), l1_ratio=l1_ratio, tol=1e-8).fit(values, target)
    np.testing.assert_allclose(ours.coefficients[:, 0], theirs.coef_, atol=1e-3)
    assert ((ours.coefficients[:, 0] == 0) == (theirs.coef_ == 0)).all()


def test_gradients_agree_with_differences() -> None:
    generator = np.random.default_rng(0)
    for loss, outputs in (
        (Squared(generator.normal(size=6)), 1),
        (Logistic(generator.integers(0, 2, 6).astype(float)), 1),
        (Multinomial(generator.integers(0, 3, 6), 3), 3),
    ):
        scores = generator.normal(size=(6, outputs))
        _, gradient = loss.value_and_gradient(scores)
        for index in np.ndindex(scores.shape):
            step = np.zeros_like(scores)
            step[index] = 1e-5
            high, low = (loss.value_and_gradient(scores + sign * step)[0] for sign in (1, -1))
            assert gradient[index] == pytest.approx((high - low) / 2e-5, abs=1e-6)


def test_many_more_columns_than_rows_are_fitted() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 10_000))
    target = (values[:, :50].sum(axis=1) > 0).astype(np.int64)
    model = linear.fit(linear.Params(), numbers(values), target, BINARY, FitContext())
    assert np.isfinite(model.predict(numbers(values))).all()


def test_texts_are_read() -> None:
    generator = np.random.default_rng(0)
    target = generator.integers(0, 2, 200)
    words = np.array([["blue sea", "green hill"][kind] for kind in target], dtype=object)
    table = Table(Features(texts=("t",)), np.empty((200, 0)), np.empty((200, 0), np.int32), (words,))
    model = linear.fit(linear.Params(), table, target, BINARY, FitContext())
    assert (model.predict(table).argmax(axis=1) == target).all()


def test_an_outlier_does_not_send_a_prediction_far_away() -> None:
    values = np.random.default_rng(0).normal(size=(100, 1))
    model = linear.fit(linear.Params(), numbers(values), values[:, 0], REGRESSION, FitContext())
    far = model.predict(numbers(np.array([[1e9]])))[0, 0]
    assert far <= values.max() + 0.5 * np.ptp(values) + 1e-9


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
def test_numbers_at_the_end_of_their_range_are_predicted(name: str) -> None:
    table, target, task = bundled(name)
    furthest = np.finfo(np.float64).max
    rows = numbers(np.tile(np.array([[furthest], [-furthest], [1e300]]), table.numbers.shape[1]))
    predictions = linear.fit(linear.Params(), table, target, task, FitContext()).predict(rows)
    assert np.isfinite(predictions).all()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_handful_of_rows_is_enough(rows: int) -> None:
    values = np.arange(rows, dtype=float)[:, None]
    for task, target in ((REGRESSION, values[:, 0]), (BINARY, np.arange(rows) % 2)):
        model = linear.fit(linear.Params(), numbers(values), target, task, FitContext())
        assert np.isfinite(model.predict(numbers(values))).all()


def test_an_over_time_start_is_refused() -> None:
    table, target, task = bundled("wine")
    with pytest.raises(TrialStopped):
        linear.fit(linear.Params(), table, target, task, FitContext(deadline=time.monotonic() - 1))


@pytest.mark.data
def test_issue_reports_are_sorted_by_their_words() -> None:
    pd = pytest.importorskip("pandas")
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular" / "issues_text.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    frame = pd.read_csv(path).fillna("")
    texts = tuple(frame[name].to_numpy(object) for name in ("Title", "Description"))
    rows = len(frame)
    table = Table(
        Features(texts=("Title", "Description")), np.empty((rows, 0)), np.empty((rows, 0), np.int32), texts
    )
    labels, target = np.unique(frame["Area"].to_numpy(str), return_inverse=True)
    task = MulticlassTask(METRICS["accuracy"], tuple(labels.tolist()))
    valid, train = np.arange(0, rows, 5), np.flatnonzero(np.arange(rows) % 5)
    context = FitContext(valid=(table.take(valid), target[valid]))
    model = linear.fit(linear.Params(), table.take(train), target[train], task, context)
    assert task.metric.score(target[valid], model.predict(table.take(valid))) > 0.75
