"""Which kind a column has is decided by what its cells say, and so are the features that it becomes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from encoded import category, kinds_of, number

from automl.core.table import Kind
from automl.data.layout import Layout

random = np.random.default_rng(7)


def test_codes_and_large_integers_are_no_quantities() -> None:
    big = 2**53 + random.integers(0, 4, 100)
    frame = pd.DataFrame(
        {"zip": ["00417", "02139", "10001", "00500"] * 25, "big": big, "t": ["1e3", "2"] * 50}
    )
    layout = Layout.infer(frame)
    table = layout.encode(frame).table
    assert kinds_of(layout) == {"zip": Kind.CATEGORY, "big": Kind.CATEGORY, "t": Kind.NUMBER}
    assert category(table, "big") == [str(value) for value in big]
    assert number(table, "t")[:2].tolist() == [1000.0, 2.0]


def test_numbers_become_numbers_only_if_all_parse() -> None:
    some = [str(i % 7) for i in range(99)]
    layout = Layout.infer(
        pd.DataFrame({"all": [*some, " "], "most": [*some, "unknown"], "marked": [*some, "?"]})
    )
    assert list(kinds_of(layout).values()) == [Kind.NUMBER, Kind.CATEGORY, Kind.NUMBER]


def test_levels_are_found_however_a_file_types_them() -> None:
    levels = ["007", "1.0", "12", "TRUE", "unknown"]
    layout = Layout.infer(pd.DataFrame({"c": levels * 9}))
    codes = {level: code for code, level in enumerate(layout.features.levels[0])}
    for values, expected in (
        ([7, 1, 12], ["007", "1.0", "12"]),
        ([7.0, np.nan, 12.0], ["007", None, "12"]),
        ([True, True, True], ["TRUE"] * 3),
        (["007", " 12 ", "unknown"], ["007", "12", "unknown"]),
    ):
        encoded = layout.encode(pd.DataFrame({"c": values}))
        assert encoded.table.codes[:, 0].tolist() == [codes.get(str(level), -1) for level in expected]
        assert encoded.notes == ()


def test_currencies_percent_and_thousands_are_numbers() -> None:
    frame = pd.DataFrame(
        {
            "p": ["$1,200.50", "$3", None, "$15"] * 9,
            "s": ["5 %", "7.5%", "100%", ""] * 9,
            "t": ["1,200", "3", "4", "5"] * 9,
        }
    )
    layout = Layout.infer(frame)
    assert set(kinds_of(layout).values()) == {Kind.NUMBER}
    table = layout.encode(frame).table
    np.testing.assert_array_equal(table.numbers[:4, 0], [1200.5, 3, np.nan, 15])
    np.testing.assert_array_equal(table.numbers[:4, 1], [5, 7.5, 100, np.nan])
    assert table.numbers[0, 2] == 1200


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (["31/12/2023", "01/02/2024"], 19722.0),
        (["12/31/2023", "02/01/2024"], 19722.0),
        (["12/31/23", "02/01/24"], 19722.0),
        (["Sun, 31 Dec 2023 12:00:00", "Thu, 1 Feb 2024 11:00:00"], 19722.5),
        (["31.12.2023 06:00", "01.02.2024 07:00"], 19722.25),
        (["Dec 31, 2023", "Jan 5, 2024"], 19722.0),
        (["2023-12-31T06:00:00Z", "2024-02-03T06:00:00+01:00"], 19722.25),
        (["2023-12-31 06:00:00", "2024-02-03"], 19722.25),
        (["20231231", "20240203"], 19722.0),
        (["2023-12-31", "03.02.2024", "5 March 2024", "2024/03/07"], 19722.0),
    ],
)
def test_dates_are_read_however_they_are_written(values: list[str], first: float) -> None:
    frame = pd.DataFrame({"when": values * 20})
    layout = Layout.infer(frame)
    assert kinds_of(layout) == {"when": Kind.DATE}
    days = number(layout.encode(frame).table, "when.days")
    assert days[0] == first
    assert not np.isnan(days).any()


def test_broken_dates_are_missing_and_counted() -> None:
    frame = pd.DataFrame({"when": ["2024-01-01", "2024-02-02"] * 20 + ["soon", "2024-13-45", ""]})
    layout = Layout.infer(frame)
    encoded = layout.encode(frame)
    assert np.isnan(number(encoded.table, "when.days")).sum() == 3
    assert "2 values, such as 'soon'" in encoded.notes[0]


@pytest.mark.parametrize(
    ("values", "numbers", "categories"),
    [
        ([f"{i // 2:04}_{i % 2 + 1:02}" for i in range(80)], ["s.1", "s.2"], []),
        ([f"10.{i % 3}.{i % 5}.{i}" for i in range(80)], ["s.2", "s.3", "s.4"], []),
        ([f"{'AB'[i % 2]}/{i} {i * 7919}" for i in range(80)], ["s.2", "s.3"], ["s.1"]),
        ([f"{'ABC'[i % 3]}{i}" for i in range(80)], ["s.2"], ["s.1"]),
        ([f"{i % 9}x{i % 7}" for i in range(600)], ["s.1", "s.2"], []),
        ([f"-{i / 7:.3f}, {i / 3:.2f}" for i in range(80)], ["s.1", "s.2"], []),
        ([f"user{i}@{['mail.org', 'post.org'][i % 2]}" for i in range(80)], [], ["s.2"]),
    ],
)
def test_structured_strings_fall_into_parts(
    values: list[str], numbers: list[str], categories: list[str]
) -> None:
    features = Layout.infer(pd.DataFrame({"s": values})).features
    assert list(features.numbers) == numbers
    assert [name for name in features.categories if name != "s"] == categories


@pytest.mark.parametrize(
    "make",
    [
        lambda i: f"{i * 7919 % 10007:04}-{i * 104729 % 99991:05}X",
        lambda i: f"CODE-{i}",
        lambda i: f"{i * 7919:08x}-1234-4{i % 999:03}-a{i % 998:03}-{i:012x}",
        lambda i: f"name{i * 7919 % 10007}",
        lambda i: f"{'xyzabc'[i % 6] * 3}{i:x} {'uvw'[i % 3] * 4}{i:x}",
    ],
)
def test_strings_that_only_name_rows_are_ids(make: object) -> None:
    for rows in (30, 500):
        frame = pd.DataFrame({"s": [make(i) for i in range(rows)]})  # type: ignore[operator]
        assert kinds_of(Layout.infer(frame)) == {"s": Kind.ID}
