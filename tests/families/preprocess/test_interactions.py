from __future__ import annotations

from pathlib import Path

import numpy as np

from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.core.tasks import Task
from automl.families.preprocess.interactions import Interactions
from automl.families.preprocess.tree_matrix import TreeMatrix

REGRESSION = RegressionTask(METRICS["rmse"])


def squares(rows: int = 800) -> tuple[Table, np.ndarray]:
    """Two categories whose pair alone decides the target, ten numbers of which two matter by their ratio."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(rows, 10))
    codes = generator.integers(-1, 5, size=(rows, 2)).astype(np.int32)
    levels = tuple("abcde")
    features = Features(tuple(f"x{i}" for i in range(10)), ("p", "q"), (levels, levels))
    target = 3.0 * ((codes[:, 0] + codes[:, 1]) % 2) + np.clip(numbers[:, 3] / numbers[:, 7], -3, 3)
    return Table(features, numbers, codes), target


def made(table: Table, target: np.ndarray, task: Task = REGRESSION) -> tuple[Interactions, np.ndarray]:
    _, base = TreeMatrix.fit(table, target, task)
    return Interactions.fit(table, target, task, base)


def test_the_pairs_that_matter_are_chosen() -> None:
    interactions, values = made(*squares())
    pairs = set(zip(interactions.left, interactions.right, interactions.operation, strict=True))
    assert (3, 7, 3) in pairs
    assert (0, 1) in set(zip(interactions.first, interactions.second, strict=True))
    assert values.shape == (800, len(pairs) + 1)


def test_arithmetic_is_the_same_later_and_encodings_were_out_of_fold() -> None:
    table, target = squares()
    interactions, values = made(table, target)
    later = interactions.transform(table)
    count = len(interactions.left)
    assert np.array_equal(later[:, :count], values[:, :count], equal_nan=True)
    assert not np.array_equal(later[:, count:], values[:, count:])


def test_a_saved_one_gives_the_same_also_for_unseen_codes_and_few_rows(tmp_path: Path) -> None:
    table, target = squares()
    interactions, _ = made(table, target)
    interactions.save(tmp_path)
    beyond = Table(table.features, table.numbers * np.nan, table.codes + 90)
    for rows in (table, beyond, table.take(slice(0, 1)), table.take(slice(0, 0))):
        values = Interactions.load(tmp_path).transform(rows)
        assert np.array_equal(values, interactions.transform(rows), equal_nan=True)
    prior = target.mean()
    assert np.allclose(interactions.transform(beyond)[:, len(interactions.left) :], prior, atol=1e-4)


def test_classes_get_one_encoding_each_and_two_share_one() -> None:
    table, target = squares()
    three = np.digitize(target, np.quantile(target, [0.33, 0.66]))
    interactions, values = made(table, three, MulticlassTask(METRICS["log_loss"], (0, 1, 2)))
    assert values.shape[1] == len(interactions.left) + 3 * len(interactions.first)
    two = (target > np.median(target)).astype(np.int64)
    interactions, values = made(table, two, BinaryTask(METRICS["log_loss"], (0, 1)))
    assert values.shape[1] == len(interactions.left) + len(interactions.first)


def test_a_table_of_one_column_has_none() -> None:
    table = Table(Features(("x",)), np.arange(50.0)[:, None], np.empty((50, 0), np.int32))
    interactions, values = made(table, np.arange(50.0))
    assert values.shape == interactions.transform(table).shape == (50, 0)
