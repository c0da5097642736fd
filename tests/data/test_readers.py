"""Every way in which a file can be odd: read right, or refused with a message that helps."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_files import PLAIN, refused, write

from automl.core.errors import DataError, MissingDependencyError, UsageError
from automl.data.files import readers
from automl.data.files.readers import read_table


def test_plain_csv(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, PLAIN))
    assert table.name == "data.csv"
    assert table.notes == ()
    pd.testing.assert_frame_equal(table.frame, pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}))


def test_a_missing_path_suggests_near_names(tmp_path: Path) -> None:
    write(tmp_path, PLAIN, "train.csv")
    assert "'train.csv'" in refused(tmp_path / "trian.csv")
    assert "no folder" in refused(tmp_path / "nowhere" / "x.csv")
    assert "Tables in" in refused(tmp_path / "qqqqqqqq.parquet")


def test_a_folder_and_an_unknown_ending_are_refused(tmp_path: Path) -> None:
    assert "folder" in refused(tmp_path)
    assert "Known endings" in refused(write(tmp_path, PLAIN, "data.dat"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    path.chmod(0)
    assert "permissions" in refused(path)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    assert "is not a regular file" in refused(tmp_path / "pipe.csv")


@pytest.mark.parametrize(("text", "part"), [("", "0 bytes"), (" \n\n", "blanks"), ("a,b\n", "0 rows")])
def test_empty_files_are_refused(tmp_path: Path, text: str, part: str) -> None:
    assert part in refused(write(tmp_path, text))


def test_one_row_is_too_few_to_learn_from_but_enough_to_predict(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n1,2\n")
    assert "1 row " in refused(path)
    assert "at least 2" in refused(path)
    assert len(read_table(path, minimum_rows=0).frame) == 1
    assert read_table(write(tmp_path, "a,b\n"), minimum_rows=0).frame.shape == (0, 2)


TABLE = "id;town;x\n" + "".join(f"{i};t{i % 3};{i / 4}\n" for i in range(12))


@pytest.mark.parametrize(
    "above", ["Report of sales, north;;\n", "Sales\n\n", "# by Anna; 2024\n# v2\n", "A\nB\n"]
)
def test_lines_that_are_plainly_above_the_table_are_skipped_and_said(tmp_path: Path, above: str) -> None:
    table = read_table(write(tmp_path, above + TABLE))
    assert table.frame.shape == (12, 3)
    assert list(table.frame) == ["id", "town", "x"]
    assert "not part of the table" in table.notes[0]


@pytest.mark.parametrize("first", ["Sales;north;of 2024", "Sales;north;2024"])
def test_a_title_that_may_be_the_header_asks_for_the_line(tmp_path: Path, first: str) -> None:
    path = write(tmp_path, f"{first}\n{TABLE}")
    assert "line 2: 'id;town;x' are words" in refused(path)
    assert list(read_table(path, header=2).frame) == ["id", "town", "x"]
    assert len(read_table(path, header=1).frame) == 13


def test_the_line_of_the_header_can_be_named(tmp_path: Path) -> None:
    assert "--header" in refused(write(tmp_path, "By;Anna\nOn;Monday\n" + TABLE))
    path = write(tmp_path, "By;Anna\nOn;Monday\n" + TABLE + "1;2\n")
    assert "line 16: 2 values" in refused(path, header=3)
    assert read_table(path, header=3, skip_bad_rows=True).frame.shape == (12, 3)
    assert "has 16 lines, and --header names line 90" in refused(path, header=90)
    with pytest.raises(UsageError, match="1 or more"):
        read_table(path, header=0)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("#id,name\n1,x\n2,y\n3,z\n", ["#id", "name"]),
        ("# of items\n1\n2\n3\n", ["# of items"]),
        ("note\nNice day\nBad day\n", ["note"]),
        ("a,\nAnna,\nBert,\n", ["a"]),
        ("name,kind\nAnna,x\nBert,y\nCarl,z\n", ["name", "kind"]),
        ("name,size\nAnna,NA\nBert,1\nCarl,2\nDora,3\n", ["name", "size"]),
    ],
)
def test_a_header_is_not_taken_for_a_title(tmp_path: Path, text: str, names: list[str]) -> None:
    assert list(read_table(write(tmp_path, text)).frame) == names


def test_blanks_before_quotes_are_no_part_of_cells(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, 'a, "b",c\n1, "x, ""y""\nz", 3\n2,  "w", 4\n5" pipe, plain,5\n'))
    assert list(table.frame["b"]) == ['x, "y"\nz', "w", " plain"]
    assert list(table.frame["a"]) == ["1", "2", '5" pipe']
    assert "Blanks between delimiters and quotes were removed." in table.notes


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "pipe")])
def test_delimiters_are_detected_and_noted(tmp_path: Path, delimiter: str, name: str) -> None:
    table = read_table(write(tmp_path, PLAIN.replace(",", delimiter), "data.txt"))
    assert list(table.frame) == ["a", "b"]
    assert name in table.notes[0]


def test_the_line_that_declares_a_delimiter_is_obeyed(tmp_path: Path) -> None:
    assert list(read_table(write(tmp_path, "sep=;\na;b\n1;2\n3;4\n")).frame) == ["a", "b"]


def test_a_lost_header_or_delimiter_is_suspected(tmp_path: Path) -> None:
    assert (
        "header line" in read_table(write(tmp_path, "5.1,3.5,setosa\n4,3,setosa\n2,1,virginica\n")).notes[0]
    )
    assert "--delimiter" in read_table(write(tmp_path, "a b\n1 2\n3 4\n")).notes[0]


def test_a_delimiter_inside_quotes_does_not_count(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, 'a;b\n"x;y,z";1\n"p,q";2\n')).frame
    assert list(frame["a"]) == ["x;y,z", "p,q"]


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "a\n1\n2\n")).frame["a"].tolist() == [1, 2]


def test_decimal_commas_are_detected_and_noted(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a;b;c\n1,5;1.234,50;7\n2;3,25;8\n-0,5;10.000,00;9\n"))
    assert table.frame["a"].tolist() == [1.5, 2.0, -0.5]
    assert table.frame["b"].tolist() == [1234.5, 3.25, 10000.0]
    assert any("Decimal commas" in note for note in table.notes)
    assert read_table(write(tmp_path, "a;b\n1,5;x\n2,5;y\n"), decimal=",").frame["a"].tolist() == [1.5, 2.5]


def test_thousands_separators_are_read_and_noted(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, 'a,b\n"1,234",x\n"12,345,678.5",y\n5,z\n'))
    assert table.frame["a"].tolist() == [1234.0, 12345678.5, 5.0]
    assert any("thousands" in note for note in table.notes)
    powers = read_table(write(tmp_path, 'a,b\n"42,000",x\n1e+05,y\n'))  # R writes 100000 so
    assert powers.frame["a"].tolist() == [42_000.0, 100_000.0]
    decimals = read_table(write(tmp_path, 'a,b\n"4,125",x\n"1,5e-05",y\n'))
    assert decimals.frame["a"].tolist() == [4.125, 1.5e-05]


@pytest.mark.parametrize("bad", ["4", "4,5,6"])
def test_a_ragged_row_is_refused_with_its_line_or_skipped_on_request(tmp_path: Path, bad: str) -> None:
    path = write(tmp_path, f'a,b\n1,"x\ny"\n\n{bad}\n7,8\n')
    assert "line 5" in refused(path)
    assert "--skip-bad-rows" in refused(path)
    table = read_table(path, skip_bad_rows=True)
    assert table.frame["a"].tolist() == [1, 7]
    assert any("1 row " in note and f"left out: line 5: {bad!r}" in note for note in table.notes)
    assert table.left_out == (5,)


def test_a_header_without_its_last_name_says_so(tmp_path: Path) -> None:
    assert "3 values, but the header names 2 columns" in refused(write(tmp_path, "a,b\n" + "1,2,3\n" * 5))


@pytest.mark.parametrize("text", ['a,b\n1,x\n2,"y\n3,z\n', 'a,b\n1,x\n"2,y\n3,z\n', '"a,b\n1,x\n'])
def test_an_unclosed_quote_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    line = 1 if text.startswith('"') else 3
    assert f"line {line}:" in refused(write(tmp_path, text))


def test_a_quote_closed_far_below_is_refused(tmp_path: Path) -> None:
    rows = [f"{i},{i % 7},text" for i in range(40)]
    rows[10] = '10,3,"text'
    rows[30] = '30,2,text"'
    assert "line 12" in refused(write(tmp_path, "a,b,c\n" + "\n".join(rows) + "\n"))


def test_quoted_line_breaks_and_doubled_quotes_are_text(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, 'a,"b\nc"\n"x\ny",1\n"say ""hi""",2\n')).frame
    assert list(frame) == ["a", "b\nc"]
    assert list(frame["a"]) == ["x\ny", 'say "hi"']


