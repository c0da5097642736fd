from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from searched import copied, loaded_by_mlflow, write_search

from automl.controller.live_sign import LiveSign
from automl.controller.watchers import NOBODY, Recording
from automl.core.time_budget import Clock
from automl.core.trial import Status, Trial, TrialResult
from automl.model.predictor import Predictor
from automl.tracker import KeepModels, SearchSummary, Tracker, open_store
from automl.tracker import library as history
from automl.tracker.store.location import connect
from automl.tracker.writing.search_run import SearchRun


@pytest.fixture(scope="module")
def client(recorded: Any) -> Any:
    return connect(recorded.location)


def artifacts(client: Any, run_id: str) -> Path:
    return Path(client.get_run(run_id).info.artifact_uri)


def test_the_search_is_a_run_in_the_experiment_of_its_name(recorded: Any, client: Any) -> None:
    experiment = client.get_experiment_by_name("flowers")
    assert experiment.experiment_id == recorded.ids.experiment_id
    assert experiment.artifact_location == str(recorded.location.artifacts / "flowers")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    run = client.get_run(recorded.ids.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["target"] == "species"
    assert run.data.tags["automl.metric"] == "accuracy"
    assert run.data.tags["mlflow.automl.split_digest"] == recorded.finished.problem.split.digest
    assert run.data.metrics["test_accuracy"] == 0.9


def test_the_search_shows_its_leaderboard_dataset_and_progress(recorded: Any, client: Any) -> None:
    run = client.get_run(recorded.ids.run_id)
    note = run.data.tags["mlflow.note.content"]
    assert "**Done.**" in note
    assert "best trial [#" in note.splitlines()[0]
    assert (
        f"[#1 random_forest](#/experiments/{recorded.ids.experiment_id}/runs/{recorded.run_ids[1]}?" in note
    )
    [dataset] = run.inputs.dataset_inputs
    assert dataset.dataset.name == "flowers"
    assert json.loads(dataset.dataset.schema)["columns"]["garden"] == "category"
    curve = client.get_metric_history(run.info.run_id, "best_val_accuracy")
    assert [point.step for point in curve] == [0, 1, 2]
    folder = artifacts(client, run.info.run_id)
    assert json.loads((folder / "configuration.json").read_text())["families"] == ["dummy"]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["run_id"] == recorded.ids.run_id
    assert summary["model_uri"] == "models:/flowers@champion"


def test_every_trial_is_a_child_run(recorded: Any, client: Any) -> None:
    children = client.search_runs(
        [recorded.ids.experiment_id], f"tags.`mlflow.parentRunId` = '{recorded.ids.run_id}'"
    )
    assert {run.info.run_id for run in children} == set(recorded.run_ids.values())
    forest = client.get_run(recorded.run_ids[1])
    trial = recorded.finished.trials[1]
    assert forest.info.status == "FINISHED"
    assert forest.info.run_name.startswith("#1 random_forest · accuracy 0.")
    assert forest.info.end_time - forest.info.start_time == int(trial.result.seconds * 1000)
    assert forest.data.params == {"random_forest.n_estimators": "20"}
    tags = forest.data.tags
    assert tags["automl.family"] == "random_forest"
    assert tags["automl.state"] == "done"
    assert tags["automl.origin"] == "portfolio"
    assert tags["automl.seed"] == "1"
    assert tags["mlflow.runColor"].startswith("#")
    assert "random_forest" in tags["mlflow.note.content"]


def test_a_trials_scores_and_costs_are_metrics(recorded: Any, client: Any) -> None:
    trial = recorded.finished.trials[1]
    metrics = client.get_run(recorded.run_ids[1]).data.metrics
    assert metrics["val_accuracy"] == trial.scores.validation
    assert metrics["val_accuracy_std"] == pytest.approx(np.std(trial.scores.folds, ddof=1))
    assert metrics["train_accuracy"] == 0.99
    assert metrics["model_bytes"] == trial.result.model_bytes
    assert {"fit_seconds", "predict_ms_per_1000_rows", "peak_bytes", "seconds"} <= set(metrics)
    folds = client.get_metric_history(recorded.run_ids[1], "val_accuracy_by_fold")
    assert tuple(point.value for point in sorted(folds, key=lambda p: p.step)) == trial.scores.folds
    curve = client.get_metric_history(recorded.run_ids[1], "valid_loss")
    assert len(curve) == len({point.step for point in curve}) >= 1


def test_a_trials_files_hold_what_rebuilds_and_judges_it(recorded: Any, client: Any) -> None:
    trial = recorded.finished.trials[1]
    folder = artifacts(client, recorded.run_ids[1])
    assert json.loads((folder / "candidate.json").read_text()) == trial.candidate.to_json()
    np.testing.assert_array_equal(np.load(folder / "held_out.npy"), trial.result.held_out)
    assert len(json.loads((folder / "curves.json").read_text())) == len(trial.result.curves)
    model = Predictor.load(folder / "model")
    frame = recorded.finished.frame
    assert (model.predict(frame) == frame["species"]).mean() > 0.9
    assert [item.path for item in client.list_artifacts(recorded.run_ids[1])] == [
        "candidate.json",
        "curves.json",
        "held_out.npy",
        "model",
        "plots",
    ]
    drawn = {path.name: ElementTree.parse(path).getroot() for path in (folder / "plots").iterdir()}
    assert set(drawn) == {"confusion.svg", "curve_valid_loss.svg"}
    words = " ".join("".join(drawn["confusion.svg"].itertext()).split())
    assert "#1 random_forest" in words
    assert "setosa" in words


def test_a_failed_trial_is_on_record_with_its_reason(recorded: Any, client: Any) -> None:
    run = client.get_run(recorded.run_ids[3])
    assert run.info.status == "FAILED"
    assert run.data.tags["automl.state"] == "failed"
    assert "no_such_parameter" in run.data.tags["automl.error"]
    assert "Traceback" in (artifacts(client, run.info.run_id) / "traceback.txt").read_text()
    assert "val_accuracy" not in run.data.metrics


def test_runs_can_be_ordered_by_score(recorded: Any, client: Any) -> None:
    """The pages' table reads latest metrics: they must have been written with the others."""
    runs = client.search_runs(
        [recorded.ids.experiment_id], "metrics.val_accuracy > 0", order_by=["metrics.val_accuracy DESC"]
    )
    scores = [run.data.metrics["val_accuracy"] for run in runs]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3


def test_a_run_that_was_written_can_be_changed_and_deleted(recorded: Any, tmp_path: Path) -> None:
    """Our one insert must leave what MLflow's own calls expect."""
    search = copied(recorded, tmp_path / "mlruns")
    client, run_id = connect(search.location), search.run_ids[1]
    client.set_tag(run_id, "reviewed", "yes")
    client.log_metric(run_id, "val_accuracy", 0.5, step=9)
    client.update_run(run_id, name="renamed")
    run = client.get_run(run_id)
    assert (run.data.metrics["val_accuracy"], run.info.run_name) == (0.5, "renamed")
    client.delete_run(run_id)
    client.restore_run(run_id)
    again = client.create_run(search.ids.experiment_id)
    client.set_terminated(again.info.run_id)


def test_the_champion_is_registered_under_the_searchs_name(recorded: Any, client: Any) -> None:
    version = client.get_model_version_by_alias("flowers", "champion")
    assert str(version.version) == recorded.ids.model_version == "1"
    assert version.run_id == recorded.ids.run_id
    logged = client.get_logged_model(client.get_run(recorded.ids.run_id).data.tags["mlflow.automl.model_id"])
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": "flowers", "version": 1}]
    assert str(logged.status) == "READY"
    assert {metric.key: metric.value for metric in logged.metrics}["test_accuracy"] == 0.9
    outputs = client.get_run(recorded.ids.run_id).outputs.model_outputs
    assert [item.model_id for item in outputs] == [logged.model_id]


def test_a_second_search_of_the_name_is_a_new_run_and_version(
    recorded: Any, finished_trials: Any, tmp_path: Path
) -> None:
    first = copied(recorded, tmp_path / "mlruns")
    location = first.location
    second = write_search(location, finished_trials, tmp_path / "second", promote="always")
    assert first.ids.experiment_id == second.ids.experiment_id
    assert first.ids.run_id != second.ids.run_id
    assert (first.ids.model_version, second.ids.model_version) == ("1", "2")
    assert str(connect(location).get_model_version_by_alias("flowers", "champion").version) == "2"


def test_a_deleted_experiment_stays_deleted_and_gives_up_its_name(
    recorded: Any, finished_trials: Any, tmp_path: Path
) -> None:
    first = copied(recorded, tmp_path / "mlruns")
    location = first.location
    connect(location).delete_experiment(first.ids.experiment_id)
    second = write_search(location, finished_trials, tmp_path / "second")
    assert second.ids.experiment_id != first.ids.experiment_id
    before = connect(location).get_experiment(first.ids.experiment_id)
    assert before.lifecycle_stage == "deleted"
    assert before.name.startswith("flowers (deleted 20")
    assert second.ids.is_champion


def test_searches_of_one_name_may_begin_at_the_same_moment(finished_trials: Any, tmp_path: Path) -> None:
    location = open_store(None, tmp_path / "mlruns")
    runs, barrier = [SearchRun(location) for _ in range(4)], threading.Barrier(4)
    for run in runs:
        run.open()

    def begin(number: int) -> None:
        barrier.wait()
        runs[number].begin(replace(finished_trials.record("twins"), key=f"key{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, range(4)))
    experiment = runs[0].client.get_experiment_by_name("twins")
    assert len(runs[0].client.search_runs([experiment.experiment_id])) == 4


def test_models_beyond_the_bound_are_deleted_with_their_scratch(fresh_trials: Any, tmp_path: Path) -> None:
    trials = fresh_trials.trials
    with Tracker(open_store(None, tmp_path / "mlruns"), KeepModels(bytes=0, best=1)) as tracker:
        tracker.begin_search(fresh_trials.record())
        worse = replace(trials[1], number=5, scores=replace(trials[1].scores, validation=0.1))
        tracker.finish_trial(worse)
        tracker.flush()
        assert tracker.dropped == frozenset(), "the first is the best one so far"
        better = replace(trials[2], number=6, candidate=replace(trials[2].candidate, family="random_forest"))
        tracker.finish_trial(better)
        tracker.flush()
        assert tracker.dropped == {5}
        assert not Path(trials[1].result.model_folder).exists()
        assert Path(trials[2].result.model_folder).exists()
        client = connect(tracker.location)
        assert not (artifacts(client, tracker.run_ids[5]) / "model").exists()
        assert (artifacts(client, tracker.run_ids[5]) / "candidate.json").exists()
        tracker.fail_search("enough")


def test_a_member_of_the_ensemble_keeps_its_model_while_the_search_runs(
    fresh_trials: Any, tmp_path: Path
) -> None:
    trials = fresh_trials.trials
    with Tracker(open_store(None, tmp_path / "mlruns"), KeepModels(bytes=0, best=1)) as tracker:
        sign = LiveSign(Clock(60), greater_is_better=True, trials=None)
        recording = Recording(NOBODY, tracker, Clock(60), sign, lambda trial: trial)
        tracker.begin_search(fresh_trials.record())
        member = replace(trials[1], number=5, scores=replace(trials[1].scores, validation=0.1))
        better = replace(trials[2], number=6, candidate=replace(trials[2].candidate, family="random_forest"))
        for trial, weights in ((member, {5: 1.0}), (better, {6: 0.9, 5: 0.1})):
            recording.weighed(weights)
            recording.finished(trial, 0.5)
        tracker.flush()
        assert tracker.dropped == frozenset()
        tracker.fail_search("enough")


def test_nothing_waits_for_the_store(finished_trials: Any, tmp_path: Path) -> None:
    location = open_store(None, tmp_path / "mlruns")
    tracker = Tracker(location)
    tracker.begin_search(finished_trials.record())
    for trial in finished_trials.trials.values():
        tracker.finish_trial(trial)
        tracker.best_so_far(trial.number, 0.5)
    assert len(tracker.run_ids) < 4  # creating a store takes seconds: its runs are still to come
    tracker.close()
    assert len(tracker.run_ids) == 4


def test_attached_files_and_folders_lie_with_the_search(finished_trials: Any, tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a.png").write_bytes(b"png")
    location = open_store(None, tmp_path / "mlruns")
    with Tracker(location) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.attach("report/index.html", "<p>ü</p>")
        tracker.attach("plots", tmp_path / "plots")
        ids = tracker.finish_search(SearchSummary({}))
    assert ids.model_uri == ""
    folder = artifacts(connect(location), ids.run_id)
    assert (folder / "report" / "index.html").read_text(encoding="utf-8") == "<p>ü</p>"
    assert (folder / "plots" / "a.png").read_bytes() == b"png"


def test_a_trial_without_scores_or_model_is_written(finished_trials: Any, tmp_path: Path) -> None:
    timeout = TrialResult(status=Status.TIMEOUT, seconds=12.0, error="no model within the time limit")
    with Tracker(open_store(None, tmp_path / "mlruns")) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.finish_trial(Trial(9, finished_trials.trials[1].candidate).finished(timeout, None))
        tracker.finish_search(SearchSummary({}))
        run = connect(tracker.location).get_run(tracker.run_ids[9])
    assert (run.info.status, run.data.tags["automl.state"]) == ("FAILED", "timeout")


@pytest.mark.parametrize("folder", ["my data ü (2)", "50%20 #1"])
def test_the_store_lies_in_a_folder_of_any_name(finished_trials: Any, tmp_path: Path, folder: str) -> None:
    odd = tmp_path / folder
    odd.mkdir()
    search = write_search(open_store(None, odd / "mlruns"), finished_trials, odd, name="wine & cheese ü")
    trial = history.load(search.run_ids[1], store=odd / "mlruns")
    assert trial.folder.is_relative_to(odd / "mlruns" / "artifacts")
    assert len(history.load("wine & cheese ü", store=odd / "mlruns").members) == 2
    if "%" in folder:
        return  # MLflow 3.17 itself cannot load a pyfunc from such a folder
    loaded_by_mlflow(search.location.uri, "models:/wine & cheese ü@champion")


def test_the_database_file_alone_is_whole_after_a_search(recorded: Any) -> None:
    log = recorded.location.root / "mlflow.db-wal"
    assert not log.exists() or log.stat().st_size == 0
