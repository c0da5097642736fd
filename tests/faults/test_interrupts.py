"""Ctrl-C, SIGTERM and kill -9 on a real process: what is kept, what is left behind, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from processes import still_running

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="POSIX signals"),
    pytest.mark.slow,
]
SEARCH = ("search", "wine.csv", "--target", "class", "--families", "linear,lightgbm", "--folds", "3")


def automl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automl", *arguments], cwd=folder, capture_output=True, text=True, timeout=240
    )


@contextmanager
def running(folder: Path, *more: str, until: str = "linear") -> Iterator[subprocess.Popen[str]]:
    """A search that has come as far as a line with these words."""
    command = [sys.executable, "-m", "automl", *SEARCH, *more]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if until in line:
                break
        yield process
        if process.poll() is None:
            process.kill()


@pytest.fixture
def wine(tmp_path: Path) -> Path:
    assert automl(tmp_path, "example", "wine").returncode == 0
    return tmp_path


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_keeps_the_best_and_the_search_can_be_resumed(
    wine: Path, sent: signal.Signals, code: int
) -> None:
    with running(wine, "--trials", "30") as process:
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sent)
        assert process.stderr is not None
        rest = process.stderr.read()
        assert process.wait(200) == code, rest
    assert "Best:" in rest
    assert "automl resume wine" in rest
    assert "Traceback" not in rest
    alive = still_running(children, seconds=60)
    assert not alive
    assert automl(wine, "predict", "wine", "wine.csv").returncode == 0
    listed = automl(wine, "resume", "--list").stdout
    assert listed.startswith("wine: ")
    assert "of 30 trials" in listed


def test_the_second_signal_ends_at_once(wine: Path) -> None:
    with running(wine, "--trials", "200") as process:
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(200) == 130
        assert time.monotonic() - began < 40, "it does not wait for trials or the store"
    alive = still_running(children, seconds=60)
    assert not alive
    assert automl(wine, "resume", "--list").stdout.startswith("wine: ")


def test_a_killed_controller_leaves_no_process_and_is_offered_by_the_same_command(wine: Path) -> None:
    with running(wine, "--trials", "6") as process:
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
    alive = still_running(children, seconds=60)
    assert not alive
    again = automl(wine, *SEARCH, "--trials", "6")
    assert again.returncode == 0, again.stderr
    assert "`automl resume wine` goes on; this is a new search" in again.stderr, (
        "said in one line where nobody can be asked"
    )
    resumed = automl(wine, "resume", "wine")
    assert resumed.returncode == 0, resumed.stderr
    assert "6 done" in resumed.stderr
    assert automl(wine, "resume").returncode == 2


def test_the_same_search_cannot_run_twice_at_once(wine: Path) -> None:
    with running(wine, "--trials", "200") as process:
        second = automl(wine, *SEARCH, "--trials", "200")
        assert second.returncode == 2
        assert f"process {process.pid} " in second.stderr
        resumed = automl(wine, "resume", "wine")
        assert resumed.returncode == 2
        assert f"process {process.pid} " in resumed.stderr