def test_an_inch_mark_is_text(tmp_path: Path) -> None:
    assert list(read_table(write(tmp_path, 'a,b\n5" pipe,1\n6 pipe,2\n')).frame["a"]) == ['5" pipe', "6 pipe"]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems(tmp_path: Path, end: str) -> None:
    frame = read_table(write(tmp_path, PLAIN.replace("\n", end))).frame
    assert frame.shape == (3, 2)
    assert list(frame["b"]) == ["x", "y", "z"]


def test_a_nul_byte_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 3: a NUL byte" in refused(write(tmp_path, b"a,b\n1,x\n2,\x00\n3,zzzzzzzzzzzzz\n"))


def test_duplicate_names_are_listed(tmp_path: Path) -> None:
    message = refused(write(tmp_path, "a,b,a,c,b\n1,2,3,4,5\n1,2,3,4,5\n"))
    assert "'a' (columns 1, 3)" in message
    assert "'b' (columns 2, 5)" in message


def test_an_index_column_without_name_is_dropped_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    pd.DataFrame({"a": [5, 7, 6], "b": list("xyz")}).to_csv(path)
    table = read_table(path)
    assert list(table.frame) == ["a", "b"]
    assert "counts the rows" in table.notes[0]


def test_other_columns_without_name_are_kept_and_noted(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a, ,\n1,7,\n2,9,\n"))
    assert list(table.frame) == ["a", "Unnamed: 1"]
    assert len(table.notes) == 2


def test_points_beside_decimal_commas_stand_between_thousands(tmp_path: Path) -> None:
    rows = ["1,5;999;1.5;0.123", "2,25;1.234;2.5;0.456", "1.000,5;;3.25;0.789", "7;1.234.567;4.5;0.5"]
    read = read_table(write(tmp_path, "\n".join(["a;b;c;d", *rows])))
    assert read.frame["a"].tolist() == [1.5, 2.25, 1000.5, 7.0]
    assert read.frame["b"].fillna(0).tolist() == [999, 1234, 0, 1234567]
    assert read.frame["c"].tolist() == [1.5, 2.5, 3.25, 4.5]
    assert read.frame["d"].tolist() == [0.123, 0.456, 0.789, 0.5]
    alone = write(tmp_path, "b;a;c\n1.234;7,5;1.500\n")
    assert read_table(alone, minimum_rows=1, written=read.commas).frame.iloc[0].tolist() == [1234, 7.5, 1.5]
    assert read_table(write(tmp_path, "b;c\n1.234;1.5\n"), minimum_rows=1).frame["b"].tolist() == [1.234]


def test_odd_names_are_kept(tmp_path: Path) -> None:
    names = ["naïve 🙂", "x" * 300, "a[0] <b>", "日本"]
    path = tmp_path / "data.csv"
    pd.DataFrame([[1, 2, 3, 4]] * 3, columns=names).to_csv(path, index=False)
    assert list(read_table(path).frame) == names


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (gzip.compress(PLAIN.encode(), mtime=0), "gzip"),
        (b"PK\x03\x04rest", "zip"),
        (b"PAR1rest", "parquet"),
        (b"\n <!DOCTYPE html><html>", "HTML"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_another_format_under_the_name_csv_is_named(tmp_path: Path, content: bytes, part: str) -> None:
    assert part in refused(write(tmp_path, content))


def test_gzip_is_read_and_damage_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(PLAIN.encode() * 100)
    assert len(read_table(write(tmp_path, gzip.compress(PLAIN.encode(), mtime=0), "d.csv.gz")).frame) == 3
    assert "damaged or truncated" in refused(write(tmp_path, packed[:-12], "d.csv.gz"))
    assert "not gzip" in refused(write(tmp_path, PLAIN, "d.csv.gz"))
    assert "empty" in refused(write(tmp_path, gzip.compress(b""), "d.csv.gz"))


def test_a_compression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "BOMB_BYTES", 1 << 20)
    path = write(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * (1 << 20)), "bomb.csv.gz")
    assert "unpacks to over" in refused(path)


