"""Where the record lies: the default SQLite store or a server, opened, mended and kept quiet."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from automl.core.errors import MissingDependencyError, StorageError, UsageError
from automl.core.lazy_imports import uncollected
from automl.core.text import without_password
from automl.core.whole_files import FULL
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
    # Seven by default, which is four minutes for every call to a server that is not there.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


# A store that fails is tried again and told about in our own words, without the traceback of every try.
_LOGGERS = {
    "mlflow.store": logging.WARNING,
    "mlflow.store.db.utils": logging.CRITICAL,
    "alembic": logging.WARNING,
    "urllib3.connectionpool": logging.ERROR,
}


@dataclass(frozen=True)
class StoreLocation:
    """Where runs, artifacts and scratch files lie.

    Attributes
    ----------
    uri:
        MLflow's tracking URI.
    root:
        The folder ``mlruns``, absolute: unfinished searches and the cache lie here with every kind of store.
    database:
        The SQLite file, or None for a server.
    artifacts:
        Folder under which each search has its artifact folder, or None where the server decides.
    """

    uri: str
    root: Path
    database: Path | None
    artifacts: Path | None

    @property
    def shown(self) -> str:
        """The URI as people may see it, without a password."""
        return without_password(self.uri)

    @property
    def exists(self) -> bool:
        """Whether something was recorded here (a server is asked when it is used)."""
        return self.database is None or self.database.is_file()

    @property
    def is_default(self) -> bool:
        """Whether it is the database in the root itself, which is found again when the folder moves."""
        return self.database == self.root / _DATABASE


def locate_store(
    tracking_uri: str | None = None, root: str | os.PathLike[str] = DEFAULT_ROOT
) -> StoreLocation:
    """Where the store is: the URI given, else ``MLFLOW_TRACKING_URI``, else ``<root>/mlflow.db``.

    Raises
    ------
    UsageError
        For a folder of MLflow's old file store, which this MLflow no longer writes, and for what is neither
        a server nor a database.
    """
    folder = Path(root).absolute().resolve()
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or ""
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


def default_uri(root: str | os.PathLike[str]) -> str | None:
    """Of the database in ``root``, where ``MLFLOW_TRACKING_URI`` would name another place; else None."""
    folder = Path(root).absolute().resolve()
    return _sqlite_uri(folder / _DATABASE) if os.environ.get("MLFLOW_TRACKING_URI") else None


def _check_driver(location: StoreLocation) -> None:
    """Databases other than SQLite need a package that is not part of the installation."""
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
    """Locate the store and make it ready for writing, without MLflow: it takes milliseconds.

    A new SQLite file is put into WAL mode (readers then never wait for the writer); one that was moved
    with its folder gets its paths mended. One that is locked is waited for.

    Raises
    ------
    StorageError
        When it cannot be written, now and not after hours of trials.
    MissingDependencyError
        When the package that speaks to the database is not installed.
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
            mend_moved(location)
            with closing(sqlite3.connect(location.database, timeout=patience_seconds())) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
    return location


def patience_seconds() -> float:
    """How long a store that is locked or does not answer is waited for where nothing else is to be done."""
    try:
        return max(0.1, float(os.environ.get(PATIENCE_VARIABLE, "")))
    except ValueError:
        return _PATIENCE_SECONDS


def _sqlite_uri(database: Path) -> str:
    """SQLAlchemy's address of a file; it quotes what its version reads as quoted."""
    if not set("%?#") & set(str(database)):
        return f"sqlite:///{database}"
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(database)).render_as_string()


def _sqlite_path(uri: str) -> Path:
    if not set("%?#") & set(uri):
        return Path(uri.removeprefix("sqlite:///"))
    from sqlalchemy import make_url

    return Path(make_url(uri).database or "")


