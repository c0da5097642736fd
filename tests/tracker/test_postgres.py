"""A search whose record is a PostgreSQL database, with a real server on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import search_through

from automl.cli import examples
from automl.tracker import library as history

PASSWORD = "correct-horse"
INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
INITDB = INSTALLED[-1] if INSTALLED else Path(shutil.which("initdb") or "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INITDB.name, reason="no PostgreSQL server is installed"),
]


class Postgres:
    """A server in a folder of its own; it refuses to run as root."""

    def __init__(self, folder: Path) -> None:
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder = folder
        if self.user is not None:
            shutil.chown(folder, self.user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        secret = folder / "password"
        secret.write_text(PASSWORD)
        self._run(
            "initdb", "-D", str(folder / "data"), "-U", "automl", "-A", "scram-sha-256", f"--pwfile={secret}"
        )

    @property
    def uri(self) -> str:
        return f"postgresql://automl:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        self._control("-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self) -> None:
        self._control("-m", "immediate", "stop")

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), *words)

    def _run(self, program: str, *words: str) -> None:
        command = [str(INITDB.with_name(program)), *words]
        subprocess.run(
            command, check=True, user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL, timeout=120
        )


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    with tempfile.TemporaryDirectory(prefix="automl-postgres-") as folder:
        server = Postgres(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def wine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    examples.write_example("wine", tmp_path)
    return tmp_path


def arguments(uri: str, name: str, *words: str) -> tuple[str, ...]:
    return ("search", "wine.csv", "--target", "class", "--name", name, "--tracking-uri", uri, *words)


def test_a_search_is_recorded_read_back_and_keeps_the_password_to_itself(
    postgres: Postgres, wine: Path
) -> None:
    words = ("--trials", "3", "--families", "linear,extra_trees", "--json")
    command = [sys.executable, "-m", "automl", *arguments(postgres.uri, "wine", *words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tracking_uri"] == postgres.uri.replace(PASSWORD, "***")
    assert len(history.leaderboard_rows("wine", tracking_uri=postgres.uri)) == 3
    model = history.load("wine", tracking_uri=postgres.uri)
    assert len(model.predict("wine.csv")) == 178
    assert PASSWORD not in done.stdout + done.stderr
    leaks = [path for path in wine.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert not leaks


def test_a_database_that_is_away_for_a_while_gets_every_trial(postgres: Postgres, wine: Path) -> None:
    words = ("--trials", "8", "--families", "linear,extra_trees,lightgbm")

    def pause() -> None:
        postgres.stop()
        time.sleep(5)
        postgres.start()

    search_through(arguments(postgres.uri, "away", *words), pause, folder=wine, seconds=250)
    board = history.leaderboard("away", tracking_uri=postgres.uri)
    assert sorted(board["trial"].dropna()) == list(range(8))
    assert set(board["state"]) == {"champion", "done"}
