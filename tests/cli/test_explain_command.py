"""``automl explain`` as people type it, on small models in folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import automl

from automl.cli.explain import _error
from automl.core.errors import UsageError
from automl.model.background import Background
from automl.model.predictor import PredictorSource, build_predictor


@pytest.fixture
def place(finished_trials: Any, tmp_path: Path) -> Path:
    """A folder with a model of two forests, twelve rows, and a model that an earlier version saved."""
    folders = [Path(finished_trials.trials[n].result.model_folder) for n in (1, 2)]
    background = Background.of(finished_trials.problem.table, finished_trials.layout)
    for name, kept in (("model", background), ("old", None)):
        source = PredictorSource(
            name="flowers",
            task=finished_trials.problem.task,
            layout=finished_trials.layout,
            members=tuple((folder, 0.5) for folder in folders),
            background=kept,
        )
        build_predictor(tmp_path / name, source)
    finished_trials.frame.iloc[::13].to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


def test_few_rows_are_shown_as_bars_that_add_up(place: Path) -> None:
    done = automl("explain", "./model", "rows.csv", folder=place)
    assert done.returncode == 0, done.stderr
    assert "note: the first 10 of 12 rows are explained; -o FILE or --json explains all." in done.stderr
    blocks = done.stdout.strip().split("\n\n")
    assert len(blocks) == 10
    assert blocks[0].startswith("Row 1: setosa, probability ")
    for block in blocks:
        lines = block.splitlines()
        start, end = float(lines[0].split()[-1]), float(lines[0].split("probability ")[1].split(";")[0])
        numbers = [next(word for word in line.split() if word[0] in "+-") for line in lines[1:]]
        assert start + sum(map(float, numbers)) == pytest.approx(end, abs=0.01)
        assert "█" in block
    assert "sampled by" in done.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [(0.0, ""), (2e-17, ""), (9e-5, " ± <0.001"), (0.001, " ± 0.001"), (0.0234, " ± 0.02")],
)
def test_errors_have_no_more_decimals_than_the_contributions(error: float, words: str) -> None:
    assert _error(error, 0.41, 3) == words


def test_all_contributions_go_to_a_file(place: Path) -> None:
    done = automl("explain", "./model", "rows.csv", "--class", "virginica", "-o", "why.csv", folder=place)
    assert (done.returncode, done.stdout) == (0, "")
    table = pd.read_csv(place / "why.csv")
    assert len(table) == 12 * 6
    assert set(table["class"]) == {"virginica"}
    for _, part in table.groupby("row"):
        total = part["base"].iloc[0] + part["contribution"].sum()
        assert total == pytest.approx(part["prediction"].iloc[0])


def test_other_programs_get_json(place: Path) -> None:
    done = automl("explain", "./model", "rows.csv", "--json", "--time", "20s", folder=place)
    body = json.loads(done.stdout)
    assert body["unit"] == "probability"
    assert [row["row"] for row in body["rows"]] == [*range(1, 13)]
    row = body["rows"][0]
    total = row["base"] + sum(item["contribution"] for item in row["contributions"])
    assert total == pytest.approx(row["prediction"])
    assert row["class"] == "setosa"
    assert row["exact"] is False


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["./old", "rows.csv"], "saved without the typical values"),
        (["./model", "rows.csv", "--class", "rose"], "There is no class 'rose'"),
        (["./model", "rows.csv", "--scale", "odds"], "Did you mean 'log-odds'?"),
        (["./model", "rows.csv", "--time", "soon"], "is not a duration"),
        (["./model", "rows.csv", "-o", "why.txt"], "written as .csv or .parquet"),
    ],
)
def test_what_cannot_be_done_says_so(words: list[str], says: str, place: Path) -> None:
    done = automl("explain", *words, folder=place)
    assert done.returncode == UsageError.exit_code
    assert says in done.stderr
