from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from processes import still_running
from searched import copied, loaded_by_mlflow, write_search

from automl.core.errors import ModelFileError, UsageError
from automl.model.predictor import Predictor
from automl.tracker import Tracker, open_store
from automl.tracker import library as history


@pytest.fixture
def root(recorded: Any) -> Path:
    return Path(recorded.location.root)


def test_a_searchs_name_loads_its_champion(recorded: Any, root: Path) -> None:
    frame = recorded.finished.frame
    model = history.load("flowers", store=root)
    pd.testing.assert_series_equal(model.predict(frame), Predictor.load(recorded.champion).predict(frame))
    assert [member.weight for member in model.members] == [0.75, 0.25]


def test_a_run_id_loads_that_trial_or_that_searchs_champion(recorded: Any, root: Path) -> None:
    trial = history.load(recorded.run_ids[2], store=root)
    assert [member.family for member in trial.members] == ["extra_trees"]
    assert len(history.load(recorded.ids.run_id, store=root).members) == 2


def test_every_finished_trial_loads_and_predicts(recorded: Any, root: Path) -> None:
    frame = recorded.finished.frame
    for row in history.leaderboard_rows("flowers", store=root):
        if row.state == "done":
            assert len(history.load(row.run_id, store=root).predict(frame)) == len(frame)


def test_a_folder_loads_too(recorded: Any, tmp_path: Path) -> None:
    history.load(recorded.champion).save(tmp_path / "kept")
    assert history.load(tmp_path / "kept").name == "flowers"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFileError, match="is not an automl model"):
        history.load(tmp_path / "empty")


def test_unknown_names_come_with_a_suggestion(root: Path) -> None:
    for ask in (history.load, history.leaderboard, history.describe):
        with pytest.raises(UsageError, match="Did you mean 'flowers'"):
            ask("flower", store=root)
    with pytest.raises(UsageError, match="no run"):
        history.load("0" * 32, store=root)


def test_a_failed_trial_has_no_model_and_says_why(recorded: Any, root: Path) -> None:
    with pytest.raises(UsageError, match="failed"):
        history.load(recorded.run_ids[3], store=root)


def test_without_a_store_the_way_to_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="automl search"):
        history.load("wine", store=tmp_path / "mlruns")
    assert not (tmp_path / "mlruns").exists()


def test_a_search_without_a_champion_says_so(finished_trials: Any, tmp_path: Path) -> None:
    location = open_store(None, tmp_path / "mlruns")
    with Tracker(location) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.finish_trial(finished_trials.trials[3])
        tracker.fail_search("no trial succeeded")
        tracker.flush()
        run_ids = tracker.run_ids
    with pytest.raises(UsageError, match="no champion"):
        history.load("flowers", store=tmp_path / "mlruns")
    described = history.describe("flowers", store=tmp_path / "mlruns")
    assert isinstance(described, history.SearchDescription)
    assert (described.status, described.error) == ("failed", "no trial succeeded")
    assert [row.run_id for row in described.trials] == [run_ids[3]]


def test_the_leaderboard_is_best_first_with_failures_last(recorded: Any, root: Path) -> None:
    board = history.leaderboard("flowers", store=root)
    assert tuple(board.columns) == (
        *("trial", "family", "validation", "standard_error", "weight", "seconds"),
        *("predict_ms_per_1000_rows", "model_bytes", "state", "is_champion", "origin"),
        *("params", "run_id"),
    )
    assert board["validation"].iloc[:3].is_monotonic_decreasing
    last = board.iloc[-1]
    assert (last["trial"], last["state"]) == (3, "failed")
    assert pd.isna(last["validation"])
    forest = board.set_index("trial").loc[1]
    assert forest["params"] == {"n_estimators": 20}
    assert forest["run_id"] == recorded.run_ids[1]
    assert forest["validation"] == recorded.finished.trials[1].scores.validation
    assert history.leaderboard(recorded.ids.run_id, store=root).equals(board)


def test_the_leaderboard_of_a_name_is_of_its_latest_search(
    recorded: Any, finished_trials: Any, tmp_path: Path
) -> None:
    first = copied(recorded, tmp_path / "mlruns")
    fewer = replace(finished_trials, trials={n: finished_trials.trials[n] for n in (0, 1, 2)})
    second = write_search(first.location, fewer, tmp_path / "second", promote="always")
    board = history.leaderboard("flowers", store=tmp_path / "mlruns")
    assert set(board["run_id"]) == set(second.run_ids.values())
    [search] = history.searches(store=tmp_path / "mlruns")
    assert search.run_id == second.ids.run_id
    older = history.load(first.ids.run_id, store=tmp_path / "mlruns")
    assert older.folder != history.load(second.ids.run_id, store=tmp_path / "mlruns").folder


