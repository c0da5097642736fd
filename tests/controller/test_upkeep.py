"""Listing, deleting and clearing searches: in a file here, and on a server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import automl
from searched import copied, served_store, write_search

from automl.controller.upkeep import deletion, removable, search_lines
from automl.core.errors import UsageError
from automl.report.build import write_report
from automl.tracker import open_store
from automl.tracker.library import describe, leaderboard_rows, load
from automl.tracker.reading.inventory import search_entries


def cli(*words: str, store: Path) -> subprocess.CompletedProcess[str]:
    return automl(*words, "--store", str(store), folder=store.parent)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def twice(recorded: Any, finished_trials: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two searches of flowers."""
    folder = tmp_path_factory.mktemp("twice")
    first = copied(recorded, folder / "mlruns")
    return write_search(first.location, finished_trials, folder)


@pytest.fixture
def store(twice: Any, tmp_path: Path) -> Path:
    """The same for each test."""
    return Path(copied(twice, tmp_path / "mlruns").location.root)


def test_searches_are_listed_without_a_heavy_library(recorded: Any) -> None:
    store = recorded.location.root
    (line,) = search_lines(store=store)
    assert (line.name, line.metric, line.score, line.score_kind) == ("flowers", "accuracy", 0.9, "test")
    assert (line.state, line.version, line.champion) == ("finished", "1", True)
    assert line.models_bytes > 1000
    code = (
        "import sys; from automl.cli.commands import commands\n"
        f"commands(['list', '--store', {str(store)!r}], standalone_mode=False)\n"
        "heavy = {'torch', 'sklearn', 'optuna', 'mlflow', 'pandas', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "accuracy 0.9 (test)" in done.stdout


def test_a_leaderboard_of_several_searches_says_which_it_shows(store: Path) -> None:
    latest, first = search_lines("flowers", store=store)
    asked = cli("leaderboard", "flowers", store=store)
    shown = asked.stderr
    assert f"the latest of 2 searches of 'flowers': run {latest.run_id[:8]} by " in shown
    said = "The champion, which `automl predict flowers` uses, is version 1: the result of the search "
    assert f"{said}{first.run_id[:8]}, test accuracy 0.9." in asked.stdout
    assert "searches of" not in cli("leaderboard", first.run_id, store=store).stderr


def test_a_deleted_search_leaves_nothing_and_its_name_is_free(store: Path, finished_trials: Any) -> None:
    planned = deletion("flowers", store=store)
    assert "2 runs of searches, 8 trials, 2 versions of the model 'flowers'" in str(planned)
    planned.run()
    assert search_lines(store=store) == []
    assert files(store / "artifacts") == []
    with pytest.raises(UsageError, match="no search yet"):
        load("flowers", store=store)
    assert write_search(open_store(None, store), finished_trials, store.parent).ids.model_version == "1"


def test_deleting_asks_and_names_what_is_like_it(store: Path, monkeypatch: Any) -> None:
    asked = cli("delete", "flowers", store=store)
    assert (asked.returncode, "pass --yes" in asked.stderr) == (2, True)
    assert "Delete all of it? `automl predict" in asked.stderr  # they are one's own
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bea")
    asked = cli("delete", "flowers", store=store)
    assert re.search(r"all of it, also the searches of \w+ \(2\)\?", asked.stderr)
    unknown = cli("delete", "flower", store=store)
    assert (unknown.returncode, "Did you mean 'flowers'?" in unknown.stderr) == (2, True)
    assert len(search_lines(store=store)) == 2
    done = cli("delete", "flowers", "--yes", store=store)
    assert (done.returncode, "(2) too, who may still need them" in done.stderr) == (0, True)
    assert search_lines(store=store) == []


def test_a_search_that_runs_is_not_deleted(finished_trials: Any, tmp_path: Path) -> None:
    from automl.tracker import Tracker

    location = open_store(None, tmp_path / "mlruns")
    with Tracker(location) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.flush()
        assert search_lines(store=location.root)[0].state == "running"
        with pytest.raises(UsageError, match="is being run by process"):
            deletion("flowers", store=location.root)


def test_a_running_search_is_shown_without_reading_its_trials(
    finished_trials: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl.tracker import Tracker
    from automl.tracker.reading.query import Record

    location = open_store(None, tmp_path / "mlruns")
    with Tracker(location) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.flush()
        monkeypatch.setattr(Record, "trial_runs", None)
        shown = describe("flowers", trials=False, store=location.root)
        assert shown.trials_on_record == 0  # type: ignore[union-attr]


def test_the_champions_of_many_names_are_found_in_a_few_requests(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    from automl.tracker.reading import inventory

    location = open_store(None, store)
    client = MlflowClient(location.uri, location.uri)
    expected = inventory.champions(location, ["flowers"])
    assert expected["flowers"].version == "1", "an older version than the latest"
    monkeypatch.setattr(inventory, "_FEW", 0)
    assert inventory._champions_by_client(client, {"flowers", "others"}) == expected
    client.set_registered_model_alias("flowers", "champion", "2")
    latest = inventory._champions_by_client(client, {"flowers", "others"})
    assert latest == inventory.champions(location, ["flowers"]) != expected


def test_a_list_of_a_servers_searches_reads_no_trials(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A team's server may have a hundred thousand of them."""
    from automl.tracker.reading import inventory
    from automl.tracker.store.location import locate_store

    entries = search_entries(open_store(None, store))
    expected = inventory.model_bytes(open_store(None, store), entries)
    monkeypatch.setattr(inventory, "connect", lambda location: None)
    found = inventory.model_bytes(locate_store("http://127.0.0.1:9", store), entries)
    assert found == expected
    assert min(found.values()) > 1000


@pytest.mark.parametrize("what", ["runs", "experiment"])
def test_a_search_deleted_in_mlflow_is_said_to_be_and_its_name_is_free(
    store: Path, finished_trials: Any, what: str
) -> None:
    from mlflow import MlflowClient

    location = open_store(None, store)
    client = MlflowClient(location.uri, location.uri)
    experiment = client.get_experiment_by_name("flowers").experiment_id
    if what == "experiment":
        client.delete_experiment(experiment)
    else:
        for run in client.search_runs([experiment]):
            client.delete_run(run.info.run_id)
    assert search_lines(store=store) == []
    for look in (leaderboard_rows, describe, lambda name, store: search_lines(name, store=store)):
        with pytest.raises(UsageError, match=r"was deleted in MLflow.*automl delete flowers --yes"):
            look("flowers", store=store)
    assert write_search(location, finished_trials, store.parent).ids.is_champion
    assert len(search_lines(store=store)) == 1
    leaderboard_rows("flowers", store=store)


def test_a_run_deleted_in_mlflow_is_said_to_be_and_its_champion_stays(store: Path) -> None:
    import time

    from mlflow import MlflowClient

    location = open_store(None, store)
    client = MlflowClient(location.uri, location.uri)
    second, first = search_lines("flowers", store=store)
    assert leaderboard_rows(second.run_id[:8], store=store)
    client.delete_run(first.run_id)
    today = time.strftime("%Y-%m-%d")
    for given in (first.run_id, first.run_id[:8]):
        for look in (leaderboard_rows, describe, load, write_report):
            with pytest.raises(UsageError, match=f"the search 'flowers' of .*deleted in MLflow on {today}"):
                look(given, store=store)
    assert f"of the search {first.run_id[:8]}, which was deleted in MLflow" in whose_champion(store)
    assert load("flowers", store=store).name == "flowers"


def whose_champion(store: Path) -> str:
    """What is said of the champion where a later search is shown."""
    from automl.tracker.reading.alias_holder import champion_holder
    from automl.tracker.reading.query import Record

    held = champion_holder(Record(open_store(None, store)), "flowers")
    assert held is not None
    return held.words()


def test_predict_goes_on_with_the_model_of_a_deleted_search(store: Path, finished_trials: Any) -> None:
    from mlflow import MlflowClient

    location = open_store(None, store)
    client = MlflowClient(location.uri, location.uri)
    rows = store.parent / "new.csv"
    finished_trials.frame.to_csv(rows, index=False)
    assert "deleted" not in cli("predict", "flowers", str(rows), store=store).stderr
    client.delete_experiment(client.get_experiment_by_name("flowers").experiment_id)
    done = cli("predict", "flowers", str(rows), store=store)
    assert done.returncode == 0
    assert "The search 'flowers' is no longer on record (it was deleted in MLflow" in done.stderr


def test_show_says_that_its_version_is_gone(store: Path) -> None:
    from dataclasses import replace

    from mlflow import MlflowClient

    from automl.cli.show import _search

    location = open_store(None, store)
    MlflowClient(location.uri, location.uri).delete_model_version("flowers", "2")
    search = describe("flowers", store=store)
    assert (search.model_deleted, search.is_champion) == (True, False)
    shown = "\n".join(_search(replace(search, summary=None)))
    assert "version 2 of flowers was deleted from MLflow's registry; the champion is version 1" in shown
    assert "models:/flowers/2" not in shown


def test_a_model_deleted_in_mlflow_is_said_to_be(store: Path) -> None:
    from mlflow import MlflowClient

    location = open_store(None, store)
    MlflowClient(location.uri, location.uri).delete_registered_model("flowers")
    with pytest.raises(UsageError, match="No version of 'flowers' is the champion"):
        load("flowers", store=store)


def test_old_trials_lose_their_models_and_nothing_else(store: Path) -> None:
    assert removable(3600, store=store) == []
    before = cli("clean", "--older", "0s", "--dry-run", store=store)
    assert re.search(
        r"^\d trial models, .*\n  flowers, \w+, \w+, 20\d\d-\d\d-\d\d, run \w{8}  ", before.stdout
    )
    assert "never touched" in before.stderr
    assert before.stderr.endswith("would be removed.\n")
    listed = json.loads(cli("clean", "--older", "0s", "--dry-run", "--json", store=store).stdout)
    assert {"kind", "family", "user", "ended", "bytes"} <= set(listed[0])
    rows = leaderboard_rows("flowers", store=store)
    assert load(rows[-2].run_id, store=store)
    assert cli("clean", "--older", "0s", "--yes", store=store).returncode == 0
    assert leaderboard_rows("flowers", store=store) == rows
    with pytest.raises(UsageError, match="removed by automl clean on 20"):
        load(next(row.run_id for row in rows if row.family == "dummy"), store=store)
    assert load("flowers", store=store).name == "flowers"
    assert "Nothing older" in cli("clean", "--older", "0s", store=store).stderr


def test_runs_that_were_deleted_in_mlflow_are_cleared_for_good(store: Path) -> None:
    from mlflow import MlflowClient

    location = open_store(None, store)
    client = MlflowClient(location.uri, location.uri)
    trial = leaderboard_rows("flowers", store=store)[0].run_id
    client.delete_run(trial)
    (found,) = [item for item in removable(0, store=store) if item.kind == "deleted run"]
    assert found.bytes > 0
    found.remove()
    assert not [path for path in files(store) if trial in str(path)]
    assert not [item for item in removable(0, store=store) if item.kind == "deleted run"]


def test_trials_whose_search_was_deleted_in_mlflow_are_left_over(store: Path) -> None:
    from mlflow import MlflowClient

    location = open_store(None, store)
    client = MlflowClient(location.uri, location.uri)
    latest, first = search_lines("flowers", store=store)
    client.delete_run(latest.run_id)
    (line,) = search_lines(store=store)
    assert (line.run_id, line.models_bytes) == (first.run_id, first.models_bytes)
    found = [item for item in removable(0, store=store) if item.kind == "trial of a deleted search"]
    assert len(found) == 4
    assert max(item.bytes for item in found) > 1000
    for item in found:
        item.remove()
    assert not [path for path in files(store) for item in found if item.run_id in str(path)]
    assert {item.kind for item in removable(0, store=store)} == {"trial model", "deleted run"}
    assert len(leaderboard_rows("flowers", store=store)) == 4
    load("flowers", store=store)


def test_ages_are_read_or_refused(tmp_path: Path) -> None:
    from automl.cli.upkeep import _age

    assert (_age("30d"), _age("2w"), _age("0s")) == (2_592_000, 1_209_600, 0)
    for text in ("", "d", "-1d", "30", "nan d", "1y"):
        with pytest.raises(UsageError, match="is not an age"):
            _age(text)


@pytest.mark.slow
def test_a_server_lists_deletes_and_clears_too(finished_trials: Any, tmp_path: Path) -> None:
    with served_store(tmp_path) as uri:
        location = open_store(uri, tmp_path / "mlruns")
        found = write_search(location, finished_trials, tmp_path)
        options = {"tracking_uri": uri, "store": tmp_path / "mlruns"}
        (line,) = search_lines(**options)
        assert (line.run_id, line.champion, line.models_bytes > 1000) == (found.ids.run_id, True, True)
        for item in removable(0, **options):
            item.remove()
        assert removable(0, **options) == []
        deletion("flowers", **options).run()
        assert search_lines(**options) == []
        assert files(tmp_path / "artifacts") == []
        assert write_search(location, finished_trials, tmp_path).ids.model_version == "1"


@pytest.mark.slow
def test_a_server_tells_what_was_deleted_and_registers_again(finished_trials: Any, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    from automl.tracker.library import promote

    with served_store(tmp_path) as uri:
        location = open_store(uri, tmp_path / "mlruns")
        first = write_search(location, finished_trials, tmp_path).ids
        second = write_search(location, finished_trials, tmp_path, promote="always").ids
        client, options = MlflowClient(uri, uri), {"tracking_uri": uri, "store": tmp_path / "mlruns"}
        client.delete_model_version("flowers", "1")
        assert describe(first.run_id, **options).model_deleted
        assert load(first.run_id, **options).name == "flowers"
        assert promote("flowers", first.run_id, **options) == "3"
        client.delete_run(second.run_id)
        with pytest.raises(UsageError, match="was deleted in MLflow"):
            leaderboard_rows(second.run_id[:8], **options)
        found = [item for item in removable(0, **options) if item.kind != "trial model"]
        assert {item.kind for item in found} == {"trial of a deleted search", "deleted run"}
        for item in found:
            item.remove()
        assert [item.kind for item in removable(0, **options) if item.kind != "trial model"] == []
        client.delete_experiment(first.experiment_id)
        assert load("flowers", **options).name == "flowers"


def test_decoded_images_go_that_no_search_used_for_long(store: Path) -> None:
    import os
    import time

    cache = store / "cache" / "images"
    for name in ("pixels-1", "features-x", "pixels-2"):
        (cache / name).mkdir(parents=True)
        (cache / name / "store.json").write_bytes(b"1234")
    hours_ago = time.time() - 7200
    for name in ("pixels-1", "features-x"):
        os.utime(cache / name, (hours_ago, hours_ago))
    kinds = {item.kind: item for item in removable(3600, store=store)}
    assert {kind: item.bytes for kind, item in kinds.items()} == {
        "decoded images": 4,
        "computed features": 4,
    }
    for item in kinds.values():
        item.remove()
    assert [path.name for path in cache.iterdir() if path.is_dir()] == ["pixels-2"]


def test_what_nothing_refers_to_goes_and_no_registered_version(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setattr("automl.tracker.unreferenced._YOUNG_SECONDS", 0.0)
    location = open_store(None, store)
    client = MlflowClient(location.uri, location.uri)
    orphan = store / "artifacts" / "flowers" / ("0" * 32) / "artifacts"
    orphan.mkdir(parents=True)
    (orphan / "model.bin").write_bytes(bytes(1000))
    client.delete_model_version("flowers", "2")
    (search, *_) = search_entries(location)
    mine = client.create_logged_model(search.experiment_id, name="mine", model_type="sklearn")
    trial = next(row for row in leaderboard_rows("flowers", store=store) if row.family == "random_forest")
    client.create_registered_model("by hand")
    client.create_model_version("by hand", f"runs:/{trial.run_id}/model", run_id=trial.run_id)
    done = cli("clean", "--older", "0s", "--yes", "--json", store=store)
    assert done.returncode == 0, done.stderr
    gone = json.loads(done.stdout)
    assert [item["bytes"] for item in gone if item["kind"] == "unreferenced folder"] == [1000]
    (model,) = (item for item in gone if item["kind"] == "unregistered model")
    assert model["bytes"] > 1000
    assert trial.run_id not in {item["run_id"] for item in gone}, "somebody registered its model"
    assert re.search(
        r"Removed \d trial models, 1 unregistered model and 1 unreferenced folder, ", done.stderr
    )
    assert load("flowers", store=store).name == "flowers"
    assert load(trial.run_id, store=store).name == "flowers"
    assert not orphan.parent.exists()
    assert client.get_logged_model(mine.model_id).name == "mine", "somebody logged it beside the search's"
    assert removable(0, store=store) == []


def test_a_search_that_died_elsewhere_is_closed_once_it_was_silent_for_long(store: Path) -> None:
    import time

    from mlflow import MlflowClient

    from automl.tracker.live import LiveState
    from automl.tracker.tags import SIGN

    location = open_store(None, store)
    client = MlflowClient(location.uri, location.uri)
    experiment = client.get_experiment_by_name("flowers").experiment_id
    owner = {"mlflow.automl.pid": "7", "mlflow.automl.host": "elsewhere", "automl.search": "flowers"}
    ages = {"dead": 7200.0, "alive": 30.0}
    runs = {
        name: client.create_run(
            experiment, tags={**owner, SIGN: LiveState(at=time.time() - age).to_text()}
        ).info.run_id
        for name, age in ages.items()
    }
    (dead,) = (item for item in removable(0, store=store) if item.kind == "dead search")
    assert dead.run_id == runs["dead"]
    dead.remove()
    assert {line.run_id: line.state for line in search_lines(store=store)}[dead.run_id] == "interrupted"
    assert client.get_run(runs["alive"]).info.status == "RUNNING"
