"""What trials may use is asked of their executor, once; what one search was told, the next has not heard."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

import automl
from automl.controller.watchers import NOBODY
from automl.controller.worker_plan import division_for, executor_for
from automl.core.environment import WEIGHTS_DIR
from automl.core.errors import UsageError
from automl.core.memory import usable_bytes
from automl.core.table import Features, Table
from automl.core.trial import Trial
from automl.executors import executor_types
from automl.executors.base import Capacity, Executor
from automl.executors.inline import InlineExecutor
from automl.executors.local import LocalExecutor
from automl.problem.settings import Settings
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import search_material
from automl.tracker.store.location import locate_store

GIBIBYTE = 1 << 30


class Listening:
    """A watcher that notes the capacity, and the folder of weights whenever a trial ends."""

    def __init__(self) -> None:
        self.capacities: list[Capacity] = []
        self.folders: list[str | None] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(NOBODY, name)  # type: ignore[no-any-return]

    def placed(self, capacity: Capacity) -> None:
        self.capacities.append(capacity)

    def finished(self, trial: Trial, best: float | None) -> None:
        self.folders.append(os.environ.get(WEIGHTS_DIR))


def search(folder: Path, **choices: Any) -> Listening:
    frame = pd.DataFrame({"x": np.arange(60.0), "y": np.tile(["a", "b"], 30)})
    watcher = Listening()
    asked: dict[str, Any] = {"trials": 1, "families": ("dummy",), "executor": "inline", "name": "pairs"}
    automl.search(frame, target="y", watcher=watcher, store=folder / "mlruns", **(asked | choices))
    return watcher


def test_the_folder_of_weights_holds_for_one_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEIGHTS_DIR, raising=False)
    assert search(tmp_path, weights_dir=tmp_path).folders == [str(tmp_path)]
    assert WEIGHTS_DIR not in os.environ
    assert search(tmp_path).folders == [None]


def test_the_memory_is_measured_once_and_told_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = count(4 * GIBIBYTE, -GIBIBYTE // 2)  # less at every look
    monkeypatch.setattr("automl.executors.inline.usable_bytes", lambda: next(sizes))
    (capacity,) = search(tmp_path).capacities
    assert capacity.memory_bytes == 4 * GIBIBYTE
    record = Record(locate_store(None, tmp_path / "mlruns"))
    assert search_material(record, "pairs").search.configuration["memory_bytes"] == 4 * GIBIBYTE


def test_there_is_one_default_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl.core.memory.available_bytes", lambda: 10 * GIBIBYTE)
    assert usable_bytes() == 8 * GIBIBYTE
    asked = Settings("a.csv", workers=1)
    for name in ("local", "inline"):
        with executor_for(replace(asked, executor=name)) as executor:
            assert executor.capacity.memory_bytes == 8 * GIBIBYTE
    with LocalExecutor() as executor:
        assert executor.capacity.memory_bytes == 8 * GIBIBYTE


def test_workers_are_as_many_as_have_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl.executors.local.cores", lambda: 64)
    with executor_for(Settings("a.csv", memory_bytes=6_000_000_000)) as executor:
        assert executor.slots == 4
    with executor_for(Settings("a.csv", memory_bytes=6_000_000_000, workers=9)) as executor:
        assert executor.slots == 9


def test_a_budget_that_is_too_short_for_workers_runs_in_this_process() -> None:
    with executor_for(Settings("a.csv", seconds=5.0)) as executor:
        assert isinstance(executor, InlineExecutor)
    assert executor_types()["local"].least_seconds == 8.0


@dataclass(frozen=True)
class Cluster:
    """Four machines of sixteen cores."""

    capacity: Capacity
    slots: int = 64


@pytest.mark.parametrize(
    ("cells", "division"), [(1000, (64, 1)), (2_000_000, (8, 8)), (20_000_000, (4, 16))], ids=str
)
def test_the_cores_of_several_machines_are_divided_and_no_trial_has_more_than_one(
    cells: int, division: tuple[int, int]
) -> None:
    numbers = np.broadcast_to(np.zeros(1), (cells, 1))
    table = Table(Features(("x",)), numbers, np.empty((cells, 0), dtype=np.int32))
    cluster = Cluster(Capacity(cores=64, trial_cores=16, memory_bytes=256 * GIBIBYTE))
    found = division_for(cast(Executor, cluster), table, workers=0)
    assert (found.slots, found.threads) == division


def test_images_need_a_disk_that_trials_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos" / "a").mkdir(parents=True)
    apart = replace(executor_types()["inline"], shared_disk=False)
    monkeypatch.setattr("automl.controller.worker_plan.executor_type", lambda name: apart)
    with pytest.raises(UsageError, match=r"shares no disk with this process.*automl executors"):
        executor_for(Settings(tmp_path / "photos", seconds=None, trials=1))
