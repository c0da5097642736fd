"""Cases 71, 73, 74 and 78: a budget of a second, clocks that jump, readers that go away, hostile names."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import automl
from automl.core.time_budget import Clock


def test_case_71_a_budget_of_a_second_delivers_a_model_with_a_warning(cli, write, frame):
    done = cli("search", write(frame), "-t", "y", "--families", "dummy,linear,lightgbm", "--time", "1s")
    done.worked("Best:", "budget was too short")
    cli("predict", "data", "data.csv").worked()


def test_case_73_budgets_do_not_see_the_wall_clock(monkeypatch):
    clock = Clock(60)
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began + 86_400)
    assert clock.elapsed < 5
    assert clock.left > 55


def test_case_73_the_wall_clock_is_read_for_the_record_only():
    """Durations come from ``time.monotonic``; what reads the wall clock is listed with its reason."""
    allowed = {
        "cli/events.py": "when events happened, for who reads them",
        "controller/live_sign.py": "when a sign of life was given, for who follows the search",
        "controller/search.py": "when the search began, for the record",
        "controller/folder.py": "when the search ended; the age of a file, which is stated in wall time",
        "controller/upkeep.py": "the age of searches, for who clears them",
        "core/processor_share.py": "the age of a process where the system keeps no count of waiting",
        "families/nets/images/picture_times.py": "the age of a measurement, which outlives the process",
        "report/": "when a report was made, for people",
        "tracker/": "when runs began and ended, for people",
    }
    package = Path(automl.__file__).parent
    readers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\btime\.time\(|\bdatetime\.now\(", path.read_text(encoding="utf-8"))
    }
    assert {name for name in readers if not name.startswith(tuple(allowed))} == set()
    assert {place for place in allowed if not any(name.startswith(place) for name in readers)} == set()


@pytest.mark.parametrize("arguments", [("families",), ("predict", "data", "long.csv")])
def test_case_74_a_reader_that_goes_away_is_no_error(searched, write, tmp_path, arguments):
    import pandas as pd

    write(pd.concat([searched] * 4000, ignore_index=True), "long.csv")  # more than a pipe holds
    command = [sys.executable, "-m", "automl", *arguments]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        code = process.wait(120)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
    assert code == 0


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "](javascript:alert(1))",
    "\x1b[31mred\x07",
)


def test_case_78_hostile_names_reach_neither_the_terminal_nor_the_descriptions(cli, write, frame, tmp_path):
    from mlflow import MlflowClient

    hostile_frame = frame.drop(columns=["x", "price"])
    for number, hostile in enumerate(HOSTILE):
        hostile_frame[hostile] = frame["x"] * number + frame["price"]
    hostile_frame["y"] = [f"class {HOSTILE[row % 4]}" for row in range(60)]
    name = write(hostile_frame)
    checked, done = cli("check", name, "-t", "y"), cli("search", name, "-t", "y")
    done.worked("Best:")
    assert "\x1b" not in done.err + checked.out
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    experiments = [item.experiment_id for item in client.search_experiments()]
    for run in client.search_runs(experiments):
        assert "<script" not in run.data.tags["mlflow.note.content"]
        assert "<img" not in run.data.tags["mlflow.note.content"]


def test_case_78_words_from_outside_are_literal_in_markdown():
    from automl.tracker.record import as_markdown

    assert as_markdown("<b>x</b> & [a](b) `c` *d* _e_ |") == (
        r"&lt;b&gt;x&lt;/b&gt; &amp; \[a\](b) \`c\` \*d\* \_e\_ \|"
    )
    assert as_markdown("two\n\nlines") == "two lines"


def test_temporary_folders_are_private(frame, tmp_path, monkeypatch):
    made = []
    before = tempfile.mkdtemp

    def watched(*arguments, **options):
        made.append(Path(before(*arguments, **options)))
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", watched)
    options = {"families": ["linear"], "trials": 1, "executor": "inline", "name": "data"}
    result = automl.search(frame, target="y", store=tmp_path / "mlruns", **options)
    kept = [folder for folder in made if folder.exists()]
    assert result.predictor.folder.parent in kept
    for folder in kept:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
