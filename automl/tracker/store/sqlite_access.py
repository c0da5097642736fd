"""Access to the tables of a SQLite file without MLflow."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from automl.tracker.store.location import local_path
from automl.tracker.store.runs import ChosenTrials, ExperimentName, MetricPoint, Run, RunData, RunInfo
from automl.tracker.store.sqlite import by_run, open_database, read_rows
from automl.tracker.tags import NOTE, PARENT, SEARCH

if TYPE_CHECKING:
    from mlflow import MlflowClient

_AT_ONCE = 500  # SQLite accepts at least 999 values in a query


def sqlite_access(database: Path, connect: Callable[[], MlflowClient]) -> _SqliteAccess:
    """Access to a SQLite file of a known schema; ``connect`` makes a client where one is needed."""
    return _SqliteAccess(database, connect)


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

    def runs_beginning(self, beginning: str) -> list[Run]:
        return self._read(
            f"SELECT {_INFO} FROM runs r JOIN experiment_tags t ON t.experiment_id = r.experiment_id "
            "AND t.key = ? JOIN experiments e ON e.experiment_id = r.experiment_id "
            "AND e.lifecycle_stage = 'active' WHERE r.lifecycle_stage = 'active' "
            "AND r.run_uuid >= ? AND r.run_uuid < ? ORDER BY r.start_time DESC, r.run_uuid",
            [SEARCH, beginning, f"{beginning}g"],  # ids are hexadecimal
        )

    def search_runs(self, experiments: Sequence[str]) -> list[Run]:
        marks = ", ".join("?" * len(experiments))
        return self._read(
            f"SELECT {_INFO} FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = ? "
            f"WHERE r.experiment_id IN ({marks}) AND r.lifecycle_stage = 'active' "
            "ORDER BY r.start_time DESC, r.run_uuid",
            [SEARCH, *map(int, experiments)],
        )

    def trial_runs(self, experiment: str, search_run_id: str) -> list[Run]:
        trials, values = _chosen(ChosenTrials(experiment, search_run_id))
        return self._read(
            f"SELECT {_INFO} {trials} ORDER BY r.start_time DESC, r.run_uuid",
            values,
            without=NOTE,
        )

    def first_trials(self, chosen: ChosenTrials, metric: str, *, ascending: bool, most: int) -> list[Run]:
        trials, values = _chosen(chosen)
        value = (
            "(SELECT CASE WHEN m.is_nan THEN NULL ELSE m.value END FROM latest_metrics m "
            "WHERE m.run_uuid = r.run_uuid AND m.key = ?)"
        )
        return self._read(
            f"SELECT {_INFO} {trials} ORDER BY {value} {'ASC' if ascending else 'DESC'} NULLS LAST, "
            "r.start_time, r.run_uuid LIMIT ?",
            [*values, metric, most],
            without=NOTE,
        )

    def count_trials(self, chosen: ChosenTrials) -> int | None:
        trials, values = _chosen(chosen)
        return int(self._rows(f"SELECT count(*) {trials}", values)[0][0])

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

    def _read(self, query: str, values: Sequence[Any], *, without: str = "") -> list[Run]:
        """The runs that a query finds, with their data, all from a single moment.

        Parameters
        ----------
        without:
            A tag that is left out.
        """
        with open_database(self._database) as connection:
            connection.execute("BEGIN")
            infos = [_info(row) for row in connection.execute(query, values)]
            run_ids = [info.run_id for info in infos]
            tags = _grouped(connection, "key, value FROM tags", run_ids, without=without)
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


def _chosen(chosen: ChosenTrials) -> tuple[str, list[Any]]:
    """The end of a query for trials as ``r``, and its values."""
    tags = {PARENT: chosen.search_run_id, **chosen.tags}
    joins = " ".join(
        f"JOIN tags t{place} ON t{place}.run_uuid = r.run_uuid AND t{place}.key = ? AND t{place}.value = ?"
        for place in range(len(tags))
    )
    values = [*(text for pair in tags.items() for text in pair), int(chosen.experiment)]
    return f"FROM runs r {joins} WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active'", values


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
    connection: sqlite3.Connection, selected: str, run_ids: Sequence[str], *, without: str = ""
) -> dict[str, dict[str, Any]]:
    """``{run id: {key: value}}`` of one table, without one of its keys."""
    rows: list[tuple[str, str, Any]] = []
    for start in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        query = f"SELECT run_uuid, {selected} WHERE run_uuid IN ({marks}) AND key != ?"
        rows += connection.execute(query, [*some, without])
    return by_run(rows)
