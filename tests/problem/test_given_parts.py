"""A column that says which rows are for testing is asked about, and used where somebody says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.core.errors import DataError, UsageError
from automl.data.split_column import parts_in
from automl.problem.preparation import prepare
from automl.problem.settings import Settings

ROWS = 120
random = np.random.default_rng(0)
FRAME = pd.DataFrame({"x": random.normal(size=ROWS), "z": random.normal(size=ROWS)})
FRAME["y"] = np.where(FRAME["x"] > 0, "a", "b")
SPLIT = np.array(["train"] * 80 + ["valid"] * 20 + ["test"] * 20)


def settings(**choices: object) -> Settings:
    return Settings(source=choices.pop("frame", FRAME.assign(split=SPLIT)), target="y", **choices)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("split", SPLIT),
        ("fold", np.where(SPLIT == "train", "TRAIN", "TEST")),
        ("set", np.where(SPLIT == "train", "training set", "holdout")),
        ("is_train", SPLIT == "train"),
        ("is_test", (SPLIT == "test").astype(int)),
    ],
)
def test_a_column_of_parts_is_asked_about_with_its_three_uses(name: str, values: np.ndarray) -> None:
    with pytest.raises(UsageError, match="which rows are for training") as raised:
        prepare(settings(frame=FRAME.assign(**{name: values})))
    for option in ("--fold-column", "--drop", "--keep"):
        assert f"{option} {name}" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("transport", np.where(SPLIT == "train", "train", "bus")),
        ("phase", np.where(SPLIT == "train", "testing", "development")),
        ("fold", np.arange(ROWS) % 5),
        ("is_valid", SPLIT == "train"),
    ],
)
def test_columns_that_name_no_parts_are_learned_from(name: str, values: np.ndarray) -> None:
    assert parts_in(pd.Series(values, name=name)) is None
    assert name in prepare(settings(frame=FRAME.assign(**{name: values}))).layout.inputs


def test_by_the_fold_column_train_rows_train_valid_rows_judge_and_test_rows_are_scored_once() -> None:
    prepared = prepare(settings(fold_column="split"))
    (fold,) = prepared.problem.split.folds
    assert (len(fold.train), len(fold.valid)) == (80, 20)
    assert prepared.test is not None
    np.testing.assert_allclose(prepared.test.table.numbers[:, 0], FRAME["x"][SPLIT == "test"], rtol=1e-6)
    assert "split" not in prepared.layout.inputs


@pytest.mark.parametrize("choice", [{"drop": ("split",)}, {"keep": ("split",)}])
def test_dropped_or_kept_on_request_all_rows_are_used(choice: dict[str, tuple[str, ...]]) -> None:
    prepared = prepare(settings(**choice))
    assert len(prepared.problem.target) == ROWS
    assert ("split" in prepared.layout.inputs) == ("keep" in choice)


def test_a_class_that_no_training_row_has_is_refused_by_name() -> None:
    late = FRAME.assign(split=SPLIT, y=np.where(SPLIT == "test", "c", FRAME["y"]))
    with pytest.raises(DataError, match=r"1 of 3 classes .* 'c' \(20 rows\)"):
        prepare(settings(frame=late, fold_column="split"))
