"""Names on a store that several people use: what goes on under one, and what gets another."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.core.errors import UsageError
from automl.tracker import StoreLocation, Tracker, names, open_store
from automl.tracker.names import SearchedTable, all_columns, claimed_name, name_for
from automl.tracker.people import user_name
from automl.tracker.reading.inventory import search_entries
from automl.tracker.reconcile import owner_tags
from automl.tracker.store.tables import make_tables
from automl.tracker.tags import PID


@pytest.fixture(scope="module")
def location(finished_trials: Any, tmp_path_factory: pytest.TempPathFactory) -> StoreLocation:
    """Anna has searched flowers.csv."""
    place = open_store(None, tmp_path_factory.mktemp("names") / "mlruns")
    search(place, finished_trials, "flowers", user="anna")
    return place


def search(place: StoreLocation, finished: Any, name: str, *, user: str, digest: str = "0123456789") -> None:
    with pytest.MonkeyPatch.context() as patch, Tracker(place) as tracker:
        patch.setenv("MLFLOW_TRACKING_USERNAME", user)
        record = finished.record(name)
        dataset = replace(record.dataset, digest=digest, names=all_columns(finished.layout))
        tracker.begin_search(replace(record, dataset=dataset))
        tracker.flush()


def flowers(finished: Any, **other: Any) -> SearchedTable:
    columns = all_columns(finished.layout)
    return replace(SearchedTable("anna", "species", "multiclass", columns, "0123456789"), **other)


def test_new_rows_of_the_same_table_go_on_under_its_name(location: Any, finished_trials: Any) -> None:
    for given in (True, False):
        grown = flowers(finished_trials, data_digest="9876")
        assert name_for(location, "flowers", grown, given=given) == ("flowers", "")


def test_the_same_file_is_one_name_for_two_people(location: Any, finished_trials: Any) -> None:
    assert name_for(location, "flowers", flowers(finished_trials, user="bea"), given=False)[1] == ""


def test_another_persons_file_that_is_called_alike_gets_a_name_of_its_own(
    location: Any, finished_trials: Any
) -> None:
    for subject in (
        flowers(finished_trials, user="bea", data_digest="9876"),
        flowers(finished_trials, user="bea", columns=("a", "b", "species")),
    ):
        name, note = name_for(location, "flowers", subject, given=False)
        assert name == "flowers-bea"
        assert "by anna" in note
    # bea's second search of it finds her own
    search(location, finished_trials, "flowers-bea", user="bea", digest="9876")
    again = flowers(finished_trials, user="bea", data_digest="9876")
    assert name_for(location, "flowers", again, given=False)[0] == "flowers-bea"


def test_ones_own_name_is_found_again_after_a_search_under_the_others(
    tmp_path: Path, finished_trials: Any
) -> None:
    place = open_store(None, tmp_path / "mlruns")
    search(place, finished_trials, "flowers", user="anna")
    search(place, finished_trials, "flowers-bea", user="bea", digest="9876")
    search(place, finished_trials, "flowers", user="bea")  # anna's file, with her
    again = flowers(finished_trials, user="bea", data_digest="9876")
    name, note = name_for(place, "flowers", again, given=False)
    assert name == "flowers-bea"
    assert "by anna used other rows" in note
    assert name_for(place, "flowers", replace(again, data_digest="0123456789"), given=False)[0] == "flowers"


def test_only_who_searched_alone_is_told_to_delete(location: Any, finished_trials: Any) -> None:
    for user, told in (("anna", True), ("bea", False)):
        with pytest.raises(UsageError) as error:
            name_for(location, "flowers", flowers(finished_trials, user=user, target="x"), given=True)
        assert ("your own 1 search of this name: `automl delete flowers`" in str(error.value)) is told
        assert "by anna predicts 'species', this one 'x'" in str(error.value)


@pytest.mark.parametrize(
    ("other", "name", "words"),
    [
        ({"target": "garden"}, "flowers-garden", "predicts 'species', this one 'garden'"),
        ({"task": "regression"}, "flowers-regression", "has the task multiclass, this one regression"),
        ({"columns": ("sepal length", "species", "x")}, "flowers-2", "lacks 'x'"),
    ],
)
def test_other_data_of_one_name_is_refused_or_called_otherwise(
    location: Any, finished_trials: Any, other: Any, name: str, words: str
) -> None:
    subject = flowers(finished_trials, **other)
    found, note = name_for(location, "flowers", subject, given=False)
    assert found == name
    assert words in note
    with pytest.raises(UsageError, match="Give this search a name of its own with --name") as error:
        name_for(location, "flowers", subject, given=True)
    assert words in str(error.value)


def test_the_user_is_whom_mlflow_writes(monkeypatch: Any, tmp_path: Path) -> None:
    from mlflow.tracking.context.default_context import DefaultRunContext

    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".mlflow").mkdir()
    written = tmp_path / ".mlflow" / "credentials"
    for text in ("", "[mlflow]\nmlflow_tracking_username = carla\n"):
        written.write_text(text)
        assert user_name() == DefaultRunContext().tags()["mlflow.user"]
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "dora")
    assert user_name() == DefaultRunContext().tags()["mlflow.user"] == "dora"


def test_a_search_of_other_data_says_its_name_and_goes_on_under_it(tmp_path: Path) -> None:
    import automl
    from automl.cli.examples import write_example

    path = write_example("wine", tmp_path)
    options = {"trials": 1, "families": ("linear",), "executor": "inline", "store": tmp_path / "mlruns"}
    assert automl.search(path, target="class", **options).name == "wine"
    other = automl.search(path, target="hue", **options)
    assert other.name == "wine-hue"
    assert other.ids.model_version == "1"
    assert automl.load("wine-hue", store=tmp_path / "mlruns").target_name == "hue"
    with pytest.raises(UsageError, match="'wine' is taken"):
        automl.search(path, target="hue", name="wine", **options)


@pytest.mark.parametrize("served", [False, True])
def test_two_tables_searched_at_one_moment_get_two_names(
    served: bool, tmp_path: Path, monkeypatch: Any, finished_trials: Any
) -> None:
    place = _place(served, tmp_path)
    mine = flowers(finished_trials)
    hers = flowers(finished_trials, user="bea", data_digest="9876")
    assert claimed_name(place, "flowers", mine, given=False, metric="accuracy") == ("flowers", "")
    # nothing is on record yet
    name, note = claimed_name(place, "flowers", hers, given=False, metric="accuracy")
    assert name == "flowers-bea"
    assert "by anna used other rows" in note
    with pytest.raises(UsageError, match="predicts 'species', this one 'colour'"):
        claimed_name(place, "flowers", replace(hers, target="colour"), given=True, metric="accuracy")


def test_a_name_that_was_taken_after_the_store_was_read_is_noticed(
    tmp_path: Path, monkeypatch: Any, finished_trials: Any
) -> None:
    place = open_store(None, tmp_path / "mlruns")
    mine = flowers(finished_trials)
    hers = flowers(finished_trials, user="bea", data_digest="9876")
    read = names.name_for

    def slowly(*asked: Any, **how: Any) -> tuple[str, str]:
        answer = read(*asked, **how)
        monkeypatch.setattr(names, "name_for", read)
        claimed_name(place, "flowers", mine, given=False, metric="accuracy")  # anna is faster
        return answer

    monkeypatch.setattr(names, "name_for", slowly)
    assert claimed_name(place, "flowers", hers, given=False, metric="accuracy")[0] == "flowers-bea"


def test_a_search_that_died_before_it_was_on_record_keeps_no_name(
    tmp_path: Path, monkeypatch: Any, finished_trials: Any
) -> None:
    place = open_store(None, tmp_path / "mlruns")
    gone = subprocess.Popen(["true"])
    gone.wait()
    owner = {**owner_tags(), PID: str(gone.pid)}
    monkeypatch.setattr("automl.tracker.claims.owner_tags", lambda: owner)
    claimed_name(place, "flowers", flowers(finished_trials), given=False, metric="accuracy")
    hers = flowers(finished_trials, user="bea", data_digest="9876")
    assert claimed_name(place, "flowers", hers, given=False, metric="accuracy") == ("flowers", "")


def test_a_claimed_name_is_searched_under_as_any_other(tmp_path: Path, finished_trials: Any) -> None:
    place = open_store(None, tmp_path / "mlruns")
    claimed_name(place, "flowers", flowers(finished_trials), given=False, metric="accuracy")
    search(place, finished_trials, "flowers", user="anna")
    assert [entry.user for entry in search_entries(place, "flowers")] == ["anna"]


def _place(served: bool, folder: Path) -> StoreLocation:
    """A store whose rows are written directly, or one that only MLflow's client may write."""
    place = open_store(None, folder / "mlruns")
    if not served:
        return place
    make_tables(place.database, place.artifacts)  # type: ignore[arg-type]
    return replace(place, database=None)
