"""The location of the record, the default SQLite store or a server: opening it, repairing moved paths."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from automl.core.credentials import with_password, without_password
from automl.core.errors import MissingDependencyError, UsageError
from automl.core.lazy_imports import uncollected
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.schema import bring_up_to_date

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_ROOT = Path("mlruns")
ROOT_TAG = "automl.store_root"
_DATABASE = "mlflow.db"
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_SERVERS = frozenset({"http", "https", "databricks", "databricks-uc", "uc"})
_DATABASES = frozenset({"postgresql", "mysql", "mssql"})
PATIENCE_VARIABLE = "AUTOML_STORE_PATIENCE"
_PATIENCE_SECONDS = 60.0
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Seven by default, which is four minutes for every call to a server that does not answer.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


# A store that fails is tried again and reported in our own words, without the traceback of every attempt.
_LOGGERS = {
    "mlflow.store": logging.WARNING,
    "mlflow.store.db.utils": logging.CRITICAL,
    "alembic": logging.WARNING,
    "urllib3.connectionpool": logging.ERROR,
}


@dataclass(frozen=True)
class StoreLocation:
    """The location of runs, artifacts and scratch files.

    Attributes
    ----------
    uri:
        MLflow's tracking URI.
    root:
        The folder ``mlruns``, absolute: it holds unfinished searches and the cache with every kind of store.
    database:
        The SQLite file, or None for a server.
    artifacts:
        Folder that contains the artifact folder of each search, or None if the server decides.
    """

    uri: str
    root: Path
    database: Path | None
    artifacts: Path | None

    @property
    def shown(self) -> str:
        """The URI without a password, for people."""
        return without_password(self.uri)

    @property
    def exists(self) -> bool:
        """True if the store exists (servers are only asked when they are used)."""
        return self.database is None or self.database.is_file()

    @property
    def is_default(self) -> bool:
        """True for the database in the root itself, which is found again when the folder moves."""
        return self.database == self.root / _DATABASE


def locate_store(
    tracking_uri: str | None = None, root: str | os.PathLike[str] = DEFAULT_ROOT
) -> StoreLocation:
    """Locate the store: the given URI, else ``MLFLOW_TRACKING_URI``, else ``<root>/mlflow.db``.

    Raises
    ------
    UsageError
        For a folder of MLflow's old file store, which this MLflow no longer writes, and for a URI of neither
        a server nor a database.
    """
    folder = Path(root).absolute().resolve()
    uri = _whole(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "")
    if not uri:
        database = folder / _DATABASE
        return StoreLocation(_sqlite_uri(database), folder, database, folder / "artifacts")
    scheme = urlparse(uri).scheme
    if scheme == "sqlite":
        stated = _sqlite_path(uri).absolute()
        database = stated.parent.resolve() / stated.name
        return StoreLocation(_sqlite_uri(database), folder, database, database.parent / "artifacts")
    if scheme in ("", "file") or (len(scheme) == 1 and os.name == "nt"):
        raise UsageError(
            f"The tracking URI {uri!r} names a folder: MLflow's file store is no longer supported. "
            f"Use sqlite:///{uri.removeprefix('file://').rstrip('/')}/mlflow.db, or the address of a server."
        )
    if scheme in _SERVERS or scheme in {
        plugin.name for plugin in entry_points(group="mlflow.tracking_store")
    }:
        return StoreLocation(uri, folder, None, None)
    if scheme.partition("+")[0] not in _DATABASES:
        raise UsageError(
            f"The tracking URI {without_password(uri)!r} is neither a server (http://, https://, databricks) "
            "nor a database (sqlite:///, postgresql://, mysql://, mssql://)."
        )
    return StoreLocation(uri, folder, None, folder / "artifacts")


def _whole(uri: str) -> str:
    """The URI with its password, which is not kept on disk."""
    whole = with_password(uri)
    if whole is None:
        raise UsageError(
            f"The password of {uri} is kept nowhere. Set MLFLOW_TRACKING_URI to the whole address, or pass "
            "it with --tracking-uri."
        )
    return whole


def default_uri(root: str | os.PathLike[str]) -> str | None:
    """URI of the database in ``root`` if ``MLFLOW_TRACKING_URI`` names another place; else None."""
    folder = Path(root).absolute().resolve()
    return _sqlite_uri(folder / _DATABASE) if os.environ.get("MLFLOW_TRACKING_URI") else None


def _check_driver(location: StoreLocation) -> None:
    """Check the driver: databases other than SQLite need a package that is not part of the installation."""
    if location.database is not None or location.artifacts is None:
        return
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(location.uri).get_dialect().import_dbapi()
    except ImportError as error:
        package = (
            "'psycopg[binary]' 'sqlalchemy>=2.1'"
            if location.uri.startswith("postgresql:")
            else f"the package that has {error.name}"
        )
        raise MissingDependencyError(
            f"The database at {location.shown} needs {error.name}, which is not installed. "
            f"Next: pip install {package}"
        ) from None
    except ArgumentError as error:
        raise UsageError(f"The tracking URI {location.shown!r} cannot be read: {error}") from None


def open_store(tracking_uri: str | None = None, root: str | os.PathLike[str] = DEFAULT_ROOT) -> StoreLocation:
    """Locate the store and prepare it for writing, without MLflow, in milliseconds.

    A new SQLite file is put into WAL mode (readers then never wait for the writer); the paths in a file that
    was moved with its folder are repaired. A locked file is waited for.

    Raises
    ------
    StorageError
        If it cannot be written: now, and not after hours of trials.
    MissingDependencyError
        If the driver of the database is not installed.
    """
    location = locate_store(tracking_uri, root)
    _check_driver(location)
    with storage_errors(f"open the store at {location.shown}"):
        location.root.mkdir(parents=True, exist_ok=True)
        if location.database is not None:
            location.database.parent.mkdir(parents=True, exist_ok=True)
            if not location.database.exists() and not _on_network(location.database.parent):
                with closing(sqlite3.connect(location.database)) as connection:
                    connection.execute("PRAGMA journal_mode=wal")
            repair_moved(location)
            with closing(sqlite3.connect(location.database, timeout=patience_seconds())) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
    return location


def patience_seconds() -> float:
    """Seconds to wait for a store that is locked or does not answer when there is nothing else to do."""
    try:
        return max(0.1, float(os.environ.get(PATIENCE_VARIABLE, "")))
    except ValueError:
        return _PATIENCE_SECONDS


def _sqlite_uri(database: Path) -> str:
    """SQLAlchemy's URI of a file, quoted as the installed version expects it."""
    if not set("%?#") & set(str(database)):
        return f"sqlite:///{database}"
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(database)).render_as_string()


