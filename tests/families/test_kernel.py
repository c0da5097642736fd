"""Kernel machines: similarities to landmarks, and scores that are linear in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel

from automl.controller.strategy.space_files import load_space
from automl.core.built_in_tasks import BinaryTask, RegressionTask
from automl.core.family import FitContext, Scope
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.families import kernel, linear
from automl.families.kernel import FAMILY, Params, Similarity
from automl.testing.families import check_family

VALUES = RegressionTask(METRICS["rmse"])
CLASSES = BinaryTask(METRICS["log_loss"], ("no", "yes"))


def table_of(numbers: np.ndarray) -> Table:
    """A table of numbers alone."""
    names = tuple(f"x{place}" for place in range(numbers.shape[1]))
    return Table(Features(names), numbers.astype(np.float64), np.empty((len(numbers), 0), np.int32))


def log_loss(module: Any, params: Any, train: Any, judged: Any) -> float:
    """The loss of a model on rows that it was not fitted on."""
    (rows, target), (others, truth) = train, judged
    context = FitContext(seed=0, valid=(table_of(others), truth))
    fitted = module.fit(params, table_of(rows), target, CLASSES, context)
    return METRICS["log_loss"].score(truth, fitted.predict(table_of(others)))


def test_kernel_machines_keep_the_contract() -> None:
    check_family(FAMILY, space=load_space("kernel", Params))


@pytest.mark.parametrize("name", ["gauss", "laplace"])
def test_features_of_all_rows_as_landmarks_multiply_to_the_kernel(name: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(80, 3))
    similarity = Similarity.fit(rows, Params(kernel=name, landmarks=80), seed=0)
    features = similarity.features(rows)
    peers = {"gauss": rbf_kernel, "laplace": laplacian_kernel}
    gamma = similarity.scale ** (-2.0 if name == "gauss" else -1.0)
    np.testing.assert_allclose(features @ features.T, peers[name](rows, gamma=gamma), atol=1e-4)


def test_numbers_are_fitted_as_by_kernel_ridge() -> None:
    rows = np.random.default_rng(0).normal(size=(150, 2))
    target = np.sin(2 * rows[:, 0]) + rows[:, 1] ** 2
    context = FitContext(seed=0, valid=(table_of(rows[100:]), target[100:]))
    params = Params(numeric="standard", landmarks=100)
    fitted = kernel.fit(params, table_of(rows[:100]), target[:100], VALUES, context)
    ours = METRICS["rmse"].score(target[100:], fitted.predict(table_of(rows[100:])))
    prepared = np.asarray(fitted.matrix.transform(table_of(rows)))
    peer = KernelRidge(kernel="rbf", gamma=fitted.similarity.scale**-2, alpha=1 / context.facts["C"])
    peer.fit(prepared[:100], target[:100] - target[:100].mean())
    theirs = np.sqrt(np.mean((peer.predict(prepared[100:]) + target[:100].mean() - target[100:]) ** 2))
    assert ours < 1.2 * theirs
    assert ours < 0.3 * target.std()


def test_what_no_line_tells_apart_is_told_apart() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 2))
    target = (np.hypot(*rows.T) > 1.1).astype(np.int64)
    train, judged = (rows[:250], target[:250]), (rows[250:], target[250:])
    assert log_loss(kernel, Params(), train, judged) < 0.2
    assert log_loss(linear, linear.Params(), train, judged) > 0.6


def test_tumours_are_judged_better_than_by_a_line() -> None:
    rows, target = datasets.load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(rows))
    train, judged = order[:380], order[380:]
    pairs = (rows[train], target[train]), (rows[judged], target[judged])
    assert log_loss(kernel, Params(), *pairs) < log_loss(linear, linear.Params(), *pairs) + 0.01


def test_a_model_comes_back_as_it_was_and_holds_no_more_landmarks_than_asked_for(tmp_path: Path) -> None:
    rows, target = datasets.load_iris(return_X_y=True)
    target = (target == 2).astype(np.int64)
    fitted = kernel.fit(Params(landmarks=100), table_of(rows), target, CLASSES, FitContext(seed=0))
    assert len(fitted.similarity.landmarks) <= 100
    fitted.save(tmp_path)
    np.testing.assert_array_equal(
        kernel.load(tmp_path).predict(table_of(rows)), fitted.predict(table_of(rows))
    )


def test_very_many_rows_are_left_to_others() -> None:
    assert not kernel.unsuited(Scope(20_000, 5, 10.0, "cpu"))
    assert "20,001 rows" in kernel.unsuited(Scope(20_001, 5, 10.0, "cpu"))
