"""A list of all searches of a store; a SQLite file is read in milliseconds, without MLflow."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from automl.tracker.store.failures import storage_errors
from automl.tracker.store.location import StoreLocation, all_pages, connect
from automl.tracker.store.lookups import find_alias, find_version_run
from automl.tracker.store.sqlite import by_run, read_rows
from automl.tracker.tags import ALIAS, MODELS_BYTES, PARENT, SEARCH, USER, recorded_score

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_PAGE, _FEW = 1000, 5


@dataclass(frozen=True, kw_only=True)
class SearchEntry:
    """A search's run with its tags and latest metrics.

    Attributes
    ----------
    name:
        Name of the experiment and the search.
    status:
        ``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``.
    started, ended:
        Unix seconds; ``ended`` is None while it runs.
    deleted:
        True if the run or its experiment was deleted in MLflow.
    data:
        The file that was searched, as it was given; empty for a frame.
    """

    name: str
    run_id: str
    experiment_id: str
    status: str
    started: float
    ended: float | None
    artifact_uri: str
    deleted: bool
    data: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
    metrics: Mapping[str, float] = field(default_factory=dict, repr=False)

    @property
    def user(self) -> str:
        """The user who searched."""
        return self.tags.get(USER, "")

    @property
    def metric(self) -> str:
        """The metric that was optimised."""
        return self.tags.get("automl.metric", "")

    @property
    def score(self) -> tuple[str, float] | None:
        """``test``, ``honest`` or ``validation`` with the champion's score; None before the end."""
        return recorded_score(self.metric, self.metrics)


@dataclass(frozen=True)
class ExperimentEntry:
    """The experiment of a name; ``changed`` in Unix seconds is the time of deletion for a deleted one."""

    name: str
    experiment_id: str
    artifact_uri: str
    deleted: bool
    changed: float


def search_entries(location: StoreLocation, name: str | None = None) -> list[SearchEntry]:
    """The searches of a store, or of one name in it, the latest first, including those deleted in MLflow.

    Raises
    ------
    StorageError
        If the store cannot be read.
    """
    if not location.exists:
        return []
    with storage_errors(f"list the searches at {location.shown}"):
        entries = _by_client(location, name) if location.database is None else _by_sql(location, name)
    return sorted(entries, key=lambda entry: entry.started, reverse=True)


def experiment_entries(location: StoreLocation, name: str | None = None) -> list[ExperimentEntry]:
    """The experiments that hold or held searches, including deleted ones."""
    if not location.exists:
        return []
    with storage_errors(f"list the searches at {location.shown}"):
        if location.database is None:
            return [_experiment(item) for item in _experiments(location, name)]
        rows = _rows(
            location,
            "SELECT e.name, e.experiment_id, e.artifact_location, e.lifecycle_stage, e.last_update_time "
            "FROM experiments e JOIN experiment_tags t ON t.experiment_id = e.experiment_id AND t.key = ? "
            "WHERE (? IS NULL OR e.name = ?)",
            (SEARCH, name, name),
        )
    return [
        ExperimentEntry(str(title), str(number), str(place), stage == "deleted", (changed or 0) / 1000)
        for title, number, place, stage, changed in rows
    ]


def model_bytes(location: StoreLocation, entries: Sequence[SearchEntry]) -> dict[str, int]:
    """Size of the models by run of a search: their files' sizes as the trials measured them.

    Of a server, the trials are read for searches alone that ended without noting it; what a running one has
    so far is not counted.
    """
    sizes = {entry.run_id: round(entry.metrics.get("model_bytes", 0.0)) for entry in entries}
    with storage_errors(f"list the trials at {location.shown}"):
        if location.database is not None:
            rows = _rows(
                location,
                "SELECT t.value, SUM(m.value) FROM tags t JOIN latest_metrics m ON m.run_uuid = t.run_uuid "
                "AND m.key = 'model_bytes' WHERE t.key = ? GROUP BY t.value",
                (PARENT,),
            )
            trials = [(str(parent), float(size)) for parent, size in rows]
        else:
            noted = [(entry.run_id, float(entry.tags.get(MODELS_BYTES, 0))) for entry in entries]
            without = [
                entry for entry in entries if MODELS_BYTES not in entry.tags and entry.ended is not None
            ]
            trials = [*noted, *_trial_bytes(connect(location), without)]
    for parent, size in trials:
        if parent in sizes:
            sizes[parent] += round(size)
    return sizes


@dataclass(frozen=True)
class AliasHolder:
    """The version that has the alias ``champion``, and its run (of a search or of a trial)."""

    version: str
    run_id: str


def champions(location: StoreLocation, names: Iterable[str]) -> dict[str, AliasHolder]:
    """The holders of the alias ``champion`` by name; names without one are left out."""
    with storage_errors(f"list the models at {location.shown}"):
        if location.database is not None:
            rows = _rows(
                location,
                "SELECT a.name, a.version, v.run_id FROM registered_model_aliases a JOIN model_versions v "
                "ON v.workspace = a.workspace AND v.name = a.name AND v.version = a.version "
                "WHERE a.alias = ? AND v.current_stage != 'Deleted_Internal'",
                (ALIAS,),
            )
            return {str(name): AliasHolder(str(version), str(run or "")) for name, version, run in rows}
        return _champions_by_client(connect(location), frozenset(names))


