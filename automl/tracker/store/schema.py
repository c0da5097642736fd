"""The tables of a SQLite store: created, or migrated with a backup, completely or not at all."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

from automl.core.errors import StorageError

_WAITING_SECONDS = 120.0


def bring_up_to_date(database: Path) -> None:
    """Create the tables of a new store, or migrate an older one to the schema of the installed MLflow.

    MLflow itself does either in many steps, and a store whose process is killed in between can never be
    opened again. Therefore it is done in a draft, which SQLite then copies over the store in one transaction.
    Before a migration the store is copied to ``mlflow.db.before-<schema>``. MLflow creates new tables by
    running all its migrations, which takes seconds of CPU time, so an empty store is kept in the user's cache
    to be copied.

    Raises
    ------
    StorageError
        If a newer MLflow wrote it.
    """
    head = _newest_revision()
    if revision(database) == head:
        return
    with alone(database):
        schema = revision(database)
        if schema == head or (not schema and has_tables(database)):
            return  # another process did it, or MLflow itself has to decide
        if schema:
            _refuse_newer(database, schema)
            _copy(database, database.with_name(f"{database.name}.before-{schema}"))
        draft = database.with_name(f"{database.name}.draft-{os.getpid()}")
        try:
            if schema:
                _copy(database, draft)
                _migrate(draft, new=False)
            elif not _copied_template(head, draft):
                _migrate(draft, new=True)
                _keep_template(head, draft)
            _copy(draft, database)
        finally:
            for path in database.parent.glob(f"{draft.name}*"):
                path.unlink(missing_ok=True)


@cache
def _newest_revision() -> str:
    """The schema's revision of the installed MLflow, which loads all its migrations to find it."""
    from mlflow.store.db import utils

    return str(utils._get_latest_schema_revision())  # type: ignore[no-untyped-call]


def _template(head: str) -> Path:
    """The path of an empty store of this schema in the user's cache."""
    from mlflow.version import VERSION

    local = os.environ.get("LOCALAPPDATA") if os.name == "nt" else None
    cache = os.environ.get("XDG_CACHE_HOME") or local or Path("~/.cache").expanduser()
    return Path(cache) / "automl" / f"mlflow-{VERSION}-{head}.db"


def _copied_template(head: str, draft: Path) -> bool:
    """Copy the user's own empty store, if there is one; True if it was copied."""
    template = _template(head)
    with suppress(OSError, sqlite3.Error):
        own = not hasattr(os, "getuid") or template.lstat().st_uid == os.getuid()
        if own and template.is_file() and revision(template) == head:
            _copy(template, draft)
            return True
    return False


def _keep_template(head: str, draft: Path) -> None:
    """Keep a copy for the next new store; if that is impossible, the next one is created from scratch."""
    template = _template(head)
    part = template.with_name(f"{template.name}.{os.getpid()}")
    with suppress(OSError, sqlite3.Error):
        template.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _copy(draft, part)
            part.replace(template)
        finally:
            part.unlink(missing_ok=True)


def _refuse_newer(database: Path, schema: str) -> None:
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils
    from mlflow.version import VERSION

    configuration = utils._get_alembic_config("")  # type: ignore[no-untyped-call]
    script = ScriptDirectory.from_config(configuration)
    if schema not in {item.revision for item in script.walk_revisions()}:
        raise StorageError(
            f"A newer MLflow than {VERSION} wrote {database} (schema {schema}). Install that version, or "
            "pass another --tracking-uri."
        )


def _migrate(database: Path, *, new: bool) -> None:
    from mlflow.store.db import utils
    from sqlalchemy import URL, create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(URL.create("sqlite", database=str(database)), poolclass=NullPool)
    try:
        if new:
            utils._initialize_tables(engine)  # type: ignore[no-untyped-call]
        else:
            utils._upgrade_db(engine)  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()


def _copy(source: Path, target: Path) -> None:
    """Copy a database in one transaction of the target, whose journal mode stays."""
    with (
        closing(sqlite3.connect(source, timeout=30)) as read,
        closing(sqlite3.connect(target, timeout=30)) as written,
    ):
        read.backup(written)


def revision(database: Path) -> str:
    """The schema's revision; empty for a store without one."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        try:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return ""
            raise
    return str(rows[0][0]) if rows else ""


def has_tables(database: Path) -> bool:
    """True if a file has any table."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return bool(connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall())


@contextmanager
def alone(database: Path) -> Iterator[None]:
    """Let one process at a time make or change the tables."""
    gate = database.with_name(f"{database.name}.creating")
    ends = time.monotonic() + _WAITING_SECONDS
    while True:
        with closing(sqlite3.connect(gate, timeout=1, isolation_level=None)) as connection:
            try:
                # SQLite's own lock: it is released when the process ends, however that happens.
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:  # held by another process, or deleted by it when it was done
                if time.monotonic() > ends:
                    raise
                continue
            yield
        with suppress(OSError):  # another process may hold it open (Windows)
            gate.unlink(missing_ok=True)
        return
