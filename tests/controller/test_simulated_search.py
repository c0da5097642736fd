"""A whole search of instant trials, which come in by the doors for plug-ins: what it keeps, by counting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import automl
from automl.controller import array_shelf, watchers
from automl.controller.loop import Loop
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.watchers import NOBODY
from automl.core.trial import Trial

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
TRIALS = 60


@pytest.fixture
def spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The executor and the families of the benchmark, installed; the folder of their spaces."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from simulated_trials import installed

    with installed(tmp_path / "site") as folder:
        yield folder


class Ending:
    """A watcher that stops the search after some trials, and keeps what it was told of them."""

    def __init__(self, after: int = TRIALS) -> None:
        self.trials: list[Trial] = []
        self.after = after

    def finished(self, trial: Trial, best: float | None) -> None:
        self.trials.append(trial)

    def stop_requested(self) -> bool:
        return len(self.trials) >= self.after

    def __getattr__(self, name: str) -> Any:
        return getattr(NOBODY, name)


def search(folder: Path, spaces: Path, watcher: Any) -> Any:
    from scale import table

    source = folder / "rows.csv"
    table(80, regression=False).to_csv(source, index=False)
    families = ["dummy", "simulated_one", "simulated_two"]
    store = folder / "mlruns"
    return automl.search(
        source,
        target="y",
        trials=TRIALS,
        families=families,
        spaces=spaces,
        executor="instant",
        store=store,
        watcher=watcher,
        seed=3,
    )


def rows_of(result: Any) -> pd.DataFrame:
    frame = result.leaderboard.sort_values("trial").reset_index(drop=True)
    return frame[["trial", "family", "validation", "weight", "params", "state"]]


def test_it_ends_alike_with_arrays_in_files_and_when_it_was_resumed(
    spaces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    whole = rows_of(search(tmp_path / "whole", spaces, NOBODY))
    assert len(whole) == TRIALS + 1
    monkeypatch.setattr(array_shelf, "IN_MEMORY_BYTES", 2_000)
    monkeypatch.setattr(array_shelf, "CHUNK_BYTES", 20_000)
    monkeypatch.setattr(watchers, "WAITING_WHOLE", 2)
    (tmp_path / "cut").mkdir()
    search(tmp_path / "cut", spaces, Ending(40))
    remembered: list[Loop] = []
    restore = Loop.restore
    monkeypatch.setattr(Loop, "restore", lambda loop, kept: remembered.append(loop) or restore(loop, kept))
    calls: list[int] = []
    add = EnsembleBuilder.add
    monkeypatch.setattr(EnsembleBuilder, "add", lambda *given: calls.append(given[1]) or add(*given))
    again = automl.resume(store=tmp_path / "cut" / "mlruns", watcher=NOBODY)
    pd.testing.assert_frame_equal(rows_of(again), whole)
    assert min(calls) >= 36, "what the interrupted process learned is not computed again"
    results = [trial.result for trial in remembered[0].history.values()]
    assert all(result is not None and not result.curves for result in results)
    in_files = [result for result in results if result is not None and not result.held_out.flags.writeable]
    assert len(in_files) > 40
