"""Dates at prediction that are written otherwise than in training: read where they can mean one day only."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from automl.data.cells.dates import read_dates
from automl.data.columns.structured import DatePlan
from automl.data.layout import Layout

DAY = 18691.0  # 2021-03-05
TRAINED = {
    "month first": [f"{month:02d}/{day:02d}/2020" for month in (1, 3, 11) for day in (2, 14, 25)],
    "day first": [f"{day:02d}.{month:02d}.2020 10:30" for month in (1, 3, 11) for day in (2, 14, 25)],
    "ISO": [f"2020-{month:02d}-{day:02d}" for month in (1, 3, 11) for day in (2, 14, 25)],
    "named": [f"{day} {month} 2020" for month in ("Jan", "Mar") for day in (2, 14, 25)],
}


def plan_of(cells: list[str]) -> DatePlan:
    plan = Layout.infer(pd.DataFrame({"when": cells * 9})).plans[0]
    assert isinstance(plan, DatePlan)
    return plan


@pytest.mark.parametrize("trained", TRAINED)
@pytest.mark.parametrize(
    "cell",
    [
        "2021-03-05",
        "2021-03-05T00:00:00",
        "20210305",
        20210305,
        20210305.0,
        dt.date(2021, 3, 5),
        dt.datetime(2021, 3, 5),
        pd.Timestamp("2021-03-05"),
        pd.Timestamp("2021-03-05", tz="UTC"),
        np.datetime64("2021-03-05", "s"),
        "5 Mar 2021",
        "March 5, 2021",
        "05-Mar-2021",
        "2021/03/05",
    ],
)
def test_a_plain_date_is_read_whatever_the_training_file_looked_like(trained: str, cell: object) -> None:
    plan = plan_of(TRAINED[trained])
    for column in (pd.Series([cell]), pd.Series([cell, None, cell], dtype="object")):
        pieces = plan.encode(column)
        assert pieces.days is not None
        assert pieces.days[0] == DAY
        assert not pieces.notes


def test_what_only_the_other_order_makes_a_date_is_read_and_warned_of() -> None:
    pieces = plan_of(TRAINED["month first"]).encode(pd.Series(["03/05/2021", "13/05/2021", "25/12/2020"]))
    assert pieces.days is not None
    assert pieces.days.tolist() == [DAY, 18760.0, 18621.0]
    assert "2 dates can only be read with day and month in the opposite order" in pieces.notes[0]
    assert "month first" in pieces.notes[0]


def test_an_order_that_nobody_knows_is_not_guessed() -> None:
    pieces = plan_of(TRAINED["ISO"]).encode(pd.Series(["03/05/2021", "25/12/2020", "12/25/2020"]))
    assert pieces.days is not None
    assert np.isnan(pieces.days[0])
    assert pieces.days[1:].tolist() == [18621.0, 18621.0]
    assert "'03/05/2021', are not dates" in pieces.notes[0]


def test_junk_and_other_numbers_are_missing_and_counted() -> None:
    plan = plan_of(TRAINED["month first"])
    for cells in (["junk", "99/99/2021"], [1614902400, 7]):
        pieces = plan.encode(pd.Series(cells))
        assert pieces.days is not None
        assert np.isnan(pieces.days).all()
        assert "2 values" in pieces.notes[0]


@pytest.mark.parametrize("year", ["0001", "1000", "2700", "9999"])
def test_far_years_are_read_or_missing_but_break_nothing(year: str) -> None:
    cells = [*TRAINED["ISO"], f"{year}-12-31"]
    layout = Layout.infer(pd.DataFrame({"when": cells * 9, "since": TRAINED["ISO"][:1] * 90}))
    assert layout.encode(pd.DataFrame({"when": [f"{year}-01-01"], "since": ["2020-01-02"]})).table.rows == 1
    spans = np.array([f"{year}-12-31"], dtype="datetime64[s]")
    assert layout.encode(pd.DataFrame({"when": spans, "since": ["2020-01-02"]})).table.rows == 1


@pytest.mark.parametrize("cell", ["03/05/21", "03.05.2021", "2021111"])
def test_what_may_mean_two_days_is_missing_and_said(cell: str) -> None:
    for trained in ("month first", "ISO"):
        pieces = plan_of(TRAINED[trained]).encode(pd.Series([cell]))
        assert pieces.days is not None
        assert np.isnan(pieces.days[0])
        assert cell in pieces.notes[0]


def test_compact_dates_have_eight_digits() -> None:
    plan = Layout.infer(pd.DataFrame({"when": [20200102, 20200314, 20201125] * 9})).plans[0]
    days = plan.encode(pd.Series(["20210305", "2021111"])).days
    assert days is not None
    assert days[0] == DAY
    assert np.isnan(days[1])


@pytest.mark.parametrize("unit", ["ns", "us", "s", "D"])
def test_numpys_dates_in_a_column_of_objects_are_read_in_any_unit(unit: str) -> None:
    column = pd.Series([np.datetime64("2021-03-05", unit), None], dtype="object")
    assert read_dates(column, plan_of(TRAINED["month first"]).reading).days[0] == DAY


def test_one_day_whatever_the_order_is_read() -> None:
    assert read_dates(pd.Series(["05.05.2021"]), plan_of(TRAINED["ISO"]).reading).days[0] == 18752.0


def test_zones_are_read_in_utc() -> None:
    column = pd.Series([pd.Timestamp("2021-03-05 09:00", tz="Asia/Tokyo")], dtype="object")
    assert read_dates(column, plan_of(TRAINED["month first"]).reading).days[0] == DAY
