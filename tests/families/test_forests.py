from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shortened import shortened
from sklearn import datasets

from automl.controller.strategy.space_files import load_space
from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.errors import ModelFileError
from automl.core.family import FitContext
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.core.tasks import Task
from automl.executors.prepared_cache import PreparedCache
from automl.families import extra_trees, random_forest
from automl.families.engines.averaged_trees import FittedForest, Forest, smallest_leaf
from automl.testing.families import check_family

FAMILIES = {"random_forest": random_forest, "extra_trees": extra_trees}


def bundled(name: str) -> tuple[Table, np.ndarray, Task]:
    values, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    values = values.astype(np.float64)
    values[::7, 0] = np.nan
    features = Features(tuple(f"x{i}" for i in range(values.shape[1])))
    table = Table(features, values, np.empty((len(values), 0), np.int32))
    if name == "diabetes":
        return table, target.astype(np.float64), RegressionTask(METRICS["rmse"])
    classes = tuple(range(int(target.max()) + 1))
    kind = BinaryTask if len(classes) == 2 else MulticlassTask
    return table, target.astype(np.int64), kind(METRICS["accuracy"], classes)


def grown(
    name: str, data: tuple[Table, np.ndarray, Task], context: FitContext | None = None, **params: Any
) -> FittedForest:
    module = FAMILIES[name]
    table, target, task = data
    return module.fit(module.Params(**params), table, target, task, context or FitContext(seed=0))


@pytest.mark.parametrize("name", ["extra_trees", pytest.param("random_forest", marks=pytest.mark.slow)])
def test_forests_keep_the_contract(name: str) -> None:
    family = shortened(FAMILIES[name].FAMILY, n_estimators=25)
    check_family(family, space=load_space(name, FAMILIES[name].Params))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    ("data", "worst"), [("breast_cancer", 0.94), ("wine", 0.95), ("digits", 0.95), ("diabetes", 62.0)]
)
def test_reference_scores_are_reached(name: str, data: str, worst: float) -> None:
    table, target, task = bundled(data)
    fold = np.arange(table.rows) % 3
    scores = []
    for held in range(3):
        train, valid = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        model = grown(name, (table.take(train), target[train], task), n_estimators=50)
        scores.append(task.metric.score(target[valid], model.predict(table.take(valid))))
    assert not task.metric.is_better(worst, float(np.mean(scores)))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("data", ["breast_cancer", "wine", "diabetes"])
@pytest.mark.parametrize("max_leaf_nodes", [0, 20])
def test_flat_trees_predict_as_scikit_learn(name: str, data: str, max_leaf_nodes: int) -> None:
    from sklearn import ensemble

    table, target, task = bundled(data)
    ours = grown(name, (table, target, task), n_estimators=10, max_leaf_nodes=max_leaf_nodes)
    kind = {"random_forest": "RandomForest", "extra_trees": "ExtraTrees"}[name]
    suffix = "Regressor" if task.n_outputs == 1 else "Classifier"
    theirs = getattr(ensemble, kind + suffix)(
        10, max_features="sqrt", max_leaf_nodes=max_leaf_nodes or None, random_state=0
    )
    values = ours.matrix.transform(table).values
    theirs.fit(values, target)
    expected = theirs.predict(values)[:, None] if task.n_outputs == 1 else theirs.predict_proba(values)
    np.testing.assert_allclose(ours.predict(table), expected, rtol=1e-5, atol=1e-6)


def test_growing_in_chunks_gives_the_same_trees() -> None:
    data = bundled("wine")
    whole = grown("random_forest", data, n_estimators=60)
    in_threads = grown("random_forest", data, FitContext(seed=0, threads=2), n_estimators=60)
    np.testing.assert_allclose(whole.predict(data[0]), in_threads.predict(data[0]), atol=1e-12)


def test_growth_ends_when_it_brings_little() -> None:
    table, target, task = bundled("breast_cancer")
    context = FitContext(seed=0, valid=(table.take(np.arange(100)), target[:100]))
    grown("extra_trees", (table, target, task), context, min_samples_leaf=5)
    assert context.facts["trees"] < 300
    assert context.curves[0].steps[-1] == context.facts["trees"]


def test_growth_ends_at_the_deadline_with_a_usable_forest() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(12_000, 20))
    table = Table(Features(tuple(f"x{i}" for i in range(20))), values, np.empty((len(values), 0), np.int32))
    data = (table, values[:, 0] + generator.normal(size=12_000), RegressionTask(METRICS["rmse"]))
    context = FitContext(seed=0, deadline=time.monotonic() + 1.5)
    model = grown("random_forest", data, context, max_features=1.0)
    assert time.monotonic() - context.deadline < 20  # all 300 trees would take a minute
    assert 1 <= model.forest.size < 300


def test_both_families_share_a_folds_matrix() -> None:
    cache, data = PreparedCache(), bundled("wine")
    first, second = (grown(name, data, FitContext(seed=0, cache=cache), n_estimators=2) for name in FAMILIES)
    assert first.matrix is second.matrix


@pytest.mark.parametrize("name", FAMILIES)
def test_a_target_in_a_large_unit_is_learnt_as_in_a_small_one(name: str) -> None:
    table, target, task = bundled("diabetes")
    small = target * 2.0**-60
    made, curves = [], []
    for values, scale in ((target, 1.0), (small, 2.0**-60)):
        context = FitContext(seed=0, valid=(table, values))
        model = grown(name, (table, values, task), context, n_estimators=5, min_samples_leaf=5)
        made.append(model.predict(table) / scale)
        curves.append(np.array(context.curves[0].values) / scale**2)
    np.testing.assert_allclose(made[0], made[1], rtol=1e-9)
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-9)


def test_leaves_grow_with_the_rows() -> None:
    assert [smallest_leaf(1, 10_000), smallest_leaf(1, 200_000), smallest_leaf(40, 200_000)] == [1, 20, 40]


@pytest.mark.parametrize("field", ["left", "right", "feature"])
def test_a_damaged_forest_is_refused_before_it_is_walked(field: str, tmp_path: Path) -> None:
    model = grown("random_forest", bundled("wine"), n_estimators=3)
    array = getattr(model.forest, field).copy()
    array[0] = 10_000_000
    replace(model, forest=replace(model.forest, **{field: array})).save(tmp_path)
    with pytest.raises(ModelFileError, match="lead out of themselves"):
        FittedForest.load(tmp_path)


def test_a_loop_in_a_tree_is_refused(tmp_path: Path) -> None:
    model = grown("random_forest", bundled("wine"), n_estimators=1)
    left = model.forest.left.copy()
    left[0] = 0
    replace(model.forest, left=left).save(tmp_path)
    with pytest.raises(ModelFileError):
        Forest.load(tmp_path).check(tmp_path)
