"""A search whose record is a PostgreSQL database, with a real server on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import search_through
from record_servers import INITDB, Postgres

from automl.cli import examples
from automl.tracker import library as history

PASSWORD = "correct-horse"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INITDB.name, reason="no PostgreSQL server is installed"),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    with tempfile.TemporaryDirectory(prefix="automl-postgres-") as folder:
        server = Postgres(Path(folder), PASSWORD)
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
