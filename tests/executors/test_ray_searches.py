"""Whole searches on a real Ray cluster of this machine, beside the same ones without it.

One on three nodes that lose workers, agents and nodes is in ``tests/faults/test_cluster_kills.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from raylets import Raylets, raylets

from automl.cli.examples import write_example

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Rows = list[tuple[object, ...]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, in which the searches of this module run."""
    place = tmp_path_factory.mktemp("searches")
    write_example("wine", place)
    return place


@pytest.fixture(scope="module")
def cluster() -> Iterator[Raylets]:
    """Three nodes of one processor each."""
    with raylets(3) as made:
        yield made


def begin(folder: Path, *words: str) -> subprocess.Popen[str]:
    """``automl …`` as a process."""
    command = [sys.executable, "-m", "automl", *words]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def words(name: str, *more: str) -> tuple[str, ...]:
    start = ("search", "wine.csv", "--target", "class", "--trials", "16", "--seed", "3")
    families = "linear,lightgbm,extra_trees"
    return (*start, "--families", families, "--folds", "2", "--memory", "3GB", "--name", name, *more)


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """What a process said, once it has ended with this code."""
    _, said = process.communicate(timeout=600)
    assert process.returncode == code, said
    return said


def on_record(folder: Path, name: str) -> Rows:
    """Trials with their candidates and scores."""
    from automl.tracker.reading.query import Record
    from automl.tracker.store.location import locate_store

    record = Record(locate_store(None, folder / "mlruns"))
    rows = sorted(record.leaderboard(record.search_run(name)), key=lambda row: row.trial)
    return [
        (row.trial, row.family, json.dumps(row.params, sort_keys=True), row.state, row.validation)
        for row in rows
    ]


@pytest.fixture(scope="module")
def expected(folder: Path) -> Rows:
    """The trials of a search on this machine."""
    ended(begin(folder, *words("here")))
    return on_record(folder, "here")


def wait_for_results(folder: Path, name: str, count: int, process: subprocess.Popen[str]) -> None:
    """Until so many trials have ended; a test that waits for ever has a time limit."""
    while len(list(folder.glob(f"mlruns/searches/{name}-*/trials/*/result.json"))) < count:
        if process.poll() is not None:
            raise RuntimeError(process.communicate()[1])
        time.sleep(0.1)


def test_inline_the_trials_are_the_same(folder: Path, expected: Rows) -> None:
    ended(begin(folder, *words("inline", "--executor", "inline")))
    assert on_record(folder, "inline") == expected


def test_on_a_cluster_of_its_own_the_trials_are_the_same(folder: Path, expected: Rows) -> None:
    ended(begin(folder, *words("alone", "--executor", "ray")))
    assert on_record(folder, "alone") == expected


def test_after_the_controller_was_killed_the_search_is_resumed(
    folder: Path, cluster: Raylets, expected: Rows
) -> None:
    process = begin(folder, *words("killed", "--executor", "ray", "--address", cluster.address))
    wait_for_results(folder, "killed", 5, process)
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, left = psutil.wait_procs(below, timeout=60)
    assert not left
    ended(begin(folder, "resume", "killed"))
    assert on_record(folder, "killed") == expected


def test_the_loss_of_the_head_is_an_interruption(
    folder: Path, expected: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")
    with raylets(1) as lost:
        process = begin(folder, *words("headless", "--executor", "ray", "--address", lost.address))
        wait_for_results(folder, "headless", 5, process)
        lost.kill_head()
        said = ended(process, code=130)
    assert "The Ray cluster was lost" in said
    assert "`automl resume headless` goes on" in said
    with raylets(1) as other:
        ended(begin(folder, "resume", "headless", "--address", other.address))
    assert on_record(folder, "headless") == expected


def test_images_travel_to_nodes_that_see_no_other_disk(folder: Path, cluster: Raylets) -> None:
    """Decoded pixels come with the problem, and features are computed on each node."""
    draw_images(folder / "shapes")
    start = ("search", "shapes", "--trials", "3", "--seed", "3", "--families", "image_probe", "--folds", "2")
    ended(begin(folder, *start, "--name", "near"))
    ended(begin(folder, *start, "--name", "far", "--executor", "ray", "--address", cluster.address))
    assert on_record(folder, "far") == on_record(folder, "near")


def draw_images(folder: Path) -> None:
    """Ten dark and ten bright pictures of noise."""
    generator = np.random.default_rng(0)
    for name, level in (("dark", 90), ("bright", 130)):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            pixels = generator.normal(level, 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
