"""Kinds, their reasons, and features that come out the same whenever and however rows are given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from encoded import category, kinds_of, number
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.core.errors import DataError, UsageError
from automl.core.table import Kind
from automl.data.files.readers import read_table
from automl.data.layout import Layout

ROWS = 300
random = np.random.default_rng(7)


@pytest.fixture
def mixed() -> pd.DataFrame:
    when = pd.Timestamp("2024-01-30") + pd.to_timedelta(random.integers(0, 9000, ROWS), unit="h")
    return pd.DataFrame(
        {
            "key": np.arange(ROWS),
            "amount": np.where(random.random(ROWS) < 0.1, np.nan, random.normal(size=ROWS)),
            "count": random.integers(0, 5, ROWS),
            "colour": random.choice(["red", "green", None, " red "], ROWS),
            "flag": random.choice([True, False], ROWS),
            "maybe": pd.Series(random.choice([True, False, None], ROWS), dtype="object"),
            "charge": [f" {value:.2f}" if i % 9 else " " for i, value in enumerate(random.normal(size=ROWS))],
            "start": when.strftime("%Y-%m-%d %H:%M:%S"),
            "end": when + pd.to_timedelta(random.integers(1, 99, ROWS), unit="h"),
            "hour": random.choice(["12am", "1am", "12pm", "11pm"], ROWS),
            "day": random.choice(["Mon", "Tue", "Sun"], ROWS),
            "cabin": [
                f"{random.choice(list('ABC'))}/{i // 2}/{random.choice(['P', 'S'])}" for i in range(ROWS)
            ],
            "comment": [f"the {random.integers(1e9)} words of row number {i}" for i in range(ROWS)],
            "token": [f"{value:x}" for value in random.integers(1 << 60, 1 << 62, ROWS)],
            "same": "x",
            "nothing": np.nan,
        }
    )


def test_columns_of_several_levels_are_found_under_their_joined_names() -> None:
    names = pd.MultiIndex.from_tuples([("price", "mean"), ("price", "max"), ("kind", "")])
    frame = pd.DataFrame([[1.5, 2.0, "a"], [2.5, 4.0, "b"]] * 9, columns=names)
    layout = Layout.infer(read_table(frame).frame)
    assert layout.inputs == ("price mean", "price max", "kind")
    assert layout.encode(frame).table.numbers[0].tolist() == [1.5, 2.0]


def test_paths_that_are_missing_beside_images_in_memory_are_blank() -> None:
    layout = Layout.infer(pd.DataFrame({"i": ["a.png", "b.png"]}))
    cells = pd.DataFrame({"i": pd.Series([" a.png", np.nan, None, pd.NA], dtype=object)})
    assert layout.encode(cells).table.images[0].tolist() == ["a.png", "", "", ""]


@pytest.mark.parametrize(
    "cells", [["1,5", "?", "2,5", "7,25"], ["$5", "-", "$7.5", "$1"], ["1,234", "--", "9"]]
)
def test_numbers_with_signs_may_have_placeholders_among_them(cells: list[str], tmp_path: Path) -> None:
    layout = Layout.infer(pd.DataFrame({"x": cells * 9}))
    assert kinds_of(layout) == {"x": Kind.NUMBER}
    (tmp_path / "data.csv").write_text("x;y\n" + "".join(f"{cell};1\n" for cell in cells * 9))
    assert kinds_of(Layout.infer(read_table(tmp_path / "data.csv").frame))["x"] is Kind.NUMBER


def test_lists_are_the_same_cells_when_parquet_gives_arrays(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": pd.Series([[1, 2], [3], [1, 2]] * 30, dtype=object)})
    frame.to_parquet(tmp_path / "data.parquet")
    layout = Layout.infer(frame)
    again = layout.encode(read_table(tmp_path / "data.parquet").frame)
    assert np.array_equal(again.table.codes, layout.encode(frame).table.codes)
    assert not again.notes
    long = pd.Series([np.arange(2000), np.r_[np.arange(1999), 7]] * 30, dtype=object)
    assert len(Layout.infer(pd.DataFrame({"x": long})).features.levels[0]) == 2


def test_a_category_that_was_asked_for_keeps_levels_that_do_not_repeat() -> None:
    frame = pd.DataFrame({"x": [f"level {i}" for i in range(99)]})
    assert Layout.infer(frame, kinds={"x": Kind.CATEGORY}).encode(frame).table.codes.min() == 0


@pytest.mark.filterwarnings("error")
def test_numbers_near_the_end_of_floats_raise_no_warning() -> None:
    frame = pd.DataFrame({"x": [1e308, -1e308] * 20, "z": np.linspace(-1, 1, 40) * 1.7e308})
    assert set(kinds_of(Layout.infer(frame)).values()) == {Kind.NUMBER}


WRITTEN = {
    "decimal commas": ("\t", ["1,5", "2,25", "54,728", "7,1"] * 9),
    "quoted decimal commas": (",", ['"1,5"', '"2,25"', '"54,728"'] * 9),
    "thousands": (";", ["1,234,567", "957,348", "12"] * 9),
    "versions": (",", ["3.1b", "1.0", "2.5", "1.3"] * 30),
    "levels like numbers": (";", ["1,000", "-", "2", "2,500", "x"] * 9),
    "codes": (",", [f"{i % 9 + 1}{'ef'[i % 4 > 0]}{i % 7 + 1}" for i in range(120)]),
}


def test_placeholders_that_are_levels_stay_levels_beside_numbers_alone(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x\n" + "-\n1\nx\n" * 9)
    layout = Layout.infer(read_table(path).frame)
    path.write_text("x\n-\n1\n")
    new = read_table(path, written=layout.written).frame
    assert layout.encode(new).table.codes[:, 0].tolist() == [0, 1]


def test_whole_numbers_that_differ_beyond_what_floats_hold_are_no_constant() -> None:
    frame = pd.DataFrame({"x": np.arange(50) % 3 + 10**17, "y": np.full(50, 10**17), "z": np.arange(50) / 7})
    assert kinds_of(Layout.infer(frame)) == {"x": Kind.CATEGORY, "y": Kind.CONSTANT, "z": Kind.NUMBER}


@pytest.mark.parametrize("case", WRITTEN)
def test_a_row_alone_in_a_file_is_read_like_the_file_that_was_learned_from(case: str, tmp_path: Path) -> None:
    delimiter, cells = WRITTEN[case]

    def write(rows: list[str]) -> Path:
        path = tmp_path / "data.csv"
        path.write_text("".join(f"{row}{delimiter}a\n" for row in ["x", *rows]))
        return path

    read = read_table(write(cells))
    learned = replace(Layout.infer(read.frame), commas=read.commas)
    layout = Layout.from_json(json.loads(json.dumps(learned.to_json())))
    whole = layout.encode(read.frame).table
    for row in range(4):
        alone = read_table(
            write(cells[row : row + 1]), delimiter=delimiter, written=layout.written, minimum_rows=0
        )
        table = layout.encode(alone.frame).table
        assert np.array_equal(table.numbers[0], whole.numbers[row], equal_nan=True)
        assert table.codes[0].tolist() == whole.codes[row].tolist()


def test_shuffled_row_numbers_without_a_name_are_an_id_also_where_new_rows_are_counted(
    tmp_path: Path,
) -> None:
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=50)})
    frame.sample(40, random_state=0).to_csv(tmp_path / "train.csv")
    frame.head().to_csv(tmp_path / "new.csv")
    layout = Layout.infer(read_table(tmp_path / "train.csv").frame)
    assert layout.columns[0].kind is Kind.ID
    assert "without a name" in layout.columns[0].reason
    assert layout.encode(read_table(tmp_path / "new.csv").frame).table.rows == 5


def test_every_column_gets_its_kind_with_a_reason(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed)
    assert all(column.reason for column in layout.columns)
    assert kinds_of(layout) == {
        "key": Kind.ID,
        "amount": Kind.NUMBER,
        "count": Kind.NUMBER,
        "colour": Kind.CATEGORY,
        "flag": Kind.CATEGORY,
        "maybe": Kind.CATEGORY,
        "charge": Kind.NUMBER,
        "start": Kind.DATE,
        "end": Kind.DATE,
        "hour": Kind.NUMBER,
        "day": Kind.CATEGORY,
        "cabin": Kind.CATEGORY,
        "comment": Kind.TEXT,
        "token": Kind.ID,
        "same": Kind.CONSTANT,
        "nothing": Kind.CONSTANT,
    }


def test_features_hold_what_the_cells_say(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed)
    table = layout.encode(mixed).table
    np.testing.assert_array_equal(number(table, "amount"), mixed["amount"])
    trimmed = [value.strip() if isinstance(value, str) else None for value in mixed["colour"]]
    assert category(table, "colour") == trimmed
    assert category(table, "maybe") == [None if value is None else str(value) for value in mixed["maybe"]]
    assert table.features.levels[table.features.categories.index("day")] == ("Mon", "Tue", "Sun")
    assert set(number(table, "hour")) == {0.0, 1.0, 12.0, 23.0}
    assert number(table, "cabin.2").tolist() == [i // 2 for i in range(ROWS)]
    assert category(table, "cabin.1") == [value[0] for value in mixed["cabin"]]
    start = pd.to_datetime(mixed["start"])
    assert number(table, "start.month").tolist() == start.dt.month.tolist()
    assert number(table, "start.weekday").tolist() == start.dt.day_of_week.tolist()
    hours = (mixed["end"] - start).dt.total_seconds() / 3600
    np.testing.assert_allclose(number(table, "end - start (hours)"), hours, atol=1e-6)
    assert table.texts[0].tolist() == mixed["comment"].tolist()


def test_a_layout_survives_json(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed, target="count")
    again = Layout.from_json(json.loads(json.dumps(layout.to_json())))
    assert again == layout
    assert again.target_name == "count"
    first, second = layout.encode(mixed).table, again.encode(mixed).table
    assert first.features == second.features
    np.testing.assert_array_equal(first.numbers, second.numbers)
    np.testing.assert_array_equal(first.codes, second.codes)


def test_a_layout_of_another_format_is_refused(mixed: pd.DataFrame) -> None:
    body = Layout.infer(mixed).to_json()
    with pytest.raises(DataError, match="format 99"):
        Layout.from_json({**body, "format": 99})
    body["plans"][0]["type"] = "hologram"
    with pytest.raises(DataError, match="hologram"):
        Layout.from_json(body)


def test_one_row_alone_gives_what_it_gives_among_others(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed)
    whole = layout.encode(mixed).table
    for row in (0, 9, 150):
        single = layout.encode(mixed.iloc[row : row + 1]).table
        np.testing.assert_array_equal(single.numbers[0], whole.numbers[row])
        np.testing.assert_array_equal(single.codes[0], whole.codes[row])
        assert single.texts[0][0] == whole.texts[0][row]


def test_order_index_and_types_of_columns_do_not_matter(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed)
    whole = layout.encode(mixed).table
    other = mixed[list(mixed.columns[::-1])].set_axis([3] * ROWS)
    other["colour"] = other["colour"].astype("category")
    other["flag"] = other["flag"].map({True: "true", False: "FALSE"})
    other["count"] = other["count"].astype("Int8")
    other["amount"] = other["amount"].astype("object")
    other["end"] = other["end"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    other["start"] = pd.to_datetime(other["start"])
    encoded = layout.encode(other)
    np.testing.assert_array_equal(encoded.table.numbers, whole.numbers)
    np.testing.assert_array_equal(encoded.table.codes, whole.codes)
    assert encoded.notes == ()


def test_extra_columns_are_noted_and_known_ones_are_not(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed, target="count", drop=["token"], exclude=["key"])
    assert layout.encode(mixed).notes == ()
    assert layout.encode(mixed.drop(columns=["count", "key", "token", "same"])).notes == ()
    assert "'surprise'" in layout.encode(mixed.assign(surprise=1)).notes[0]


@pytest.mark.parametrize(("trained", "given"), [("{}", " {} "), ("{} ", "{}"), (" {}", "{} ")])
def test_blanks_around_the_names_of_columns_do_not_matter(
    mixed: pd.DataFrame, trained: str, given: str
) -> None:
    layout = Layout.infer(mixed.rename(columns=trained.format))
    encoded = layout.encode(mixed.rename(columns=given.format))
    assert encoded.table.numbers == pytest.approx(
        Layout.infer(mixed).encode(mixed).table.numbers, nan_ok=True
    )


def test_two_columns_that_differ_by_blanks_are_not_taken_for_a_missing_one() -> None:
    layout = Layout.infer(pd.DataFrame({"a": [1.5, 2.5] * 20, "b": [3, 4] * 20}))
    with pytest.raises(DataError, match="1 column that the model needs is missing: 'a'"):
        layout.encode(pd.DataFrame({"a ": [1.0], " a": [2.0], "b": [3]}))


def test_all_missing_columns_are_listed(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed)
    with pytest.raises(DataError, match=r"2 columns .* missing: 'amount', 'colour'"):
        layout.encode(mixed.drop(columns=["amount", "colour"]))


def test_an_empty_frame_gives_an_empty_table(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed)
    for empty in (mixed.iloc[:0], pd.DataFrame(columns=list(mixed))):
        table = layout.encode(empty).table
        assert table.rows == 0
        assert table.numbers.shape == (0, len(layout.features.numbers))
        assert table.codes.shape == (0, len(layout.features.categories))
        assert [len(text) for text in table.texts] == [0]


def test_numbers_as_text_are_parsed_and_other_text_is_refused(mixed: pd.DataFrame) -> None:
    layout = Layout.infer(mixed[["amount", "count"]])
    table = layout.encode(
        pd.DataFrame({"amount": ["1.5", " 2 ", "", None], "count": ["1", "2", "NA", "4"]})
    ).table
    np.testing.assert_array_equal(table.numbers[:, 0], [1.5, 2.0, np.nan, np.nan])
    with pytest.raises(DataError, match=r"'amount'.*1 of 2 values.*'many' in row 2"):
        layout.encode(pd.DataFrame({"amount": ["1.5", "many"], "count": [1, 2]}))


def test_unseen_levels_are_missing_and_counted() -> None:
    layout = Layout.infer(pd.DataFrame({"c": ["a", "b"] * 20, "n": range(0, 80, 2)}), keep=["n"])
    encoded = layout.encode(pd.DataFrame({"c": ["a", "zebra", None, "zebra"], "n": [1, 2, 3, 4]}))
    assert encoded.table.codes[:, 0].tolist() == [0, -1, -1, -1]
    assert "2 values, such as 'zebra'" in encoded.notes[0]


def test_infinite_values_are_missing_and_counted() -> None:
    frame = pd.DataFrame({"x": [1.0, np.inf, -np.inf, 2.5] * 10, "y": random.normal(size=40)})
    encoded = Layout.infer(frame).encode(frame)
    assert np.isnan(encoded.table.numbers[:, 0]).sum() == 20
    assert "'x' (20)" in encoded.notes[0]


def test_a_lone_sequence_is_an_input_after_all() -> None:
    layout = Layout.infer(pd.DataFrame({"x": range(50), "y": random.normal(size=50)}), target="y")
    assert kinds_of(layout) == {"x": Kind.NUMBER}
    assert "no other input" in layout.columns[0].reason


def test_the_user_decides_on_kinds(mixed: pd.DataFrame) -> None:
    frame = mixed.assign(most=[*(str(i % 7) for i in range(ROWS - 1)), "unknown"])
    kinds = {"count": Kind.CATEGORY, "token": Kind.TEXT, "most": Kind.NUMBER, "amount": Kind.ID}
    layout = Layout.infer(frame, kinds=kinds, keep=["key"], drop=["colour"])
    found = kinds_of(layout)
    assert {name: found[name] for name in kinds} == kinds
    assert found["key"] is Kind.NUMBER
    assert found["colour"] is Kind.ID
    encoded = layout.encode(frame)
    assert np.isnan(number(encoded.table, "most")[-1])
    assert any("'unknown'" in note for note in encoded.notes)
    assert category(encoded.table, "count")[:3] == frame["count"][:3].astype(str).tolist()
    with pytest.raises(UsageError, match="'colour'"):
        Layout.infer(frame, drop=["color"])
    with pytest.raises(DataError, match="declared a date"):
        Layout.infer(frame, kinds={"colour": Kind.DATE})


def test_many_levels_are_bounded() -> None:
    values = [f"level {value}" for value in random.zipf(1.3, 30_000) % 100_000]
    layout = Layout.infer(pd.DataFrame({"c": values}), kinds={"c": Kind.CATEGORY})
    assert 100 < len(layout.features.levels[0]) <= 2000
    assert layout.encode(pd.DataFrame({"c": values})).notes == ()


def test_odd_names_and_cells_are_fine() -> None:
    frame = pd.DataFrame(
        {
            "naïve 🙂": ["🙂", "日本", None, "[<"] * 10,
            "x" * 300: random.normal(size=40),
            "a[0] <b>": [b"x", 3, "x", 2.5] * 10,
            "lists": [[1], [2], None, [1]] * 10,
            "broken": pd.Series(["\ud800", "a", "b", "c"] * 10, dtype="object"),
        }
    )
    layout = Layout.infer(frame)
    assert layout.encode(frame).table.rows == 40
    assert set(layout.inputs) == set(frame)
    assert "mixed types" in next(column.reason for column in layout.columns if column.name == "a[0] <b>")


def test_feature_names_are_unique() -> None:
    values = [f"{'AB'[i % 2]}/{i}" for i in range(80)]
    features = Layout.infer(pd.DataFrame({"s": values, "s.2": random.normal(size=80)})).features
    assert sorted(features.numbers) == ["s.2", "s.2 (2)"]


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(),
            st.floats(),
            st.booleans(),
            st.text(max_size=6),
            st.dates(),
            st.binary(max_size=3),
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=200, deadline=None)
def test_any_cells_are_encoded_or_refused(values: list[object]) -> None:
    frame = pd.DataFrame({"c": pd.Series(values, dtype="object"), "x": range(len(values))})
    layout = Layout.infer(frame, keep=["x"])
    table = layout.encode(frame).table
    assert table.rows == len(values)
    assert not np.isinf(table.numbers).any()
    for column, levels in zip(table.codes.T, table.features.levels, strict=True):
        assert column.min() >= -1
        assert column.max() < len(levels)


def test_ten_thousand_columns_keep_their_order() -> None:
    wide = pd.DataFrame(random.normal(size=(200, 10_000)), columns=[f"x{i}" for i in range(10_000)])
    layout = Layout.infer(wide)
    assert layout.features.numbers == tuple(wide.columns)
    np.testing.assert_array_equal(layout.encode(wide).table.numbers, wide.to_numpy())
