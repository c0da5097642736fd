from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from automl.core.credentials import without_password
from automl.core.errors import MissingDependencyError, StorageError, UsageError
from automl.tracker import locate_store, open_store
from automl.tracker.store.location import connect, local_path


def test_the_default_store_is_a_file_in_mlruns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    location = locate_store()
    assert location.uri == f"sqlite:///{tmp_path.resolve()}/mlruns/mlflow.db"
    assert location.artifacts == tmp_path.resolve() / "mlruns" / "artifacts"
    assert not location.exists
    assert not (tmp_path / "mlruns").exists(), "looking must not make anything"


def test_opening_makes_the_file_in_wal_mode(tmp_path: Path) -> None:
    location = open_store(None, tmp_path / "mlruns")
    assert location.exists
    with sqlite3.connect(tmp_path / "mlruns" / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_uri_given_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5999")
    assert locate_store(None, tmp_path).uri == "http://127.0.0.1:5999"
    assert locate_store(None, tmp_path).artifacts is None
    given = locate_store(f"sqlite:///{tmp_path}/own/tracking.db", tmp_path)
    assert given.database == tmp_path.resolve() / "own" / "tracking.db"
    assert given.artifacts == tmp_path.resolve() / "own" / "artifacts"


def test_a_database_server_keeps_its_artifacts_in_the_folder(tmp_path: Path) -> None:
    location = locate_store("postgresql://somewhere/tracking", tmp_path)
    assert location.database is None
    assert location.artifacts == tmp_path.resolve() / "artifacts"


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    uri = "postgresql://mlflow:s3cr@t@db.example:5432/tracking"
    location = locate_store(uri, tmp_path)
    assert location.uri == uri
    assert location.shown == "postgresql://mlflow:***@db.example:5432/tracking"
    for plain in (
        "http://127.0.0.1:5999",
        "sqlite:///a/b.db",
        "postgresql://user@/tracking?host=/run/postgresql",
    ):
        assert without_password(plain) == plain


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("foo://user:secret@bar", "neither a server"),
        ("postgresql+nothing://user:secret@bar/x", "cannot be read"),
    ],
)
def test_an_address_of_no_known_kind_is_refused_at_once(uri: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        open_store(uri, tmp_path)
    assert "secret" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_database_without_its_driver_is_a_missing_dependency(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="needs pymssql") as raised:
        open_store("mssql+pymssql://user:secret@somewhere/tracking", tmp_path)
    assert "pip install" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns"])
def test_the_old_file_store_is_refused_with_the_remedy(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sqlite:///"):
        locate_store(uri, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="tracking-uri"):
        open_store(None, tmp_path / "file" / "mlruns")


def test_a_file_that_is_no_database_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to have a header " * 10)
    with pytest.raises(StorageError):
        open_store(None, tmp_path)


@pytest.mark.slow
def test_two_processes_may_make_the_store_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from automl.tracker.store.location import connect, open_store\n"
        "client = connect(open_store(None, sys.argv[1]))\n"
        "client.create_experiment(sys.argv[2])"
    )
    commands = [[sys.executable, "-c", code, str(tmp_path), name] for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(lambda c: subprocess.run(c, capture_output=True, text=True, timeout=200), commands)
        )
    assert [item.returncode for item in done] == [0, 0], [item.stderr[-2000:] for item in done]
    assert [item.stderr for item in done] == ["", ""], "MLflow is kept quiet"
    names = {item.name for item in connect(locate_store(None, tmp_path)).search_experiments()}
    assert names == {"Default", "one", "two"}
    assert not (tmp_path / "mlflow.db.creating").exists()


def test_a_locked_store_is_waited_for_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_STORE_PATIENCE", "0.3")
    open_store(None, tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"):
            open_store(None, tmp_path)
        other.execute("ROLLBACK")
    assert open_store(None, tmp_path).exists


def test_an_empty_store_is_kept_for_the_next_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    connect(open_store(None, tmp_path / "first")).create_experiment("not in the second")
    (kept,) = (tmp_path / "cache" / "automl").iterdir()
    if os.name != "nt":
        assert kept.parent.stat().st_mode & 0o077 == 0, "the user's alone"
    with sqlite3.connect(kept) as connection:
        connection.execute("CREATE TABLE mark (x)")
    connection.close()
    client = connect(open_store(None, tmp_path / "second"))
    assert [item.name for item in client.search_experiments()] == ["Default"]
    with sqlite3.connect(tmp_path / "second" / "mlflow.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM mark").fetchone() == (0,)
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_kept_store_that_is_damaged_is_made_again(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    connect(open_store(None, tmp_path / "first"))
    (kept,) = (tmp_path / "cache" / "automl").iterdir()
    kept.write_bytes(content * 100)
    assert connect(open_store(None, tmp_path / "second")).create_experiment("works")
    assert kept.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_kept_store_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    connect(open_store(None, tmp_path / "first"))
    (kept,) = (tmp_path / "cache" / "automl").iterdir()
    with sqlite3.connect(kept) as connection:
        connection.execute("CREATE TABLE mark (x)")
    connection.close()
    os.chown(kept, 54321, -1)
    connect(open_store(None, tmp_path / "second"))
    with sqlite3.connect(tmp_path / "second" / "mlflow.db") as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'mark'").fetchall()
    connection.close()


def _older_store(folder: Path, *, steps: int) -> str:
    """A store as the MLflow of some migrations ago made it; its schema's revision."""
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils
    from sqlalchemy import create_engine

    uri = f"sqlite:///{folder}/mlflow.db"
    configuration = utils._get_alembic_config(uri)
    revisions = [item.revision for item in ScriptDirectory.from_config(configuration).walk_revisions()]
    engine = create_engine(uri)
    utils.InitialBase.metadata.create_all(engine)
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revisions[steps])
    engine.dispose()
    return revisions[steps]


@pytest.mark.parametrize("steps", [1, 20])
def test_a_store_of_an_older_mlflow_is_copied_and_migrated(tmp_path: Path, steps: int) -> None:
    revision = _older_store(tmp_path, steps=steps)
    client = connect(open_store(None, tmp_path))
    assert client.create_experiment("after")
    with sqlite3.connect(tmp_path / f"mlflow.db.before-{revision}") as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [(revision,)]


def test_a_store_of_a_newer_mlflow_is_refused_with_the_way_out(tmp_path: Path) -> None:
    connect(open_store(None, tmp_path))
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(StorageError, match="newer MLflow"):
        connect(open_store(None, tmp_path))


def test_artifact_uris_that_are_folders_here() -> None:
    assert local_path("/data/a b") == Path("/data/a b")
    assert local_path("file:///data/a%20b") == Path("/data/a b")
    assert local_path("s3://bucket/a") is None
    assert local_path("mlflow-artifacts:/0/a") is None


def test_importing_the_tracker_loads_no_mlflow() -> None:
    code = (
        "import sys, automl.tracker, automl.tracker.library; "
        "assert not {'mlflow', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100, env=dict(os.environ))
