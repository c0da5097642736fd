"""The experiment of a search's name: found, restored or created."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from automl.tracker.reconcile import find_search
from automl.tracker.record import SearchRecord, folder_name
from automl.tracker.removal import give_up_name
from automl.tracker.store.location import ROOT_TAG, StoreLocation, artifact_uri
from automl.tracker.tags import SEARCH

if TYPE_CHECKING:
    from mlflow import MlflowClient


def experiment_for(client: MlflowClient, location: StoreLocation, search: SearchRecord) -> str:
    """Id of the experiment of this name, which is created if there is none.

    An experiment that was deleted in MLflow stays deleted and is renamed, unless this search continues in it.
    """
    from mlflow.exceptions import MlflowException

    own = ""
    experiment = client.get_experiment_by_name(search.name)
    if experiment is not None:
        if experiment.lifecycle_stage != "deleted":
            return str(experiment.experiment_id)
        client.restore_experiment(experiment.experiment_id)
        if search.key and find_search(client, experiment.experiment_id, search.key):
            return str(experiment.experiment_id)
        give_up_name(client, experiment)
        own = f"-{uuid.uuid4().hex[:6]}"  # the files of the deleted one stay where they are
    tags = experiment_tags(location, search.name, search.task.metric.name)
    folder = experiment_place(location, search.name, own)
    try:
        return str(client.create_experiment(search.name, artifact_location=folder, tags=tags))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        # Another search of this name began at the same moment.
        return experiment_for(client, location, search)


def experiment_tags(location: StoreLocation, name: str, metric: str) -> dict[str, str]:
    """The tags of a search's experiment."""
    tags = {
        SEARCH: name,
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": f"val_{metric}",
    }
    if location.database is not None:
        tags[ROOT_TAG] = str(location.database.parent)
    return tags


def experiment_place(location: StoreLocation, name: str, suffix: str = "") -> str | None:
    """The artifact location of an experiment; None if the server decides."""
    if location.artifacts is None:
        return None
    return artifact_uri(location.artifacts / f"{folder_name(name)}{suffix}")
