"""Which version is the champion after another search of the name: real stores, real versions."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from searched import RecordedSearch, copied, write_search

from automl.core.errors import UsageError
from automl.tracker import open_store
from automl.tracker.library import promote
from automl.tracker.models.promotion import promotion
from automl.tracker.models.succession import ALIAS, Gain, Judge, Succession, settle
from automl.tracker.tags import DATA, SETTLED

WORSE = Gain(metric="accuracy", before=0.994, after=0.399, gain=-0.595, low=-0.595, rows="178 held-out rows")
BETTER = Gain(metric="accuracy", before=0.9, after=0.994, gain=0.094, low=0.05, rows="178 held-out rows")
EQUAL = Gain(metric="accuracy", before=0.994, after=0.994, gain=0.0, low=0.0, rows="178 held-out rows")
NOISE = Gain(metric="accuracy", before=0.991, after=0.994, gain=0.003, low=-0.002, rows="178 held-out rows")


def judged(found: Gain | str) -> Judge:
    return lambda run_id: found


class Store:
    """A store with one search, version 1 of which is the champion, and its client."""

    def __init__(self, recorded: RecordedSearch, folder: Path) -> None:
        from mlflow import MlflowClient

        first = copied(recorded, folder / "mlruns")
        models = {number: first.finished.trials[number] for number in (1, 2)}
        self.finished, self.folder = replace(first.finished, trials=models), folder
        self.location, self.first = first.location, first.ids
        self.client = MlflowClient(self.location.uri, self.location.uri)

    def search(self, found: Gain | str = "unused", **options: Any) -> Any:
        judge = judged(found)
        return write_search(self.location, self.finished, self.folder, judge=judge, **options)

    @property
    def champion(self) -> str:
        return str(self.client.get_model_version_by_alias("flowers", ALIAS).version)


@pytest.fixture
def store(recorded: RecordedSearch, tmp_path: Path) -> Store:
    return Store(recorded, tmp_path)


def test_a_worse_result_is_registered_and_the_champion_stays(store: Store) -> None:
    ids = store.search(WORSE).ids
    assert (ids.model_version, store.champion, ids.is_champion) == ("2", "1", False)
    assert ids.model_uri == "models:/flowers/2"
    assert ids.succession == (
        "Kept version 1 as champion (the new one is no better: accuracy 0.399 against 0.994 on the same "
        f"178 held-out rows); `automl promote flowers {ids.run_id[:8]}` takes the new one."
    )
    tags = store.client.get_run(ids.run_id).data.tags
    assert tags["automl.champion"] == f"As of {time.strftime('%Y-%m-%d')}: {ids.succession}"
    assert f"); `automl promote flowers {ids.run_id[:8]}` takes the new" in tags["mlflow.note.content"]


def test_a_better_result_takes_over_and_says_from_whom(store: Store) -> None:
    assert store.first.succession == ""
    ids = store.search(BETTER).ids
    assert (store.champion, ids.is_champion, ids.model_uri) == ("2", True, "models:/flowers@champion")
    assert ids.succession.startswith("Version 2 took over from version 1: accuracy 0.994 against 0.9")


def test_what_chance_explains_or_cannot_be_compared_changes_nothing(store: Store) -> None:
    assert "no more than chance explains" in store.search(NOISE).ids.succession
    other_rows = store.search("it was judged on other rows").ids
    assert "not comparable: it was judged on other rows" in other_rows.succession
    assert store.champion == "1"


def test_who_promotes_is_told_what_gives_way_and_whether_its_score_compares(store: Store) -> None:
    root, second = store.folder / "mlruns", store.search(WORSE, promote="never").ids
    made = promotion("flowers", second.run_id, store=root)
    assert re.fullmatch(r"It replaces version 1 \(accuracy 0\.\d+\)\.", made.replaced)
    assert promotion("flowers", second.run_id, store=root).replaced == ""  # nothing gave way
    store.client.set_tag(second.run_id, DATA, "another file")
    back = promotion("flowers", store.first.run_id, store=root)
    assert re.fullmatch(
        r"It replaces version 2 \(accuracy 0\.\d+, promoted by .+\), whose score cannot be compared: its "
        r"search read other rows\.",
        back.replaced,
    )


def test_promote_always_and_never_are_obeyed(store: Store) -> None:
    assert store.search(BETTER, promote="never").ids.succession.startswith("Kept version 1 as champion (")
    assert store.champion == "1"
    assert store.search(WORSE, promote="always").ids.succession.endswith("--promote always.")
    assert store.champion == "3"


def test_a_version_that_a_person_promoted_stays_but_for_always(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bea")
    second = store.search(WORSE).ids
    root = store.folder / "mlruns"
    assert promote("flowers", second.run_id, store=root) == "2"
    tags = store.client.get_model_version("flowers", "2").tags
    assert (tags["automl.promoted_by"], len(tags["automl.promoted_at"])) == ("bea", 16)
    kept = store.search(BETTER).ids.succession
    assert kept.startswith("Kept version 2 as champion (")
    assert "promoted by bea on 20" in kept
    assert store.champion == "2"
    over = store.search(WORSE, promote="always").ids.succession
    assert over.startswith("Version 4 took over from version 2 (accuracy 0.9), promoted by bea on 20")
    assert store.champion == "4"
    # the version that bea chose long ago is history: only the holder's own choice counts
    assert store.search(BETTER).ids.succession.startswith("Version 5 took over from version 4: accuracy")


def test_an_alias_that_was_set_in_mlflow_counts_as_a_persons_choice(store: Store) -> None:
    store.search(WORSE)
    store.client.set_registered_model_alias("flowers", ALIAS, "2")
    assert "promoted in MLflow" in store.search(BETTER).ids.succession
    assert store.champion == "2"


def test_a_resumed_search_replaces_what_it_had_registered_itself(store: Store) -> None:
    store.search(BETTER, key="abc")
    assert store.champion == "2"
    resumed = store.search("never asked", key="abc").ids
    assert (store.champion, resumed.succession) == ("3", "")
    promote("flowers", resumed.run_id, store=store.folder / "mlruns")
    assert "promoted by" in store.search(BETTER, key="abc").ids.succession
    assert store.champion == "3"


def test_a_name_without_a_champion_gets_the_new_one(store: Store) -> None:
    store.client.delete_registered_model_alias("flowers", ALIAS)
    assert "no version had that alias" in store.search(WORSE).ids.succession
    assert store.champion == "2"
    store.client.delete_model_version("flowers", "2")  # and its alias with it
    store.search(WORSE)
    assert store.champion == "3"


def test_a_champion_whose_search_was_deleted_gives_way(store: Store) -> None:
    store.client.delete_run(store.first.run_id)
    assert "was deleted in MLflow" in store.search(WORSE).ids.succession
    assert store.champion == "2"


def test_a_first_search_that_is_told_never_leaves_the_name_without_a_champion(
    finished_trials: Any, tmp_path: Path
) -> None:
    import automl

    location = open_store(None, tmp_path / "mlruns")
    found = write_search(location, finished_trials, tmp_path, promote="never")
    assert found.ids.succession.startswith("No version of 'flowers' is the champion (--promote never)")
    with pytest.raises(UsageError, match="automl promote flowers RUN"):
        automl.load("flowers", store=tmp_path / "mlruns")
    promote("flowers", found.ids.run_id, store=tmp_path / "mlruns")
    assert automl.load("flowers", store=tmp_path / "mlruns").name == "flowers"


def test_versions_say_score_and_search_in_one_line(store: Store) -> None:
    version = store.client.get_model_version("flowers", "1")
    assert "\n" not in version.description
    assert "extra_trees" in version.description
    assert version.description.endswith("anna")


@pytest.mark.parametrize("what", ["version", "model"])
def test_a_search_whose_version_was_deleted_is_registered_again_by_promote(store: Store, what: str) -> None:
    import automl

    root = store.folder / "mlruns"
    second = store.search(WORSE).ids
    if what == "version":
        store.client.delete_model_version("flowers", "1")
    else:
        store.client.delete_registered_model("flowers")
        store.search(WORSE)  # another search's version has the number now
    made = promote("flowers", store.first.run_id, store=root)
    assert (made, store.champion) == ("3" if what == "version" else "2", made)
    assert store.client.get_model_version("flowers", made).run_id == store.first.run_id
    assert promote("flowers", store.first.run_id, store=root) == made
    assert automl.load(second.run_id, store=root).name == "flowers"


def test_a_search_whose_files_are_gone_too_says_that_a_trial_works(store: Store) -> None:
    import shutil

    root = store.folder / "mlruns"
    place = store.client.get_model_version("flowers", "1").source
    store.client.delete_model_version("flowers", "1")
    shutil.rmtree(place)
    with pytest.raises(UsageError, match=r"and so were its files. A trial's run works"):
        promote("flowers", store.first.run_id, store=root)


def test_what_was_deleted_is_never_blamed_on_the_disk(store: Store) -> None:
    from automl.core.errors import StorageError
    from automl.tracker.store.failures import storage_errors

    with pytest.raises(StorageError, match="was deleted from it") as caught, storage_errors("look"):
        store.client.get_model_version("flowers", "9")
    assert "room" not in str(caught.value)


def end_at_once(store: Store, found: Gain | str, several: int = 2) -> dict[str, Succession]:
    """Version → what was decided, of searches that register at once and then look at the same moment."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    client, first = store.client, store.client.get_run(store.first.run_id)
    place = client.get_model_version("flowers", "1").source
    runs = {}
    for _ in range(several):
        run = client.create_run(first.info.experiment_id, tags=first.data.tags)
        runs[str(client.create_model_version("flowers", place, run.info.run_id).version)] = run
    start = Barrier(several)

    def decide(version: str) -> Succession:
        start.wait()
        judge = judged(found)
        decided = settle(client, "flowers", version, runs[version], promote="better", judge=judge)
        client.set_tag(runs[version].info.run_id, SETTLED, version)
        return decided

    with ThreadPoolExecutor(several) as pool:
        return dict(zip(runs, pool.map(decide, runs), strict=True))


