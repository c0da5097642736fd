"""Access to runs and versions: in SQLite without MLflow, else by MLflow's client, which also writes."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, final

from automl.tracker.store.location import all_pages, local_path
from automl.tracker.store.lookups import find_alias, find_run, find_version_run
from automl.tracker.store.schema import revision
from automl.tracker.store.sqlite import by_run, open_database, read_rows
from automl.tracker.tags import PARENT, SEARCH

if TYPE_CHECKING:
    from mlflow import MlflowClient

KNOWN_SCHEMAS = frozenset({"dc11669786a5"})
"""Revisions of MLflow's schema for which tests compare direct reading with its client: that of 3.17."""

_RELEASE = "3.17."
_PAGE = 1000
_ACTIVE = 1  # mlflow.entities.ViewType.ACTIVE_ONLY
_AT_ONCE = 500  # SQLite accepts at least 999 values in a query


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """The state of a run in MLflow's terms: times in milliseconds since 1970, an end only if it has ended."""

    run_id: str
    experiment_id: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    lifecycle_stage: str


@dataclass(frozen=True)
class RunData:
    """The tags and params of a run, and the latest value of each metric."""

    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    params: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """A run as it was when it was read."""

    info: RunInfo
    data: RunData = field(repr=False)


@dataclass(frozen=True)
class ExperimentName:
    """An experiment that holds searches."""

    name: str
    experiment_id: str


@dataclass(frozen=True)
class MetricPoint:
    """One value of a metric; ``timestamp`` in milliseconds since 1970."""

    value: float
    timestamp: int
    step: int


class Access(Protocol):
    """A store for :class:`automl.tracker.reading.query.Record`, without what was deleted in MLflow."""

    def experiments(self) -> list[ExperimentName]:
        """Experiments that hold searches, the last changed first."""

    def experiment_id(self, name: str) -> str | None:
        """Id of the experiment of this name, whatever it holds."""

    def runs(self, experiments: Sequence[str]) -> list[Run]:
        """All runs of some experiments, the latest first."""

    def search_runs(self, experiments: Sequence[str]) -> list[Run]:
        """The runs of searches, the latest first."""

    def trial_runs(self, experiment: str, search_run_id: str) -> list[Run]:
        """The trials of a search, the latest first."""

    def run(self, run_id: str) -> Run | None:
        """The run of this id."""

    def deleted_runs(self, beginning: str) -> list[Run]:
        """The runs deleted in MLflow whose id has this beginning, also those of deleted experiments."""

    def deleted_time(self, run_id: str) -> int | None:
        """The time at which a run was deleted, in milliseconds since 1970; None if it is unknown."""

    def history(self, run_id: str, metric: str) -> list[MetricPoint]:
        """All values of a metric, in order of time."""

    def version_of(self, name: str, alias: str) -> str:
        """The version of a registered model that has an alias, or an empty text."""

    def version_run(self, name: str, version: str) -> str:
        """The id of a version's run, or an empty text."""

    def version_place(self, name: str, version: str, run_id: str = "") -> str | None:
        """The artifact URI of a version's model, or None if there is no such version, or not of this run.

        Numbers begin at 1 again after a registered model was deleted.
        """

    def files(self, run: Run) -> tuple[str, ...]:
        """Sorted names of the files and folders of a run."""

    def logged_model_place(self, model_id: str) -> str:
        """The artifact URI of a logged model."""

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag on a run, which may have ended."""


def open_access(database: Path | None, connect: Callable[[], MlflowClient]) -> Access:
    """Open the quickest access to a store; ``connect`` makes a client if one is needed.

    A SQLite file of a schema that is not in :data:`KNOWN_SCHEMAS` is left to MLflow's client, which also
    creates the tables of a new file and migrates those of an older one.
    """
    if database is not None and revision(database) in KNOWN_SCHEMAS:
        return _SqliteAccess(database, connect)
    return _ClientAccess(connect)


def is_current(database: Path) -> bool:
    """True if the installed MLflow serves a SQLite file as it is; False if MLflow itself must decide."""
    return revision(database) in KNOWN_SCHEMAS and is_known_release()


def is_known_release() -> bool:
    """True if the installed MLflow makes stores of a schema in :data:`KNOWN_SCHEMAS`."""
    return version("mlflow").startswith(_RELEASE)


@final
class _ClientAccess:
    """Access by MLflow's client: to servers, databases, files of another schema."""

    def __init__(self, connect: Callable[[], MlflowClient]) -> None:
        self._client = connect()

    def experiments(self) -> list[ExperimentName]:
        items = self._client.search_experiments(
            filter_string=f"tags.`{SEARCH}` LIKE '%'",
            order_by=["last_update_time DESC"],
            max_results=_PAGE,
        )
        return [ExperimentName(str(item.name), str(item.experiment_id)) for item in items]

    def experiment_id(self, name: str) -> str | None:
        experiment = self._client.get_experiment_by_name(name)
        return None if experiment is None else str(experiment.experiment_id)

    def runs(self, experiments: Sequence[str]) -> list[Run]:
        return self._runs(experiments, "")

    def search_runs(self, experiments: Sequence[str]) -> list[Run]:
        return self._runs(experiments, f"tags.`{SEARCH}` LIKE '%'")

    def trial_runs(self, experiment: str, search_run_id: str) -> list[Run]:
        return self._runs([experiment], f"tags.`{PARENT}` = '{search_run_id}'")

    def run(self, run_id: str) -> Run | None:
        run = find_run(self._client, run_id)
        return None if run is None else _of_client(run)

    def deleted_runs(self, beginning: str) -> list[Run]:
        from mlflow.entities import ViewType

        listed = self._client.search_experiments(
            ViewType.ALL, _PAGE, filter_string=f"tags.`{SEARCH}` LIKE '%'"
        )
        runs = self._runs([item.experiment_id for item in listed], "", ViewType.DELETED_ONLY)
        return [run for run in runs if run.info.run_id.startswith(beginning)]

    def deleted_time(self, run_id: str) -> int | None:
        return None  # MLflow's interface has no such field (3.17)

    def history(self, run_id: str, metric: str) -> list[MetricPoint]:
        points = self._client.get_metric_history(run_id, metric)
        return [MetricPoint(float(item.value), int(item.timestamp), int(item.step)) for item in points]

    def version_of(self, name: str, alias: str) -> str:
        version = find_alias(self._client, name, alias)
        return "" if version is None else str(version.version)

    def version_run(self, name: str, version: str) -> str:
        return find_version_run(self._client, name, version)

    def version_place(self, name: str, version: str, run_id: str = "") -> str | None:
        from mlflow.exceptions import MlflowException

        if run_id and self.version_run(name, version) != run_id:
            return None
        try:
            return str(self._client.get_model_version_download_uri(name, version))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def files(self, run: Run) -> tuple[str, ...]:
        return tuple(item.path for item in self._client.list_artifacts(run.info.run_id))

    def logged_model_place(self, model_id: str) -> str:
        return str(self._client.get_logged_model(model_id).artifact_location)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self._client.set_tag(run_id, key, value)

    def _runs(self, experiments: Sequence[str], condition: str, view: int = _ACTIVE) -> list[Run]:
        if not experiments:
            return []
        runs = all_pages(
            lambda token: self._client.search_runs(
                list(experiments),
                condition,
                view,
                max_results=_PAGE,
                page_token=token,
                order_by=["attributes.start_time DESC"],
            )
        )
        return list(map(_of_client, runs))


