"""What the tracker writes when a search is interrupted or killed, and when the store cannot be reached."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from searched import copied

from automl.core.errors import StorageError
from automl.tracker import SearchSummary, Tracker, open_store
from automl.tracker import library as history
from automl.tracker.store.location import connect


def test_an_interrupted_search_is_closed_as_killed(finished_trials: Any, tmp_path: Path) -> None:
    location = open_store(None, tmp_path / "mlruns")

    def search() -> None:
        with Tracker(location) as tracker:
            tracker.begin_search(finished_trials.record())
            tracker.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search()
    client = connect(location)
    [run] = client.search_runs([client.get_experiment_by_name("flowers").experiment_id])
    assert run.info.status == "KILLED"


def test_a_killed_process_leaves_no_run_open_for_ever(
    recorded: Any, finished_trials: Any, tmp_path: Path
) -> None:
    location = copied(recorded, tmp_path / "mlruns").location
    client = connect(location)
    experiment = client.get_experiment_by_name("flowers").experiment_id
    code = "import json; from automl.tracker.reconcile import owner_tags; print(json.dumps(owner_tags()))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    owner = {**json.loads(ended.stdout), "automl.search": "flowers"}
    parent = client.create_run(experiment, tags=owner).info.run_id
    child = client.create_run(experiment, tags={"mlflow.parentRunId": parent}).info.run_id
    foreign = client.create_run(experiment).info.run_id
    with Tracker(location) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.flush()
        for run_id in (parent, child):
            run = client.get_run(run_id)
            assert run.info.status == "KILLED"
            assert "ended without" in run.data.tags["automl.error"]
        assert client.get_run(foreign).info.status == "RUNNING", "not ours to judge"
        tracker.fail_search("done looking")


def test_a_store_that_fails_is_told_at_the_end_and_stops_no_trial(
    finished_trials: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_STORE_PATIENCE", "1")
    location = open_store(None, tmp_path / "mlruns")
    with Tracker(location) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.flush()
        (location.root / "artifacts" / "flowers").rename(tmp_path / "away")
        (location.root / "artifacts" / "flowers").write_text("in the way")
        tracker.finish_trial(finished_trials.trials[1])
        with pytest.raises(StorageError):
            tracker.flush()
        assert isinstance(tracker.failure, StorageError)


def test_what_a_locked_store_refused_is_written_when_it_is_free_again(
    finished_trials: Any, tmp_path: Path
) -> None:
    location = open_store(None, tmp_path / "mlruns")
    assert location.database is not None
    with Tracker(location) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.flush()
        folder = location.root / "artifacts" / "flowers"
        folder.rename(tmp_path / "away")
        folder.write_text("in the way")
        tracker.finish_trial(finished_trials.trials[1])
        while not tracker.trouble:
            time.sleep(0.05)
        assert tracker.stopped is None
        folder.unlink()
        (tmp_path / "away").rename(folder)
        ids = tracker.finish_search(SearchSummary({}))
    assert tracker.failure is None
    assert [row.trial for row in history.leaderboard_rows(ids.run_id, store=location.root)] == [1]


def test_an_unreachable_server_is_a_storage_error(
    finished_trials: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("AUTOML_STORE_PATIENCE", "1")
    with Tracker(open_store("http://127.0.0.1:9", tmp_path)) as tracker:
        tracker.begin_search(finished_trials.record())
        with pytest.raises(StorageError, match="tracking-uri"):
            tracker.finish_search(SearchSummary({}))


def test_what_an_interrupted_search_left_about_its_champion_goes_when_it_is_resumed(
    finished_trials: Any, tmp_path: Path
) -> None:
    location = open_store(None, tmp_path / "mlruns")
    search = replace(finished_trials.record(), key="0123456789abcdef")
    with Tracker(location) as tracker:
        tracker.begin_search(search)
        tracker.attach("plots/importance.svg", "<svg/>")
        tracker.attach("report.html", "<html>")
        tracker.fail_search("stopped", killed=True)
    with Tracker(location) as tracker:
        tracker.begin_search(search)
        tracker.flush()
    run = connect(location).get_run(history.searches(store=location.root)[0].run_id)
    assert {path.name for path in Path(run.info.artifact_uri).iterdir()} == {"configuration.json"}


def test_an_interrupt_gives_up_a_store_that_does_not_answer(finished_trials: Any, tmp_path: Path) -> None:
    """A thread that tried for ever would keep the process from ending."""
    location = open_store(None, tmp_path / "mlruns")

    def search() -> None:
        with Tracker(location) as tracker:
            tracker.begin_search(finished_trials.record())
            tracker.flush()
            root = location.artifacts
            root.rename(root.with_name("away"))
            root.write_text("a file in the folder's place")
            tracker.finish_trial(finished_trials.trials[1])
            while not tracker.trouble:
                time.sleep(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search()
    for thread in threading.enumerate():
        if thread.name.startswith("automl-tracker"):
            thread.join(100)
            assert not thread.is_alive()
