from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shortened import shortened
from sklearn import datasets

from automl.controller.strategy.space_files import load_space
from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.family import FitContext, Fitted, TrialStopped
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.core.tasks import Encoded, Task
from automl.executors.prepared_cache import PreparedCache
from automl.families import family
from automl.families.engines.boosting import RoundControl
from automl.testing.families import check_family

BOOSTERS = ("lightgbm", "xgboost", "catboost")
Rows = tuple[Table, Encoded]


def bundled(name: str) -> tuple[Rows, Rows, Task]:
    """Training rows, held-out rows (every fourth) and the task of one of scikit-learn's data sets."""
    values, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    task: Task = RegressionTask(METRICS["rmse"])
    if name == "breast_cancer":
        task = BinaryTask(METRICS["roc_auc"], (0, 1))
    elif name == "wine":
        task = MulticlassTask(METRICS["log_loss"], (0, 1, 2))
    features = Features(numbers=tuple(f"x{i}" for i in range(values.shape[1])))
    table = Table(features, values.astype(np.float64), np.empty((len(values), 0), np.int32))
    target = target.astype(np.float64 if name == "diabetes" else np.int64)
    valid, train = np.arange(0, len(values), 4), np.flatnonzero(np.arange(len(values)) % 4)
    return (table.take(train), target[train]), (table.take(valid), target[valid]), task


