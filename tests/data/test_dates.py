from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from automl.data.cells.dates import ISO, moments, points_in_time

DAYS = pd.Series(pd.date_range("2024-01-01", periods=60, tz="UTC"))


@pytest.mark.parametrize("style", ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d.%m.%y", "%b %d, %Y", "%Y%m%d"])
def test_written_dates_are_in_the_order_of_the_calendar(style: str) -> None:
    points = points_in_time(DAYS.dt.strftime(style))
    assert (np.diff(points) > 0).all()


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        DAYS.astype("timestamp[us, UTC][pyarrow]"),
        pd.Series(DAYS.dt.date),
        DAYS.dt.tz_localize(None).dt.to_period("D"),
        pd.Series(pd.to_timedelta(np.arange(60), unit="h")),
        pd.Series([f"{hour:02d}:30" for hour in range(24)]),
        pd.Series(["9", "10", "11", "100"]),
        pd.Series(["1500-01-01", "2024-01-01", "9999-12-31"]),
    ],
)
def test_times_of_any_type_have_their_order(times: Any) -> None:
    assert (np.diff(points_in_time(times)) > 0).all()


def test_a_date_written_otherwise_is_read_by_itself_and_a_word_is_no_time() -> None:
    written = DAYS.dt.strftime("%d/%m/%Y")
    written[59] = "2024-02-29"
    assert (np.diff(points_in_time(written)) > 0).all()
    written[59] = "later"
    assert np.flatnonzero(np.isnan(points_in_time(written))).tolist() == [59]


@pytest.mark.parametrize("type", [pa.timestamp("us"), pa.timestamp("ns", "Europe/Berlin"), pa.date32()])
def test_dates_that_arrow_holds_are_those_that_pandas_holds(type: Any) -> None:
    days = DAYS.dt.tz_convert("Europe/Berlin") if getattr(type, "tz", None) else DAYS.dt.tz_localize(None)
    days[3] = None
    held = pd.Series(days.dt.date if pa.types.is_date(type) else days).astype(pd.ArrowDtype(type))
    assert np.array_equal(moments(held, ISO), moments(days, ISO), equal_nan=True)
