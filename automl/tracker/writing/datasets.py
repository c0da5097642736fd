"""The data set of a search as MLflow lists it, on the run of the search and of every trial."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from automl.tracker.record import DatasetRecord
from automl.tracker.store.tables import CONTEXT

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DIGEST = 36  # the longest that MLflow accepts


def log_dataset(client: MlflowClient, run_id: str, data: DatasetRecord, target: str) -> None:
    """Log the data set on a run through the client."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    inputs = [DatasetInput(Dataset(**describe_dataset(data, target)), [InputTag(*CONTEXT)])]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:  # another search of this name is logging the same data set right now
        client.log_inputs(run_id, inputs)


def source_uri(source: str) -> str:
    """The location of the data: an absolute path, or the address that was given."""
    if source == "frame" or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source):
        return source
    return str(Path(source).expanduser().absolute())


def describe_dataset(data: DatasetRecord, target: str) -> dict[str, str]:
    """The fields of MLflow's data set."""
    columns = {"columns": dict(data.columns), "target": target}
    return {
        "name": data.name,
        "digest": data.digest[:_DIGEST],
        "source_type": "local",
        "source": json.dumps({"uri": source_uri(data.source)}),
        "schema": json.dumps(columns)[:1_000_000],
        "profile": json.dumps({"num_rows": data.rows, "num_columns": len(data.columns)}),
    }
