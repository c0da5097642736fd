"""The tables of a SQLite store, made and written without MLflow, as its ``SqlAlchemyStore`` (3.17) does it.

Importing MLflow takes two seconds of CPU time, and its table classes another half. A search that begins is on
record before that, and its first trials too: as rows that MLflow's own classes would insert.
"""

from __future__ import annotations

import math
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.tracker.store.access import is_current, is_known_release
from automl.tracker.store.schema import alone, has_tables, revision

_EMPTY = Path(__file__).with_name("mlflow_tables.sql")
_PATIENCE_SECONDS = 60
# The columns of the tables that are written here; MLflow itself fills those that a later version adds.
_COLUMNS = {
    "experiments": "experiment_id name artifact_location lifecycle_stage creation_time last_update_time "
    "workspace",
    "experiment_tags": "key value experiment_id",
    "runs": "run_uuid name source_type source_name entry_point_name user_id status start_time end_time "
    "source_version lifecycle_stage artifact_uri experiment_id deleted_time",
    "tags": "key value run_uuid",
    "params": "key value run_uuid",
    "metrics": "key value timestamp run_uuid step is_nan",
    "latest_metrics": "key value timestamp step is_nan run_uuid",
    "datasets": "dataset_uuid experiment_id name digest dataset_source_type dataset_source dataset_schema "
    "dataset_profile",
    "inputs": "input_uuid source_type source_id destination_type destination_id step",
    "input_tags": "input_uuid name value",
}
CONTEXT = ("mlflow.data.context", "training")
"""The tag of a run's data set, by which MLflow shows its use."""


