"""Going on with an interrupted search: from Python, in this process, with quick models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pictures import lay
from PIL import Image
from small_search import OUTSET

import automl
from automl.controller.folder import SearchFolder, unfinished_folders
from automl.controller.saved_setup import given_settings, plain_settings
from automl.controller.strategy.optimizer import Optimizer
from automl.controller.strategy.space_files import copy_space
from automl.controller.watchers import NOBODY
from automl.core.errors import DataError, SearchInterrupted, SpaceError, StorageError, UsageError
from automl.core.trial import Candidate, Curve, Status, Trial, TrialResult
from automl.problem.preparation import prepare
from automl.problem.settings import Settings

COLUMNS = ["trial", "family", "params", "state", "origin", "validation"]


def write_table(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    size, weight = rng.normal(size=(2, 200))
    label = np.where(size + 0.5 * weight + rng.normal(scale=0.3, size=200) > 0, "yes", "no")
    pd.DataFrame({"size": size, "weight": weight, "label": label}).to_csv(folder / "things.csv", index=False)
    return folder / "things.csv"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path)


class Interrupting:
    """A watcher that asks a search to end, or ends it, after some trials."""

    def __init__(self, after: int, *, error: type[BaseException] | None = None) -> None:
        self.after, self.error, self.ended, self.told = after, error, 0, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(NOBODY, name)  # type: ignore[no-any-return]

    def finished(self, trial: Trial, best: float | None) -> None:
        self.ended += 1
        if self.error is not None and self.ended >= self.after:
            raise self.error

    def restored(self, trials: list[Trial], best: float | None, spent: float) -> None:
        self.told = len(trials)

    def stop_requested(self) -> bool:
        return self.error is None and self.ended >= self.after


def search(table: Path, **choices: Any) -> automl.SearchResult:
    asked: dict[str, Any] = {"trials": 4, "families": ("linear",), "executor": "inline", "seed": 2}
    return automl.search(table, target="label", store=table.parent / "mlruns", **(asked | choices))


def rows(result: automl.SearchResult) -> list[dict[str, Any]]:
    return result.leaderboard[COLUMNS].sort_values("trial").to_dict("records")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> automl.SearchResult:
    """A search of seven trials that nobody disturbs."""
    return search(write_table(tmp_path_factory.mktemp("whole")), trials=7)


def test_an_interrupted_search_keeps_its_best_and_goes_on_to_the_same_end(table: Path, whole: Any) -> None:
    part = search(table, name="part", trials=7, watcher=Interrupting(3))
    assert part.interrupted
    assert len(part.rows) == 3
    assert len(automl.load("part", store=table.parent / "mlruns").predict(table)) == 200
    watcher = Interrupting(99)
    resumed = automl.resume("part", store=table.parent / "mlruns", watcher=watcher)
    assert not resumed.interrupted
    assert watcher.told == 3
    assert watcher.ended == 4, "finished trials are not run again"
    assert rows(resumed) == rows(whole)
    assert resumed.best.validation == whole.best.validation
    assert resumed.run_id == part.run_id, "one run on record"
    assert unfinished_folders(table.parent / "mlruns") == []


def test_a_search_that_an_error_ended_is_resumed_without_a_name(table: Path, whole: Any) -> None:
    with pytest.raises(RuntimeError):
        search(table, name="part", trials=7, watcher=Interrupting(5, error=RuntimeError))
    (folder,) = unfinished_folders(table.parent / "mlruns")
    assert folder.finished_trials == 5
    assert "5 of 7 trials" in folder.description
    assert oct(folder.path.stat().st_mode)[-3:] == "700"
    resumed = automl.resume(store=table.parent / "mlruns")
    assert (resumed.name, rows(resumed)) == ("part", rows(whole))


def test_the_budget_continues_from_the_time_already_spent(table: Path) -> None:
    search(table, trials=None, time=60, watcher=Interrupting(2))
    (folder,) = unfinished_folders(table.parent / "mlruns")
    folder.spend(58.5, now=True)
    resumed = automl.resume(store=table.parent / "mlruns")
    assert 58 < resumed.seconds < 110, "little was left, and not the whole budget once more"
    assert resumed.budget_seconds == 60


def test_data_that_changed_in_between_is_refused(table: Path) -> None:
    search(table, watcher=Interrupting(3))
    before = table.read_text()
    table.write_text(before.replace("yes", "no", 1))
    with pytest.raises(DataError, match=r"changed since the search began.*start again"):
        automl.resume("things", store=table.parent / "mlruns")
    table.write_text(before)
    assert not automl.resume("things", store=table.parent / "mlruns").interrupted


def test_a_word_that_changed_in_the_test_rows_is_noticed() -> None:
    words = np.random.default_rng(0).choice(["stem", "leaf", "root", "bark", "twig"], (120, 12))
    frame = pd.DataFrame({"note": [" ".join(row) for row in words], "x": np.arange(120.0)})
    frame["y"] = np.arange(120) % 2
    kinds = {"note": "text"}
    before = prepare(Settings(frame, "y", test=frame.head(40), kinds=kinds))
    changed = frame.head(40).assign(note=frame["note"].where(frame.index != 7, "another word altogether"))
    now = prepare(Settings(frame, "y", test=changed, kinds=kinds))
    assert now.untouched_digest != before.untouched_digest


def test_a_picture_that_was_exchanged_in_the_test_rows_is_noticed(tmp_path: Path) -> None:
    places = [f"{label}/{number}.png" for label in ("a", "b") for number in range(6)]
    data, test = lay(tmp_path / "data", *places), lay(tmp_path / "test", *places[::2])
    settings = Settings(data, test=test, store=tmp_path / "store")
    before = prepare(settings).untouched_digest
    moved = test.rename(tmp_path / "elsewhere")
    assert prepare(replace(settings, test=moved)).untouched_digest == before
    Image.new("RGB", (8, 8), "red").save(moved / "a" / "0.png")
    assert prepare(replace(settings, test=moved)).untouched_digest != before


def test_a_search_space_that_changed_in_between_is_refused(table: Path, tmp_path: Path) -> None:
    space = copy_space("linear", tmp_path / "spaces")
    search(table, watcher=Interrupting(3), spaces=space.parent)
    (folder,) = unfinished_folders(table.parent / "mlruns")
    before = space.read_text()
    assert "[0.01, 100]" in before
    space.write_text(before.replace("[0.01, 100]", "[0.02, 100]"))
    with pytest.raises(SpaceError, match="space of linear changed since the search 'things' began"):
        automl.resume("things", store=table.parent / "mlruns")
    assert folder.finished_trials == 3, "nothing was changed"
    space.write_text(before + "\n# a remark changes nothing\n")
    assert not automl.resume("things", store=table.parent / "mlruns").interrupted


def test_a_file_that_was_moved_is_named_again(table: Path) -> None:
    search(table, watcher=Interrupting(3))
    moved = table.rename(table.with_name("elsewhere.csv"))
    with pytest.raises(DataError):
        automl.resume("things", store=table.parent / "mlruns")
    assert len(automl.resume("things", data=moved, store=table.parent / "mlruns").rows) == 4


def test_a_store_that_was_moved_is_resumed_where_it_is(table: Path) -> None:
    search(table, watcher=Interrupting(3))
    (table.parent / "mlruns").rename(table.parent / "moved")
    assert len(automl.resume(store=table.parent / "moved").rows) == 4


def test_a_search_goes_on_in_its_own_store_whatever_the_environment_names(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(table, trials=3, watcher=Interrupting(1))
    elsewhere = table.parent / "elsewhere" / "mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}")
    result = automl.resume(store=table.parent / "mlruns")
    assert result.ids.tracking_uri.endswith("/mlruns/mlflow.db")
    assert not elsewhere.exists()


def test_a_frame_and_a_function_have_to_be_given_again(table: Path) -> None:
    def right(actual: Any, predicted: Any) -> float:
        return float(np.mean(actual == predicted))

    frame = pd.read_csv(table)
    store = table.parent / "mlruns"
    search(table, watcher=Interrupting(2), metric=right)
    with pytest.raises(UsageError, match="metric=…"):
        automl.resume(store=store)
    assert automl.resume(store=store, metric=right).metric == "right"
    automl.search(
        frame,
        target="label",
        trials=3,
        families=("linear",),
        executor="inline",
        store=store,
        watcher=Interrupting(2),
    )
    with pytest.raises(UsageError, match="data=…"):
        automl.resume("frame", store=store)
    assert len(automl.resume("frame", data=frame, store=store).rows) == 3


def test_nothing_unfinished_is_said_with_what_there_is(table: Path) -> None:
    with pytest.raises(UsageError, match="No search"):
        automl.resume(store=table.parent / "mlruns")
    search(table, watcher=Interrupting(1))
    with pytest.raises(UsageError, match="things"):
        automl.resume("thing", store=table.parent / "mlruns")


def test_a_search_that_was_ended_before_its_first_trial_can_be_resumed(table: Path) -> None:
    with pytest.raises(SearchInterrupted, match="automl resume things"):
        search(table, watcher=Interrupting(0))
    assert len(automl.resume(store=table.parent / "mlruns").rows) == 4


def test_a_second_process_on_a_search_is_refused_and_told_of_the_first(table: Path) -> None:
    search(table, watcher=Interrupting(2))
    (folder,) = unfinished_folders(table.parent / "mlruns")
    code = (
        "import sys, time; from pathlib import Path; from automl.controller.folder import SearchFolder\n"
        "folder = SearchFolder.open(Path(sys.argv[1])); folder.claim()\n"
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder.path)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=f"process {first.pid} "):
            automl.resume(store=table.parent / "mlruns")
        with pytest.raises(UsageError, match=f"process {first.pid} "):
            search(table)
        first.kill()
    assert not automl.resume(store=table.parent / "mlruns").interrupted


def test_a_damaged_result_is_named(table: Path) -> None:
    search(table, watcher=Interrupting(2))
    (folder,) = unfinished_folders(table.parent / "mlruns")
    trial = folder.path / "trials" / "00001"
    arrays = (trial / "arrays.npz").read_bytes()
    for rest in (arrays[:-100], b""):
        (trial / "arrays.npz").write_bytes(rest)
        with pytest.raises(StorageError, match="00001"):
            list(folder.trials())
    (trial / "result.json").write_text("{")
    with pytest.raises(StorageError, match="00001"):
        automl.resume(store=table.parent / "mlruns")


def test_a_lock_that_cannot_be_written_is_a_fault_of_the_disk(tmp_path: Path) -> None:
    with SearchFolder.create(tmp_path, OUTSET, "x") as folder:
        path = folder.path
    (path / "lock").unlink()
    (path / "lock").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        SearchFolder.open(path).claim()


def test_a_folder_that_cannot_be_read_stands_in_nobody_s_way(tmp_path: Path) -> None:
    folder = tmp_path / "searches" / "damaged"
    folder.mkdir(parents=True)
    (folder / "search.json").write_bytes(b"\xff\xfe{")
    assert unfinished_folders(tmp_path) == []


def test_settings_survive_as_plain_data(tmp_path: Path) -> None:
    settings = Settings(
        tmp_path / "a.csv",
        "y",
        kinds={"zip": "category"},
        drop=("a", "b"),
        spaces=Path("spaces"),
        time_column="day",
        seed=3,
    )
    back = given_settings(plain_settings(settings))
    assert back == Settings(
        **{**settings.__dict__, "spaces": Path("spaces").absolute(), "store": Path("mlruns").absolute()}
    )


def test_results_come_back_as_they_were_kept(table: Path) -> None:
    search(table, watcher=Interrupting(1))
    (folder,) = unfinished_folders(table.parent / "mlruns")
    generator = np.random.default_rng(0)
    result = TrialResult(
        status=Status.DONE,
        seconds=1.25,
        held_out=generator.random((20, 3), dtype=np.float32),
        untouched=generator.random((2, 5, 3), dtype=np.float32),
        fold_seconds=(0.1, 0.2),
        curves=(Curve("fold_0/loss", (1, 2), (0.5, 0.25)),),
        facts={"rounds": 7.0},
    )
    trial = Trial(1, Candidate(family="linear", params={"C": 0.1}, seed=5)).finished(result, None)
    folder.begin(trial)
    folder.keep(trial)
    back = SearchFolder.open(folder.path).trials()[1].trial
    assert back.candidate == trial.candidate
    assert back.result is not None
    np.testing.assert_array_equal(back.result.held_out, result.held_out)
    np.testing.assert_array_equal(back.result.untouched, result.untouched)
    assert (back.result.curves, back.result.facts, back.result.seconds) == (result.curves, result.facts, 1.25)


def test_a_recalled_study_suggests_what_the_first_would_have() -> None:
    from automl.controller.strategy.space_files import load_space
    from automl.families import families

    space = load_space("lightgbm", families()["lightgbm"].params).for_task("binary", 1000)

    def optimizer() -> Optimizer:
        return Optimizer({"lightgbm": space}, seed=4)

    many, until = len(space.portfolio) + 25, len(space.portfolio) + 12
    first, losses = optimizer(), np.random.default_rng(0).random(many)
    asked, recalled = [], []
    for number in range(many):
        asked.append(first.ask("lightgbm", number=number, seed=number))
        if number >= 3:
            first.tell(asked[number - 3], float(losses[number]))
    second = optimizer()
    for number in range(many):
        known = asked[number].candidate
        recalled.append(
            second.recall(known, number=number)
            if number < until
            else second.ask("lightgbm", number=number, seed=number)
        )
        if number >= 3:
            second.tell(recalled[number - 3], float(losses[number]))
    assert [item.candidate for item in recalled] == [item.candidate for item in asked]
    assert asked[-1].candidate.origin == "sampler"
