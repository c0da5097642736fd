"""Rows of a store's SQLite file, read without MLflow; each question is a connection of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 30


def open_database(database: Path) -> closing[sqlite3.Connection]:
    """A connection that waits for whoever writes; to be used in a ``with`` statement."""
    return closing(sqlite3.connect(database, timeout=_PATIENCE_SECONDS))


def read_rows(database: Path, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows that a query finds."""
    with open_database(database) as connection:
        return connection.execute(query, values).fetchall()


def by_run(rows: Iterable[tuple[str, str, Any]]) -> dict[str, dict[str, Any]]:
    """``{run id: {key: value}}`` of rows with these three."""
    values: dict[str, dict[str, Any]] = {}
    for run_id, key, value in rows:
        values.setdefault(run_id, {})[key] = value
    return values
