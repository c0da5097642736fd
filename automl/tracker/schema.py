"""A SQLite store that another version of MLflow wrote: brought up to date, with a copy kept, or refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from automl.errors import StorageError


def bring_up_to_date(database: Path | None) -> Path | None:
    """Migrate an older store to the schema of the installed MLflow; returns the copy made before.

    MLflow itself migrates some in silence and refuses others.

    Raises
    ------
    StorageError
        When a newer MLflow wrote it, or it cannot be migrated.
    """
    found = _revision(database) if database is not None else ""
    if database is None or not found:
        return None
    from mlflow.store.db import utils

    if found == utils._get_latest_schema_revision():  # type: ignore[no-untyped-call]
        return None
    from alembic.script import ScriptDirectory
    from mlflow.version import VERSION

    configuration = utils._get_alembic_config("")  # type: ignore[no-untyped-call]
    script = ScriptDirectory.from_config(configuration)
    if found not in {item.revision for item in script.walk_revisions()}:
        raise StorageError(
            f"A newer MLflow than {VERSION} wrote {database} (schema {found}). Install that version, or pass "
            "another --tracking-uri."
        )
    copy = database.with_name(f"{database.name}.before-{found}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    _migrate(database)
    return copy


def _migrate(database: Path) -> None:
    from mlflow.store.db import utils
    from sqlalchemy import URL, create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(URL.create("sqlite", database=str(database)), poolclass=NullPool)
    try:
        utils._upgrade_db(engine)  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()


def _revision(database: Path) -> str:
    """The schema's revision; empty for a store without tables."""
    if not database.is_file():
        return ""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        try:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return ""
            raise
    return str(rows[0][0]) if rows else ""
