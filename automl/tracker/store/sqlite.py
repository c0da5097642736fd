"""Rows of a store's SQLite file, read without MLflow; each query opens its own connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 30


def open_database(database: Path) -> closing[sqlite3.Connection]:
    """Open a connection that waits for writers; to be used in a ``with`` statement."""
    return closing(sqlite3.connect(database, timeout=_PATIENCE_SECONDS))


def read_rows(database: Path, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows that a query finds."""
    with open_database(database) as connection:
        return connection.execute(query, values).fetchall()


def by_run(rows: Iterable[tuple[str, str, Any]]) -> dict[str, dict[str, Any]]:
    """``{run id: {key: value}}`` from rows of run id, key and value."""
    values: dict[str, dict[str, Any]] = {}
    for run_id, key, value in rows:
        values.setdefault(run_id, {})[key] = value
    return values
