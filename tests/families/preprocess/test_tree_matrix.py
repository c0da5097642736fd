from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl.core.built_in_tasks import BinaryTask
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.families.preprocess.linear_matrix import LinearMatrix
from automl.families.preprocess.tree_matrix import TreeMatrix

BINARY = BinaryTask(METRICS["log_loss"], (0, 1))


def table(rows: int = 400, *, texts: bool = True) -> tuple[Table, np.ndarray]:
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(rows, 3))
    numbers[:, 1] = 1.7e9 + np.arange(rows)
    numbers[generator.random(rows) < 0.1, 0] = np.nan
    codes = np.column_stack([generator.integers(-1, n, rows) for n in (4, 40, 300)]).astype(np.int32)
    words = np.array(["red fish", "blue fish", "old boat", "new boat"], dtype=object)
    levels = tuple(tuple(f"{i:03}" for i in range(n)) for n in (4, 40, 300))
    features = Features(("a", "seconds", "c"), ("few", "some", "many"), levels, ("text",) if texts else ())
    column = words[generator.integers(0, 4, rows)]
    return Table(features, numbers, codes, (column,) if texts else ()), generator.integers(0, 2, rows)


def test_native_codes_encodings_and_texts_stand_side_by_side() -> None:
    rows, target = table()
    matrix, data = TreeMatrix.fit(rows, target, BINARY)
    assert data.values.dtype == np.float32
    assert data.names[:7] == ("a", "seconds", "c", "few", "some", "many target 0", "many count")
    assert data.names[7] == "text text 0"
    assert data.names[-1] == "text score 0"
    assert data.categorical == (3, 4)
    assert len(matrix.levels) == 2


def test_forests_get_ordered_codes_beside_encodings() -> None:
    rows, target = table(texts=False)
    _, data = TreeMatrix.fit(rows, target, BINARY, ordinal_all=True)
    assert data.categorical == ()
    assert data.names[3:] == ("few", "some", "some target 0", "many target 0", "many count")
    present = rows.codes[:, 0] >= 0
    assert (data.values[present, 3] == rows.codes[present, 0]).all()
    assert np.isnan(data.values[~present, 3]).all()


def test_codes_can_be_left_to_the_library() -> None:
    rows, target = table(texts=False)
    _, data = TreeMatrix.fit(rows, target, BINARY, encode_high=False)
    assert data.names[3:] == ("few", "some", "many")
    assert data.categorical == (3, 4, 5)


def test_numbers_that_float32_would_merge_stay_distinct() -> None:
    rows, target = table()
    _, data = TreeMatrix.fit(rows, target, BINARY)
    assert len(np.unique(data.values[:, 1])) == len(np.unique(rows.numbers[:, 1]))


def test_huge_numbers_stay_finite() -> None:
    rows, target = table(texts=False)
    rows.numbers[0, 2] = 1e300
    _, data = TreeMatrix.fit(rows, target, BINARY)
    assert np.isfinite(data.values[0, 2])


def test_training_rows_differ_from_new_ones_in_encodings_only() -> None:
    rows, target = table()
    matrix, data = TreeMatrix.fit(rows, target, BINARY)
    again = matrix.transform(rows)
    same = [
        np.array_equal(data.values[:, j], again.values[:, j], equal_nan=True)
        for j in range(data.values.shape[1])
    ]
    assert [name for name, equal in zip(data.names, same, strict=True) if not equal] == [
        "many target 0",
        "text score 0",
    ]


def test_a_table_without_usable_columns_has_a_constant() -> None:
    empty = Table(
        Features(texts=("t",)),
        np.empty((6, 0)),
        np.empty((6, 0), np.int32),
        (np.array([""] * 6, dtype=object),),
    )
    matrix, data = TreeMatrix.fit(empty, np.array([0, 1] * 3), BINARY)
    assert data.names == ("text score 0",)
    assert np.isfinite(matrix.transform(empty).values).all()
    nothing = Table(Features(), np.empty((6, 0)), np.empty((6, 0), np.int32))
    assert TreeMatrix.fit(nothing, np.array([0, 1] * 3), BINARY)[1].names == ("constant",)


@pytest.mark.parametrize("kind", [TreeMatrix, LinearMatrix])
def test_matrices_load_as_saved(kind: type[TreeMatrix] | type[LinearMatrix], tmp_path: Path) -> None:
    rows, target = table()
    matrix, _ = kind.fit(rows, target, BINARY)
    matrix.save(tmp_path)
    before, after = matrix.transform(rows), kind.load(tmp_path).transform(rows)
    if isinstance(matrix, TreeMatrix):
        np.testing.assert_array_equal(before.values, after.values)
        assert before.names == after.names
    else:
        assert abs(before - after).max() == 0


@pytest.mark.parametrize("numeric", ["standard", "squash", "quantile", "splines"])
def test_linear_columns_have_no_gaps_and_one_scale(numeric: str) -> None:
    rows, target = table(texts=False)
    matrix, train = LinearMatrix.fit(rows, target, BINARY, numeric=numeric)
    assert np.isfinite(train).all()
    indicators = sum(matrix.merge.levels)
    dense = train[:, : train.shape[1] - indicators]
    np.testing.assert_allclose(dense.std(axis=0), 1.0, atol=1e-6)
    unseen = Table(rows.features, np.full_like(rows.numbers, np.nan), np.full_like(rows.codes, -1))
    assert np.isfinite(matrix.transform(unseen)).all()
