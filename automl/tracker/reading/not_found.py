"""Errors for a search, run or model that does not exist, has no model, or was deleted in MLflow."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.core.errors import UsageError, did_you_mean
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.location import StoreLocation
from automl.tracker.tags import PARENT, SEARCH, USER

if TYPE_CHECKING:
    from automl.tracker.reading.query import Record
    from automl.tracker.store.runs import Run


def unknown(location: StoreLocation, name: str, names: Sequence[str]) -> UsageError:
    """Error for a name that does not exist; ``names`` are the existing ones."""
    if not names:
        return UsageError(f"There is no search yet at {location.shown}. Run `automl search` first.")
    return UsageError(f"There is no search {name!r} at {location.shown}. {did_you_mean(name, names)}")


def deleted(name: str, *, moment: float = 0.0) -> UsageError:
    """Error for a search that somebody deleted in MLflow, at a moment in Unix seconds (0 if unknown)."""
    return UsageError(
        f"The search {name!r} was deleted in MLflow{_on(moment)}. `automl delete {shlex.quote(name)} --yes` "
        "removes what is left of it; a new search can use its name in any case."
    )


def without_runs(record: Record, name: str) -> UsageError:
    """Error for a search whose experiment has no run: somebody deleted them in MLflow."""
    from mlflow.entities import ViewType

    experiment = record.client.get_experiment_by_name(name)
    if experiment is None or SEARCH not in experiment.tags:
        return unknown(record.location, name, record.names())
    if experiment.lifecycle_stage == "deleted":
        return deleted(name, moment=(experiment.last_update_time or 0) / 1000)
    if not record.client.search_runs([experiment.experiment_id], "", ViewType.DELETED_ONLY, 1):
        return UsageError(f"The search {name!r} has only just begun: nothing is recorded yet.")
    return deleted(name)


def without_champion(record: Record, name: str) -> UsageError:
    """Error for a name that has no champion."""
    with storage_errors(f"look up {name!r}"):
        experiment = record.access.experiment_id(name)
        if experiment is None:
            return unknown(record.location, name, record.names())
        runs = record.access.search_runs([experiment])
        if not runs:
            return without_runs(record, name)
    if any("automl.model_version" in run.data.tags for run in runs):
        return UsageError(
            f"No version of {name!r} is the champion: it was deleted or lost that alias in MLflow, or "
            f"--promote never was given. Next: `automl promote {shlex.quote(name)} RUN`, with a run of "
            f"`automl leaderboard {shlex.quote(name)}`."
        )
    return UsageError(
        f"The search {name!r} has no champion yet: it runs, failed or was stopped. "
        f"`automl leaderboard {name}` shows its trials; each loads by its run id."
    )


def refuse_deleted(record: Record, run: Run) -> Run:
    """The run, if it was not deleted in MLflow.

    Raises
    ------
    UsageError
        With a description of the run and, if the store knows it, the day of its deletion.
    """
    if run.info.lifecycle_stage != "deleted":
        return run
    tags, run_id = run.data.tags, run.info.run_id
    began = time.strftime("%Y-%m-%d", time.localtime(run.info.start_time / 1000))
    by = f" by {tags[USER]}" if USER in tags else ""
    name = tags.get("automl.search", "")
    words = f"search {name!r}"
    if PARENT in tags:
        words = f"trial #{tags.get('automl.trial')} {tags.get('automl.family', '')}"
    with storage_errors(f"look up the run {run_id}"):
        when = _on((record.access.deleted_time(run_id) or 0) / 1000)
    raise UsageError(
        f"The run {run_id[:8]}, the {words} of {began}{by}, was deleted in MLflow{when}. `automl list` shows "
        "the searches that are left; until `automl clean` has removed it, MLflow can restore it."
    )


def _on(moment: float) -> str:
    return time.strftime(" on %Y-%m-%d", time.localtime(moment)) if moment else ""
