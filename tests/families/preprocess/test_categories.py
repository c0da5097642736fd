from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.metrics import METRICS
from automl.families.preprocess.categories import Counts, RareMerge, TargetEncoding, one_hot, rare_minimum

REGRESSION = RegressionTask(METRICS["rmse"])
BINARY = BinaryTask(METRICS["log_loss"], (0, 1))


def codes(*columns: list[int]) -> np.ndarray:
    return np.array(columns, dtype=np.int32).T


def test_target_encoding_is_the_smoothed_mean() -> None:
    target = np.array([1.0, 2.0, 3.0, 10.0])
    encoding, _ = TargetEncoding.fit_transform(codes([0, 0, 0, 1]), target, REGRESSION, smoothing=2.0)
    expected = [(6 + 2 * 4) / 5, (10 + 2 * 4) / 3, 4.0, 4.0]
    np.testing.assert_allclose(encoding.transform(codes([0, 1, -1, 5]))[:, 0], expected, rtol=1e-6)


def test_a_rows_own_target_is_not_in_its_encoding() -> None:
    level, target = np.arange(50), np.random.default_rng(0).normal(size=50)
    _, held_out = TargetEncoding.fit_transform(codes(level.tolist()), target, REGRESSION)
    # A level that occurs once says nothing out of fold: only its fold's prior is left.
    assert len(np.unique(held_out)) == 5
    assert abs(np.corrcoef(held_out[:, 0], target)[0, 1]) < 0.6


def test_out_of_fold_means_agree_with_a_loop() -> None:
    generator = np.random.default_rng(1)
    column, target = generator.integers(-1, 6, 200), generator.integers(0, 2, 200)
    _, held_out = TargetEncoding.fit_transform(codes(column.tolist()), target, BINARY, seed=3)
    fold = np.random.default_rng(3).permutation(200) % 5
    for row in range(0, 200, 17):
        others = fold != fold[row]
        same = others & (column == column[row])
        expected = (target[same].sum() + 10 * target[others].mean()) / (same.sum() + 10)
        assert held_out[row, 0] == pytest.approx(expected, rel=1e-5)


def test_several_classes_get_a_column_each_but_at_most_ten() -> None:
    generator = np.random.default_rng(0)
    for classes, expected in ((3, 3), (25, 10)):
        task = MulticlassTask(METRICS["log_loss"], tuple(range(classes)))
        column = codes(generator.integers(0, 4, 100).tolist(), generator.integers(0, 4, 100).tolist())
        _, values = TargetEncoding.fit_transform(column, generator.integers(0, classes, 100), task)
        assert values.shape == (100, 2 * expected)


def test_counts_are_logarithms_of_how_often() -> None:
    counts = Counts.fit(codes([0, 0, 2, -1]))
    np.testing.assert_allclose(
        counts.transform(codes([0, 1, 2, -1, 9]))[:, 0], np.log1p([2, 0, 1, 1, 0]), rtol=1e-6
    )


def test_rare_levels_share_a_code_after_the_frequent_ones() -> None:
    merge = RareMerge.fit(codes([0, 0, 1, 2, 3, 3, -1]), 2)
    assert merge.levels == (3,)
    assert merge.transform(codes([0, 1, 2, 3, 4, -1]))[:, 0].tolist() == [0, 2, 2, 1, -1, -1]


def test_one_hot_leaves_missing_and_unknown_codes_empty() -> None:
    shown = one_hot(codes([0, 1, -1, 2], [0, 0, 0, 1]), (2, 2))
    assert shown.tolist() == [[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_no_columns_give_no_columns(tmp_path: Path) -> None:
    nothing = np.empty((5, 0), dtype=np.int32)
    encoding, held_out = TargetEncoding.fit_transform(nothing, np.arange(5.0), REGRESSION)
    assert held_out.shape == encoding.transform(nothing).shape == (5, 0)
    assert Counts.fit(nothing).transform(nothing).shape == (5, 0)
    assert one_hot(RareMerge.fit(nothing, 2).transform(nothing), ()).shape == (5, 0)


def test_encodings_load_as_saved(tmp_path: Path) -> None:
    column = codes([0, 1, 1, 2, -1, 0])
    encoding, _ = TargetEncoding.fit_transform(column, np.arange(6.0), REGRESSION)
    for fitted in (encoding, Counts.fit(column), RareMerge.fit(column, 2)):
        fitted.save(tmp_path)
        loaded = type(fitted).load(tmp_path)
        np.testing.assert_array_equal(loaded.transform(column), fitted.transform(column))


def test_the_rare_minimum_grows_with_the_rows() -> None:
    assert [rare_minimum(rows) for rows in (999, 1000, 100_000, 100_001)] == [2, 5, 5, 10]