def test_a_search_is_described(recorded: Any, root: Path) -> None:
    described = history.describe("flowers", store=root)
    assert isinstance(described, history.SearchDescription)
    assert described.name == "flowers"
    assert described.status == "finished"
    assert (described.task, described.metric, described.target) == ("multiclass", "accuracy", "species")
    assert described.summary is not None
    assert described.summary["experiment_id"] == recorded.ids.experiment_id
    assert described.seconds == described.summary["seconds"] == 12.5
    assert described.configuration["seed"] == 3
    assert len(described.trials) == 4
    assert history.describe(recorded.ids.run_id, store=root) == described
    assert json.loads(json.dumps(described.to_json()))["trials"][0]["run_id"] == described.trials[0].run_id


def test_a_trial_is_described(recorded: Any, root: Path) -> None:
    described = history.describe(recorded.run_ids[1], store=root)
    assert isinstance(described, history.TrialDescription)
    assert described.search == "flowers"
    assert described.row.family == "random_forest"
    assert described.fold_scores == recorded.finished.trials[1].scores.folds
    assert described.candidate["seed"] == 1
    assert described.has_model
    plain = json.loads(json.dumps(described.to_json()))
    assert (plain["family"], plain["trial"], plain["search"]) == ("random_forest", 1, "flowers")
    failed = history.describe(recorded.run_ids[3], store=root)
    assert isinstance(failed, history.TrialDescription)
    assert "no_such_parameter" in failed.error
    assert "Traceback" in failed.traceback
    assert not failed.has_model


def test_a_run_of_someone_else_is_not_taken_for_ours(recorded: Any, tmp_path: Path) -> None:
    from automl.tracker.store.location import connect

    search = copied(recorded, tmp_path / "mlruns")
    foreign = connect(search.location).create_run(search.ids.experiment_id).info.run_id
    with pytest.raises(UsageError, match="not made by automl"):
        history.load(foreign, store=tmp_path / "mlruns")


def test_a_search_whose_name_looks_like_a_run_id_is_found(finished_trials: Any, tmp_path: Path) -> None:
    name = "5d41402abc4b2a76b9719d911017c592"
    search = write_search(open_store(None, tmp_path / "mlruns"), finished_trials, tmp_path, name=name)
    assert len(history.leaderboard(name, store=tmp_path / "mlruns")) == len(finished_trials.trials)
    assert history.load(name, store=tmp_path / "mlruns").name == name
    assert history.load(search.ids.run_id, store=tmp_path / "mlruns").name == name


def test_a_moved_store_still_loads_and_goes_on(recorded: Any, finished_trials: Any, tmp_path: Path) -> None:
    before, after = tmp_path / "before" / "mlruns", tmp_path / "after" / "mlruns"
    search = copied(recorded, before)
    after.parent.mkdir()
    shutil.move(before, after)
    frame = finished_trials.frame
    champion = history.load("flowers", store=after)
    assert champion.folder.is_relative_to(after)
    pd.testing.assert_series_equal(champion.predict(frame), Predictor.load(search.champion).predict(frame))
    assert history.load(search.run_ids[1], store=after).folder.is_relative_to(after)
    loaded_by_mlflow(f"sqlite:///{after}/mlflow.db", "models:/flowers@champion")
    again = write_search(open_store(None, after), finished_trials, tmp_path / "again")
    assert again.ids.model_version == "2"
    assert not before.exists()


def test_a_store_that_was_moved_to_a_folder_of_odd_characters_still_has_its_models(
    recorded: Any, tmp_path: Path
) -> None:
    search = copied(recorded, tmp_path / "mlruns")
    odd = tmp_path / "50%20 #1"
    shutil.move(tmp_path / "mlruns", odd)
    assert history.load("flowers", store=odd).folder.is_relative_to(odd)
    assert history.load(search.run_ids[1], store=odd).folder.is_relative_to(odd)
    assert history.promote("flowers", search.run_ids[1], store=odd).endswith("2")


