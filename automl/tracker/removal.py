"""Deletion of searches with everything that they left, and of what old searches no longer need."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.modalities import modalities
from automl.tracker.files import MODEL_FOLDER
from automl.tracker.reading.inventory import ExperimentEntry, SearchEntry, experiment_entries, search_entries
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.location import StoreLocation, all_pages, connect, local_path, remove_folder
from automl.tracker.tags import PARENT, SEARCH, USER
from automl.tracker.unreferenced import Unreferenced, artifact_bytes, repository_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

MODEL_TAG = "automl.model"
_PAGE = 1000
_PAGES = frozenset({"plots", "report.html", "model_card.md", "evidence", "summary.json"})


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """Everything that a search has in the store.

    Attributes
    ----------
    searches:
        Its runs of searches, the latest first, including those deleted in MLflow.
    trials, versions:
        Their numbers.
    bytes:
        Bytes on this disk; 0 if a server keeps the files.
    """

    name: str
    searches: tuple[SearchEntry, ...]
    experiments: tuple[ExperimentEntry, ...]
    trials: int
    versions: int
    bytes: int

    @property
    def nothing(self) -> bool:
        """True if there is nothing of this name."""
        return not (self.searches or self.experiments or self.versions)


def leftovers(location: StoreLocation, name: str) -> Leftovers:
    """Everything in the store under a name, to be deleted."""
    entries, experiments = search_entries(location, name), experiment_entries(location, name)
    client = connect(location)
    with storage_errors(f"look up {name!r}"):
        trials = sum(
            PARENT in run.data.tags for item in experiments for run in _all_runs(client, item.experiment_id)
        )
        versions = len(client.search_model_versions(f"name='{name}'"))
    places = [local_path(item.artifact_uri) for item in experiments]
    size = sum(folder_size(place) for place in places if place is not None)
    return Leftovers(
        name=name,
        searches=tuple(entries),
        experiments=tuple(experiments),
        trials=trials,
        versions=versions,
        bytes=size,
    )


def delete_search(location: StoreLocation, rest: Leftovers) -> None:
    """Delete a search's experiment with its runs, their files, and the registered model.

    In a database the rows are removed permanently, as by ``mlflow gc``; a server's rows are marked as
    deleted, and their experiment is renamed, so that a new search can have its name.

    Raises
    ------
    StorageError
        If the store refuses; what was deleted stays deleted, and calling this again continues.
    """
    client = connect(location)
    with storage_errors(f"delete the search {rest.name!r}"):
        # First the model, so that nobody loads it any more.
        _delete_model(client, rest.name)
        for item in rest.experiments:
            runs = list(_all_runs(client, item.experiment_id))
            models = client.search_logged_models([item.experiment_id])
            if not item.deleted:
                client.delete_experiment(item.experiment_id)
            for run in runs:
                _delete_files(location, run.info.artifact_uri)
            for model in models:
                _delete_files(location, model.artifact_location)
            if location.artifacts is None:
                _retire(client, item.experiment_id)
            else:
                _purge(
                    client,
                    item.experiment_id,
                    [run.info.run_id for run in runs],
                    [model.model_id for model in models],
                )
                _remove_empty(local_path(item.artifact_uri))


def give_up_name(client: MlflowClient, experiment: Experiment) -> None:
    """Rename a restored experiment and delete it again: otherwise MLflow never frees its name."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    client.rename_experiment(
        experiment.experiment_id, f"{experiment.name} (deleted {stamp} {experiment.experiment_id})"
    )
    client.delete_experiment(experiment.experiment_id)


def folder_size(folder: Path) -> int:
    """Bytes of a folder's files; a file with several hard links counts once."""
    return sum(size for _, size in _files(folder))


@dataclass(frozen=True, kw_only=True)
class OldRun:
    """A run with something to remove; ``bytes`` is the trial's own figure if a server keeps the files."""

    run_id: str
    family: str
    user: str
    ended: float
    uri: str
    bytes: int


def trial_models(location: StoreLocation, search: SearchEntry, registered: str = "") -> list[OldRun]:
    """Models of a search's trials that take space of their own; ``uri`` is that of the model.

    A model that somebody registered is left out; ``registered`` has the places of all versions. On this disk
    the files of a champion's member have two hard links, so deleting one frees nothing; to a server they were
    sent twice.
    """
    client = connect(location)
    models = []
    for run in _all_runs(client, search.experiment_id, f"tags.`{PARENT}` = '{search.run_id}'"):
        if run.info.run_id in registered or run.info.lifecycle_stage == "deleted":
            continue  # a deleted run goes as a whole
        size, place = 0, local_path(run.info.artifact_uri)
        if place is not None:
            size = sum(taken for links, taken in _files(place / MODEL_FOLDER) if links == 1)
        elif MODEL_TAG not in run.data.tags:
            size = round(run.data.metrics.get("model_bytes", 0.0))
        if size:
            models.append(_old_run(run, f"{run.info.artifact_uri.rstrip('/')}/{MODEL_FOLDER}", size))
    return models


def _old_run(run: Run, uri: str, size: int) -> OldRun:
    tags, info = run.data.tags, run.info
    ended = (info.end_time or info.start_time) / 1000
    return OldRun(
        run_id=str(info.run_id),
        family=tags.get("automl.family", ""),
        user=tags.get(USER, ""),
        ended=ended,
        uri=uri,
        bytes=size,
    )


def remove_trial_model(location: StoreLocation, run_id: str, uri: str) -> None:
    """Delete a trial's model, and note the day on its run."""
    client = connect(location)
    with storage_errors(f"remove the model of {run_id}"):
        _delete_files(location, uri)
        client.set_tag(run_id, MODEL_TAG, f"removed by automl clean on {time.strftime('%Y-%m-%d')}")


