"""Runs that a killed process left open: found by their owner's tags, and closed with the reason."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.tracker.store.location import all_pages
from automl.tracker.store.sqlite import read_rows
from automl.tracker.tags import HOST, KEY, OLD_KEY, PARENT, PID, SEARCH, STARTED, USER

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_SAME_START_SECONDS = 2.0


def owner_tags() -> dict[str, str]:
    """Tags that identify the process that writes a run."""
    import psutil

    return {
        PID: str(os.getpid()),
        HOST: socket.gethostname(),
        STARTED: f"{psutil.Process().create_time():.2f}",
    }


def reconcile(client: MlflowClient) -> list[str]:
    """Close the open runs whose process is gone from this machine; returns their ids."""
    experiments = client.search_experiments(filter_string=f"tags.`{SEARCH}` LIKE '%'")
    if not experiments:
        return []
    ids = [item.experiment_id for item in experiments]
    running = client.search_runs(ids, filter_string="attributes.status = 'RUNNING'", max_results=1000)
    gone = {run.info.run_id for run in running if process_is_gone(run.data.tags)}
    gone |= {run.info.run_id for run in running if run.data.tags.get(PARENT) in gone}
    for run_id in gone:
        client.set_tag(run_id, "automl.state", "killed")
        client.set_tag(run_id, "automl.error", "The process that wrote this run ended without closing it.")
        client.set_terminated(run_id, status="KILLED")
    return sorted(gone)


@dataclass(frozen=True)
class KnownRun:
    """A trial's run in the store; if it has not ended, it is to be completed."""

    run_id: str
    ended: bool


def find_search(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """Find the run of the search with this key, or None; a run deleted in MLflow is restored."""
    from mlflow.entities import ViewType

    for tag in (KEY, OLD_KEY):
        runs = client.search_runs([experiment_id], f"tags.`{tag}` = '{key}'", ViewType.ALL, max_results=1)
        if runs:
            if runs[0].info.lifecycle_stage == "deleted":
                client.restore_run(runs[0].info.run_id)
            return runs[0]
    return None


def take_over(client: MlflowClient, run: Run) -> None:
    """Take ownership of a search's run for this process, and open it again."""
    run_id, tags, owner = run.info.run_id, run.data.tags, owner_tags()
    client.update_run(run_id, status="RUNNING")
    if all(tags.get(name) == value for name, value in owner.items()):
        return  # this process made it, and was interrupted before it noticed
    for name, value in owner.items():
        client.set_tag(run_id, name, value)
    client.set_tag(run_id, "automl.resumed", str(int(tags.get("automl.resumed", "0")) + 1))
    for name in ("automl.state", "automl.error"):
        if name in tags:
            client.delete_tag(run_id, name)


def known_trials(
    client: MlflowClient, database: Path | None, experiment_id: str, search_run_id: str
) -> dict[int, KnownRun]:
    """Runs of a search's trials in the store, by trial number.

    A run that was begun and not ended was closed as killed by :func:`reconcile`, or is still open. A run that
    was deleted in MLflow counts too, and stays deleted.

    Parameters
    ----------
    database:
        The store's SQLite file, which is read directly: the client reads everything about each run.
    """
    states: Iterable[tuple[Any, ...]]
    if database is None:
        states = _states_by_client(client, experiment_id, search_run_id)
    else:
        states = read_rows(database, _STATES, [int(experiment_id), PARENT, search_run_id])
    return {
        int(number): KnownRun(run_id, status != "RUNNING" and state != "killed")
        for run_id, status, number, state in states
        if number.isdigit()
    }


_STATES = (
    "SELECT r.run_uuid, r.status, n.value, s.value FROM tags p "
    "JOIN runs r ON r.run_uuid = p.run_uuid AND r.experiment_id = ? "
    "JOIN tags n ON n.run_uuid = r.run_uuid AND n.key = 'automl.trial' "
    "LEFT JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = 'automl.state' "
    "WHERE p.key = ? AND p.value = ?"
)


def _states_by_client(
    client: MlflowClient, experiment_id: str, search_run_id: str
) -> Iterator[tuple[str, str, str, str]]:
    """Id, status, number and state of every trial's run."""
    from mlflow.entities import ViewType

    condition = f"tags.`{PARENT}` = '{search_run_id}'"
    for run in all_pages(
        lambda token: client.search_runs([experiment_id], condition, ViewType.ALL, 1000, page_token=token)
    ):
        tags = run.data.tags
        yield run.info.run_id, run.info.status, tags.get("automl.trial", ""), tags.get("automl.state", "")


def process_is_gone(tags: Mapping[str, str]) -> bool:
    """True if the process that writes a run, by its tags, ran on this machine and has ended."""
    import psutil

    pid, host, began = (owner_tag(tags, name) for name in (PID, HOST, STARTED))
    if not pid or host != socket.gethostname():
        return False
    try:
        started = psutil.Process(int(pid)).create_time()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
    return abs(started - float(began or started)) > _SAME_START_SECONDS


def owner_words(tags: Mapping[str, str]) -> str:
    """The process that writes a run, for people."""
    pid, host = owner_tag(tags, PID), owner_tag(tags, HOST)
    user = tags.get(USER, "")
    if not pid:
        return f"a process of {user}" if user else "another process"
    return f"process {pid} on {host}{f', of {user}' if user else ''}"


def owner_tag(tags: Mapping[str, str], name: str) -> str:
    """A tag about the process that writes a run, also under its name in versions before 0.2."""
    return tags.get(name, tags.get(name.removeprefix("mlflow."), ""))