@dataclass(frozen=True)
class Point:
    """One value of a metric; ``timestamp`` in milliseconds."""

    name: str
    value: float
    timestamp: int
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything about a run; ``started`` and ``ended`` in milliseconds, 0 for a run that goes on."""

    name: str
    status: str
    started: int
    ended: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """An experiment; artifacts of its runs are in folders below ``place``."""

    id: int
    place: str
    deleted: bool


def make_tables(database: Path, artifacts: Path) -> bool:
    """Make the tables of a new store as the installed MLflow makes them; True if they can be written here.

    False for a store that only MLflow itself may change: one of another schema than the installed MLflow's,
    and all stores if that is of a release whose schema is unknown.

    Parameters
    ----------
    artifacts:
        The folder for artifacts of MLflow's own default experiment.
    """
    if revision(database) or not is_known_release():
        return is_current(database)
    with alone(database):
        if not has_tables(database):
            script = _EMPTY.read_text(encoding="utf-8")
            with closing(sqlite3.connect(database, timeout=_PATIENCE_SECONDS, isolation_level=None)) as file:
                file.executescript(f"BEGIN IMMEDIATE;\n{script}")
                now = _now()
                _insert(
                    file,
                    "experiments",
                    [_experiment_row("Default", str(artifacts / "0"), now) | {"experiment_id": 0}],
                )
                file.execute("COMMIT")
    return is_current(database)


def has_written_tables(database: Path) -> bool:
    """True if the tables that are written here have exactly the columns that are filled."""
    with closing(sqlite3.connect(database, timeout=_PATIENCE_SECONDS)) as connection:
        return all(
            {row[1] for row in connection.execute(f"PRAGMA table_info({table})")} == {*columns.split()}
            for table, columns in _COLUMNS.items()
        )


@contextmanager
def one_transaction(database: Path, *, patience: float = _PATIENCE_SECONDS) -> Iterator[sqlite3.Connection]:
    """Yield a connection in a transaction that is committed at the end, and rolled back after an error.

    Parameters
    ----------
    patience:
        Seconds to wait for another writer.
    """
    with closing(sqlite3.connect(database, timeout=patience, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection  # an error closes the connection, which rolls back
        connection.execute("COMMIT")


def find_experiment(connection: sqlite3.Connection, name: str) -> Experiment | None:
    """The experiment of this name, also a deleted one."""
    row = connection.execute(
        "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments "
        "WHERE workspace = 'default' AND name = ?",
        [name],
    ).fetchone()
    return None if row is None else Experiment(row[0], row[1], row[2] == "deleted")


def insert_experiment(
    connection: sqlite3.Connection, name: str, place: str, tags: Mapping[str, str]
) -> Experiment:
    """Insert an experiment whose name is free."""
    _insert(connection, "experiments", [_experiment_row(name, place, _now())])
    made = find_experiment(connection, name)
    assert made is not None
    rows = [{"key": key, "value": value, "experiment_id": made.id} for key, value in tags.items()]
    _insert(connection, "experiment_tags", rows)
    return made


def insert_run(
    connection: sqlite3.Connection, run: RunRecord, run_id: str, *, experiment_id: int, place: str
) -> None:
    """Insert a run with its tags, params and metrics; ``place`` is its artifact URI."""
    own = {"run_uuid": run_id}
    _insert(
        connection,
        "runs",
        [
            {
                **own,
                "name": run.name,
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "user_id": run.tags.get("mlflow.user", ""),
                "status": run.status,
                "start_time": run.started,
                "end_time": run.ended or None,
                "source_version": "",
                "lifecycle_stage": "active",
                "artifact_uri": place,
                "experiment_id": experiment_id,
            }
        ],
    )
    tags = {**run.tags, "mlflow.runName": run.name}
    _insert(connection, "tags", [{**own, "key": key, "value": value} for key, value in tags.items()])
    _insert(connection, "params", [{**own, "key": key, "value": value} for key, value in run.params.items()])
    points = {(p.name, p.timestamp, p.step, p.value): p for p in run.points if math.isfinite(p.value)}
    latest: dict[str, Point] = {}
    for point in points.values():
        before = latest.get(point.name)
        if before is None or (point.step, point.timestamp) >= (before.step, before.timestamp):
            latest[point.name] = point
    _insert(connection, "metrics", [{**own, **_columns(point)} for point in points.values()])
    _insert(connection, "latest_metrics", [{**own, **_columns(point)} for point in latest.values()])


def set_tag(connection: sqlite3.Connection, run_id: str, key: str, value: str) -> None:
    """Set a tag of a run that exists."""
    connection.execute(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) "
        "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
        (key, value, run_id),
    )


def insert_input(
    connection: sqlite3.Connection, run_id: str, dataset: Mapping[str, str], *, experiment_id: int
) -> None:
    """Insert the data set of a run, which other runs of the experiment may have already.

    Parameters
    ----------
    dataset:
        The fields of MLflow's data set: ``name``, ``digest``, ``source_type``, ``source``, ``schema`` and
        ``profile``.
    """
    key = [experiment_id, dataset["name"], dataset["digest"]]
    row = connection.execute(
        "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?", key
    ).fetchone()
    number = str(row[0]) if row else uuid.uuid4().hex
    if not row:
        row = {
            "dataset_uuid": number,
            "experiment_id": experiment_id,
            "name": dataset["name"],
            "digest": dataset["digest"],
            **{f"dataset_{name}": dataset[name] for name in ("source_type", "source", "schema", "profile")},
        }
        _insert(connection, "datasets", [row])
    own = {"input_uuid": uuid.uuid4().hex}
    edge = {
        "source_type": "DATASET",
        "source_id": number,
        "destination_type": "RUN",
        "destination_id": run_id,
    }
    _insert(connection, "inputs", [{**own, **edge}])
    name, value = CONTEXT
    _insert(connection, "input_tags", [{**own, "name": name, "value": value}])


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*row.values()])


def _experiment_row(name: str, place: str, now: int) -> dict[str, Any]:
    return {
        "name": name,
        "artifact_location": place,
        "lifecycle_stage": "active",
        "creation_time": now,
        "last_update_time": now,
        "workspace": "default",
    }


def _columns(point: Point) -> dict[str, Any]:
    return {
        "key": point.name,
        "value": point.value,
        "timestamp": point.timestamp,
        "step": point.step,
        "is_nan": False,
    }


def _now() -> int:
    return int(time.time() * 1000)
