"""What is called the champion, everywhere: real searches, a result that was not taken, a promoted trial."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from searched import flowers

import automl
from automl.cli.pages import print_leaderboard
from automl.history import leaderboard, promote, read_leaderboard
from automl.upkeep import search_lines


@dataclass(frozen=True)
class Kept:
    """``flowers``: a second, worse result that was not taken. ``petals``: a trial that was promoted."""

    folder: Path
    first: automl.SearchResult
    second: automl.SearchResult
    petals: automl.SearchResult
    promoted: Any

    @property
    def store(self) -> Path:
        return self.folder / "mlruns"

    def automl(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "automl", *words]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        )

    def board(self, name: str) -> list[str]:
        page = io.StringIO()
        print_leaderboard(read_leaderboard(name, store=self.store), page, rows=0)
        return page.getvalue().splitlines()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    flowers().to_csv(folder / "flowers.csv", index=False)

    def search(name: str, families: tuple[str, ...], trials: int) -> automl.SearchResult:
        return automl.search(
            folder / "flowers.csv",
            target="species",
            name=name,
            families=families,
            trials=trials,
            executor="inline",
            store=folder / "mlruns",
        )

    first = search("flowers", ("linear",), 2)
    second = search("flowers", ("dummy",), 1)
    petals = search("petals", ("linear",), 3)
    members = {member.trial for member in petals.best.members}
    promoted = min(petals.rows, key=lambda row: (row.trial in members, row.trial))
    promote("petals", promoted.run_id, store=folder / "mlruns")
    return Kept(folder, first, second, petals, promoted)


def test_only_the_model_that_predictions_use_is_called_champion(kept: Kept) -> None:
    lines = kept.board("flowers")
    assert "result" in lines[1].split()
    used = f"is version 1: the result of the search {kept.first.run_id[:8]}, validation accuracy 0."
    assert used in "".join(lines)
    assert not leaderboard("flowers", store=kept.store)["is_champion"].any()
    assert leaderboard(kept.first.run_id, store=kept.store)["state"].iloc[0] == "champion"
    assert kept.second.leaderboard["state"].iloc[0] == "result"


def test_a_promoted_trial_is_called_champion_and_its_search_has_the_star(kept: Kept) -> None:
    frame = leaderboard("petals", store=kept.store)
    assert list(frame.loc[frame["is_champion"], "run_id"]) == [kept.promoted.run_id]
    number = kept.promoted.trial
    assert f"is version 2: trial #{number} {kept.promoted.family} of this search" in "".join(
        kept.board("petals")
    )
    lines = {line.run_id: (line.champion, line.champion_trial) for line in search_lines(store=kept.store)}
    assert lines[kept.petals.run_id] == (False, number)
    assert lines[kept.first.run_id] == (True, None)
    assert lines[kept.second.run_id] == (False, None)
    assert f"* #{number}  petals" in kept.automl("list").stdout
