"""A search as it begins on record: without MLflow if its store's tables can be written directly."""

from __future__ import annotations

import sqlite3
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from automl.core.version import __version__
from automl.tracker import record
from automl.tracker.notes import begun_name
from automl.tracker.people import source_tags
from automl.tracker.reconcile import owner_tags, process_is_gone
from automl.tracker.record import SearchRecord
from automl.tracker.store.location import StoreLocation
from automl.tracker.store.sqlite import by_run, read_rows
from automl.tracker.store.tables import (
    RunRecord,
    find_experiment,
    insert_experiment,
    insert_input,
    insert_run,
    one_transaction,
)
from automl.tracker.tags import KEY, OLD_KEY
from automl.tracker.writing.datasets import describe_dataset
from automl.tracker.writing.experiment import experiment_place, experiment_tags


@dataclass(frozen=True, kw_only=True)
class BegunSearch:
    """A search's run.

    Attributes
    ----------
    artifact_uri:
        The location of the run's artifacts.
    root:
        The location of the artifacts of all runs of its experiment.
    """

    run_id: str
    experiment_id: str
    artifact_uri: str
    root: str


def begin_directly(location: StoreLocation, search: SearchRecord) -> BegunSearch | None:
    """Put a new search on record in one transaction: its experiment, its run, its data set.

    None if MLflow is needed: the search is continued, its experiment was deleted in MLflow, the runs of a
    killed process are open, or artifacts are not plain local folders.
    """
    database, place = location.database, experiment_place(location, search.name)
    if database is None or place is None or _has_orphans(location):
        return None
    name = begun_name(search)
    run = RunRecord(
        name=name,
        status="RUNNING",
        started=round(1000 * search.started) or int(time.time() * 1000),
        tags=run_tags(search),
        params=record.plain_params(search.configuration),
    )
    described = describe_dataset(search.dataset, search.layout.target_name)
    with one_transaction(database) as connection:
        experiment = find_experiment(connection, search.name)
        if experiment is not None and (
            experiment.deleted or _is_known(connection, experiment.id, search.key)
        ):
            return None
        if "://" in (place if experiment is None else experiment.place):
            return None
        if experiment is None:
            tags = experiment_tags(location, search.name, search.task.metric.name)
            experiment = insert_experiment(connection, search.name, place, tags)
        run_id = uuid.uuid4().hex
        artifacts = str(Path(experiment.place) / run_id / "artifacts")
        insert_run(connection, run, run_id, experiment_id=experiment.id, place=artifacts)
        insert_input(connection, run_id, described, experiment_id=experiment.id)
    return BegunSearch(
        run_id=run_id, experiment_id=str(experiment.id), artifact_uri=artifacts, root=experiment.place
    )


def run_tags(search: SearchRecord) -> dict[str, str]:
    """All tags of a search's run when it begins."""
    return {
        **record.cut_tags(record.search_tags(search, __version__)),
        **owner_tags(),
        **source_tags(),
    }


def _has_orphans(location: StoreLocation) -> bool:
    """True if a process ended without closing a run that it wrote, which MLflow's client has to do."""
    assert location.database is not None
    rows = read_rows(
        location.database,
        "SELECT t.run_uuid, t.key, t.value FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid "
        "WHERE r.status = 'RUNNING' AND r.lifecycle_stage = 'active'",
        [],
    )
    return any(process_is_gone(tags) for tags in by_run(rows).values())


def _is_known(connection: sqlite3.Connection, experiment_id: int, key: str) -> bool:
    """True if an earlier process began the search with this key."""
    if not key:
        return False
    rows = connection.execute(
        "SELECT 1 FROM tags t JOIN runs r ON r.run_uuid = t.run_uuid "
        "WHERE r.experiment_id = ? AND t.key IN (?, ?) AND t.value = ? LIMIT 1",
        [experiment_id, KEY, OLD_KEY, key],
    )
    return rows.fetchone() is not None
