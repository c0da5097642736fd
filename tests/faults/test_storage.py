"""Stores and disks that fail under a real search: what is said, what is kept, how it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import search_through

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]
SEARCH = ("search", "wine.csv", "--target", "class", "--families", "linear,lightgbm", "--folds", "3")


def automl(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automl", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, **environment},
    )


@pytest.fixture
def wine(tmp_path: Path) -> Path:
    assert automl(tmp_path, "example", "wine").returncode == 0
    return tmp_path


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size, where the user may mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount here")
def test_a_full_disk_ends_the_search_cleanly_and_it_goes_on_when_there_is_room(wine: Path) -> None:
    with small_disk(wine / "disk", 120) as disk:
        shutil.copy(wine / "wine.csv", disk)
        command = [sys.executable, "-m", "automl", *SEARCH, "--trials", "12"]
        with subprocess.Popen(command, cwd=disk, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "lightgbm" in line:
                    break
            with (disk / "filler").open("wb") as filler:
                try:
                    while True:
                        filler.write(bytes(1 << 20))
                        filler.flush()
                except OSError:
                    pass
            rest = process.stderr.read()
            assert process.wait(200) == 6, rest
        assert "full" in rest
        assert "automl resume wine" in rest
        assert "Traceback" not in rest
        (disk / "filler").unlink()
        done = automl(disk, "resume")
        assert done.returncode == 0, done.stderr
        assert "12 done" in done.stderr


def test_a_locked_database_is_waited_for_then_refused(wine: Path) -> None:
    (wine / "mlruns").mkdir()
    other = sqlite3.connect(wine / "mlruns" / "mlflow.db", isolation_level=None)
    other.execute("CREATE TABLE t (x)")
    other.execute("BEGIN EXCLUSIVE")
    done = automl(wine, *SEARCH, "--trials", "3", AUTOML_STORE_PATIENCE="1")
    other.close()
    assert done.returncode == 6
    assert "locked" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_locked_for_a_while_costs_nothing(wine: Path) -> None:
    assert automl(wine, *SEARCH, "--trials", "2").returncode == 0

    def lock() -> None:
        other = sqlite3.connect(wine / "mlruns" / "mlflow.db", isolation_level=None, timeout=30)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(3)
        other.execute("ROLLBACK")
        other.close()

    search_through((*SEARCH, "--trials", "6", "--name", "held"), lock, folder=wine, seconds=120)
    rows = json.loads(automl(wine, "leaderboard", "held", "--json").stdout)
    assert sorted(row["trial"] for row in rows if row["kind"] == "trial") == list(range(6))


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount here")
def test_a_read_only_store_is_refused_before_any_trial(wine: Path) -> None:
    with small_disk(wine / "disk", 120) as disk:
        store = ("--store", str(disk / "mlruns"))
        assert automl(wine, *SEARCH, "--trials", "2", *store).returncode == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = automl(wine, *SEARCH, "--trials", "2", *store, AUTOML_STORE_PATIENCE="1")
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr
    assert "dummy" not in done.stderr


class Server:
    """An MLflow server on this machine that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        command += ["--artifacts-destination", str(self.folder / "served")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=2)
                return
            except OSError:
                time.sleep(0.5)
        raise AssertionError((self.folder / "server.log").read_text()[-3000:])

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_server_that_is_away_for_twenty_seconds_gets_every_trial(wine: Path, server: Server) -> None:
    arguments = (*SEARCH, "--trials", "12", "--tracking-uri", server.address)

    def pause() -> None:
        server.stop()
        time.sleep(20)
        server.start()

    search_through(arguments, pause, folder=wine, seconds=200)
    done = automl(wine, "leaderboard", "wine", "--json", "--tracking-uri", server.address)
    rows = json.loads(done.stdout)
    assert sorted(row["trial"] for row in rows if row["kind"] == "trial") == list(range(12))
    assert len({row["run_id"] for row in rows if row["kind"] == "trial"}) == 12
    assert automl(wine, "resume", "--list").stdout == ""


def test_a_server_that_stays_away_ends_with_6_and_gets_all_by_resuming(wine: Path, server: Server) -> None:
    arguments = (*SEARCH, "--trials", "5", "--tracking-uri", server.address)
    with subprocess.Popen(
        [sys.executable, "-m", "automl", *arguments],
        cwd=wine,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AUTOML_STORE_PATIENCE": "2", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "linear" in line:
                break
        server.stop()
        rest = process.stderr.read()
        assert process.wait(200) == 6, rest
    assert "automl resume wine" in rest
    assert "Traceback" not in rest
    server.start()
    resumed = automl(wine, "resume")
    assert resumed.returncode == 0, resumed.stderr
    rows = json.loads(automl(wine, "leaderboard", "wine", "--json", "--tracking-uri", server.address).stdout)
    assert sorted(row["trial"] for row in rows if row["kind"] == "trial") == list(range(5))
