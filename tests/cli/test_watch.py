"""Following a search that runs elsewhere: what is shown, how it ends, and a search that seems dead."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import automl
from rich.console import Console

from automl.cli.watch import Lines, Picture, line
from automl.core.nodes import NodeState
from automl.tracker import SearchSummary, StoreLocation, Tracker, open_store
from automl.tracker.live import Leader, LiveState, LiveTrial
from automl.tracker.reading.watching import Sighting, watch
from automl.tracker.store.location import connect
from automl.tracker.tags import SIGN

STATE = LiveState(
    elapsed=20.0,
    seconds=60.0,
    ended={"done": 7, "failed": 2},
    best=0.971,
    leader="lightgbm",
    leaders=(Leader(number=4, family="lightgbm", validation=0.971, standard_error=0.01, seconds=2.0),),
    running=(
        LiveTrial(number=9, family="linear", seconds=1.0, fraction=0.5, message="fold 2"),
        LiveTrial(number=10, family="catboost", seconds=3.0),
    ),
    nodes=(
        NodeState(name="one", workers=2, running=(9,), lost=1, returned=1),
        NodeState(name="two", workers=1, running=(10,)),
        NodeState(name="three", workers=0, lost=2, away=True),
    ),
    news=((1, "#3 linear failed: it broke"),),
)
SEEN = Sighting(
    name="wine",
    run_id="0" * 32,
    metric="accuracy",
    greater_is_better=True,
    status="running",
    state=STATE,
    silent=0.0,
    owner="process 7 on host-a, of anna",
)


@pytest.fixture
def running(
    finished_trials: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Tracker, StoreLocation]]:
    """A search on record that has begun and gives a sign ten times a second."""
    monkeypatch.setattr("automl.tracker.writing.writer.SIGN_SECONDS", 0.1)
    location = open_store(None, tmp_path / "mlruns")
    with Tracker(location) as tracker:
        tracker.begin_search(finished_trials.record())
        tracker.show(STATE)
        tracker.flush()
        yield tracker, location


def test_a_running_search_is_followed_until_it_ends(running: tuple[Tracker, StoreLocation]) -> None:
    tracker, location = running
    seen = watch("flowers", every=0.05, store=location.root)
    first = next(sighting for sighting in seen if sighting.state is not None)
    assert first.running
    assert replace(first.state or STATE, at=0.0) == STATE
    moments = {sighting.state.at for sighting, _ in zip(seen, range(20), strict=False) if sighting.state}
    assert len(moments) > 2, "the sign is renewed although nothing new happened"
    tracker.finish_search(SearchSummary({}))
    assert [sighting.status for sighting in seen][-1] == "finished"


def test_a_search_whose_process_was_killed_is_dead_at_once(
    running: tuple[Tracker, StoreLocation],
) -> None:
    _, location = running
    client = connect(location)
    code = "import json; from automl.tracker.reconcile import owner_tags; print(json.dumps(owner_tags()))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    experiment = client.get_experiment_by_name("flowers").experiment_id
    tags = {**json.loads(ended.stdout), "automl.search": "flowers"}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    (only,) = watch(run_id, every=0.05, store=location.root)
    assert (only.running, only.gone) == (True, True)
    done = automl("watch", run_id, "--store", str(location.root), folder=location.root.parent)
    assert done.returncode == 6
    assert "Error E6: The search 'flowers' is dead: it was run by process" in done.stderr
    assert "automl resume flowers" in done.stderr


def test_a_search_on_another_machine_seems_dead_when_it_is_silent(
    running: tuple[Tracker, StoreLocation],
) -> None:
    _, location = running
    client = connect(location)
    experiment = client.get_experiment_by_name("flowers").experiment_id
    owner = {"mlflow.automl.pid": "7", "mlflow.automl.host": "elsewhere", "mlflow.user": "anna"}
    old = replace(STATE, at=time.time() - 5.0)
    tags = {**owner, "automl.search": "flowers", SIGN: old.to_text()}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    first, *_, last = watch(run_id, patience=5.5, every=0.1, store=location.root)
    assert (first.running, last.running, last.gone) == (True, True, False)
    assert last.silent > 5.5
    done = automl(
        "watch", run_id, "--patience", "1s", "--store", str(location.root), folder=location.root.parent
    )
    assert done.returncode == 6
    assert "it seems dead; it was run by process 7 on elsewhere, of anna" in done.stderr


@pytest.mark.parametrize(
    ("reason", "killed", "code"),
    [("DataError: no rows", False, 3), ("ZeroDivisionError: oh", False, 1), ("stopped", True, 130)],
    ids=["failed", "bug", "interrupted"],
)
def test_the_exit_code_is_that_of_the_search(
    running: tuple[Tracker, StoreLocation], reason: str, killed: bool, code: int
) -> None:
    tracker, location = running
    tracker.fail_search(reason, killed=killed)
    tracker.flush()
    done = automl("watch", "flowers", "--store", str(location.root), folder=location.root.parent)
    assert done.returncode == code
    assert ("interrupted" if killed else reason) in done.stdout.splitlines()[-1]


def test_an_ended_search_is_told_in_one_line(recorded: Any) -> None:
    root = recorded.location.root
    done = automl("watch", "flowers", "--store", str(root), folder=root.parent)
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["flowers · finished · accuracy 0.9 (test) · version 1"]
    assert "running" not in done.stderr
    assert automl("watch", "roses", "--store", str(root), folder=root.parent).returncode == 2


def test_scripts_get_one_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    lines = Lines(out)
    for second in range(0, 25, 2):
        monkeypatch.setattr("automl.cli.watch.time.monotonic", lambda second=second: float(second))
        lines.show(SEEN)
    assert out.getvalue().splitlines() == [line(SEEN)] * 3
    Lines(out).show(replace(SEEN, status="finished"))
    assert out.getvalue().splitlines() == [line(SEEN)] * 3
    assert line(SEEN) == (
        "wine · 20s of 60s · 9 trials · 2 failed · best accuracy 0.971 (lightgbm) · 2 running · "
        "2 of 3 nodes busy · 1 node gone · 3 workers lost, 1 replaced"
    )


def test_a_silent_search_and_a_store_that_is_away_are_said() -> None:
    assert line(replace(SEEN, silent=25.0)).endswith("no sign of life for 25s")
    assert line(replace(SEEN, trouble="Could not reach it.")).endswith("does not answer: Could not reach it.")
    assert line(replace(SEEN, state=None)) == "wine · running, no sign of its progress"


def test_the_picture_shows_nodes_with_what_they_run() -> None:
    console = Console(width=100, height=30, record=True, file=io.StringIO(), force_terminal=True)
    screen = Picture(console)
    screen.show(SEEN)
    screen.show(replace(SEEN, silent=30.0))
    screen.close()
    text = console.export_text()
    assert text.count("#3 linear failed: it broke") == 1
    for words in (
        "7 done",
        "2 failed",
        "0.971",
        "1 worker  #10",
        "1 lost, 1 replaced",
        "gone",
        "no sign of life for",
    ):
        assert words in text, words
