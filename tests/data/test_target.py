"""Targets as people have them, and what comes out: clean values in their own type, or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.core.errors import DataError
from automl.core.task_choice import choose_task
from automl.data.target import CleanTarget, clean_target


def clean(values: Any, **options: Any) -> CleanTarget:
    frame = pd.DataFrame({"x": range(len(values)), "y": values})
    return clean_target(frame, "y", **options)


def refusal(values: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        clean(values, **options)
    return str(caught.value)


def test_an_absent_target_suggests_close_names() -> None:
    with pytest.raises(DataError, match="'price'"):
        clean_target(pd.DataFrame({"price": [1, 2]}), "prize")


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    result = clean([1.5, np.nan, 2.5, 3.25, " 4"])
    assert result.values.tolist() == [1.5, 2.5, 3.25, 4.0]
    assert result.frame["x"].tolist() == [0, 2, 3, 4]
    assert any("1 rows without a target (20.0%)" in note for note in result.notes)


def test_a_mostly_missing_target_is_refused() -> None:
    assert "missing in 3 of 5 rows (60%)" in refusal(["a", None, None, "b", ""])


def test_an_infinite_target_is_refused_with_its_rows() -> None:
    assert "infinite in 2 rows: 2, 4" in refusal([1.5, np.inf, 2.5, -np.inf])


@pytest.mark.parametrize("values", [[1, 1, 1], ["a", "A ", "a"], [True, True], [2.5, 2.5, np.nan]])
def test_a_constant_target_is_refused(values: list[Any]) -> None:
    assert "only one value" in refusal(values)


def test_a_class_with_one_member_is_kept_out_with_a_note() -> None:
    result = clean(["a", "b", "a", "b", "lonely"])
    assert result.values.tolist() == ["a", "b", "a", "b"]
    assert "'lonely'" in result.notes[-1]
    whole = clean([1, 2] * 20 + [9])
    assert 9 not in whole.values
    assert clean([1.0, 2.0, 3.5, 9.0], task="regression").values.tolist() == [1.0, 2.0, 3.5, 9.0]
    assert "'c' have one row each" in refusal(["a", "a", "b", "c"])


def test_many_classes_ask_whether_it_is_a_regression() -> None:
    result = clean([i // 2 for i in range(2400)], task="classification")
    assert "--task regression" in result.notes[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False] * 3, bool),
        (pd.array([True, False, None, True, False], dtype="boolean"), bool),
        ([True, False, None, True, False], bool),
        ([3, 4] * 3, int),
        ([3, 4, np.nan, 3, 4], int),
        (pd.array([3, 4, None, 3, 4], dtype="Int64"), int),
        (["x", "y"] * 3, str),
        (pd.Categorical(["x", "y", None, "x", "y"]), str),
        ([0.5, 1.5] * 3, float),
        (pd.Categorical([3, 4] * 3), int),
        (pd.Categorical([3, 4, None] * 3), int),
        (pd.Categorical([True, False] * 3), bool),
        (pd.to_datetime(["2024-01-01", "2024-01-02"] * 3), str),
        (pd.to_timedelta([1, 2] * 3, unit="h"), str),
    ],
)
def test_labels_keep_their_own_type_through_the_task(values: Any, kind: type) -> None:
    result = clean(values, task="classification")
    task = choose_task(result.values, requested="classification").task
    assert {type(label) for label in task.labels} == {kind}
    decoded = task.decode(np.eye(2)[task.encode(result.values).astype(int)])
    assert decoded.tolist() == result.values.tolist()


def test_spellings_are_joined_with_a_note() -> None:
    result = clean(["Yes", "no ", "yes", "Yes", "NO", "no", "no"])
    assert result.values.tolist() == ["Yes", "no", "Yes", "Yes", "no", "no", "no"]
    assert "'yes' as 'Yes'" in result.notes[0]


def test_numbers_kept_as_text_are_parsed() -> None:
    assert clean(["1,5", "2,25", "3", "4,125"]).values.tolist() == [1.5, 2.25, 3.0, 4.125]
    assert clean(["001", "002"] * 3).values.tolist() == ["001", "002"] * 3
    assert clean(["1", "2"] * 3, task="classification").values.tolist() == ["1", "2"] * 3
    assert "'many' in row 3" in refusal(["1", "2", "many"], task="regression")


@pytest.mark.parametrize("held", [list, pd.Categorical])
def test_classes_that_are_numbers_kept_as_text_come_back_as_text(held: Any) -> None:
    result = clean(held(["9", "10", "?", None] * 9))
    choice = choose_task(result.values)
    assert choice.task.labels == ("9", "10")
    assert choice.task.decode(np.eye(2)[choice.task.encode(result.values)]).tolist() == ["9", "10"] * 9
    assert "kept as text" in result.notes[0]
    assert choose_task(result.values, metric="rmse").task.name == "regression"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([None, 3, 1, 3, 1] * 4, "int64"),
        ([np.int64(3), 1, pd.NA, np.float32(1)] * 5, "int64"),
        ([3.5, None, 1] * 5, "float64"),
        ([2**53, 2**53 + 1] * 5, "int64"),
        ([2**63, 2**63 + 1] * 5, "object"),
        ([True, 2, 3] * 5, "object"),
    ],
)
def test_numbers_in_a_column_of_objects_stay_numbers(values: list[Any], dtype: str) -> None:
    column = pd.Series(values, dtype="object", index=[0] * len(values))
    cleaned = clean_target(pd.DataFrame({"y": column}), "y")
    known = [value for value in values if not pd.isna(value)]
    assert cleaned.values.dtype == dtype
    assert cleaned.values.tolist() == (known if dtype != "object" else [str(value) for value in known])
    assert dtype == "object" or not any("text" in note for note in cleaned.notes)


@pytest.mark.parametrize("dtype", ["UInt64", "Int64", "boolean", "string"])
def test_a_target_without_a_value_is_refused_whatever_its_type(dtype: str) -> None:
    assert "missing in 9 of 9 rows" in refusal(pd.array([pd.NA] * 9, dtype=dtype))


def test_one_number_in_two_spellings_is_one_class() -> None:
    assert set(clean(["1", "1.0", "2"] * 9).values.tolist()) == {1.0, 2.0}


@pytest.mark.parametrize("values", [[0] * 7 + [1], [0.5] * 9 + [1.5]])
def test_the_only_row_of_one_of_two_numbers_cannot_be_judged(values: list[Any]) -> None:
    assert "one row each" in refusal(values)


def test_mixed_types_are_read_as_text() -> None:
    result = clean([1, "a", 1, "a"])
    assert result.values.tolist() == ["1", "a", "1", "a"]
    assert "several types" in result.notes[0]


def test_rows_to_judge_by_may_be_few() -> None:
    assert clean(["a"], judging=True).values.tolist() == ["a"]
    assert clean(["a", None], judging=True).values.tolist() == ["a"]


labels = st.one_of(
    st.lists(st.booleans(), min_size=2, max_size=30),
    st.lists(st.integers(-5, 5), min_size=2, max_size=30),
    st.lists(
        st.one_of(st.none(), st.sampled_from(["a", "b ", "B", "ç", "0", "01"])), min_size=2, max_size=30
    ),
)


@settings(max_examples=200, deadline=None)
@given(labels)
def test_any_labels_come_back_or_are_refused(values: list[Any]) -> None:
    try:
        result = clean(values, task="classification")
    except DataError:
        return
    task = choose_task(result.values, requested="classification").task
    codes = task.encode(result.values).astype(int)
    assert task.decode(np.eye(task.n_outputs)[codes]).tolist() == result.values.tolist()
    assert set(result.values.tolist()) <= {
        value.strip() if isinstance(value, str) else value for value in values
    }
