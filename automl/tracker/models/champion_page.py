"""The champion of a search after it is registered: its page, and its promotion by a person."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl.core.errors import UsageError
from automl.core.text import score_text
from automl.core.version import __version__
from automl.tracker.models.registry import register_champion, register_logged
from automl.tracker.models.succession import give_alias, what_gives_way
from automl.tracker.notes import dated, note_champion, note_successor, with_champion
from automl.tracker.people import user_name
from automl.tracker.reading.descriptions import SearchDescription
from automl.tracker.reading.query import Record
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.location import local_path
from automl.tracker.store.lookups import find_alias
from automl.tracker.tags import ALIAS, MODEL_ID, NOTE, OLD_MODEL_ID

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

    from automl.tracker.store.runs import Run

CARD = "model_card.md"


def describe_model(record: Record, search: SearchDescription, card: str) -> None:
    """Store a model card with a champion's files; the page of its version has the same in one line."""
    with storage_errors(f"describe the model of {search.name!r}"):
        tags = record.run(search.run_id).data.tags
        model_id = tags.get(MODEL_ID, tags.get(OLD_MODEL_ID))
        if model_id is None:
            return
        folder = local_path(record.access.logged_model_place(model_id))
        if folder is not None:
            (folder / CARD).write_text(card, encoding="utf-8")
            return
        with tempfile.TemporaryDirectory(prefix="automl-card-") as scratch:
            (Path(scratch) / CARD).write_text(card, encoding="utf-8")
            record.client.log_model_artifacts(model_id, scratch)


@dataclass(frozen=True)
class Promotion:
    """A version that a person made the champion.

    Attributes
    ----------
    version:
        Its number in MLflow's registry.
    replaced:
        The version that had the alias before, in a sentence with its score; empty where none had.
    """

    version: str
    replaced: str


def promote(record: Record, name: str, run: Run) -> Promotion:
    """Give a run's model the alias ``champion``; the version's tags hold the user and the time.

    A search's run has its version already, or gets a new one if that was deleted; a trial's model gets a new
    one. Later searches do not replace a version that a person promoted.

    Raises
    ------
    UsageError
        If the run is of another search, or has no model.
    """
    search = record.search_run(run.info.run_id)
    own = search.data.tags.get("automl.search", "")
    if own != name:
        raise UsageError(f"The run {run.info.run_id} belongs to the search {own!r}, not to {name!r}.")
    if not record.is_trial(run):
        version = _version_of(record, name, run)
        with storage_errors(f"promote version {version} of {name!r}"):
            return _give(record.client, name, version, run, user_name(), search)
    predictor = record.trial_model(run)
    metric = search.data.tags.get("automl.metric", "")
    wanted = {f"val_{metric}", f"val_{metric}_se"}
    value, user = run.data.metrics.get(f"val_{metric}"), user_name()
    score = "" if value is None else f"{metric} {score_text(value)}"
    trial = f"trial #{run.data.tags.get('automl.trial')} {run.data.tags.get('automl.family', '')}"
    about = " · ".join(part for part in (score, f"{trial} of {name}", f"promoted by {user}") if part)
    with storage_errors(f"register the trial {run.info.run_id}"):
        made = register_champion(
            record.client,
            predictor,
            experiment_id=run.info.experiment_id,
            run_id=run.info.run_id,
            version=__version__,
            metrics={key: value for key, value in run.data.metrics.items() if key in wanted},
            about=about,
            score=score,
        )
        return _give(record.client, name, made.version, run, user, search)


def _give(client: MlflowClient, name: str, version: str, run: Run, user: str, search: Run) -> Promotion:
    """Give the alias, and note it on the pages of both runs and of the name."""
    before = find_alias(client, name, ALIAS)
    other = before is not None and str(before.version) != version
    replaced = ""
    if before is not None and other:
        replaced = what_gives_way(client, name, before, search.info.run_id, search.data.tags)
    give_alias(client, name, version, by=user)
    words = f"Version {version} of {name!r}, the model of this run, is the champion: promoted by {user}."
    note_champion(client, run.info.run_id, dated(words))
    if before is None or before.run_id != run.info.run_id:
        note_successor(client, name, version, before, f", promoted by {user}")
    page = client.get_experiment(run.info.experiment_id).tags.get(NOTE, "")
    client.set_experiment_tag(run.info.experiment_id, NOTE, with_champion(page, name, version))
    return Promotion(version, replaced)


def _version_of(record: Record, name: str, run: Run) -> str:
    """The version of a search's own model, registered again if it was deleted."""
    tags, run_id = run.data.tags, run.info.run_id
    version = tags.get("automl.model_version")
    if not version:
        raise UsageError(f"The search's run {run_id} registered no model: it did not end.")
    with storage_errors(f"look up version {version} of {name!r}"):
        if record.access.version_place(name, version, run_id) is not None:
            return version
    with storage_errors(f"register the model of the search {run_id} again"):
        client = record.client
        model = _logged_model(client, tags.get(MODEL_ID, tags.get(OLD_MODEL_ID, "")))
        if model is None:
            raise UsageError(
                f"Version {version} of {name!r}, which the search {run_id[:8]} registered, was deleted, and "
                f"so were its files. A trial's run works: `automl promote {shlex.quote(name)} RUN`, with a "
                f"run of `automl leaderboard {run_id[:8]}`."
            )
        score = tags.get("automl.score", "")
        about = f"the search {run_id[:8]}, registered again by {user_name()}"
        made = register_logged(
            client, name, model, run_id, about=" · ".join(filter(None, (score, about))), score=score
        )
        client.set_tag(run_id, "automl.model_version", made)
    return made


def _logged_model(client: MlflowClient, model_id: str) -> LoggedModel | None:
    """The logged model with its files; None if either was deleted."""
    from mlflow.exceptions import MlflowException

    if not model_id:
        return None
    try:
        model = client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    folder = local_path(model.artifact_location)
    if folder is not None:
        return model if (folder / "MLmodel").is_file() else None
    names = {item.path for item in client.list_logged_model_artifacts(model_id)}
    return model if "MLmodel" in names else None
