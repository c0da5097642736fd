from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shortened import shortened
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from automl.controller.strategy.space_files import load_space
from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.family import FitContext, TrialStopped
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.core.tasks import Task
from automl.families import tabm, tabular_net
from automl.testing.families import check_family

FAMILIES = [tabular_net.FAMILY, tabm.FAMILY]
by_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
one_by_default = pytest.mark.parametrize(
    "family",
    [tabular_net.FAMILY, pytest.param(tabm.FAMILY, marks=pytest.mark.slow)],
    ids=lambda family: family.name,
)
Split = tuple[Table, Any]


def halves(data: Any) -> tuple[Split, Split]:
    """Bundled data, shuffled: three quarters to train on, the rest held out."""
    features = Features(tuple(map(str, data.feature_names)))
    codes = np.zeros((len(data.target), 0), dtype=np.int32)
    table = Table(features, data.data.astype(np.float64), codes)
    target = data.target if data.target.dtype.kind == "f" else data.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(target))
    cut = len(order) * 3 // 4
    return tuple((table.take(rows), target[rows]) for rows in (order[:cut], order[cut:]))  # type: ignore[return-value]


CASES: dict[str, tuple[Any, Task, float]] = {
    # The worst score allowed on held-out rows; untuned forests reach .12, .10 and 58.
    "breast_cancer": (load_breast_cancer, BinaryTask(METRICS["log_loss"], ("m", "b")), 0.12),
    "wine": (load_wine, MulticlassTask(METRICS["log_loss"], ("a", "b", "c")), 0.15),
    "diabetes": (load_diabetes, RegressionTask(METRICS["rmse"]), 58.0),
}


def fit(
    family: Any, train: Split, valid: Split | None, task: Task, **settings: Any
) -> tuple[Any, FitContext]:
    params = settings.pop("params", {})
    context = FitContext(**{"seed": 1, "threads": 1, "valid": valid, **settings})
    return family.fit(family.params(**params), *train, task, context), context


@by_family
@pytest.mark.parametrize("name", CASES)
def test_reference_scores(family: Any, name: str) -> None:
    loader, task, worst = CASES[name]
    train, valid = halves(loader())
    model, context = fit(family, train, valid, task)
    assert task.metric.score(valid[1], model.predict(valid[0])) < worst
    assert {curve.name for curve in context.curves} == {"train_loss", "valid_loss", "learning_rate"}
    assert all(len(curve.steps) <= 100 for curve in context.curves)
    assert 0 < context.facts["best_epoch"] <= context.facts["epochs"]


@one_by_default
def test_the_family_keeps_the_contract(family: Any) -> None:
    check_family(shortened(family, epochs=4))


@by_family
def test_every_entry_of_the_portfolio_binds_and_builds(family: Any) -> None:
    space = load_space(family.name, family.params)
    train, valid = halves(load_wine())
    assert len(space.portfolio) >= 6
    for entry in space.portfolio:
        params = replace(space.bind(entry.params), epochs=2)
        context = FitContext(seed=1, valid=valid)
        model = family.fit(params, *train, CASES["wine"][1], context)
        assert model.predict(valid[0]).shape == (len(valid[1]), 3)


@by_family
def test_folds_trained_together_score_like_folds_trained_apart(family: Any) -> None:
    data = load_breast_cancer()
    train, valid = halves(data)
    task = CASES["breast_cancer"][1]
    folds = [(train[0].take(slice(i, None, 3)), train[1][i::3]) for i in range(3)]
    contexts = [FitContext(seed=1, threads=1, valid=valid, fold=i) for i in range(3)]
    together = family.fit_folds(family.params(), folds, task, contexts)
    apart = [fit(family, fold, valid, task)[0] for fold in folds]
    losses = [
        np.mean([task.metric.score(valid[1], model.predict(valid[0])) for model in models])
        for models in (together, apart)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)
    predictions = [model.predict(valid[0]) for model in together]
    assert not np.array_equal(predictions[0], predictions[1])


@by_family
def test_folds_with_other_levels_and_gaps_share_one_layout(family: Any, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(400, 2))
    numbers[3, 1] = np.nan
    codes = generator.integers(0, 9, size=(400, 2)).astype(np.int32)
    codes[:150, 1] = generator.integers(0, 14, size=150)
    levels = (tuple(map(str, range(9))), tuple(map(str, range(14))))
    table = Table(Features(("a", "b"), ("c", "d"), levels), numbers, codes)
    target = (numbers[:, 0] + codes[:, 0] > 4).astype(np.int64)
    task = BinaryTask(METRICS["log_loss"], ("no", "yes"))
    folds = [(table.take(slice(0, 200)), target[:200]), (table.take(slice(200, 400)), target[200:])]
    contexts = [FitContext(seed=1, valid=folds[1 - i], fold=i) for i in range(2)]
    for model, (inputs, labels) in zip(
        family.fit_folds(family.params(), folds, task, contexts), folds[::-1], strict=True
    ):
        assert task.metric.score(labels, model.predict(inputs)) < 0.55
        folder = tmp_path / str(id(model))
        folder.mkdir()
        model.save(folder)
        np.testing.assert_allclose(family.load(folder).predict(inputs), model.predict(inputs), atol=1e-6)


@by_family
def test_absolute_metrics_are_trained_on_absolute_errors(family: Any) -> None:
    train, valid = halves(load_diabetes())
    scores = {}
    for name in ("rmse", "mae"):
        task = RegressionTask(METRICS[name])
        model, _ = fit(family, train, valid, task)
        scores[name] = METRICS["mae"].score(valid[1], model.predict(valid[0]))
    assert scores["mae"] <= scores["rmse"] * 1.03


def test_rate_0_takes_the_suggestion_of_the_range_test() -> None:
    train, valid = halves(load_breast_cancer())
    task = CASES["breast_cancer"][1]
    _, context = fit(tabular_net.FAMILY, train, valid, task, params={"learning_rate": 0.0})
    assert 1e-4 < context.facts["learning_rate"] < 1


@by_family
def test_a_fit_returns_by_its_deadline(family: Any) -> None:
    train, valid = halves(load_breast_cancer())
    fit(family, train, valid, CASES["breast_cancer"][1], params={"epochs": 2})  # imports and warm-up
    started = time.monotonic()
    model, context = fit(
        family,
        train,
        valid,
        CASES["breast_cancer"][1],
        params={"epochs": 100_000},
        deadline=started + 1.0,
    )
    assert time.monotonic() - started < 20  # all its epochs would take a quarter of an hour
    assert model.predict(valid[0]).shape == (len(valid[1]), 2)
    assert context.facts["epochs"] < 100_000


@by_family
def test_a_stop_before_anything_is_learnt_is_reported(family: Any) -> None:
    train, valid = halves(load_wine())
    with pytest.raises(TrialStopped):
        fit(family, train, valid, CASES["wine"][1], stop_requested=lambda: True)


@by_family
def test_a_refit_without_held_out_rows_uses_the_whole_cycle(family: Any) -> None:
    train, valid = halves(load_wine())
    model, context = fit(family, train, None, CASES["wine"][1])
    assert context.facts["best_epoch"] == context.facts["epochs"]
    # With nothing to stop by, probabilities are bolder; the classes are right.
    assert METRICS["accuracy"].score(valid[1], model.predict(valid[0])) > 0.9