def mend_moved(location: StoreLocation) -> bool:
    """Rewrite the absolute paths in a SQLite store that was moved or copied; whether that was needed."""
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
    """Fold the write-ahead log into the database file, so that the file alone is the whole store."""
    if location.database is not None and location.exists:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(location.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def connect(location: StoreLocation) -> MlflowClient:
    """A client of the store; the first call imports MLflow and may create the tables (seconds)."""
    _check_driver(location)
    quieten()
    with storage_errors(f"reach the store at {location.shown}"), uncollected():
        from mlflow import MlflowClient

        if location.database is not None:
            bring_up_to_date(location.database)
        return MlflowClient(tracking_uri=location.uri, registry_uri=location.uri)


def has_open_runs(location: StoreLocation) -> bool:
    """Whether some run may be open; asked of a SQLite file directly, which takes no time."""
    if location.database is None:
        return True
    with closing(sqlite3.connect(location.database, timeout=30)) as connection:
        return bool(connection.execute("SELECT 1 FROM runs WHERE status = 'RUNNING' LIMIT 1").fetchall())


def all_pages(page: Callable[[str | None], Any]) -> Iterator[Any]:
    """Every item of what MLflow gives in pages; ``page`` asks for the one of a token, None for the first."""
    token: str | None = None
    while True:
        found = page(token)
        yield from found
        token = found.token
        if not token:
            return


def load_mlflow() -> None:
    """Import what a search will need of MLflow, which takes more of a processor than all the rest."""
    quieten()
    with uncollected():
        from mlflow import MlflowClient  # noqa: F401  # the import is what is wanted


def quieten() -> None:
    """Keep MLflow from phoning home, from telling about its tables, and from waiting for minutes.

    Before it is imported; what the user set in the environment stays.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name, level in _LOGGERS.items():
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(level)


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn what MLflow, SQLite, the disk or the network raise into a :class:`StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except _raised_by_stores() as error:
        reason = " ".join(str(error).split()).rstrip(".")
        remedy = _REMEDIES.get(getattr(error, "error_code", ""), _REMEDY)
        raise StorageError(f"Could not {action}: {reason}. {remedy}") from error


_REMEDY = "Check that the store can be reached and its disk has room, or pass another --tracking-uri."
_DENIED = "Ask whoever runs the store for the right to do this, or pass another --tracking-uri."
# The store answered: neither its disk nor the way to it is at fault.
_REMEDIES = {
    "RESOURCE_DOES_NOT_EXIST": (
        "The store answers, but this was deleted from it, or never was there. `automl list` shows the "
        "searches that are."
    ),
    "RESOURCE_ALREADY_EXISTS": "Something else has this name: `automl list` shows the searches there.",
    "PERMISSION_DENIED": _DENIED,
    "UNAUTHENTICATED": _DENIED,
}


def _raised_by_stores() -> tuple[type[BaseException], ...]:
    known = (("mlflow.exceptions", "MlflowException"), ("sqlalchemy.exc", "SQLAlchemyError"))
    return (OSError, sqlite3.Error, *_imported(known))


def _imported(known: Iterable[tuple[str, str]]) -> list[type[BaseException]]:
    """Errors of libraries: nothing can have raised those of one that was not imported."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in known)
    return [error for error in found if error is not None]


def may_pass(error: BaseException) -> bool:
    """Whether trying again can help: a lock, a server that is away, but not a full disk or a wrong value."""
    cause = error.__cause__
    words = str(cause).lower()
    if cause is None or "is full" in words or "no space left" in words:
        return False
    if isinstance(cause, OSError):
        return cause.errno not in FULL
    code = getattr(cause, "error_code", "")
    away: tuple[type[BaseException], ...] = (
        sqlite3.OperationalError,
        *_imported([("sqlalchemy.exc", "OperationalError")]),
    )
    return isinstance(cause, away) or code in _PASSING or "locked" in words


_PASSING = {"TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"}


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
    """A folder as MLflow reads it: a path, or a file URI where characters of the path mean something else."""
    return folder.as_uri() if set("%?#") & set(str(folder)) else str(folder)


def remove_folder(folder: Path) -> None:
    """Delete a folder that may already be gone."""
    shutil.rmtree(folder, ignore_errors=True)


def _on_network(folder: Path) -> bool:
    """Whether a folder lies on a network file system, where SQLite's WAL does not work."""
    import psutil

    try:
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return False
    holding = [mount for mount in mounts if folder.is_relative_to(mount.mountpoint)]
    kind = max(holding, key=lambda mount: len(mount.mountpoint)).fstype if holding else ""
    return kind.lower() in {"nfs", "nfs4", "cifs", "smbfs", "smb3", "9p", "fuse.sshfs", "afpfs", "lustre"}