def clear_pages(location: StoreLocation, client: MlflowClient, run: Run) -> None:
    """Delete the pages of an interrupted search, whose champion will change."""
    paths = {item.path for item in client.list_artifacts(run.info.run_id)}
    pages = _PAGES | {modality.name for modality in modalities().values()}
    for name in sorted(paths & pages):
        _delete_files(location, f"{run.info.artifact_uri.rstrip('/')}/{name}")


def deleted_runs(
    location: StoreLocation, before: float, registered: str = ""
) -> list[tuple[ExperimentEntry, OldRun]]:
    """Runs in experiments of searches that were deleted in MLflow before a moment.

    Runs with files that a version is registered from are left out. Runs on a server, whose rows stay, are
    listed only as long as they have files.
    """
    client = connect(location)
    removable = []
    with storage_errors("list deleted runs"):
        for item in experiment_entries(location):
            for run in _all_runs(client, item.experiment_id, deleted=True):
                when = item.changed if item.deleted else (run.info.end_time or run.info.start_time) / 1000
                if when >= before or run.info.run_id in registered:
                    continue
                if location.artifacts is not None or _has_files(client, run):
                    removable.append((item, _with_size(location, run)))
    return removable


def orphaned_trials(
    location: StoreLocation, before: float, registered: str = ""
) -> list[tuple[ExperimentEntry, OldRun]]:
    """Trials that ended before a moment and whose search's run was deleted: MLflow leaves them behind."""
    client = connect(location)
    alive = {entry.run_id for entry in search_entries(location) if not entry.deleted}
    trials = []
    with storage_errors("list trials of deleted searches"):
        for item in experiment_entries(location):
            for run in [] if item.deleted else _all_runs(client, item.experiment_id):
                parent = run.data.tags.get(PARENT)
                if parent is None or parent in alive or run.info.lifecycle_stage == "deleted":
                    continue
                if run.info.run_id in registered:
                    continue
                if (run.info.end_time or run.info.start_time) / 1000 < before:
                    trials.append((item, _with_size(location, run)))
    return trials


def remove_unreferenced(location: StoreLocation, item: Unreferenced) -> None:
    """Delete files that nothing refers to, and the entry of a logged model."""
    with storage_errors(f"remove {item.uri}"):
        _delete_files(location, item.uri)
        if item.model_id:
            connect(location).delete_logged_model(item.model_id)


def _with_size(location: StoreLocation, run: Run) -> OldRun:
    return _old_run(run, run.info.artifact_uri, artifact_bytes(location, run.info.artifact_uri))


def _has_files(client: MlflowClient, run: Run) -> bool:
    place = local_path(run.info.artifact_uri)
    return bool(client.list_artifacts(run.info.run_id)) if place is None else place.is_dir()


def purge_run(location: StoreLocation, run_id: str) -> None:
    """Remove a run and its files permanently; a server's row stays, marked as deleted."""
    client = connect(location)
    with storage_errors(f"remove the run {run_id}"):
        info = client.get_run(run_id).info
        _delete_files(location, info.artifact_uri)
        if info.lifecycle_stage != "deleted":
            client.delete_run(run_id)
        if location.artifacts is not None:
            _sql_store(client)._hard_delete_run(run_id)


def _delete_model(client: MlflowClient, name: str) -> None:
    """Delete the registered model of a search; a model of somebody else with that name stays."""
    from mlflow.exceptions import MlflowException

    try:
        own = client.get_registered_model(name).tags.get(SEARCH) == name
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return
    if own:
        client.delete_registered_model(name)


def _retire(client: MlflowClient, experiment_id: str) -> None:
    """Free the name of a deleted experiment on a server."""
    client.restore_experiment(experiment_id)
    give_up_name(client, client.get_experiment(experiment_id))


def _purge(client: MlflowClient, experiment_id: str, runs: Sequence[str], models: Sequence[str]) -> None:
    """Remove rows permanently, as ``mlflow gc`` does."""
    store = _sql_store(client)
    for run_id in runs:
        store._hard_delete_run(run_id)
    for model_id in models:
        store._hard_delete_logged_model(model_id)
    store._hard_delete_experiment(experiment_id)


def _sql_store(client: MlflowClient) -> Any:
    return client._tracking_client.store


def _delete_files(location: StoreLocation, uri: str) -> None:
    place = local_path(uri)
    if place is not None:
        if place.is_file():
            place.unlink()
        remove_folder(place)
        if place.name == "artifacts":
            _remove_empty(place.parent)
        return
    repository_of(location, uri).delete_artifacts()  # type: ignore[no-untyped-call]


def _remove_empty(folder: Path | None) -> None:
    """Remove a folder that contains only empty folders: another search may have files there."""
    if folder is None or not folder.is_dir() or any(path.is_file() for path in folder.rglob("*")):
        return
    remove_folder(folder)


def _all_runs(
    client: MlflowClient, experiment_id: str, condition: str = "", *, deleted: bool = False
) -> Iterator[Run]:
    """The runs of an experiment, a page at a time: it may have ten thousand."""
    from mlflow.entities import ViewType

    view = ViewType.DELETED_ONLY if deleted else ViewType.ALL
    return all_pages(
        lambda token: client.search_runs([experiment_id], condition, view, _PAGE, page_token=token)
    )


def _files(folder: Path) -> Iterator[tuple[int, int]]:
    """``(names, bytes)`` of every file below a folder."""
    seen = set()
    for path in folder.rglob("*"):
        status = path.lstat()
        if path.is_file() and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            yield status.st_nlink, status.st_size
