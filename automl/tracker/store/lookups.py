"""Runs and versions by MLflow's client, which raises where there is none; these give nothing instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_ABSENT = "RESOURCE_DOES_NOT_EXIST"
# An id or an alias that nothing can have: MLflow 3.17 also says so of a model without this alias.
_IMPOSSIBLE = "INVALID_PARAMETER_VALUE"


def find_run(client: MlflowClient, run_id: str) -> Run | None:
    """The run of this id, deleted or not; None where there is none, also for an empty id."""
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
    """The version that has the alias, or None: no model, no alias, or one whose version was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in (_ABSENT, _IMPOSSIBLE):
            raise
        return None


def find_version_run(client: MlflowClient, name: str, version: str) -> str:
    """The id of the run that a version is of; empty where there is no such version."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, version).run_id or ""
    except MlflowException as error:
        if error.error_code != _ABSENT:
            raise
        return ""