def _champions_by_client(client: MlflowClient, names: Collection[str]) -> dict[str, AliasHolder]:
    """The same of a server: a request for each of a few names, else for each thousand models."""
    if len(names) <= _FEW:
        versions = {name: find_alias(client, name, ALIAS) for name in names}
        return {
            name: AliasHolder(str(version.version), version.run_id or "")
            for name, version in versions.items()
            if version is not None
        }
    held = {}
    models = all_pages(lambda token: client.search_registered_models(max_results=_PAGE, page_token=token))
    for model in models:
        if model.name in names and ALIAS in model.aliases:
            version = str(model.aliases[ALIAS])
            runs = {str(latest.version): latest.run_id or "" for latest in model.latest_versions}
            run_id = runs[version] if version in runs else find_version_run(client, model.name, version)
            held[str(model.name)] = AliasHolder(version, run_id)
    return held


def _trial_bytes(client: MlflowClient, entries: Sequence[SearchEntry]) -> Iterator[tuple[str, float]]:
    """``(run of the search, bytes)`` of the trials of these searches."""
    for entry in entries:
        runs = all_pages(
            lambda token, entry=entry: client.search_runs(  # type: ignore[misc]
                [entry.experiment_id],
                f"tags.`{PARENT}` = '{entry.run_id}' AND metrics.model_bytes > 0",
                max_results=_PAGE,
                page_token=token,
            )
        )
        for run in runs:
            yield entry.run_id, run.data.metrics.get("model_bytes", 0.0)


def _by_sql(location: StoreLocation, name: str | None) -> list[SearchEntry]:
    chosen = (
        "FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id "
        "JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = ? WHERE (? IS NULL OR e.name = ?)"
    )
    values = (SEARCH, name, name)
    runs = _rows(
        location,
        "SELECT r.run_uuid, e.name, e.experiment_id, r.status, r.start_time, r.end_time, r.artifact_uri, "
        f"r.lifecycle_stage = 'deleted' OR e.lifecycle_stage = 'deleted' {chosen}",
        values,
    )
    tags = by_run(
        _rows(
            location,
            "SELECT run_uuid, key, value FROM tags WHERE key NOT IN ('mlflow.note.content') AND run_uuid IN "
            f"(SELECT r.run_uuid {chosen})",
            values,
        )
    )
    metrics = by_run(
        _rows(
            location,
            f"SELECT run_uuid, key, value FROM latest_metrics WHERE run_uuid IN (SELECT r.run_uuid {chosen})",
            values,
        )
    )
    data = by_run(
        _rows(
            location,
            "SELECT run_uuid, key, value FROM params WHERE key = 'source' AND run_uuid IN "
            f"(SELECT r.run_uuid {chosen})",
            values,
        )
    )
    return [
        SearchEntry(
            name=str(title),
            run_id=str(run_id),
            experiment_id=str(experiment),
            status=str(status),
            started=(started or 0) / 1000,
            ended=None if ended is None else ended / 1000,
            artifact_uri=str(place),
            deleted=bool(deleted),
            data=data.get(run_id, {}).get("source", ""),
            tags=tags.get(run_id, {}),
            metrics=metrics.get(run_id, {}),
        )
        for run_id, title, experiment, status, started, ended, place, deleted in runs
    ]


def _rows(location: StoreLocation, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    assert location.database is not None
    try:
        return read_rows(location.database, query, values)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):  # a store that is just being made
            return []
        raise


def _by_client(location: StoreLocation, name: str | None) -> list[SearchEntry]:
    from mlflow.entities import ViewType

    client = connect(location)
    experiments = {str(item.experiment_id): item for item in _experiments(location, name)}
    if not experiments:
        return []
    runs = all_pages(
        lambda token: client.search_runs(
            list(experiments),
            f"tags.`{SEARCH}` LIKE '%'",
            run_view_type=ViewType.ALL,
            max_results=_PAGE,
            page_token=token,
        )
    )
    return [_entry(run, experiments[str(run.info.experiment_id)]) for run in runs]


def _experiments(location: StoreLocation, name: str | None) -> list[Experiment]:
    from mlflow.entities import ViewType

    client = connect(location)
    if name is not None:
        experiment = client.get_experiment_by_name(name)
        return [experiment] if experiment is not None and SEARCH in experiment.tags else []
    return list(
        all_pages(
            lambda token: client.search_experiments(
                ViewType.ALL, _PAGE, filter_string=f"tags.`{SEARCH}` LIKE '%'", page_token=token
            )
        )
    )


def _experiment(item: Experiment) -> ExperimentEntry:
    return ExperimentEntry(
        str(item.name),
        str(item.experiment_id),
        str(item.artifact_location),
        item.lifecycle_stage == "deleted",
        (item.last_update_time or 0) / 1000,
    )


def _entry(run: Run, experiment: Experiment) -> SearchEntry:
    info = run.info
    return SearchEntry(
        name=str(experiment.name),
        run_id=str(info.run_id),
        experiment_id=str(info.experiment_id),
        status=str(info.status),
        started=info.start_time / 1000,
        ended=None if info.end_time is None else info.end_time / 1000,
        artifact_uri=str(info.artifact_uri),
        deleted=info.lifecycle_stage == "deleted" or experiment.lifecycle_stage == "deleted",
        data=str(run.data.params.get("source", "")),
        tags=dict(run.data.tags),
        metrics=dict(run.data.metrics),
    )
