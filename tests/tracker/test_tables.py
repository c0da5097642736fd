"""What is written into a SQLite store without MLflow is what MLflow would have written."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from searched import FinishedTrials

from automl.tracker import StoreLocation, open_store
from automl.tracker.store import schema
from automl.tracker.store.location import connect
from automl.tracker.store.tables import has_written_tables, make_tables
from automl.tracker.tags import HOST, PID
from automl.tracker.writing.begun_search import begin_directly
from automl.tracker.writing.search_run import SearchRun


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute(query).fetchall()
    return sorted((tuple(map(in_any_order, row)) for row in found), key=str)


def in_any_order(cell: Any) -> Any:
    """A table's statement as its lines: MLflow's migrations order constraints by chance."""
    return sorted(line.rstrip(" ,") for line in cell.splitlines()) if "\n" in str(cell) else cell


def new_store(folder: Path) -> StoreLocation:
    location = open_store(None, folder)
    assert location.database is not None
    assert location.artifacts is not None
    assert make_tables(location.database, location.artifacts)
    return location


@pytest.mark.parametrize(
    "query",
    [
        "SELECT type, name, tbl_name, sql FROM sqlite_master",
        "SELECT * FROM alembic_version",
        "SELECT * FROM workspaces",
    ],
)
def test_the_tables_are_those_of_the_installed_mlflow(query: str, tmp_path: Path, migrated: Path) -> None:
    location = new_store(tmp_path)
    assert location.database is not None
    assert rows(location.database, query) == rows(migrated, query)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, made by all of MLflow's migrations."""
    database = tmp_path_factory.mktemp("migrated") / "mlflow.db"
    schema._migrate(database, new=True)
    return database


def test_a_search_is_begun_as_the_client_begins_it(tmp_path: Path, finished_trials: FinishedTrials) -> None:
    found = []
    for name in ("directly", "by_client"):
        location = new_store(tmp_path / name)
        writer = SearchRun(location)
        if name == "by_client":
            _ = writer.client
        writer.begin(finished_trials.record())
        client = connect(location)
        (run,) = client.search_runs([client.get_experiment_by_name("flowers").experiment_id])
        experiment = client.get_experiment_by_name("flowers")
        (dataset,) = run.inputs.dataset_inputs
        assert run.info.artifact_uri == f"{experiment.artifact_location}/{run.info.run_id}/artifacts"
        tags = {key: value for key, value in run.data.tags.items() if key != "automl.store_root"}
        owner = run.info.user_id, run.info.status, run.info.lifecycle_stage
        marks = [(tag.key, tag.value) for tag in dataset.tags]
        found.append((tags, run.data.params, owner, dataset.dataset, marks, {*experiment.tags}))
    assert found[0] == found[1]


_FIRST_TRIAL = """
import sys
from pathlib import Path
from searched import finish_trials, flowers
from automl.core.trial import Candidate
from automl.tracker import open_store
from automl.tracker.writing.search_run import SearchRun

folder = Path(sys.argv[1])
finished = finish_trials(flowers(), "species", [Candidate(family="dummy")], folder / "work")
writer = SearchRun(open_store(None, folder / "mlruns"))
writer.open()
writer.begin(finished.record())
trial = finished.trials[0]
print(writer.trials.write(trial, class_weights=(), ended=1, whole=lambda: trial), file=sys.stderr)
print("loaded:", *{"mlflow", "sqlalchemy"} & {*sys.modules}, file=sys.stderr)
"""


def test_a_search_and_its_first_trial_are_written_before_mlflow_is_imported(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    command = [sys.executable, "-c", _FIRST_TRIAL, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    run_id, loaded = done.stderr.splitlines()[-2:]
    assert loaded == "loaded:"
    client = connect(open_store(None, tmp_path / "mlruns"))
    trial = client.get_run(run_id)
    assert trial.data.metrics["val_accuracy"] == pytest.approx(1 / 3, abs=0.03)
    assert trial.data.tags["automl.family"] == "dummy"
    assert trial.inputs.dataset_inputs[0].dataset.name == "flowers"


def test_mlflow_reads_and_extends_a_store_that_was_made_without_it(tmp_path: Path) -> None:
    client = connect(new_store(tmp_path))
    assert [item.name for item in client.search_experiments()] == ["Default"]
    run = client.create_run("0")
    assert run.info.artifact_uri == f"{tmp_path.resolve()}/artifacts/0/{run.info.run_id}/artifacts"
    assert client.create_experiment("another") == "1"


def test_what_needs_mlflow_is_left_to_it(tmp_path: Path, finished_trials: FinishedTrials) -> None:
    location = new_store(tmp_path)
    client = connect(location)
    client.delete_experiment(client.create_experiment("flowers"))
    assert begin_directly(location, finished_trials.record()) is None, "its experiment was deleted"
    tags = {PID: "999999999", HOST: socket.gethostname()}
    client.create_run("0", tags=tags)
    assert begin_directly(location, finished_trials.record("other")) is None, "a killed process left a run"
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("ALTER TABLE runs ADD COLUMN newer TEXT")
    connection.close()
    assert location.database is not None
    assert not has_written_tables(location.database), "MLflow may fill the new column"


def test_two_processes_may_make_the_tables_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from automl.tracker.store.tables import make_tables\n"
        "assert make_tables(Path(sys.argv[1]), Path('artifacts'))"
    )
    commands = [[sys.executable, "-c", code, str(tmp_path / "mlflow.db")] for _ in range(3)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    assert [process.communicate()[1] for process in started] == ["", "", ""]
    assert rows(tmp_path / "mlflow.db", "SELECT name FROM experiments") == [("Default",)]
