"""The command line: a search as a process, what it leaves behind, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import command_line
import pandas as pd
import pytest
from processes import still_running

from automl.core.errors import UsageError

_SHORT = ("--trials", "5", "--families", "linear,lightgbm", "--seed", "3")


def automl(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In this process, and it has to end well."""
    done = command_line.automl(*arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return done


def as_a_process(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "automl", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A folder with wine.csv and one search of it, and what ``--json`` printed."""
    folder = tmp_path_factory.mktemp("searched")
    automl("example", "wine", folder=folder)
    done = as_a_process("search", "wine.csv", "--target", "class", *_SHORT, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_a_search_prints_one_json_object_of_the_promised_shape(searched):
    _, body = searched
    assert body["schema_version"] == 1
    assert (body["name"], body["task"], body["metric"]) == ("wine", "multiclass", "accuracy")
    assert body["greater_is_better"] is True
    assert body["best"]["kind"] in ("ensemble", "trial")
    assert body["best"]["validation"] > 0.9 > body["baseline"]["validation"]
    assert body["test"] is None
    assert set(body["trials"]) == {"done", "pruned", "failed", "timeout", "oom"}
    assert body["trials"]["done"] == 5
    assert body["model_uri"] == "models:/wine@champion"
    assert all(member["run_id"] for member in body["best"]["members"])


def test_the_leaderboard_is_best_first_and_its_json_has_the_promised_fields(searched):
    folder, _ = searched
    rows = json.loads(automl("leaderboard", "wine", "--json", folder=folder).stdout)
    rows = [row for row in rows if row.pop("kind") == "trial"]
    assert set(rows[0]) == {
        *("trial", "run_id", "family", "params", "state", "origin", "validation", "standard_error"),
        *("seconds", "predict_ms_per_1000_rows", "model_bytes", "percent"),
        *("weight", "is_champion"),
    }
    scores = [row["validation"] for row in rows if row["validation"] is not None]
    assert scores == sorted(scores, reverse=True)
    shown = automl("leaderboard", "wine", folder=folder).stdout
    assert "lightgbm" in shown
    assert "champion" in shown.splitlines()[1]


def test_the_result_is_the_last_entry_of_the_json_with_its_members(searched):
    folder, body = searched
    *trials, champion = json.loads(automl("leaderboard", "wine", "--json", folder=folder).stdout)
    assert (champion["kind"], champion["is_champion"]) == ("result", True)
    assert {row["kind"] for row in trials} == {"trial"}
    assert set(champion) - {"members"} == set(trials[0])
    assert (champion["run_id"], champion["trial"]) == (body["run_id"], -1)
    assert champion["validation"] == body["best"]["validation"]
    assert [member["weight"] for member in champion["members"]] == [
        member["weight"] for member in body["best"]["members"]
    ]
    shares = {row["trial"]: row["percent"] for row in trials if row["percent"] is not None}
    assert shares == {member["trial"]: member["percent"] for member in champion["members"]}
    assert sum(shares.values()) == 100


def test_show_describes_the_search_and_a_trial(searched):
    folder, body = searched
    said = automl("show", "wine", folder=folder).stdout
    assert "multiclass of 'class', judged by accuracy" in said
    assert re.search(
        r"best +(ensemble of )?#\d+ (linear|lightgbm|extra_trees|random_forest|dummy) \d+%", said
    )
    assert re.search(r"begun \d{4}-\d\d-\d\d \d\d:\d\d:\d\d by \S+, \d", said)
    assert "{" not in said
    trial = body["best"]["members"][0]
    shown = json.loads(automl("show", trial["run_id"], "--json", folder=folder).stdout)
    assert trial["family"] in json.dumps(shown)
    said = automl("show", trial["run_id"], folder=folder).stdout
    assert f"#{trial['trial']} {trial['family']} of the search wine: done" in said
    assert f'automl.load("{trial["run_id"]}")' in said


def test_predictions_are_equal_through_the_command_load_and_pyfunc(searched):
    import mlflow

    from automl import load

    folder, body = searched
    automl("predict", "wine", "wine.csv", "-o", "out/predictions.csv", folder=folder)
    frame = pd.read_csv(folder / "wine.csv").drop(columns="class")
    store = folder / "mlruns"
    ours = load("wine", store=store).predict(frame)
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    try:
        theirs = mlflow.pyfunc.load_model("models:/wine@champion").predict(frame)
    finally:
        mlflow.set_tracking_uri(None)
    command = pd.read_csv(folder / "out" / "predictions.csv")["class"]
    assert list(ours) == list(theirs) == list(command)
    assert len(load(body["best"]["members"][0]["run_id"], store=store).predict(frame)) == len(frame)
    truth = pd.read_csv(folder / "wine.csv")["class"]
    assert (command == truth).mean() > 0.95


def test_probabilities_have_a_column_per_class_and_go_to_stdout(searched):
    folder, _ = searched
    lines = automl("predict", "wine", "wine.csv", "--proba", folder=folder).stdout.splitlines()
    assert lines[0] == "class_0,class_1,class_2"
    assert len(lines) == 179


def test_sets_of_classes_stand_beside_the_classes(searched):
    folder, _ = searched
    lines = automl("predict", "wine", "wine.csv", "--interval", "95%", folder=folder).stdout.splitlines()
    assert lines[0] == "class,class_set"
    assert all(answer in among.split("|") for answer, among in (line.split(",") for line in lines[1:]))
    for given, word in ((["--interval", "95"], "90% or 0.9"), (["--interval", "0.9", "--proba"], "--proba")):
        done = command_line.automl("predict", "wine", "wine.csv", *given, folder=folder)
        assert done.returncode == UsageError.exit_code
        assert word in done.stderr


@pytest.mark.slow
def test_the_same_seed_and_trials_give_equal_scores_trial_by_trial(searched):
    folder, _ = searched
    how = (*_SHORT, "--executor", "inline", "--name", "again", "-q")
    automl("search", "wine.csv", "--target", "class", *how, folder=folder)
    first, second = (
        sorted(
            json.loads(automl("leaderboard", name, "--json", folder=folder).stdout), key=lambda r: r["trial"]
        )
        for name in ("wine", "again")
    )
    assert [(r["family"], r["params"], r["validation"]) for r in first] == [
        (r["family"], r["params"], r["validation"]) for r in second
    ]


@pytest.mark.slow
def test_a_budget_of_a_few_seconds_still_delivers_a_model_and_keeps_the_wall(tmp_path):
    automl("example", "diabetes", folder=tmp_path)
    began = time.monotonic()
    done = as_a_process(
        "search", "diabetes.csv", "--target", "progression", "--time", "4s", "--json", folder=tmp_path
    )
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["best"]["family"]
    assert automl("predict", "diabetes", "diabetes.csv", folder=tmp_path).stdout.startswith("progression")
    assert re.search(r"begun .*, [\d.]+s of 4.0s", automl("show", "diabetes", folder=tmp_path).stdout)
    assert seconds < 60  # 4 s and 3 more, with room for a machine busy with other work


@pytest.mark.parametrize("page", ["card", "report"])
def test_a_page_needs_the_name_of_a_file(page: str, tmp_path: Path) -> None:
    done = command_line.automl(page, "wine", "-o", "-", folder=tmp_path)
    assert done.returncode == 2
    assert "-o - is not the name of a file" in done.stderr
    assert not (tmp_path / "-").exists()


def test_a_mistake_gets_its_exit_code_and_a_way_out_without_a_traceback(tmp_path):
    """As a process; ``tests/bad_inputs`` has many in this one."""
    done = as_a_process("search", "missing.csv", "--target", "y", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "missing.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_copied_space_is_used_by_the_next_search(tmp_path):
    automl("example", "wine", folder=tmp_path)
    automl("spaces", "copy", "linear", folder=tmp_path)
    space = tmp_path / "search_spaces" / "linear.yaml"
    space.write_text(space.read_text().replace("family: linear", "famly: linear"))
    done = command_line.automl("search", "wine.csv", "--target", "class", "--trials", "2", folder=tmp_path)
    assert done.returncode == 2
    assert "linear.yaml" in done.stderr


def test_families_and_spaces_are_listed(tmp_path):
    names = {line.split()[0] for line in automl("families", folder=tmp_path).stdout.splitlines()}
    assert {"dummy", "linear", "lightgbm", "xgboost", "catboost", "tabm", "tabular_net"} <= names
    assert "portfolio" in automl("spaces", "show", "xgboost", folder=tmp_path).stdout


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_keeps_the_best_so_far_and_leaves_no_process(tmp_path):
    import psutil

    automl("example", "breast_cancer", folder=tmp_path)
    command = [sys.executable, "-m", "automl", "search", "breast_cancer.csv", "--target", "class"]
    command += ["--time", "60s", "--families", "linear,lightgbm"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "linear" in line:
                break
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(200) == 130, rest
    assert "Best:" in rest
    alive = still_running(children, seconds=60)
    assert not alive
    assert automl("predict", "breast_cancer", "breast_cancer.csv", folder=tmp_path).stdout.startswith("class")


def test_what_is_said_of_the_table_is_true(tmp_path: Path) -> None:
    """Folds of one's own leave no row over, however many there are; a date is one column, not its parts."""
    label = ["yes" if row % 3 else "no" for row in range(5_200)]
    table = pd.DataFrame({"x": range(5_200), "fold": [row % 2 for row in range(5_200)], "label": label})
    table["day"] = pd.date_range("2001-01-01", periods=5_200, freq="D").astype(str)
    table.to_csv(tmp_path / "rows.csv", index=False)
    asked = ("--trials", "1", "--executor", "inline", "--fold-column", "fold", "--keep", "x")
    said = automl("search", "rows.csv", "-t", "label", *asked, folder=tmp_path).stderr
    assert "5,200 rows, 1 number, 1 date" in said
    assert "set aside" not in said
    assert "  test  " not in said
