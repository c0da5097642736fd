"""Access to runs and versions: in SQLite without MLflow, else by MLflow's client, which also writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from automl.tracker.store.client_access import client_access
from automl.tracker.store.runs import ChosenTrials, ExperimentName, MetricPoint, Run
from automl.tracker.store.schema import revision
from automl.tracker.store.sqlite_access import sqlite_access

if TYPE_CHECKING:
    from mlflow import MlflowClient

KNOWN_SCHEMAS = frozenset({"dc11669786a5"})
"""Revisions of MLflow's schema for which tests compare direct reading with its client: that of 3.17."""

_RELEASE = "3.17."


class Access(Protocol):
    """A store for :class:`automl.tracker.reading.query.Record`, without what was deleted in MLflow."""

    def experiments(self) -> list[ExperimentName]:
        """Experiments that hold searches, the last changed first."""

    def experiment_id(self, name: str) -> str | None:
        """Id of the experiment of this name, whatever it holds."""

    def runs_beginning(self, beginning: str) -> list[Run]:
        """The runs of searches and trials whose id has this beginning, the latest first."""

    def search_runs(self, experiments: Sequence[str]) -> list[Run]:
        """The runs of searches, the latest first."""

    def trial_runs(self, experiment: str, search_run_id: str) -> list[Run]:
        """The trials of a search, the latest first, without their descriptions."""

    def first_trials(self, chosen: ChosenTrials, metric: str, *, ascending: bool, most: int) -> list[Run]:
        """The first trials by the latest value of a metric, those without a value last."""

    def count_trials(self, chosen: ChosenTrials) -> int | None:
        """The number of trials; None where the store cannot tell without reading them."""

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
        return sqlite_access(database, connect)
    return client_access(connect)


def is_current(database: Path) -> bool:
    """True if the installed MLflow serves a SQLite file as it is; False if MLflow itself must decide."""
    return revision(database) in KNOWN_SCHEMAS and is_known_release()


def is_known_release() -> bool:
    """True if the installed MLflow makes stores of a schema in :data:`KNOWN_SCHEMAS`."""
    return version("mlflow").startswith(_RELEASE)
