"""Runs that a killed process left open: found by their owner's tags, and closed with the reason."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.tracker.record import KEY, PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT_TAG = "automl.search"
_PID, _HOST, _STARTED = "automl.pid", "automl.host", "automl.process_started"
_SAME_START_SECONDS = 2.0


def owner_tags() -> dict[str, str]:
    """Tags that say which process writes a run."""
    import psutil

    return {
        _PID: str(os.getpid()),
        _HOST: socket.gethostname(),
        _STARTED: f"{psutil.Process().create_time():.2f}",
    }


def reconcile(client: MlflowClient) -> list[str]:
    """Close the open runs whose process is gone from this machine; returns their ids."""
    experiments = client.search_experiments(filter_string=f"tags.`{EXPERIMENT_TAG}` LIKE '%'")
    if not experiments:
        return []
    ids = [item.experiment_id for item in experiments]
    running = client.search_runs(ids, filter_string="attributes.status = 'RUNNING'", max_results=1000)
    gone = {run.info.run_id for run in running if _owner_is_gone(run)}
    gone |= {run.info.run_id for run in running if run.data.tags.get(PARENT) in gone}
    for run_id in gone:
        client.set_tag(run_id, "automl.state", "killed")
        client.set_tag(run_id, "automl.error", "The process that wrote this run ended without closing it.")
        client.set_terminated(run_id, status="KILLED")
    return sorted(gone)


@dataclass(frozen=True)
class KnownRun:
    """A trial's run that is on record; one that has not ended is to be completed."""

    run_id: str
    ended: bool


def find_search(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """The run of the search with this key, or None while there is none."""
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    return found[0] if found else None


def take_over(client: MlflowClient, run: Run) -> None:
    """Make a search's run this process's own, and open again."""
    run_id, tags, owner = run.info.run_id, run.data.tags, owner_tags()
    client.update_run(run_id, status="RUNNING")
    if all(tags.get(name) == value for name, value in owner.items()):
        return  # this process made it, and was cut off before it knew
    for name, value in owner.items():
        client.set_tag(run_id, name, value)
    client.set_tag(run_id, "automl.resumed", str(int(tags.get("automl.resumed", "0")) + 1))
    for name in ("automl.state", "automl.error"):
        if name in tags:
            client.delete_tag(run_id, name)


def known_trials(client: MlflowClient, experiment_id: str, search_run_id: str) -> dict[int, KnownRun]:
    """Trial number → its run, of all that are on record of a search.

    A run that was begun and not ended was closed as killed by :func:`reconcile`, or is still open.
    """
    condition, token = f"tags.`{PARENT}` = '{search_run_id}'", None
    known = {}
    while True:
        page = client.search_runs([experiment_id], condition, max_results=1000, page_token=token)
        for run in page:
            tags = run.data.tags
            if tags.get("automl.trial", "").isdigit():
                ended = run.info.status != "RUNNING" and tags.get("automl.state") != "killed"
                known[int(tags["automl.trial"])] = KnownRun(run.info.run_id, ended)
        token = page.token
        if not token:
            return known


def _owner_is_gone(run: Run) -> bool:
    import psutil

    tags = run.data.tags
    if _PID not in tags or tags.get(_HOST) != socket.gethostname():
        return False
    try:
        started = psutil.Process(int(tags[_PID])).create_time()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
    return abs(started - float(tags.get(_STARTED, started))) > _SAME_START_SECONDS
