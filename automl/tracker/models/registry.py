"""A champion as a model of MLflow: its files, log entry, registered version, and environment for serving."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl.core.sealed import folder_bytes
from automl.core.task_choice import task_requirement
from automl.tracker.models.wheel import pack_wheel
from automl.tracker.pyfunc_model import FOLDER
from automl.tracker.store.location import local_path, remove_folder
from automl.tracker.tags import MODEL_TYPE, SCORE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

    from automl.model.predictor import Predictor

MODEL_NAME = "champion"
_FEW = 100


@dataclass(frozen=True)
class Registered:
    """A registered version: its number and MLflow's ids."""

    version: str
    model_id: str
    model_uri: str


def register_champion(
    client: MlflowClient,
    predictor: Predictor,
    *,
    experiment_id: str,
    run_id: str,
    version: str,
    metrics: Mapping[str, float],
    about: str = "",
    score: str = "",
) -> Registered:
    """Log the predictor's folder as a pyfunc model and register it as a new version, without an alias.

    An attempt that a store broke off is continued: nothing is logged or registered twice.

    Parameters
    ----------
    about, score:
        Description of the version in one line, and its score, e.g. ``accuracy 0.994``.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

    logged = _begun_before(client, experiment_id, run_id) or client.create_logged_model(
        experiment_id,
        name=MODEL_NAME,
        source_run_id=run_id,
        model_type=MODEL_TYPE,
        tags={"automl.version": version},
    )
    target = local_path(logged.artifact_location)
    if target is not None:
        remove_folder(target)
        _lay_out(target, predictor, logged.model_id, run_id, version)
    else:
        with tempfile.TemporaryDirectory(prefix="automl-model-") as scratch:
            _lay_out(Path(scratch) / "model", predictor, logged.model_id, run_id, version)
            client.log_model_artifacts(logged.model_id, str(Path(scratch) / "model"))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    now = int(time.time() * 1000)
    scores = [Metric(name, value, now, 0, model_id=logged.model_id) for name, value in metrics.items()]
    client.log_batch(run_id, metrics=scores)
    registered = register_logged(client, predictor.name, logged, run_id, about=about, score=score)
    return Registered(registered, logged.model_id, f"models:/{predictor.name}/{registered}")


def _begun_before(client: MlflowClient, experiment_id: str, run_id: str) -> LoggedModel | None:
    """The logged model of this run whose files may not be complete, if there is one."""
    from mlflow.entities import LoggedModelStatus

    models = client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'", max_results=_FEW)
    unfinished = (LoggedModelStatus.PENDING, LoggedModelStatus.UNSPECIFIED)
    return next((model for model in models if model.status in unfinished), None)


def register_logged(
    client: MlflowClient, name: str, logged: LoggedModel, run_id: str, *, about: str, score: str
) -> str:
    """Register a logged model as a new version of a name, without an alias; returns its number."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, tags={"automl.search": name})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    versions = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'", max_results=_FEW)
    earlier = next((item for item in versions if item.model_id == logged.model_id), None)
    if earlier is not None:  # the answer to an earlier attempt was lost
        return str(earlier.version)
    # For a models:/ source the SQL registry asks MLflow's global URI for the model, which may be
    # another store than this client's (3.17); the folder itself needs no look-up.
    here = local_path(logged.artifact_location) is not None
    source = logged.artifact_location if here else f"models:/{logged.model_id}"
    made = client.create_model_version(
        name,
        source,
        run_id=run_id,
        tags={SCORE: score} if score else None,
        description=about or None,
        model_id=logged.model_id,
    )
    # Links the model's page to its version, as mlflow.register_model does.
    link = json.dumps([{"name": name, "version": made.version}])
    client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": link})
    return str(made.version)


def _lay_out(folder: Path, predictor: Predictor, model_id: str, run_id: str, version: str) -> None:
    """Write what ``mlflow.pyfunc.save_model`` does, without copying the model and running pip."""
    from mlflow import pyfunc
    from mlflow.models import Model
    from mlflow.version import VERSION

    from automl.model.model_files import link_or_copy

    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(predictor.folder, folder / FOLDER, copy_function=link_or_copy)
    wheel = pack_wheel(folder)
    model = Model(
        run_id=run_id,
        model_id=model_id,
        signature=_signature(predictor),
        model_size_bytes=folder_bytes(folder),
    )
    pyfunc.add_to_model(
        model,
        loader_module="automl.tracker.pyfunc_model",
        conda_env="conda.yaml",
        python_env="python_env.yaml",
        streamable=False,
    )
    model.save(str(folder / "MLmodel"))
    _write_environment(folder, [wheel, f"mlflow=={VERSION}", *_libraries(predictor)])


def _libraries(predictor: Predictor) -> list[str]:
    """The installed versions of the libraries, and the packages of the members' families and of the task."""
    from automl.core.version import library_versions
    from automl.families import plug_in_requirement

    versions = {name: version for name, version in library_versions().items() if name != "automl"}
    # "2.6.0+cu124" is a build that the public index does not have
    pinned = [f"{name}=={version.partition('+')[0]}" for name, version in versions.items()]
    plug_ins = {plug_in_requirement(member.family) for member in predictor.members}
    plug_ins.add(task_requirement(predictor.task.name))
    return [*pinned, *sorted(filter(None, plug_ins))]


def _write_environment(folder: Path, requirements: list[str]) -> None:
    python = platform.python_version()
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    (folder / "python_env.yaml").write_text(
        f"python: {python}\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n",
        encoding="utf-8",
    )
    listed = "\n".join(f"  - {requirement}" for requirement in requirements)
    (folder / "conda.yaml").write_text(
        "name: automl\nchannels:\n- conda-forge\n"
        f"dependencies:\n- python={python}\n- pip\n- pip:\n{listed}\n",
        encoding="utf-8",
    )


def _signature(predictor: Predictor) -> ModelSignature:
    """Signature of raw columns of any type, none required: the predictor parses cells as in training.

    MLflow's own types would refuse harmless input: an integer type a missing value, a float type a column of
    whole numbers (int64), a string type a category written as numbers.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType, TensorSpec

    any_type = AnyType()  # type: ignore[no-untyped-call]
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(any_type, name, required=False) for name in predictor.layout.inputs
    ]
    kinds = {type(label) for label in predictor.classes}
    plain = {
        frozenset({int}): DataType.long,
        frozenset({bool}): DataType.boolean,
        frozenset({str}): DataType.string,
    }
    answer = plain.get(frozenset(kinds), DataType.double if not kinds else any_type)
    inputs, outputs = Schema(columns), Schema([ColSpec(answer, predictor.target_name)])
    interval = ParamSpec("interval", DataType.double, 0.0)
    options = [ParamSpec("proba", DataType.boolean, False), interval] if kinds else [interval]
    return ModelSignature(inputs=inputs, outputs=outputs, params=ParamSchema(options))
