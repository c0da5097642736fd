"""Files and models in a store that nothing refers to any more, and searches that died without an end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.tracker.live import LiveState
from automl.tracker.reading.inventory import ExperimentEntry, SearchEntry, experiment_entries
from automl.tracker.reconcile import process_is_gone
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.location import StoreLocation, all_pages, connect, local_path
from automl.tracker.tags import MODEL_TYPE, SIGN

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

_PAGE, _MODELS_PAGE = 1000, 100
_MODELS = "models"
_RUN_FOLDER = re.compile(r"[0-9a-f]{32}")
_MODEL_FOLDER = re.compile(r"m-[0-9a-f]{32}")
_SILENT_SECONDS = 600.0  # a search that gave a sign since may be alive on another machine
_YOUNG_SECONDS = 3600.0  # files may have been written just before the row that refers to them


@dataclass(frozen=True, kw_only=True)
class Unreferenced:
    """A folder of artifacts without a run, or a logged model without a version; ``model_id`` of the latter.

    Attributes
    ----------
    ended:
        Unix seconds when it was last changed; 0 where the store does not tell.
    """

    uri: str
    bytes: int
    ended: float = 0.0
    model_id: str = ""


def ended_at(entry: SearchEntry) -> float | None:
    """Unix seconds when a search ended or was last seen; None while it may still run."""
    if entry.ended is not None:
        return entry.ended
    state = LiveState.from_text(entry.tags.get(SIGN, ""))
    if process_is_gone(entry.tags):
        return entry.started if state is None else state.at
    if state is None or time.time() - state.at < _SILENT_SECONDS:
        return None
    return state.at


def close_dead(location: StoreLocation, run_id: str) -> None:
    """Close the run of a search whose process is gone or silent, as interrupted; it can still be resumed."""
    client = connect(location)
    with storage_errors(f"close the run {run_id}"):
        client.set_tag(run_id, "automl.error", "The search ended without closing this run.")
        client.set_terminated(run_id, status="KILLED")


def registered_places(location: StoreLocation) -> str:
    """The sources and models of every registered version in the store, in one text to look ids up in."""
    client = connect(location)
    with storage_errors("list the registered versions"):
        versions: list[ModelVersion] = list(
            all_pages(lambda token: client.search_model_versions(max_results=_PAGE, page_token=token))
        )
    return "\n".join(f"{version.source} {version.model_id or ''}" for version in versions)


def unregistered_models(
    location: StoreLocation, before: float, registered: str
) -> list[tuple[ExperimentEntry, Unreferenced]]:
    """Models that searches logged before a moment and that no version of any name refers to.

    Their version was deleted in MLflow, or the search ended before it registered them.
    """
    client = connect(location)
    rests = []
    with storage_errors("list the logged models"):
        for experiment in experiment_entries(location):
            for model in [] if experiment.deleted else _logged_models(client, experiment.experiment_id):
                written = (model.last_updated_timestamp or model.creation_timestamp) / 1000
                own = model.model_type == MODEL_TYPE  # people may log models of their own beside them
                if own and model.model_id not in registered and _is_old(written, before):
                    place = str(model.artifact_location)
                    item = Unreferenced(
                        uri=place,
                        bytes=artifact_bytes(location, place),
                        ended=written,
                        model_id=str(model.model_id),
                    )
                    rests.append((experiment, item))
    return rests


def unreferenced_artifacts(
    location: StoreLocation, before: float, registered: str
) -> list[tuple[ExperimentEntry, Unreferenced]]:
    """Folders of artifacts in searches' experiments that belong to no run and no model on record.

    A process that is killed while it writes leaves them, and so does who deletes rows in the database.
    """
    client = connect(location)
    rests = []
    with storage_errors("list the artifacts"):
        for experiment in experiment_entries(location):
            # First the files, then the rows: what is being written now has its row by then, or is young.
            folders = list(_folders(location, experiment.artifact_uri))
            recorded = _known_ids(client, experiment) if folders else set()
            for uri, changed in folders:
                name = uri.rpartition("/")[2]
                if name not in recorded and name not in registered and _is_old(changed, before):
                    size = artifact_bytes(location, uri)
                    rests.append((experiment, Unreferenced(uri=uri, bytes=size, ended=changed)))
    return rests


def artifact_bytes(location: StoreLocation, uri: str) -> int:
    """Bytes of everything below an artifact URI, wherever that is; a file with two names counts once."""
    place = local_path(uri)
    if place is None:
        return sum(item.file_size or 0 for item in _below(repository_of(location, uri), None))
    sizes = {}
    for path in place.rglob("*"):
        if path.is_file():
            status = path.lstat()
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def repository_of(location: StoreLocation, uri: str) -> ArtifactRepository:
    """MLflow's access to artifacts that are not on this disk."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri, tracking_uri=location.uri)


def _below(repository: ArtifactRepository, path: str | None) -> Iterator[Any]:
    """The files below a path of a repository."""
    for item in repository.list_artifacts(path):
        if item.is_dir:
            yield from _below(repository, item.path)
        else:
            yield item


def _folders(location: StoreLocation, uri: str) -> Iterator[tuple[str, float]]:
    """The folders of runs and of logged models of an experiment, and when each was last changed."""
    place = local_path(uri)
    if place is not None:
        for path in (*place.glob("*"), *(place / _MODELS).glob("*")):
            if path.is_dir() and _is_id(path.name):
                yield str(path), _changed(path)
        return
    repository = repository_of(location, uri)
    for item in repository.list_artifacts():
        if item.is_dir and item.path == _MODELS:
            inner = [model.path for model in repository.list_artifacts(_MODELS) if model.is_dir]
        else:
            inner = [item.path] if item.is_dir else []
        for name in inner:
            if _is_id(name.rpartition("/")[2]):
                yield f"{uri.rstrip('/')}/{name}", 0.0


def _is_id(name: str) -> bool:
    return bool(_RUN_FOLDER.fullmatch(name) or _MODEL_FOLDER.fullmatch(name))


def _is_old(changed: float, before: float) -> bool:
    return changed < min(before, time.time() - _YOUNG_SECONDS)


def _changed(folder: Path) -> float:
    """The moment of the last change in a folder."""
    return max((path.lstat().st_mtime for path in (folder, *folder.rglob("*"))), default=0.0)


def _known_ids(client: MlflowClient, experiment: ExperimentEntry) -> set[str]:
    """Ids of all runs, deleted ones included, and of all logged models of an experiment."""
    from mlflow.entities import ViewType

    runs = all_pages(
        lambda token: client.search_runs(
            [experiment.experiment_id], "", ViewType.ALL, _PAGE, page_token=token
        )
    )
    recorded = {str(run.info.run_id) for run in runs}
    return recorded | {str(model.model_id) for model in _logged_models(client, experiment.experiment_id)}


def _logged_models(client: MlflowClient, experiment_id: str) -> list[LoggedModel]:
    return list(
        all_pages(
            lambda token: client.search_logged_models(
                [experiment_id], max_results=_MODELS_PAGE, page_token=token
            )
        )
    )
