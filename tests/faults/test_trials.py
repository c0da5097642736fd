"""Models that raise, crash, hang and hoard inside a real search, and a worker's memory over many trials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from kill_harness import descendants, is_worker

from automl.testing.executors import misbehaving_family

pytestmark = pytest.mark.slow
SPACE = """
family: misbehaving
params:
  mode: {{choice: [raise, nan, exit, crash, hang, hoard, constant], default: raise}}
portfolio:
{portfolio}
"""


def automl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(filter(None, [str(folder / "plug-in"), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "automl", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PYTHONPATH": paths},
    )


def search(
    folder: Path, *modes: str, families: str = "misbehaving", **more: str
) -> subprocess.CompletedProcess[str]:
    portfolio = "\n".join(f"  - {{name: M{i}, mode: {mode}}}" for i, mode in enumerate(modes))
    (folder / "search_spaces").mkdir()
    (folder / "search_spaces" / "misbehaving.yaml").write_text(SPACE.format(portfolio=portfolio))
    assert automl(folder, "example", "wine").returncode == 0
    with misbehaving_family(folder / "plug-in"):
        options = [item for name, value in more.items() for item in (f"--{name.replace('_', '-')}", value)]
        return automl(folder, "search", "wine.csv", "--target", "class", "--families", families, *options)


def rows(folder: Path) -> list[dict[str, object]]:
    found = json.loads(automl(folder, "leaderboard", "wine", "--json").stdout)
    return [row for row in found if row["kind"] == "trial"]


def test_when_every_model_fails_the_baseline_is_kept_and_the_causes_are_grouped(tmp_path: Path) -> None:
    done = search(tmp_path, "raise", "nan", trials="3")
    assert done.returncode == 5, done.stderr
    assert "this family raises" in done.stderr
    assert "Traceback" not in done.stderr
    states = {row["trial"]: (row["family"], row["state"]) for row in rows(tmp_path)}
    assert states == {0: ("dummy", "done"), 1: ("misbehaving", "failed"), 2: ("misbehaving", "failed")}
    assert automl(tmp_path, "predict", "wine", "wine.csv").returncode == 0


def test_failures_of_every_sort_are_on_record_and_the_others_go_on(tmp_path: Path) -> None:
    done = search(
        tmp_path,
        *("raise", "crash", "exit", "hoard", "hang"),
        families="misbehaving,linear",
        time="60s",
        memory="1500MB",
    )
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path)
    bad = {str(row["state"]) for row in found if row["family"] == "misbehaving"}
    assert "failed" in bad
    assert bad <= {"failed", "oom", "timeout", "done"}
    assert any(row["state"] == "done" and row["family"] == "linear" for row in found)
    run_id = next(str(row["run_id"]) for row in found if row["state"] == "failed")
    assert json.loads(automl(tmp_path, "show", run_id, "--json").stdout)["traceback"]


def test_five_hundred_trials_take_no_more_memory_than_fifty(tmp_path: Path) -> None:
    trials = int(os.environ.get("AUTOML_SOAK_TRIALS", "500"))
    assert automl(tmp_path, "example", "wine").returncode == 0
    command = [sys.executable, "-m", "automl", "search", "wine.csv", "--target", "class"]
    command += ["--families", "linear,lightgbm,extra_trees", "--folds", "2", "--workers", "2"]
    held: dict[int, tuple[int, int]] = {}
    with subprocess.Popen(
        [*command, "--trials", str(trials)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        ended = 0
        for line in process.stderr:
            ended += "  #" in line
            if "  #" in line:
                held[ended] = _memory(process.pid)
        assert process.wait(200) == 0
    shown = {count: pair for count, pair in held.items() if count % 50 == 0}
    print("MB of the controller and of the larger worker:")
    print({count: (controller >> 20, worker >> 20) for count, (controller, worker) in shown.items()})
    assert ended == trials
    for who, place in (("controller", 0), ("worker", 1)):
        # of a worker, the mean of ten moments: it is in the middle of a trial, or between two
        sizes = [float(pair[place]) for pair in held.values()]
        means = [sum(sizes[i - 10 : i]) / 10 for i in range(50, len(sizes) + 1)]
        grown = max(means) - means[0]
        assert grown < 50 << 20, f"{who}: {grown / 2**20:.0f} MB more after {trials} trials than after 50"


def _memory(pid: int) -> tuple[int, int]:
    """Bytes that the controller holds, and the larger of its workers without what they share."""
    sizes = [0]
    for child in descendants(pid):
        if is_worker(child):
            with suppress(psutil.Error):
                info = child.memory_info()
                sizes.append(info.rss - info.shared)
    return psutil.Process(pid).memory_info().rss, max(sizes)


def test_nothing_is_left_of_a_hanging_model(tmp_path: Path) -> None:
    done = search(tmp_path, "hang", families="misbehaving", time="12s")
    assert done.returncode in (0, 5), done.stderr
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(tmp_path) in " ".join(process.info["cmdline"] or ())
    ]
    assert not left
