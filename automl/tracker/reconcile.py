"""Runs that a killed process left open: found by their owner's tags, and closed with the reason."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from automl.tracker.record import PARENT

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