def _sqlite_path(uri: str) -> Path:
    if not set("%?#") & set(uri):
        return Path(uri.removeprefix("sqlite:///"))
    from sqlalchemy import make_url

    return Path(make_url(uri).database or "")


def repair_moved(location: StoreLocation) -> bool:
    """Rewrite the absolute paths in a SQLite store that was moved or copied; True if that was needed."""
    if location.database is None or not location.exists:
        return False
    here = str(location.database.parent)
    with closing(sqlite3.connect(location.database, timeout=30)) as connection:
        try:
            rows = connection.execute(
                "SELECT DISTINCT value FROM experiment_tags WHERE key = ? AND value != ?", (ROOT_TAG, here)
            ).fetchall()
        except sqlite3.OperationalError:  # no tables yet
            return False
        for (before,) in rows:
            _replace_prefix(connection, before, here)
        connection.commit()
    return bool(rows)


def _replace_prefix(connection: sqlite3.Connection, before: str, after: str) -> None:
    for old, new in ((before, artifact_uri(Path(after))), (Path(before).as_uri(), Path(after).as_uri())):
        for table, column in _LOCATIONS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (new, len(old) + 1, len(old) + 1, f"{old}/"),
            )
    connection.execute(
        "UPDATE experiment_tags SET value = ? WHERE key = ? AND value = ?", (after, ROOT_TAG, before)
    )


def checkpoint(location: StoreLocation) -> None:
    """Merge the write-ahead log into the database file, so that the file alone is the whole store."""
    if location.database is not None and location.exists:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(location.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def connect(location: StoreLocation) -> MlflowClient:
    """Make a client of the store; the first call imports MLflow and may create the tables (seconds)."""
    _check_driver(location)
    quieten()
    with storage_errors(f"reach the store at {location.shown}"), uncollected():
        from mlflow import MlflowClient

        if location.database is not None:
            bring_up_to_date(location.database)
        elif location.artifacts is not None:
            _reach(location.uri)
        return MlflowClient(tracking_uri=location.uri, registry_uri=location.uri)


def _reach(uri: str) -> None:
    """Connect to a database once: MLflow would try for 100 s, and tell nobody (3.17)."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(uri, poolclass=NullPool)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def has_open_runs(location: StoreLocation) -> bool:
    """True if some run may be open; a SQLite file is read directly, which takes almost no time."""
    if location.database is None:
        return True
    with closing(sqlite3.connect(location.database, timeout=30)) as connection:
        return bool(connection.execute("SELECT 1 FROM runs WHERE status = 'RUNNING' LIMIT 1").fetchall())


def all_pages(page: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield every item of a paged result of MLflow; ``page`` gets the token of a page, None for the first."""
    token: str | None = None
    while True:
        items = page(token)
        yield from items
        token = items.token
        if not token:
            return


def load_mlflow() -> None:
    """Import the parts of MLflow that a search needs, which takes more CPU time than everything else."""
    quieten()
    with uncollected():
        from mlflow import MlflowClient  # noqa: F401  # only the import is needed


def quieten() -> None:
    """Keep MLflow from sending telemetry, from logging about its tables, and from waiting for minutes.

    Call this before MLflow is imported; the user's environment variables take precedence.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name, level in _LOGGERS.items():
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(level)


def local_path(uri: str) -> Path | None:
    """The folder of an artifact URI on this machine, or None."""
    if re.match(r"^[A-Za-z]:[\\/]", uri):
        return Path(uri)
    parsed = urlparse(uri)
    if parsed.scheme == "":
        return Path(uri)
    if parsed.scheme == "file" and parsed.netloc in ("", "localhost"):
        return Path(unquote(parsed.path))
    return None


def artifact_uri(folder: Path) -> str:
    """A folder as MLflow reads it: a path, or a file URI if characters of the path have a special meaning."""
    return folder.as_uri() if set("%?#") & set(str(folder)) else str(folder)


def remove_folder(folder: Path) -> None:
    """Delete a folder that may already be gone."""
    shutil.rmtree(folder, ignore_errors=True)


def _on_network(folder: Path) -> bool:
    """True for a folder on a network file system, where SQLite's WAL does not work."""
    import psutil

    try:
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return False
    holding = [mount for mount in mounts if folder.is_relative_to(mount.mountpoint)]
    kind = max(holding, key=lambda mount: len(mount.mountpoint)).fstype if holding else ""
    return kind.lower() in {"nfs", "nfs4", "cifs", "smbfs", "smb3", "9p", "fuse.sshfs", "afpfs", "lustre"}