def mixed(rows: int = 600, *, seed: int = 0) -> Rows:
    """Numbers with gaps and categories, one of them of 150 levels, and a class that depends on both."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(rows, 3))
    codes = np.column_stack([generator.integers(0, 4, rows), generator.integers(0, 150, rows)])
    chance = 1 / (1 + np.exp(-(numbers[:, 0] + (codes[:, 0] == 2) * 2 + (codes[:, 1] % 2) - 1)))
    target = (generator.random(rows) < chance).astype(np.int64)
    numbers[generator.random(numbers.shape) < 0.1] = np.nan
    levels = tuple(tuple(str(level) for level in range(count)) for count in (4, 150))
    features = Features(("a", "b", "c"), ("few", "many"), levels)
    return (Table(features, numbers, codes.astype(np.int32)), target)


def fitted(name: str, train: Rows, task: Task, context: FitContext, **params: float | str) -> Fitted:
    chosen = family(name)
    return chosen.fit(chosen.params(**params), *train, task, context)


def few_rounds(most: int = 30) -> Callable[[], bool]:
    """A request to stop soon, where any model will do; without one, few rows take a hundred rounds."""
    requests = iter([False] * most)
    return lambda: next(requests, True)


BINARY = BinaryTask(METRICS["log_loss"], ("no", "yes"))


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize(("data", "worst"), [("breast_cancer", 0.985), ("wine", 0.12), ("diabetes", 66.0)])
def test_defaults_reach_the_reference_score(name: str, data: str, worst: float) -> None:
    train, valid, task = bundled(data)
    context = FitContext(valid=valid)
    predictions = fitted(name, train, task, context).predict(valid[0])
    assert predictions.shape == (valid[0].rows, task.n_outputs)
    score = task.metric.score(valid[1], predictions)
    assert score == worst or task.metric.is_better(score, worst), score
    (curve,) = context.curves
    assert 1 <= len(curve.steps) <= 100
    assert curve.steps[0] == 1
    assert context.facts["best_iteration"] <= context.facts["rounds"] < 2000


@pytest.mark.parametrize("name", BOOSTERS)
def test_the_curve_is_in_the_unit_of_the_target(name: str) -> None:
    train, valid, task = bundled("diabetes")
    context = FitContext(valid=valid)
    score = task.metric.score(valid[1], fitted(name, train, task, context).predict(valid[0]))
    assert min(context.curves[0].values) == pytest.approx(score, rel=0.02)


@pytest.mark.parametrize("name", BOOSTERS)
def test_absolute_errors_are_minimised_for_an_absolute_metric(name: str) -> None:
    train, valid, task = bundled("diabetes")
    context = FitContext(valid=valid)
    absolute = replace(task, metric=METRICS["mae"])
    predictions = fitted(name, train, absolute, context).predict(valid[0])
    assert context.curves[0].name == "valid_mae"
    assert absolute.metric.score(valid[1], predictions) < 55


@pytest.mark.parametrize("name", BOOSTERS)
def test_values_far_from_zero_keep_their_precision(name: str) -> None:
    (table, target), valid, task = bundled("diabetes")
    context = FitContext(valid=(valid[0], valid[1] + 1e9))
    predictions = fitted(name, (table, target + 1e9), task, context).predict(valid[0])
    assert task.metric.score(valid[1] + 1e9, predictions) < 66


@pytest.mark.parametrize("name", BOOSTERS)
def test_missing_values_and_unseen_categories_are_predicted(name: str) -> None:
    train, valid = mixed(), mixed(200, seed=1)
    model = fitted(name, train, BINARY, FitContext(valid=valid))
    blank = replace(valid[0], numbers=np.full_like(valid[0].numbers, np.nan), codes=valid[0].codes * 0 - 1)
    beyond = replace(valid[0], codes=valid[0].codes + 500)
    for table in (valid[0], blank, beyond, valid[0].take(slice(0, 1)), valid[0].take(slice(0, 0))):
        predictions = model.predict(table)
        assert predictions.shape == (table.rows, 2)
        assert np.allclose(predictions.sum(axis=1), 1)
    assert METRICS["roc_auc"].score(valid[1], model.predict(valid[0])) > 0.7


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("data", ["wine", "diabetes", "mixed"])
def test_a_saved_model_predicts_the_same(name: str, data: str, tmp_path: Path) -> None:
    train, valid, task = (mixed(), mixed(200, seed=1), BINARY) if data == "mixed" else bundled(data)
    model = fitted(name, train, task, FitContext(valid=valid, stop_requested=few_rounds()))
    model.save(tmp_path)
    assert np.array_equal(family(name).load(tmp_path).predict(valid[0]), model.predict(valid[0]))


@pytest.mark.parametrize("name", BOOSTERS)
def test_the_same_seed_gives_the_same_model_also_from_the_cache(name: str) -> None:
    train, valid = mixed(), mixed(200, seed=1)
    sampled = {"lightgbm": "bagging_fraction", "xgboost": "subsample", "catboost": "subsample"}[name]
    cache = PreparedCache()
    first, again, other = (
        fitted(
            name,
            train,
            BINARY,
            FitContext(seed=seed, valid=valid, cache=kept, stop_requested=few_rounds()),
            **{sampled: 0.7},
        )
        for seed, kept in ((3, None), (3, cache), (4, cache))
    )
    assert np.array_equal(first.predict(valid[0]), again.predict(valid[0]))
    assert not np.array_equal(first.predict(valid[0]), other.predict(valid[0]))


@pytest.mark.parametrize("name", BOOSTERS)
def test_every_parameter_may_change_between_trials_that_share_data(name: str) -> None:
    train, valid = mixed(300), mixed(100, seed=1)
    space, cache = load_space(name, family(name).params), PreparedCache()
    generator = np.random.default_rng(0)
    for draw in (
        *(space.draw(generator) for _ in range(4)),
        *(entry.params for entry in space.portfolio[-2:]),
    ):
        context = FitContext(valid=valid, cache=cache, stop_requested=few_rounds())
        model = family(name).fit(space.bind(draw), *train, BINARY, context)
        assert np.isfinite(model.predict(valid[0])).all()


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_target_on_another_scale_does_not_meet_the_cached_one(name: str) -> None:
    (table, target), valid, task = bundled("diabetes")
    cache = PreparedCache()
    fitted(name, (table, target), task, FitContext(valid=valid, cache=cache))
    context = FitContext(valid=(valid[0], np.log1p(valid[1])), cache=cache)
    predictions = fitted(name, (table, np.log1p(target)), task, context).predict(valid[0])
    assert 3 < predictions.mean() < 7


@pytest.mark.parametrize("name", BOOSTERS)
def test_the_deadline_is_obeyed_with_a_raised_learning_rate(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, valid = mixed(1000), mixed(500, seed=1)
    now = itertools.count(0.0, 0.001)  # a round takes a few looks at the clock, however busy the machine is
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    context = FitContext(valid=valid, deadline=0.5)
    model = fitted(name, train, BINARY, context, learning_rate=0.002)
    assert 0.3 < time.monotonic() < 0.6  # it may stop by itself a little before
    assert context.facts["learning_rate_used"] > 0.004
    assert METRICS["roc_auc"].score(valid[1], model.predict(valid[0])) > 0.7


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_stop_ends_boosting_with_what_there_is(name: str) -> None:
    train, valid = mixed(), mixed(200, seed=1)
    reports: list[str] = []
    asked = iter([False] * 5)
    context = FitContext(
        valid=valid,
        stop_requested=lambda: next(asked, True),
        report=lambda fraction, message: reports.append(message),
    )
    assert fitted(name, train, BINARY, context).predict(valid[0]).shape == (200, 2)
    assert context.facts["rounds"] <= 5
    assert reports[0].startswith("round 1, log_loss 0.")
    with pytest.raises(TrialStopped):
        fitted(name, train, BINARY, FitContext(valid=valid, stop_requested=lambda: True))


@pytest.mark.parametrize(
    ("rate", "rows", "improved", "rounds"),
    [
        (0.1, 800, 0, 100),
        (0.01, 800, 0, 200),
        (0.001, 800, 0, 300),
        (0.1, 800, 1000, 320),
        (0.01, 100_000, 0, 30),
    ],
)
def test_low_rates_and_long_ways_wait_longer_for_an_improvement(
    rate: float, rows: int, improved: int, rounds: int
) -> None:
    context = FitContext(valid=mixed(10))
    control = RoundControl(
        context=context, rows=rows, learning_rate=rate, max_rounds=10_000, loss_name="log_loss"
    )
    losses = [1.0 - 0.001 * number for number in range(max(improved, 1))]
    going_on = [control.after_round(loss) for loss in [*losses, *[losses[-1]] * 400]]
    assert going_on.index(False) == max(improved, 1) + rounds - 1


@pytest.mark.parametrize("name", BOOSTERS)
def test_without_held_out_rows_the_rounds_are_fixed(name: str) -> None:
    train, valid = mixed(), mixed(200, seed=1)
    context = FitContext()
    fitted(name, train, BINARY, context, n_rounds=7).predict(valid[0])
    assert (context.facts["rounds"], context.facts["best_iteration"]) == (7, 7)
    assert context.curves == []


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("data", ["wine", "diabetes"])
def test_rows_that_are_all_alike_are_answered_by_a_constant(name: str, data: str, tmp_path: Path) -> None:
    (table, target), valid, task = bundled(data)
    alike = table.take(np.zeros(table.rows, dtype=np.int64))
    alike.numbers[:, 0] = np.nan
    model = fitted(name, (alike, target), task, FitContext(valid=valid))
    expected = np.tile(task.constant_prediction(target), (valid[0].rows, 1))
    np.testing.assert_allclose(model.predict(valid[0]), expected, rtol=0.05)
    model.save(tmp_path)
    again = family(name).load(tmp_path)
    np.testing.assert_array_equal(again.predict(valid[0]), model.predict(valid[0]))
    assert again.predict(valid[0].take(np.empty(0, dtype=np.int64))).shape == (0, task.n_outputs)


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_class_that_the_fold_lacks_keeps_its_column(name: str) -> None:
    (table, target), valid, task = bundled("wine")
    kept = np.flatnonzero(target != 1)
    predictions = fitted(name, (table.take(kept), target[kept]), task, FitContext(valid=valid)).predict(
        valid[0]
    )
    assert predictions.shape == (valid[0].rows, 3)
    assert predictions[:, 1].mean() < 0.2


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("data", ["breast_cancer", "wine"])
def test_a_fold_may_know_one_class_and_be_judged_on_others(name: str, data: str) -> None:
    (table, target), valid, task = bundled(data)
    kept = np.flatnonzero(target == 1)
    model = fitted(name, (table.take(kept), target[kept]), task, FitContext(valid=valid))
    assert model.predict(valid[0])[:, 1].min() > 0.9


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_fold_may_know_one_value_and_be_judged_on_others(name: str) -> None:
    (table, target), valid, task = bundled("diabetes")
    model = fitted(name, (table, np.full_like(target, 7.0)), task, FitContext(valid=valid))
    np.testing.assert_allclose(model.predict(valid[0]), 7.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("data", ["breast_cancer", "wine", "diabetes"])
def test_default_portfolio_and_random_draws_all_fit(name: str, data: str) -> None:
    train, valid, task = bundled(data)
    space = load_space(name, family(name).params).for_task(task.name, train[0].rows)
    generator, cache = np.random.default_rng(0), PreparedCache()
    constant = np.tile(task.constant_prediction(train[1]), (valid[0].rows, 1))
    # A setting that asks for many rows in a leaf may find no split in a hundred rows, but nothing worse.
    most = 1.05 * task.row_losses(valid[1], constant).mean()
    draws = [space.draw(generator) for _ in range(3)]
    for values in (space.defaults(), *(entry.params for entry in space.portfolio), *draws):
        context = FitContext(valid=valid, cache=cache, stop_requested=few_rounds(100))
        model = family(name).fit(space.bind(values), *train, task, context)
        assert task.row_losses(valid[1], model.predict(valid[0])).mean() < most


@pytest.mark.parametrize(
    "name",
    ["lightgbm", *(pytest.param(item, marks=pytest.mark.slow) for item in BOOSTERS if item != "lightgbm")],
)
def test_the_contract_of_families_is_kept(name: str) -> None:
    check_family(shortened(family(name), n_rounds=40), space=load_space(name, family(name).params))


@pytest.mark.parametrize(
    ("name", "share"), [("lightgbm", "feature_fraction"), ("xgboost", "colsample_bytree")]
)
@pytest.mark.parametrize("columns", [2, 3])
def test_a_share_of_few_columns_keeps_what_two_of_them_say_together(
    name: str, share: str, columns: int
) -> None:
    codes = np.random.default_rng(0).integers(0, 2, (400, columns)).astype(np.int32)
    target = (codes[:, 0] != codes[:, 1]).astype(np.int64)
    features = Features((), tuple("abc"[:columns]), (("no", "yes"),) * columns)
    rows = Table(features, np.empty((400, 0)), codes)
    first, second = np.arange(0, 400, 2), np.arange(1, 400, 2)
    context = FitContext(seed=0, valid=(rows.take(second), target[second]))
    model = fitted(name, (rows.take(first), target[first]), BINARY, context, **{share: 0.42})
    assert (model.predict(rows).argmax(axis=1) == target).mean() > 0.95


@pytest.mark.parametrize("name", BOOSTERS)
def test_features_of_two_columns_find_a_comparison(name: str) -> None:
    generator = np.random.default_rng(0)
    numbers = generator.uniform(1, 10, size=(900, 3))
    table = Table(Features(("a", "b", "c")), numbers, np.empty((900, 0), np.int32))
    target = (numbers[:, 0] > numbers[:, 1]).astype(np.int64)
    train, valid = (table.take(slice(300, 900)), target[300:]), (table.take(slice(0, 300)), target[:300])
    plain, widened = (
        BINARY.metric.score(
            target[:300],
            fitted(name, train, BINARY, FitContext(valid=valid), interactions=on).predict(valid[0]),
        )
        for on in (False, True)
    )
    assert widened < 0.6 * plain


@pytest.mark.parametrize("data", ["breast_cancer", "wine", "diabetes"])
def test_lightgbm_answers_the_same_as_its_own_prediction(data: str) -> None:
    train, valid, task = bundled(data)
    model = fitted("lightgbm", train, task, FitContext(valid=valid))
    own = model.booster.predict(model.inputs.transform(valid[0]).values)
    assert np.allclose(model.predict(valid[0]), model.inputs.predictions(own), rtol=1e-12, atol=1e-12)