def test_a_copied_store_leaves_the_original_alone(recorded: Any, root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy")
    assert history.load("flowers", store=tmp_path / "copy").folder.is_relative_to(tmp_path / "copy")
    assert history.load("flowers", store=root).folder.is_relative_to(root)


def test_a_tampered_model_on_record_is_refused(recorded: Any, tmp_path: Path) -> None:
    search = copied(recorded, tmp_path / "mlruns")
    folder = history.load(search.run_ids[1], store=tmp_path / "mlruns").folder
    path = folder / "predictor.json"
    path.write_text(path.read_text().replace("setosa", "sertosa"))
    with pytest.raises(ModelFileError, match="SHA-256"):
        history.load(search.run_ids[1], store=tmp_path / "mlruns")


def test_the_public_names_lead_here() -> None:
    import automl

    assert automl.load is history.load
    assert automl.Predictor is Predictor


def test_the_pages_open_at_the_search(recorded: Any, root: Path) -> None:
    server = history.ui_server("flowers", store=root)
    ids = recorded.ids
    assert f"/#/experiments/{ids.experiment_id}/runs/{ids.run_id}?" in server.page
    assert server.address.startswith("http://127.0.0.1:")
    assert server.environment["MLFLOW_BACKEND_STORE_URI"] == recorded.location.uri
    assert recorded.location.uri not in server.command  # other users see the commands of processes
    assert server.command[server.command.index("--host") + 1] == "127.0.0.1"


def test_a_taken_port_is_avoided(root: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert history.ui_server(store=root, port=port).address != f"http://127.0.0.1:{port}"
    with pytest.raises(UsageError, match="--port"):
        history.ui_server(store=root, port=70000)


def test_a_tracking_server_needs_no_pages_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    server = history.ui_server(tracking_uri="http://127.0.0.1:5999/")
    assert server.command == ()
    assert server.page == "http://127.0.0.1:5999/"
    told: list[history.UiServer] = []
    assert history.serve_ui(announce=told.append, tracking_uri="http://127.0.0.1:5999") == 0
    assert [server.page for server in told] == ["http://127.0.0.1:5999/"]
    from click.testing import CliRunner

    from automl.cli.commands import commands

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5999")
    shown = CliRunner().invoke(commands, ["ui"])
    assert (shown.exit_code, "Ctrl-C" in shown.output) == (0, False)
    assert "The tracking server shows it." in shown.output


@pytest.mark.slow
def test_the_pages_are_served_and_end_without_a_trace(root: Path, tmp_path: Path) -> None:
    import psutil

    code = f"""
from automl.tracker.library import serve_ui

def announce(server):
    print(server.page.split("/#")[0], flush=True)

raise SystemExit(serve_ui("flowers", announce=announce, store={str(root)!r}))
"""
    for name in ("random", "numpy", "types", "importlib"):  # the server takes none of them for a library
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a file of the user was imported')\n")
    command = [sys.executable, "-P", "-c", code]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    try:
        assert _answers(f"{address}/health", seconds=120)
        with urllib.request.urlopen(address, timeout=30) as response:
            assert b"<div id=" in response.read()
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
    finally:
        process.send_signal(signal.SIGINT)
        code_of_end = process.wait(timeout=200)
        process.stdout.close()
    assert code_of_end == 0
    alive = still_running(family, seconds=60)
    assert not alive


@pytest.mark.slow
def test_the_champion_is_served_over_http(recorded: Any, tmp_path: Path) -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": recorded.location.uri,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/flowers@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            assert _answers(f"http://127.0.0.1:{port}/ping", seconds=150), (tmp_path / "log").read_text()
            frame = recorded.finished.frame.drop(columns="species")
            body = {"dataframe_split": json.loads(frame.to_json(orient="split"))}
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.loads(response.read())
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=200)
    champion = Predictor.load(recorded.champion)
    expected = champion.predict(recorded.finished.frame)
    assert answer["predictions"] == [{"species": label} for label in expected]


@pytest.mark.slow
def test_a_tracking_server_takes_a_whole_search(finished_trials: Any, tmp_path: Path) -> None:
    """Runs, artifacts and the champion go through HTTP and come back the same way."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "server").mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path}/server/mlflow.db"]
    command += ["--artifacts-destination", str(tmp_path / "server" / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            uri = f"http://127.0.0.1:{port}"
            assert _answers(f"{uri}/health", seconds=150), (tmp_path / "log").read_text()
            location = open_store(uri, tmp_path / "mlruns")
            search = write_search(location, finished_trials, tmp_path)
            assert not (tmp_path / "mlruns" / "mlflow.db").exists()
            frame = finished_trials.frame
            champion = history.load("flowers", tracking_uri=uri)
            pd.testing.assert_series_equal(
                champion.predict(frame), Predictor.load(search.champion).predict(frame)
            )
            trial = history.load(search.run_ids[1], tracking_uri=uri)
            assert len(trial.predict(frame)) == len(frame)
            assert len(history.leaderboard("flowers", tracking_uri=uri)) == 4
            failed = history.describe(search.run_ids[3], tracking_uri=uri)
            assert isinstance(failed, history.TrialDescription)
            assert "Traceback" in failed.traceback
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=200)


def _answers(address: str, *, seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            with urllib.request.urlopen(address, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            time.sleep(0.5)
    return False