def test_of_equal_searches_that_end_at_once_the_first_is_champion_and_the_others_say_so(store: Store) -> None:
    store.client.delete_registered_model_alias("flowers", ALIAS)
    found = end_at_once(store, EQUAL, 3)
    assert store.champion == "2"
    assert [found[version].taken for version in "234"] == [True, False, False]
    assert found["3"].note.startswith(
        "Kept version 2 as champion (the new one is equal: accuracy 0.994 of both on the same 178 held-out"
    )


def test_searches_that_end_at_once_are_each_compared_with_the_one_before(store: Store) -> None:
    found = end_at_once(store, BETTER)
    assert store.champion == "3"
    assert found["2"].note.startswith("Version 2 took over from version 1")
    assert found["3"].note.startswith("Version 3 took over from version 2")
    assert "no better" in store.search(WORSE).ids.succession  # and nobody is said to have promoted by hand


def test_the_pages_of_both_runs_say_who_is_the_champion_now(store: Store) -> None:
    second = store.search(BETTER).ids
    first = store.first.run_id
    assert "Version 2 of 'flowers' is the champion; before, it was version 1" in said(store, first)
    promote("flowers", store.first.run_id, store=store.folder / "mlruns")
    assert "Version 1 of 'flowers', the model of this run, is the champion" in said(store, first)
    now = said(store, second.run_id)
    assert "Version 1 of 'flowers' is the champion, promoted by" in now
    assert "took over" not in now
    page = store.client.get_experiment(second.experiment_id).tags["mlflow.note.content"]
    assert "version 1." in page
    assert "versions/2" not in page


def said(store: Store, run_id: str) -> str:
    """The tag about the champion, which must stand once in the description, below its links."""
    tags = store.client.get_run(run_id).data.tags
    links, sentence, *_ = tags["mlflow.note.content"].split("\n\n")
    assert links.startswith("Go to: ")
    assert tags["mlflow.note.content"].count("As of ") == 1
    assert tags["automl.champion"].startswith("As of 20")
    return f"{tags['automl.champion']} {sentence}"
