"""The data doctor as people call it: the command, its JSON, its exit codes, and the Python function."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from pictures import lay

import automl
from automl.cli.commands import commands
from automl.core.errors import DataError, UsageError

ROWS = 300


@pytest.fixture
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=ROWS)
    return pd.DataFrame(
        {
            "key": [f"id-{value:x}" for value in random.integers(1 << 60, 1 << 62, ROWS)],
            "x": x,
            "colour": random.choice(["red", "green"], ROWS),
            "y": np.where(x + random.normal(size=ROWS) > 0, "yes", "no"),
        }
    )


def check(folder: Path, frame: pd.DataFrame, *options: str) -> Result:
    frame.to_csv(folder / "data.csv", index=False)
    return CliRunner().invoke(
        commands, ["check", str(folder / "data.csv"), *options], standalone_mode=False, catch_exceptions=False
    )


def test_the_report_names_task_metric_and_findings_on_80_columns(tmp_path: Path, frame: Any) -> None:
    done = check(tmp_path, frame.assign(copy=frame["y"].map({"yes": 1, "no": 0})), "-t", "y")
    assert done.return_value == 0
    assert "data: 300 rows, 2 input columns (2 left out), target 'y'" in done.output
    assert "binary" in done.output
    assert "[target_copy] Column 'copy'" in done.output
    assert done.output.rstrip().endswith("1 warning, 1 note.")
    assert max(map(len, done.output.splitlines())) <= 80


def test_json_has_one_object_per_finding(tmp_path: Path, frame: Any) -> None:
    body = json.loads(check(tmp_path, frame, "-t", "y", "--json").output)
    assert (body["schema_version"], body["ok"], body["rows"]) == (1, True, ROWS)
    assert body["counts"] == {"error": 0, "warning": 0, "note": 1}
    assert set(body["findings"][0]) == {"code", "column", "severity", "evidence", "remedy"}
    assert body["findings"][0]["column"] == "key"
    assert {column["name"]: column["kind"] for column in body["columns"]} == {
        "key": "id",
        "x": "number",
        "colour": "category",
    }


def test_what_a_search_would_refuse_is_an_error_and_the_columns_are_checked_still(
    tmp_path: Path, frame: Any
) -> None:
    done = check(tmp_path, frame.assign(y="same"), "-t", "y")
    assert done.return_value == 3
    assert "error     [refused]" in done.output
    assert "only one value" in " ".join(done.output.split())
    assert "[id] Column 'key'" in done.output
    assert "a search would refuse this data" in done.output


def test_without_a_target_only_the_columns_are_checked(tmp_path: Path, frame: Any) -> None:
    done = check(tmp_path, frame)
    assert done.return_value == 0
    assert "[no_target]" in done.output


def test_columns_have_the_kinds_that_were_asked_for_also_where_the_target_is_refused(frame: Any) -> None:
    for data, target in ((frame.assign(y="same"), "y"), (frame, None)):
        report = automl.check(data, target=target, kinds={"x": "category"}, keep=["key"])
        reasons = {column.name: column.reason for column in report.columns}
        assert reasons["x"] == "asked for"
        assert reasons["key"] == "kept on request"


def test_a_kind_that_a_column_cannot_have_is_an_error_with_and_without_a_target(frame: Any) -> None:
    for target in ("y", None):
        report = automl.check(frame, target=target, kinds={"colour": "number"})
        assert [finding.code for finding in report.findings].count("refused") == 1
        assert "declared a number" in report.findings[0].evidence
    with pytest.raises(UsageError, match="no column kind 'numbre'"):
        automl.check(frame, kinds={"x": "numbre"})


def test_a_copy_of_the_target_is_not_said_to_be_left_out_on_request(frame: Any) -> None:
    report = automl.check(frame.assign(copy=frame["y"].str.upper()), target="y")
    assert {column.name: column.reason for column in report.columns}["copy"] == "a copy of the target"


def test_a_test_part_is_compared(tmp_path: Path, frame: Any) -> None:
    later = frame.assign(x=frame["x"] + 4)
    later.to_csv(tmp_path / "later.csv", index=False)
    done = check(tmp_path, frame, "-t", "y", "--test", str(tmp_path / "later.csv"))
    assert "[drift]" in done.output
    assert "'x'" in done.output


def test_mistakes_are_the_errors_of_a_search(frame: Any) -> None:
    with pytest.raises(DataError, match="no target column 'z'"):
        automl.check(frame, target="z")
    with pytest.raises(UsageError, match="kind"):
        automl.check(frame, target="y", kinds={"x": "nmber"})
    with pytest.raises(DataError, match="'colur'"):
        automl.check(frame, target="y", drop=["colur"])


@pytest.mark.slow
def test_a_search_finds_what_the_doctor_finds(tmp_path: Path, frame: Any) -> None:
    frame.assign(copy=frame["y"].map({"yes": 1, "no": 0})).to_csv(tmp_path / "data.csv", index=False)
    done = subprocess.run(
        [*(sys.executable, "-m", "automl", "search", "data.csv", "-t", "y"),
         *("--trials", "1", "--families", "dummy", "--executor", "inline")],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warning Column 'copy' is the target under another name" in done.stderr
    assert "left out 'key' (id)" in done.stderr


def test_many_findings_of_one_code_are_shortened(tmp_path: Path, frame: Any) -> None:
    done = check(tmp_path, frame.assign(**{f"empty{i}": 1 for i in range(30)}), "-t", "y")
    assert len(done.output.splitlines()) < 40
    assert "and 19 more" in done.output


def test_control_signs_in_names_do_not_reach_the_terminal(tmp_path: Path, frame: Any) -> None:
    done = check(tmp_path, frame.assign(**{"bad\x1b[31m name": 1}), "-t", "y")
    assert "\x1b" not in done.output


def test_the_rows_of_a_folder_are_called_by_their_paths(tmp_path: Path) -> None:
    lay(tmp_path, "cat/a/", "cat/b/", "dog/c/", "dog/d/")
    shutil.copyfile(tmp_path / "cat" / "a" / "1.png", tmp_path / "dog" / "d" / "copy.png")
    report = automl.check(tmp_path)
    found = {finding.code: finding.evidence + finding.remedy for finding in report.findings}
    assert "1 of 9 images (11.1%) are equal to another" in found["duplicates"]
    assert "copy.png" in found["duplicates"]
    assert "2 images have equal contents but different targets (first " in found["conflicts"]
    assert "There are only 9 images" in found["few_rows"]
    assert not [text for text in found.values() if " row" in text]
