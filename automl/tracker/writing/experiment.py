"""The experiment of a search's name: found, restored, or made where there is none."""

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
    """Id of the experiment of this name; made where there is none.

    One that was deleted in MLflow stays so and gives its name up, but to the search that goes on in it.
    """
    from mlflow.exceptions import MlflowException

    own = ""
    found = client.get_experiment_by_name(search.name)
    if found is not None:
        if found.lifecycle_stage != "deleted":
            return str(found.experiment_id)
        client.restore_experiment(found.experiment_id)
        if search.key and find_search(client, found.experiment_id, search.key):
            return str(found.experiment_id)
        give_up_name(client, found)
        own = f"-{uuid.uuid4().hex[:6]}"  # the files of the other stay where they are
    tags = {
        SEARCH: search.name,
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": f"val_{search.task.metric.name}",
    }
    if location.database is not None:
        tags[ROOT_TAG] = str(location.database.parent)
    artifacts = location.artifacts
    folder = None
    if artifacts is not None:
        folder = artifact_uri(artifacts / f"{folder_name(search.name)}{own}")
    try:
        return str(client.create_experiment(search.name, artifact_location=folder, tags=tags))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        # Another search of this name began at the same moment.
        return experiment_for(client, location, search)