def _of_client(run: Any) -> Run:
    info, data = run.info, run.data
    return Run(
        RunInfo(
            run_id=str(info.run_id),
            experiment_id=str(info.experiment_id),
            status=str(info.status),
            start_time=info.start_time,
            end_time=info.end_time,
            artifact_uri=str(info.artifact_uri),
            lifecycle_stage=str(info.lifecycle_stage),
        ),
        RunData(dict(data.tags), dict(data.metrics), dict(data.params)),
    )


@final
class _SqliteAccess:
    """Access to the tables of a SQLite file, as MLflow's ``SqlAlchemyStore`` (3.17) reads them.

    Importing MLflow takes two seconds of CPU time, and creating its table classes another half: most of the
    cost of a leaderboard. Each query opens its own connection, so no answer is outdated.
    """

    def __init__(self, database: Path, connect: Callable[[], MlflowClient]) -> None:
        self._database = database
        self._connect = connect

    @cached_property
    def _client(self) -> MlflowClient:
        return self._connect()

    def experiments(self) -> list[ExperimentName]:
        rows = self._rows(
            "SELECT e.name, e.experiment_id FROM experiments e JOIN experiment_tags t "
            "ON t.experiment_id = e.experiment_id AND t.key = ? WHERE e.lifecycle_stage = 'active' "
            "ORDER BY e.last_update_time DESC, e.experiment_id",
            [SEARCH],
        )
        return [ExperimentName(str(name), str(number)) for name, number in rows]

    def experiment_id(self, name: str) -> str | None:
        rows = self._rows("SELECT experiment_id FROM experiments WHERE name = ?", [name])
        return str(rows[0][0]) if rows else None

    def runs(self, experiments: Sequence[str]) -> list[Run]:
        return self._runs(experiments, "", [])

    def search_runs(self, experiments: Sequence[str]) -> list[Run]:
        return self._runs(experiments, "JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = ?", [SEARCH])

    def trial_runs(self, experiment: str, search_run_id: str) -> list[Run]:
        join = "JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = ? AND t.value = ?"
        return self._runs([experiment], join, [PARENT, search_run_id])

    def run(self, run_id: str) -> Run | None:
        # MLflow, too, returns a deleted run by its id
        runs = self._read(f"SELECT {_INFO} FROM runs r WHERE r.run_uuid = ?", [run_id])
        return runs[0] if runs else None

    def deleted_runs(self, beginning: str) -> list[Run]:
        return self._read(
            f"SELECT {_INFO} FROM runs r JOIN experiment_tags t ON t.experiment_id = r.experiment_id "
            "AND t.key = ? WHERE r.lifecycle_stage = 'deleted' AND substr(r.run_uuid, 1, ?) = ?",
            [SEARCH, len(beginning), beginning],
        )

    def deleted_time(self, run_id: str) -> int | None:
        rows = self._rows("SELECT deleted_time FROM runs WHERE run_uuid = ?", [run_id])
        return int(rows[0][0]) if rows and rows[0][0] else None

    def history(self, run_id: str, metric: str) -> list[MetricPoint]:
        rows = self._rows(
            "SELECT value, is_nan, timestamp, step FROM metrics WHERE run_uuid = ? AND key = ? "
            "ORDER BY timestamp, step, value",
            [run_id, metric],
        )
        return [MetricPoint(math.nan if nan else value, moment, step) for value, nan, moment, step in rows]

    def version_of(self, name: str, alias: str) -> str:
        rows = self._rows(
            "SELECT a.version FROM registered_model_aliases a JOIN model_versions v "
            "ON v.workspace = a.workspace AND v.name = a.name AND v.version = a.version "
            "WHERE a.workspace = 'default' AND a.name = ? AND a.alias = ? "
            "AND v.current_stage != 'Deleted_Internal'",
            [name, alias],
        )
        return str(rows[0][0]) if rows else ""

    def version_run(self, name: str, version: str) -> str:
        rows = self._rows(
            "SELECT run_id FROM model_versions WHERE workspace = 'default' AND name = ? AND version = ? "
            "AND current_stage != 'Deleted_Internal'",
            [name, int(version)],
        )
        return str(rows[0][0] or "") if rows else ""

    def version_place(self, name: str, version: str, run_id: str = "") -> str | None:
        rows = self._rows(
            "SELECT storage_location, source FROM model_versions "
            "WHERE workspace = 'default' AND name = ? AND version = ? "
            "AND current_stage != 'Deleted_Internal' AND (? = '' OR run_id = ?)",
            [name, int(version), run_id, run_id],
        )
        return str(rows[0][0] or rows[0][1]) if rows else None

    def files(self, run: Run) -> tuple[str, ...]:
        place = local_path(run.info.artifact_uri)
        if place is None:  # for example in a bucket
            return tuple(item.path for item in self._client.list_artifacts(run.info.run_id))
        return tuple(sorted(os.listdir(place))) if place.is_dir() else ()

    def logged_model_place(self, model_id: str) -> str:
        rows = self._rows("SELECT artifact_location FROM logged_models WHERE model_id = ?", [model_id])
        return str(rows[0][0]) if rows else str(self._client.get_logged_model(model_id).artifact_location)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self._client.set_tag(run_id, key, value)

    def _runs(self, experiments: Sequence[str], join: str, values: Sequence[Any]) -> list[Run]:
        marks = ", ".join("?" * len(experiments))
        return self._read(
            f"SELECT {_INFO} FROM runs r {join} WHERE r.experiment_id IN ({marks}) "
            "AND r.lifecycle_stage = 'active' ORDER BY r.start_time DESC, r.run_uuid",
            [*values, *map(int, experiments)],
        )

    def _read(self, query: str, values: Sequence[Any]) -> list[Run]:
        """The runs that a query finds, with their data, all from a single moment."""
        with open_database(self._database) as connection:
            connection.execute("BEGIN")
            infos = [_info(row) for row in connection.execute(query, values)]
            run_ids = [info.run_id for info in infos]
            tags = _grouped(connection, "key, value FROM tags", run_ids)
            params = _grouped(connection, "key, value FROM params", run_ids)
            metrics = _grouped(
                connection, "key, CASE WHEN is_nan THEN 'nan' ELSE value END FROM latest_metrics", run_ids
            )
            connection.rollback()
        return [
            Run(
                info,
                RunData(
                    tags.get(info.run_id, {}),
                    {name: float(value) for name, value in metrics.get(info.run_id, {}).items()},
                    params.get(info.run_id, {}),
                ),
            )
            for info in infos
        ]

    def _rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return read_rows(self._database, query, values)


_INFO = "r.run_uuid, r.experiment_id, r.status, r.start_time, r.end_time, r.artifact_uri, r.lifecycle_stage"


def _info(row: tuple[Any, ...]) -> RunInfo:
    run_id, experiment, status, started, ended, place, stage = row
    return RunInfo(
        run_id=str(run_id),
        experiment_id=str(experiment),
        status=str(status),
        start_time=started,
        end_time=ended,
        artifact_uri=str(place),
        lifecycle_stage=str(stage),
    )


def _grouped(
    connection: sqlite3.Connection, selected: str, run_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """``{run id: {key: value}}`` of one table."""
    rows: list[tuple[str, str, Any]] = []
    for start in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        rows += connection.execute(f"SELECT run_uuid, {selected} WHERE run_uuid IN ({marks})", some)
    return by_run(rows)
