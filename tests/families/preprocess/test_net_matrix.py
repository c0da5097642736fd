from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl.core.built_in_tasks import BinaryTask
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.families.preprocess.net_matrix import NetMatrix, QuantileBins, align, embedding_size

TASK = BinaryTask(METRICS["log_loss"], ("no", "yes"))


def table(rows: int = 300, seed: int = 0) -> tuple[Table, np.ndarray]:
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(rows, 2))
    numbers[::7, 1] = np.nan
    codes = np.column_stack([generator.integers(0, 4, rows), generator.integers(0, 30, rows)])
    words = np.array([f"a {'good' if k > 1 else 'bad'} day {k}" for k in codes[:, 0]], dtype=object)
    features = Features(("x", "y"), ("few", "many"), (tuple("abcd"), tuple(map(str, range(30)))), ("text",))
    return Table(features, numbers, codes.astype(np.int32), (words,)), (codes[:, 0] > 1).astype(np.int64)


def test_parts_have_the_stated_shapes() -> None:
    inputs, target = table()
    matrix, scores = NetMatrix.fit(inputs, target, TASK)
    arrays = matrix.transform(inputs, scores)
    assert arrays.numbers.shape == (300, 2)
    assert arrays.dense.shape == (300, sum(matrix.dense_sizes))
    assert arrays.codes.shape == (300, len(matrix.embedded_levels))
    assert matrix.dense_sizes[:2] == (4, 1)  # indicators of the first category, the flag of missing y
    assert np.isfinite(arrays.numbers).all()
    assert arrays.codes.max() <= matrix.embedded_levels[0]


def test_unseen_levels_and_missing_numbers_are_code_0_and_the_median() -> None:
    inputs, target = table()
    matrix, _ = NetMatrix.fit(inputs, target, TASK)
    nothing = Table(
        inputs.features,
        np.full_like(inputs.numbers, np.nan),
        np.full_like(inputs.codes, -1),
        (np.full(300, "", dtype=object),),
    )
    arrays = matrix.transform(nothing)
    assert (arrays.codes == 0).all()
    assert (arrays.dense[:, :4] == 0).all()
    assert (arrays.dense[:, 4] == 1).all()


def test_training_rows_have_out_of_fold_text_scores() -> None:
    inputs, target = table()
    matrix, scores = NetMatrix.fit(inputs, target, TASK)
    assert scores is not None
    assert not np.array_equal(matrix.transform(inputs, scores).dense, matrix.transform(inputs).dense)


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    inputs, target = table()
    matrix, _ = NetMatrix.fit(inputs, target, TASK, scaling="quantile")
    matrix.save(tmp_path)
    again = NetMatrix.load(tmp_path).transform(inputs)
    for name in ("numbers", "dense", "codes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(matrix.transform(inputs), name))


def test_aligned_matrices_have_one_layout() -> None:
    matrices = []
    for seed in range(2):
        inputs, target = table(60, seed)
        matrices.append(NetMatrix.fit(inputs, target, TASK)[0])
    aligned = align(matrices)
    assert aligned is not None
    assert aligned[0].levels == aligned[1].levels
    assert aligned[0].dense_sizes == aligned[1].dense_sizes
    inputs, _ = table(60)
    assert aligned[1].transform(inputs).dense.shape == (60, sum(aligned[1].dense_sizes))


def test_pieces_cover_the_range_and_repeated_values_share_a_bin() -> None:
    numbers = np.column_stack([np.arange(100.0), np.repeat([0.0, 1.0], 50), np.zeros(100)]).astype(np.float32)
    pieces = QuantileBins.fit(numbers, 4)
    assert pieces.left.shape == (3, 4)
    assert pieces.left[0].tolist() == pytest.approx([0, 24.75, 49.5, 74.25])
    assert np.count_nonzero(pieces.inverse_width, axis=1).tolist() == [4, 2, 0]
    encoded = np.clip((numbers[:, 0, None] - pieces.left[0]) * pieces.inverse_width[0], 0, 1)
    assert encoded.sum(axis=1).tolist() == pytest.approx((np.arange(100) / 24.75).tolist(), abs=1e-4)


def test_embedding_sizes_are_fastais() -> None:
    assert [embedding_size(n) for n in (2, 10, 100, 10**6)] == [2, 6, 21, 600]
