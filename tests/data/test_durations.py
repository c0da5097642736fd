"""Durations as people and programs write them: one number of seconds, as features and as targets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from automl.data.cells.durations import DURATIONS, HOURS, MINUTES, find_durations, read_durations
from automl.data.layout import Layout
from automl.data.target import clean_target


def words(cells: list[str | None]) -> pa.Array:
    return pa.array(cells, pa.large_string())


@pytest.mark.parametrize(
    ("cells", "style", "seconds"),
    [
        (["3:04:05", "26:10:00"], DURATIONS, [11045.0, 94200.0]),
        (["0 days 00:12:30", "1 days 02:03:04.5"], DURATIONS, [750.0, 93784.5]),
        (["1 day, 2:03:04", "2 days, 0:00:01"], DURATIONS, [93784.0, 172801.0]),
        (["-1 days +23:59:00", "0 days 00:00:01"], DURATIONS, [-60.0, 1.0]),
        (["PT3H4M", "PT45M", "P1DT2H"], DURATIONS, [11040.0, 2700.0, 93600.0]),
        (["1h 20m", "45m", "2h"], DURATIONS, [4800.0, 2700.0, 7200.0]),
        (["2 hours 5 minutes", "30 sec"], DURATIONS, [7500.0, 30.0]),
        (["8:30", "17:05"], HOURS, [30600.0, 61500.0]),
        (["24:31", "45:10"], MINUTES, [1471.0, 2710.0]),
        (["58:10", "1:02:03"], MINUTES, [3490.0, 3723.0]),
        (["18:08.5", "1:29:02.1"], DURATIONS, [1088.5, 5342.1]),
        (["8:08,5", "9:10"], MINUTES, [488.5, 550.0]),
    ],
)
def test_a_duration_is_read_in_seconds(cells: list[str], style: str, seconds: list[float]) -> None:
    text = words([*cells, None, "-"])
    assert find_durations(text) == style
    values, bad = read_durations(text, style)
    assert values[: len(cells)].tolist() == pytest.approx(seconds)
    assert np.isnan(values[len(cells) :]).all()
    assert not bad.any()


@pytest.mark.parametrize("cells", [["12", "13"], ["1:2:3:4"], ["soon", "3:04:05"], ["2024-01-01 10:00:00"]])
def test_numbers_dates_and_words_are_no_durations(cells: list[str]) -> None:
    assert find_durations(words(cells)) is None


def test_durations_are_one_feature_that_new_rows_are_read_like() -> None:
    frame = pd.DataFrame({"lap": [f"{i // 60 + 30}:{i % 60:02d}" for i in range(120)]})
    layout = Layout.infer(frame)
    assert layout.features.numbers == ("lap",)
    encoded = layout.encode(pd.DataFrame({"lap": ["2:30", "1:00:00", "late", None]}))
    assert encoded.table.numbers[:2, 0].tolist() == [150.0, 3600.0]
    assert "1 values are not durations" in encoded.notes[0]
    spans = pd.DataFrame({"lap": pd.to_timedelta([90.0], unit="s")})
    assert layout.encode(spans).table.numbers[0, 0] == 90.0


@pytest.mark.parametrize("typed", [True, False])
def test_a_duration_is_a_target_in_seconds(typed: bool) -> None:
    spans = pd.Series(pd.to_timedelta(np.arange(60) * 61.5, unit="s"))
    clean = clean_target(pd.DataFrame({"y": spans if typed else spans.astype(str)}), "y")
    assert clean.values[:3].tolist() == [0.0, 61.5, 123.0]
    assert any("seconds" in note for note in clean.notes)
    assert clean.numbers is not None
    assert clean.numbers.unit == "seconds"
