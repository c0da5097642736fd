"""Runs and versions by MLflow's client, which raises if there is none; these return nothing instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_ABSENT = "RESOURCE_DOES_NOT_EXIST"
# An impossible id or alias; MLflow 3.17 also returns this for a model without this alias.
_IMPOSSIBLE = "INVALID_PARAMETER_VALUE"


def find_run(client: MlflowClient, run_id: str) -> Run | None:
    """The run of this id, deleted or not; None if there is none, also for an empty id."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in (_ABSENT, _IMPOSSIBLE):
            raise
        return None


def find_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version that has the alias; None without a model or an alias, or if its version was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in (_ABSENT, _IMPOSSIBLE):
            raise
        return None


def find_version_run(client: MlflowClient, name: str, version: str) -> str:
    """The id of a version's run; empty if there is no such version."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, version).run_id or ""
    except MlflowException as error:
        if error.error_code != _ABSENT:
            raise
        return ""
