"""Words that mean no value, and the classes that are called like them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from automl.controller.start import search
from automl.core.errors import UsageError
from automl.data.cells.missing import LabelColumn
from automl.data.files.readers import read_table


def read(folder: Path, rows: list[str], **options: object):
    path = folder / "data.csv"
    path.write_text("\n".join(["x,y", *rows]) + "\n", encoding="utf-8")
    return read_table(path, labels=LabelColumn("y"), **options)  # type: ignore[arg-type]


UNQUOTED = [f"{i},{['None', 'Basic', 'Pro'][i % 3]}" for i in range(60)]


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (UNQUOTED, ("None",)),
        ([f"{i},{['NA', 'EMEA', 'APAC'][i % 3]}" for i in range(60)], ("NA",)),
        ([f"{i},{'NA' if i == 5 else 'ab'[i % 2]}" for i in range(60)], ()),
        ([f"{i},{['NULL', 'a', 'b'][i % 3]}" for i in range(60)], ()),
        ([f'{i},"{["NA", "EMEA"][i % 2]}"' for i in range(60)], ("NA",)),
        ([f"{i},{['NA', chr(34) + 'EMEA' + chr(34)][i % 2]}" for i in range(60)], ()),
        ([f'{i},"{["null", "a"][i % 2]}"' for i in range(60)], ("null",)),
    ],
)
def test_a_word_of_the_target_is_a_class_by_its_quotes_or_its_rows(
    tmp_path: Path, rows: list[str], labels: tuple[str, ...]
) -> None:
    table = read(tmp_path, rows)
    assert table.label_words == labels
    assert set(labels) <= set(table.frame["y"].dropna())
    said = " ".join(table.notes)
    assert ("is taken for a class" in said) == bool(labels)
    assert ("count as missing: " in said) == (not labels)


def test_the_user_says_which_words_are_missing(tmp_path: Path) -> None:
    rows = [*UNQUOTED, "n/d,Pro", "NA,Basic"]
    assert read(tmp_path, rows, missing=["usual"]).frame["y"].isna().sum() == 20
    usual = read(tmp_path, rows, missing=["usual", "n/d"]).frame
    assert usual["x"].dtype == "float64"
    assert usual["x"].isna().sum() == 2
    none = read(tmp_path, rows, missing=["blank"]).frame
    assert none["y"].isna().sum() == 0
    assert none["x"].isna().sum() == 0
    assert read(tmp_path, rows, missing=["n/d", "NA"]).frame["x"].dtype == "float64"


def test_words_and_their_rows_are_named_for_levels(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("garage,y\n" + "None,1\nAttached,2\n,3\nNA,4\n" * 9)
    notes = " ".join(read_table(path).notes)
    assert "'None' in 'garage' (9)" in notes
    assert "'NA' in 'garage' (9)" in notes
    kept = read_table(path, missing=["blank"]).frame["garage"]
    assert kept.value_counts().to_dict() == {"None": 9, "Attached": 9, "NA": 9}


def test_a_quoted_word_is_a_level_beside_the_bare_one_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('"x","region"\n' + '1,"NA"\nNA,"EMEA"\n3,NA\n4,"APAC"\n' * 9)
    frame = read_table(path).frame
    assert frame["region"].value_counts().to_dict() == {"NA": 9, "EMEA": 9, "APAC": 9}
    assert frame["x"].isna().sum() == 9
    path.write_text('"x","region"\n' + '"1","NA"\n"2","EMEA"\n' * 9)  # quotes everywhere tell nothing
    assert read_table(path).frame["region"].isna().sum() == 9


def test_a_sheet_has_the_same_words_as_a_text(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"x": [1.5, "NA", 3.0] * 20, "y": ["None", "Basic", "Pro"] * 20})
    frame.to_excel(tmp_path / "data.xlsx", index=False)
    table = read_table(tmp_path / "data.xlsx", labels=LabelColumn("y"))
    assert set(table.frame["y"]) == {"None", "Basic", "Pro"}
    assert table.frame["x"].dtype == "float64"
    assert table.frame["x"].isna().sum() == 20


def test_frames_keep_their_words_unless_asked() -> None:
    frame = pd.DataFrame({"y": ["None", "a"] * 9})
    assert read_table(frame).frame["y"].isna().sum() == 0
    assert read_table(frame, missing=["usual"]).frame["y"].isna().sum() == 9


def test_one_text_is_no_list_of_words() -> None:
    with pytest.raises(UsageError, match=r"not the text 'NA'"):
        search("data.csv", target="y", missing="NA")
