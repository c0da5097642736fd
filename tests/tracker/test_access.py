"""What is read from a SQLite file without MLflow is what MLflow's client says of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from automl.tracker.reading.query import Record
from automl.tracker.store.access import KNOWN_SCHEMAS, Access, is_current, open_access
from automl.tracker.store.location import connect
from automl.tracker.store.runs import ChosenTrials
from automl.tracker.store.schema import revision

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from searched import RecordedSearch


HEAVY = {
    *("torch", "xgboost", "lightgbm", "catboost", "mlflow", "sqlalchemy", "optuna"),
    *("pandas", "sklearn", "scipy"),
}


def refused() -> MlflowClient:
    raise AssertionError("MLflow's client was asked for")


@pytest.fixture(scope="module")
def both(recorded: RecordedSearch) -> tuple[Access, Access]:
    """Reading directly, and by the client."""
    location = recorded.location
    return open_access(location.database, refused), open_access(None, lambda: connect(location))


def test_the_installed_mlflow_has_a_schema_that_is_read_directly(recorded: RecordedSearch) -> None:
    assert recorded.location.database is not None
    assert revision(recorded.location.database) in KNOWN_SCHEMAS


def test_runs_are_read_as_the_client_reads_them(
    both: tuple[Access, Access], recorded: RecordedSearch
) -> None:
    direct, client = both
    experiment, run_id = recorded.ids.experiment_id, recorded.ids.run_id
    trials = ChosenTrials(experiment, run_id), "val_accuracy"
    search = direct.search_runs([experiment])[0]
    assert direct.experiments() == client.experiments()
    assert direct.experiment_id("flowers") == client.experiment_id("flowers") == experiment
    for beginning in (run_id[:6], recorded.run_ids[1][:8], recorded.run_ids[2]):
        (found,) = direct.runs_beginning(beginning)
        assert client.runs_beginning(beginning) == [found]
    assert direct.search_runs([experiment]) == client.search_runs([experiment])
    assert direct.trial_runs(experiment, run_id) == client.trial_runs(experiment, run_id)
    assert len(direct.trial_runs(experiment, run_id)) == direct.count_trials(trials[0]) == 4
    best = [run.info.run_id for run in direct.first_trials(*trials, ascending=False, most=2)]
    assert best == [run.info.run_id for run in client.first_trials(*trials, ascending=False, most=2)]
    assert best == [row.run_id for row in Record(recorded.location).leaderboard(search)[:2]]
    worst = direct.first_trials(*trials, ascending=True, most=9)
    assert worst == client.first_trials(*trials, ascending=True, most=9)
    assert worst[-1].data.tags["automl.state"] == "failed", "without a value, it comes last"
    forests = replace(trials[0], tags={"automl.family": "random_forest", "automl.state": "done"})
    (found,) = direct.first_trials(forests, "val_accuracy", ascending=True, most=9)
    assert client.first_trials(forests, "val_accuracy", ascending=True, most=9) == [found]
    assert direct.count_trials(forests) == 1
    assert direct.run(run_id) == client.run(run_id)
    metric = "best_val_accuracy"
    assert direct.history(run_id, metric) == client.history(run_id, metric) != []
    trial = direct.trial_runs(experiment, run_id)[0]
    assert direct.files(trial) == client.files(trial)


def test_versions_are_read_as_the_client_reads_them(both: tuple[Access, Access]) -> None:
    for access in both:
        assert access.version_of("flowers", "champion") == "1"
        assert access.version_of("flowers", "challenger") == access.version_of("nothing", "champion") == ""
        assert access.version_place("flowers", "9") is None
        assert access.version_run("flowers", "9") == access.version_run("nothing", "1") == ""
    direct, client = both
    assert direct.version_run("flowers", "1") == client.version_run("flowers", "1") != ""
    assert direct.version_place("flowers", "1") == client.version_place("flowers", "1")
    model = (direct.version_place("flowers", "1") or "").split("/")[-2]
    assert direct.logged_model_place(model) == client.logged_model_place(model)


def test_nothing_is_found_of_what_is_not_there(both: tuple[Access, Access]) -> None:
    for access in both:
        assert access.run("0" * 32) is None
        assert access.experiment_id("nothing") is None
        assert (
            access.runs_beginning("0" * 32)
            == access.search_runs([])
            == access.trial_runs("99", "0" * 32)
            == []
        )


def test_what_is_deleted_in_mlflow_is_left_out(recorded: RecordedSearch, tmp_path: Path) -> None:
    from searched import copied

    written = copied(recorded, tmp_path / "mlruns")
    location = written.location
    client = connect(location)
    client.delete_run(written.run_ids[1])
    client.delete_model_version("flowers", "1")
    direct, slow = open_access(location.database, refused), open_access(None, lambda: client)
    for access in (direct, slow):
        assert len(access.trial_runs(written.ids.experiment_id, written.ids.run_id)) == 3
        assert access.version_of("flowers", "champion") == ""
    assert direct.run(written.run_ids[1]) == slow.run(written.run_ids[1])
    client.delete_experiment(written.ids.experiment_id)
    assert direct.experiments() == slow.experiments() == []


def loaded_by(*words: str) -> set[str]:
    """Which of the heavy libraries a command loads, in a process of its own."""
    code = f"""
import sys
from automl.cli import main
sys.argv = {["automl", *words]!r}
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("loaded:", *({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("words", ["leaderboard", "leaderboard --json", "show --json", "show RUN"])
def test_looking_at_a_search_loads_no_heavy_library(words: str, recorded: RecordedSearch) -> None:
    command, *more = words.replace("RUN", recorded.run_ids[1]).split()
    named = more if more and not more[0].startswith("-") else ["flowers", *more]
    assert loaded_by(command, *named, "--store", str(recorded.location.root)) == set()


def test_predictions_load_what_the_members_need_alone(recorded: RecordedSearch, tmp_path: Path) -> None:
    recorded.finished.frame.head().to_csv(tmp_path / "five.csv", index=False)
    five = str(tmp_path / "five.csv")
    loaded = loaded_by("predict", "flowers", five, "--store", str(recorded.location.root))
    assert loaded <= {"pandas", "sklearn", "scipy"}


def test_a_record_of_another_schema_is_left_to_mlflow(
    recorded: RecordedSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorded.location.database is not None
    assert is_current(recorded.location.database)
    monkeypatch.setattr("automl.tracker.store.access.KNOWN_SCHEMAS", frozenset())
    assert not is_current(recorded.location.database)
    with pytest.raises(AssertionError, match="client was asked for"):
        open_access(recorded.location.database, refused)
