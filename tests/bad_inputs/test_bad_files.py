"""Cases 1 to 19: files that are not what they should be."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.core.table import Kind
from automl.families import families


def search(cli, name, target="y", *more):
    return cli("search", name, "--target", target, *more)


def test_case_01_a_missing_path_gets_the_nearest_names(cli, write, frame):
    write(frame, "train.csv")
    search(cli, "trian.csv").refused(3, "trian.csv does not exist", "'train.csv'")


def test_case_02_an_empty_file(cli, write):
    search(cli, write("")).refused(3, "data.csv is empty (0 bytes)", "Next:")


def test_case_03_a_header_only(cli, write):
    search(cli, write("x,y\n")).refused(3, "0 rows", "Next:")


def test_case_04_one_row_states_the_minimum(cli, write):
    search(cli, write("x,y\n1,2\n")).refused(3, "1 row ", "at least 2")
    search(cli, write("x,y\n1,1.5\n2,2.7\n3,9.1\n")).worked("3 rows: 3 folds")


def test_case_05_a_byte_order_mark_is_not_in_the_first_name(cli, write, frame):
    name = write(b"\xef\xbb\xbf" + frame[["y", "x", "z"]].to_csv(index=False).encode())
    search(cli, name, "y").worked("task    binary")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_case_06_other_encodings_are_detected_and_reported(cli, write, frame, encoding):
    text = frame.rename(columns={"y": "Güte"}).to_csv(index=False)
    search(cli, write(text.encode(encoding)), "Güte").worked("Encoding", "--encoding overrides")


def test_case_06_a_wrong_encoding_names_the_byte(cli, write, frame):
    name = write(frame.rename(columns={"x": "größe"}).to_csv(index=False).encode("latin-1"))
    search(cli, name, "y", "--encoding", "utf-8").refused(3, "byte 2", "--encoding")


def in_cyrillic(frame):
    return frame.assign(town=["Москва", "Казань", "Самара"] * 20).to_csv(index=False)


def test_case_06_one_search_reads_files_in_several_encodings(cli, write, frame):
    text = in_cyrillic(frame)
    new = write(text, "new.csv")
    old = write(text.encode("cp1251"))
    words = ("Encoding cp1251 was detected (clear;", "new.txt: Encoding koi8_r was detected")
    search(cli, old, "y", "--test", write(text.encode("koi8_r"), "new.txt")).worked(*words)
    done = cli("predict", "data", new)
    done.worked()
    assert "did not occur" not in done.err
    assert "unseen" not in done.err


def test_case_06_lines_in_another_encoding_are_refused_or_left_out(cli, write, frame):
    name = write(in_cyrillic(frame).encode() + "1,2,3,no,León\n".encode("cp1252"))
    search(cli, name).refused(3, "utf-8 except for 1 line", "line 62", "--skip-bad-rows", "--encoding")
    search(cli, name, "y", "--skip-bad-rows").worked("1 row was left out", "60 rows")


def test_case_09_lines_above_the_header_are_skipped_or_asked_for(cli, write, frame):
    text = frame.to_csv(index=False)
    search(cli, write(f"Report of May\n\n{text}")).worked("first 2 lines are not part of the table")
    name = write(f"By,Anna\nOn,Monday\n{text}")
    search(cli, name).refused(3, "--header")
    search(cli, name, "y", "--header", "3").worked("60 rows")
    cli("predict", "data", name, "--header", "3").worked()


@pytest.mark.parametrize(("delimiter", "called"), [(";", "semicolon"), ("\t", "tab"), ("|", "pipe")])
def test_case_07_delimiters_are_detected_and_printed(cli, write, frame, delimiter, called):
    search(cli, write(frame.to_csv(index=False, sep=delimiter))).worked(f"Delimiter {called}", "--delimiter")


def test_case_07_an_unknown_delimiter_is_asked_for(cli, write, frame):
    name = write(frame.to_csv(index=False, sep="~"))
    search(cli, name).refused(3, "no target column 'y'", "--delimiter")
    search(cli, name, "y", "--delimiter", "~").worked("task    binary")


def test_case_08_decimal_commas_are_detected(cli, write, frame):
    name = write(frame.to_csv(index=False, sep=";", decimal=","))
    search(cli, name, "price").worked("Decimal commas were detected in 'x', 'z', 'price'", "regression")


def test_case_09_a_ragged_row_is_refused_with_its_line_and_skipped_when_asked(cli, write, frame):
    lines = frame.to_csv(index=False).splitlines()
    lines[9] += ",more"
    name = write("\n".join(lines) + "\n")
    search(cli, name).refused(3, "data.csv, line 10", "--skip-bad-rows")
    search(cli, name, "y", "--skip-bad-rows").worked("1 row with too many or too few", "59 rows")


def test_case_10_an_unclosed_quote_is_refused_with_its_line(cli, write, frame):
    lines = frame.to_csv(index=False).splitlines()
    lines[20] = '"' + lines[20]
    search(cli, write("\n".join(lines) + "\n")).refused(3, "data.csv, line 21", "quote", "Next:")


def test_case_10_line_breaks_in_quotes_are_read(cli, write, frame):
    texts = [f"line {i}\nand the next, of {i * 7}" for i in range(60)]
    search(cli, write(frame.assign(text=texts))).worked("60 rows")


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_case_11_line_ends_of_other_systems(cli, write, frame, end):
    search(cli, write(frame.to_csv(index=False, lineterminator=end))).worked("60 rows, 3 numbers")


def test_case_11_a_nul_byte_is_refused_with_its_line(cli, write, frame):
    lines = frame.to_csv(index=False).encode().splitlines()
    lines[4] += b"\0"
    search(cli, write(b"\n".join(lines))).refused(3, "data.csv, line 5", "NUL")


def test_case_12_duplicate_names_are_listed(cli, write):
    name = write("a,b,a,y\n" + "1,2,3,4\n" * 9)
    search(cli, name).refused(3, "'a' (columns 1, 3)")


@pytest.mark.slow
def test_case_13_an_index_column_is_dropped_and_said_and_other_blank_names_are(cli, write, frame):
    search(cli, write(frame.to_csv())).worked("Column 1 has no name and counts the rows: it was dropped")
    search(cli, write(frame.rename(columns={"z": " "}))).worked(
        "Column 2 has no name; it is called 'Unnamed: 1'"
    )


ODD = ("naïve 🙂", "x" * 300, 'a[0] <b>, {c}: "d"', "日本", "select * from", "%s {0}", "line\nbreak")


@pytest.fixture(scope="module")
def oddly_named() -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({name: random.normal(size=60).round(3) for name in ODD})
    return frame.assign(
        **{"[level] <1>": random.choice(["a", "b"], 60), "🙂": random.choice(["yes", "no"], 60)}
    )


TABLE_FAMILIES = sorted(name for name, family in families().items() if Kind.NUMBER in family.kinds)


@pytest.mark.parametrize("family", TABLE_FAMILIES)
def test_case_14_odd_names_work_in_every_family(family, oddly_named, tmp_path):
    from searched import finish_trials
    from shortened import short_candidate

    finished = finish_trials(oddly_named, "🙂", [short_candidate(family)], tmp_path)
    result = finished.trials[0].result
    assert result.status.value == "done", result.error


def test_case_14_odd_names_are_recorded_and_predicted(cli, write, oddly_named):
    name = write(oddly_named)
    search(cli, name, "🙂", "--trials", "2", "--families", "linear", "--executor", "inline").worked("Best:")
    done = cli("predict", "data", name)
    done.worked()
    assert len(done.out.splitlines()) == 61
    cli("show", "data").worked("🙂")


def zipped(member: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(member, "a,y\n1,2\n")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "called"),
    [
        (zipped("xl/workbook.xml"), "xlsx"),
        (zipped("data.csv"), "a zip archive. Next: unpack it"),
        (b'[{"a": 1, "y": 2},\n {"a": 3, "y": 4}]', "JSON"),
        (b'{"a": 1, "y": 2}\n{"a": 3, "y": 4}\n', "JSON"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "gzip"),
    ],
)
def test_case_15_another_format_under_the_name_csv_is_named(cli, write, content, called):
    search(cli, write(content)).refused(3, "data.csv is not text", called, "Next:")


def test_case_16_a_truncated_parquet_file(cli, write, frame, tmp_path):
    frame.to_parquet(tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    for damaged in (content[:-30], content[:200], b"PAR1" + os.urandom(400)):
        search(cli, write(damaged, "cut.parquet")).refused(3, "cut.parquet is not a complete parquet file")


def test_case_17_a_compression_bomb_stops_at_the_limit(cli, tmp_path):
    with gzip.open(tmp_path / "bomb.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"a,y\n")
        for _ in range(130):
            file.write(b"1,2\n" * (1 << 18))
    search(cli, "bomb.csv.gz").refused(3, "bomb.csv.gz unpacks to over", "limit is")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_case_19_a_file_that_may_not_be_read(cli, write, frame, tmp_path):
    name = write(frame)
    Path(tmp_path / name).chmod(0)
    search(cli, name).refused(3, "permissions")


def test_case_19_a_folder_that_holds_no_images(cli, tmp_path):
    (tmp_path / "folder").mkdir()
    search(cli, "folder").refused(3, "folder")


def test_case_59_archives_are_not_unpacked(cli, tmp_path):
    for name in ("photos.zip", "photos.zip.csv"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("../outside.txt", "slipped")
        search(cli, name).refused(3, name, "Next:")
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "photos.zip", "../../outside.txt")
    search(cli, "photos.tar.gz").refused(3, "photos.tar.gz", "Next:")
    assert not (tmp_path.parent / "outside.txt").exists()
