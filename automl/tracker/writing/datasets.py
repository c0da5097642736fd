"""The data set of a search as MLflow lists it, on the run of the search and of every trial."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.tracker.record import DatasetRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset
    from sqlalchemy.orm import Session

_CONTEXT = "mlflow.data.context"
_TRAINING = "training"
_DIGEST = 36  # the longest that MLflow accepts


def log_dataset(client: MlflowClient, run_id: str, data: DatasetRecord, target: str) -> None:
    """Log the data set on a run through the client."""
    from mlflow.entities import DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    inputs = [DatasetInput(_described(data, target), [InputTag(_CONTEXT, _TRAINING)])]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:  # another search of this name is logging the same data set right now
        client.log_inputs(run_id, inputs)


def dataset_rows(session: Session, experiment_id: str, run_id: str, data: DatasetRecord) -> dict[Any, Any]:
    """Rows that log the data set on a run that is being inserted, by MLflow's table class.

    Empty if the search's own run has not logged the data set.
    """
    from mlflow.store.tracking.dbmodels import models
    from sqlalchemy import select

    dataset = session.execute(
        select(models.SqlDataset.dataset_uuid).where(
            models.SqlDataset.experiment_id == int(experiment_id),
            models.SqlDataset.name == data.name,
            models.SqlDataset.digest == data.digest[:_DIGEST],
        )
    ).scalar()
    if dataset is None:
        return {}
    own = uuid.uuid4().hex
    place = {
        "source_type": "DATASET",
        "source_id": dataset,
        "destination_type": "RUN",
        "destination_id": run_id,
    }
    return {
        models.SqlInput: {"input_uuid": own, **place},
        models.SqlInputTag: {"input_uuid": own, "name": _CONTEXT, "value": _TRAINING},
    }


def source_uri(source: str) -> str:
    """The location of the data: an absolute path, or the address that was given."""
    if source == "frame" or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source):
        return source
    return str(Path(source).expanduser().absolute())


def _described(data: DatasetRecord, target: str) -> Dataset:
    from mlflow.entities import Dataset

    columns = {"columns": dict(data.columns), "target": target}
    return Dataset(
        name=data.name,
        digest=data.digest[:_DIGEST],
        source_type="local",
        source=json.dumps({"uri": source_uri(data.source)}),
        schema=json.dumps(columns)[:1_000_000],
        profile=json.dumps({"num_rows": data.rows, "num_columns": len(data.columns)}),
    )
