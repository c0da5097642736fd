"""Claims of names: two searches that begin at one moment see each other before either is on record.

MLflow creates an experiment of a name only once. The search that creates it writes into its tags, in the same
step, whose table it is; one that comes second reads that instead of the run that is still missing.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict, dataclass

from automl.tracker.reading.inventory import SearchEntry
from automl.tracker.reconcile import owner_tags, process_is_gone
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.location import StoreLocation, connect
from automl.tracker.store.schema import has_tables
from automl.tracker.store.sqlite import read_rows
from automl.tracker.store.tables import find_experiment, insert_experiment, make_tables, one_transaction
from automl.tracker.tags import CLAIM, COLUMNS, DATA, USER
from automl.tracker.writing.experiment import experiment_place, experiment_tags

_VALID_SECONDS = 300.0
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Claim:
    """The table of a search that has chosen its name; ``columns`` and ``data`` are digests."""

    user: str
    target: str
    task: str
    columns: str
    data: str


def claim_name(location: StoreLocation, name: str, metric: str, claim: Claim) -> bool:
    """Claim a name that has no experiment yet; False if it has one, perhaps since the name was chosen.

    A SQLite file that another program holds does not keep a search waiting: its name is then not claimed.

    Raises
    ------
    StorageError
        If the server cannot be reached.
    """
    text = json.dumps({**asdict(claim), "owner": owner_tags(), "at": time.time()}, ensure_ascii=False)
    tags = {**experiment_tags(location, name, metric), CLAIM: text}
    place = experiment_place(location, name)
    try:
        if _is_plain(location, place):
            return _claim_directly(location, name, str(place), tags)
    except sqlite3.OperationalError:
        return True  # locked or read-only: the record's writer waits for it, and says so if it must
    with storage_errors(f"begin the search {name!r} at {location.shown}"):
        return _claim_by_client(location, name, place, tags)


def claims(location: StoreLocation, name: str) -> list[SearchEntry]:
    """The search that has claimed a name and is not on record yet, as an entry; none if it has died."""
    with storage_errors(f"list the searches at {location.shown}"):
        text = _claim_by(location, name)
    if not text:
        return []
    claim = json.loads(text)
    if abs(time.time() - claim["at"]) > _VALID_SECONDS or process_is_gone(claim["owner"]):
        return []
    tags = {
        USER: claim["user"],
        "automl.target": claim["target"],
        "automl.task": claim["task"],
        COLUMNS: claim["columns"],
        DATA: claim["data"],
    }
    return [
        SearchEntry(
            name=name,
            run_id="",
            experiment_id="",
            status="RUNNING",
            started=claim["at"],
            ended=None,
            artifact_uri="",
            deleted=False,
            data="",
            tags=tags,
            metrics={},
        )
    ]


def _is_plain(location: StoreLocation, place: str | None) -> bool:
    """True if rows can be inserted without MLflow."""
    database, artifacts = location.database, location.artifacts
    if database is None or artifacts is None or place is None or "://" in place:
        return False
    return make_tables(database, artifacts)


def _claim_directly(location: StoreLocation, name: str, place: str, tags: dict[str, str]) -> bool:
    assert location.database is not None
    with one_transaction(location.database, patience=_PATIENCE_SECONDS) as connection:
        experiment = find_experiment(connection, name)
        if experiment is None:
            insert_experiment(connection, name, place, tags)
    return experiment is None


def _claim_by_client(location: StoreLocation, name: str, place: str | None, tags: dict[str, str]) -> bool:
    from mlflow.exceptions import MlflowException

    client = connect(location)
    if client.get_experiment_by_name(name) is not None:
        return False
    try:
        client.create_experiment(name, artifact_location=place, tags=tags)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def _claim_by(location: StoreLocation, name: str) -> str:
    """The text of the claim on a name; empty if there is none."""
    if location.database is not None:
        if not location.exists or not has_tables(location.database):
            return ""
        rows = read_rows(
            location.database,
            "SELECT t.value FROM experiments e JOIN experiment_tags t ON t.experiment_id = e.experiment_id "
            "WHERE e.name = ? AND e.lifecycle_stage = 'active' AND t.key = ?",
            [name, CLAIM],
        )
        return str(rows[0][0]) if rows else ""
    experiment = connect(location).get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        return ""
    return str(experiment.tags.get(CLAIM, ""))
