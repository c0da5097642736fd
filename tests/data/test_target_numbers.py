"""Targets that are quantities whatever stands beside the number, and those that can be neither."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.core.errors import DataError
from automl.core.task_choice import choose_task
from automl.data.target import CleanTarget, clean_target
from automl.data.target_numbers import TargetNumbers

ROWS = 60


def clean(values: Any, **options: Any) -> CleanTarget:
    return clean_target(pd.DataFrame({"y": values}), "y", **options)


def refusal(values: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        clean(values, **options)
    assert "Next:" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("write", "unit"),
    [
        (lambda x: f"${x:,.2f}", "$"),
        (lambda x: f"{x:.1f}%", "%"),
        (lambda x: f"{x:,.2f} €".translate(str.maketrans(",.", ".,")), "€"),
        (lambda x: f"USD {x:,.2f}", "USD"),
        (lambda x: f"({-x:,.2f})" if x < 0 else f"{x:,.2f}", ""),
    ],
)
@pytest.mark.parametrize("task", [None, "regression"])
def test_amounts_are_a_regression_in_their_unit(write: Any, unit: str, task: str | None) -> None:
    values = np.linspace(-900.5 if not unit else 3.5, 4000, ROWS).round(1)
    result = clean([write(x) for x in values], task=task)
    assert result.values.tolist() == pytest.approx(values.tolist())
    assert choose_task(result.values, requested=task).task.name == "regression"
    assert result.numbers is not None
    assert result.numbers.unit == unit
    assert any(f"in {unit}" in note for note in result.notes) or not unit
    assert TargetNumbers.from_json(json.loads(json.dumps(result.numbers.to_json()))) == result.numbers


def test_rows_to_judge_by_are_read_as_the_training_rows_were() -> None:
    numbers = clean([f"{i * 37 + 1},5 €" for i in range(ROWS)]).numbers
    assert clean(["1.234 €"], task="regression", judging=True, numbers=numbers).values.tolist() == [1234.0]


def test_classes_that_are_written_with_a_unit_stay_classes() -> None:
    result = clean(["10%", "20%", "30%"] * 20)
    assert set(result.values) == {"10%", "20%", "30%"}
    assert clean(["10%", "20%", "30%"] * 20, task="regression").values.tolist()[:3] == [10.0, 20.0, 30.0]


def test_amounts_in_several_currencies_are_no_target() -> None:
    said = refusal([f"{'$€'[i % 2]}{i / 7:.2f}" for i in range(ROWS)])
    assert "'$' (30), '€' (30)" in said


@pytest.mark.parametrize(
    "values",
    [
        pd.date_range("2024-01-01", periods=ROWS, freq="h"),
        pd.date_range("2024-01-01", periods=ROWS, tz="Asia/Tokyo"),
        pd.period_range("2020-01", periods=ROWS, freq="M"),
        [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(ROWS)],
        [f"{i % 28 + 1:02d}/03/2021 10:00" for i in range(ROWS)],
        [20240101 + i % 28 + 100 * (i // 28) for i in range(ROWS)],
    ],
)
def test_a_date_is_refused_with_what_to_do(values: Any) -> None:
    assert "holds dates, such as" in refusal(values)
    assert "--task classification" in refusal(values)


def test_a_date_may_be_the_name_of_a_class() -> None:
    assert set(clean(["2024-01-01", "2024-07-01"] * 30, task="classification").values) == {
        "2024-01-01",
        "2024-07-01",
    }


@pytest.mark.parametrize("word", ["n/d", "k.A.", "#DIV/0!", "pending"])
@pytest.mark.parametrize("task", [None, "regression"])
def test_a_word_in_a_numeric_target_is_named_with_its_row(word: str, task: str | None) -> None:
    values = [word if i % 20 == 7 else f"{i * 1.5:.1f}" for i in range(ROWS)]
    said = refusal(values, task=task)
    assert f"{word!r} (3)" in said
    assert "in row 8" in said
    assert "--missing" in said
    assert "join" not in said


def test_many_classes_of_one_row_are_refused_and_a_few_are_left_out() -> None:
    names = [f"customer {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(30)]
    said = refusal(["a", "b"] * 15 + names)
    assert "30 of the 32 values" in said
    assert "50% of the rows" in said
    assert len(clean(["a", "b"] * 30 + ["c", "d"]).values) == 60