def test_parquet_is_read_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    frame = pd.DataFrame({"a": [1, 2, None], "b": ["x", None, "z"], "when": pd.date_range("2024", periods=3)})
    frame.to_parquet(path)
    pd.testing.assert_frame_equal(read_table(path).frame, frame, check_dtype=False)
    content = path.read_bytes()
    assert "not a complete parquet" in refused(write(tmp_path, content[: len(content) // 2], "cut.parquet"))
    assert "not parquet" in refused(write(tmp_path, b"PK\x03\x04", "zip.parquet"))


def test_xlsx_is_read_and_damage_is_named(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "data.xlsx"
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_excel(path, index=False)
    assert read_table(path).frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}
    assert "not a complete xlsx" in refused(write(tmp_path, path.read_bytes()[:2000], "cut.xlsx"))


def test_xlsx_without_its_extra_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(MissingDependencyError, match=r"pip install openpyxl"):
        read_table(write(tmp_path, b"PK\x03\x04", "data.xlsx"))


def test_a_cell_longer_than_a_block_is_read(tmp_path: Path) -> None:
    text = "words, and\n" * 400_000
    frame = read_table(write(tmp_path, f'a,b\n1,"{text}"\n2,y\n')).frame
    assert frame["b"][0] == text


def test_codes_and_large_integers_stay_exact(tmp_path: Path) -> None:
    text = "zip,big,huge,hex\n00417,9007199254740993,123456789012345678901,0x10\n02139,,2,0x11\n"
    frame = read_table(write(tmp_path, text)).frame
    assert frame["zip"].tolist() == ["00417", "02139"]
    assert frame["big"][0] == "9007199254740993"
    assert frame["huge"][0] == "123456789012345678901"
    assert frame["hex"].tolist() == ["0x10", "0x11"]


def test_truth_values_and_missing_words(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "t,m,n\nTrue,NA,1\nFALSE,x,?\ntrue,,3\n")).frame
    assert frame["t"].tolist() == [True, False, True]
    assert frame["m"].isna().tolist() == [True, False, True]
    assert frame["n"].tolist()[::2] == [1.0, 3.0]
    assert np.isnan(frame["n"][1])


def test_a_frame_is_taken_as_it_is_with_text_for_names() -> None:
    source = pd.DataFrame({1: [1, 2], "b": [3, 4]})
    table = read_table(source)
    assert list(table.frame) == ["1", "b"]
    assert list(source) == [1, "b"]
    assert table.name == "frame"
    with pytest.raises(DataError, match="duplicate"):
        read_table(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))
    with pytest.raises(UsageError, match="not list"):
        read_table([1, 2])  # type: ignore[arg-type]


def test_ten_thousand_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    pd.DataFrame(np.arange(30_000.0).reshape(3, -1) / 7).to_csv(path, index=False)
    assert read_table(path).frame.shape == (3, 10_000)


cells = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).map(
        lambda text: f"w{text}"
    ),
    st.sampled_from(['quote " inside', "comma, inside", "line\nbreak", "wide 日本 🙂", "-", "a;b|c"]),
)
columns = st.one_of(
    st.tuples(st.just("text"), st.lists(cells, min_size=3, max_size=3)),
    st.tuples(st.just("int"), st.lists(st.integers(-(2**53), 2**53), min_size=3, max_size=3)),
    st.tuples(st.just("float"), st.lists(st.floats(allow_infinity=False), min_size=3, max_size=3)),
    st.tuples(st.just("bool"), st.lists(st.booleans(), min_size=3, max_size=3)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(columns, min_size=1, max_size=4),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
def test_what_pandas_writes_reads_back_equal(
    tmp_path: Path, written: list[tuple[str, list[object]]], delimiter: str, encoding: str
) -> None:
    frame = pd.DataFrame({f"{kind} {i}": values for i, (kind, values) in enumerate(written)})
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False, sep=delimiter, encoding=encoding)
    back = read_table(path, delimiter=delimiter, minimum_rows=0).frame
    kept = frame
    if frame.shape[1] == 1:
        kept = frame.dropna().reset_index(drop=True)  # a blank line is no row
        back = back.dropna().reset_index(drop=True)
    pd.testing.assert_frame_equal(back, kept, check_dtype=False)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text('a1,;\t|"\n\r .é-', max_size=120).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    try:
        frame = read_table(path, minimum_rows=0).frame
    except DataError:
        return
    assert frame.columns.is_unique
    assert all(isinstance(name, str) for name in frame.columns)


def test_lines_that_were_left_out_are_told_apart_from_longer_ones_that_begin_alike(tmp_path: Path) -> None:
    path = write(tmp_path, 'a,b,c\n1,2,3\n"1\n,2",2\n1,2\n1,2,3\n\n1,2\n1,2,3,4\n')
    table = read_table(path, skip_bad_rows=True)
    assert len(table.frame) == 2
    assert table.left_out == (3, 5, 8, 9)
