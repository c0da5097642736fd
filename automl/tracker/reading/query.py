"""Queries on the record: searches, their trials, models and details."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any

from automl.core.errors import UsageError
from automl.tracker.files import MODEL_FOLDER
from automl.tracker.live import LiveState
from automl.tracker.pyfunc_model import FOLDER
from automl.tracker.reading.descriptions import SearchDescription, TrialDescription
from automl.tracker.reading.not_found import refuse_deleted, unknown, without_champion, without_runs
from automl.tracker.record import LeaderboardRow, best_first
from automl.tracker.store.access import Access, is_current, open_access
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.location import StoreLocation, connect, local_path, remove_folder, repair_moved
from automl.tracker.store.runs import ChosenTrials, MetricPoint, Run
from automl.tracker.tags import ALIAS, CANDIDATE, MODEL_ID, OLD_CANDIDATE, OLD_MODEL_ID, PARENT, SIGN, USER

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from automl.model.predictor import Predictor

_RUN_ID = re.compile(r"[0-9a-f]{32}")


class Record:
    """A store opened for reading.

    Raises
    ------
    UsageError
        If nothing was recorded there yet.
    """

    def __init__(self, location: StoreLocation) -> None:
        if not location.exists:
            raise UsageError(
                f"There is no record at {location.shown}. Run `automl search` in this folder first, change "
                "into the folder that holds mlruns, or pass --tracking-uri."
            )
        with storage_errors(f"open the store at {location.shown}"):
            repair_moved(location)
        self.location = location

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client, for writing; the first use imports MLflow (seconds)."""
        return connect(self.location)

    def bring_up_to_date(self) -> None:
        """Migrate the tables to the schema of the installed MLflow, which serves no other."""
        if self.location.database is not None and not is_current(self.location.database):
            _ = self.client

    @cached_property
    def access(self) -> Access:
        """Access to the store, without MLflow where that is possible."""
        with storage_errors(f"open the store at {self.location.shown}"):
            return open_access(self.location.database, lambda: self.client)

    def names(self) -> list[str]:
        """Names of all searches, the latest first."""
        with storage_errors("list the searches"):
            return [str(item.name) for item in self.access.experiments()]

    def search_run(self, name: str) -> Run:
        """The latest run of the search of this name, or the search's run of this id."""
        with storage_errors(f"look up {name!r}"):
            experiment = self.access.experiment_id(name)
            if experiment is None and is_run_id(name):
                return refuse_deleted(self, self._search_of(self._run(name)))
            runs = [] if experiment is None else self.access.search_runs([experiment])
        if not runs:
            if experiment is None:
                raise unknown(self.location, name, self.names())
            raise without_runs(self, name)
        return runs[0]

    def latest_search_runs(self) -> list[Run]:
        """The latest run of every search, the latest first."""
        with storage_errors("list the searches"):
            ids = [item.experiment_id for item in self.access.experiments()]
            latest: dict[str, Run] = {}
            for run in self.access.search_runs(ids):
                latest.setdefault(run.info.experiment_id, run)
        return list(latest.values())

    def leaderboard(self, search: Run) -> list[LeaderboardRow]:
        """The trials of a search, best first."""
        with storage_errors("read the trials"):
            runs = self.trial_runs(search)
        return rows_of(search, runs)

    def leaders(self, search: Run, most: int, tags: Mapping[str, str]) -> list[LeaderboardRow]:
        """The first trials of a search with these tags, best first; the others are not read."""
        metric, ascending = search.data.tags.get("automl.metric", ""), not _greater_is_better(search)
        chosen = ChosenTrials(search.info.experiment_id, search.info.run_id, tags)
        with storage_errors("read the trials"):
            runs = self.access.first_trials(chosen, f"val_{metric}", ascending=ascending, most=most)
        return rows_of(search, runs)

    def count_trials(self, search: Run, tags: Mapping[str, str]) -> int | None:
        """The number of a search's trials with these tags; None where that takes reading them."""
        chosen = ChosenTrials(search.info.experiment_id, search.info.run_id, tags)
        with storage_errors("count the trials"):
            return self.access.count_trials(chosen)

    def trials_on_record(self, search: Run) -> int | None:
        """The number of a search's trials: as the store counts them, else as the search said last."""
        state = LiveState.from_text(search.data.tags.get(SIGN, ""))
        counted = self.count_trials(search, {})
        return state.finished if counted is None and state is not None else counted

    def describe_search(self, search: Run, *, trials: bool = True) -> SearchDescription:
        """Describe a search."""
        tags, info = search.data.tags, search.info
        summary = self._json(search, "summary.json")
        lasted = None if info.end_time is None else (info.end_time - info.start_time) / 1000
        return SearchDescription(
            name=tags["automl.search"],
            run_id=info.run_id,
            experiment_id=info.experiment_id,
            status=info.status.lower(),
            started=info.start_time / 1000,
            seconds=(summary or {}).get("seconds", lasted),
            task=tags.get("automl.task", ""),
            metric=tags.get("automl.metric", ""),
            greater_is_better=_greater_is_better(search),
            target=tags.get("automl.target", ""),
            error=tags.get("automl.error", ""),
            configuration=self._json(search, "configuration.json") or {},
            summary=summary,
            metrics=dict(search.data.metrics),
            model_version=tags.get("automl.model_version", ""),
            champion_version=self._champion_version(tags["automl.search"]),
            trials=self.leaderboard(search) if trials else [],
            model_deleted=self._lost_version(search),
            user=tags.get(USER, ""),
        )

    def describe_trial(self, run: Run) -> TrialDescription:
        """Describe a trial."""
        with storage_errors(f"read the trial {run.info.run_id}"):
            parent = self._search_of(run)
            metric = parent.data.tags.get("automl.metric", "")
            history = self.access.history(run.info.run_id, f"val_{metric}_by_fold")
            names = self.access.files(run)
        return TrialDescription(
            row=_row(run, metric),
            search=parent.data.tags.get("automl.search", ""),
            search_run_id=parent.info.run_id,
            metric=metric,
            fold_scores=tuple(point.value for point in sorted(history, key=lambda point: point.step)),
            metrics=dict(run.data.metrics),
            candidate=self._json(run, "candidate.json") or {},
            error=run.data.tags.get("automl.error", ""),
            traceback=self._text(run, "traceback.txt") or "",
            has_model=MODEL_FOLDER in names,
            artifacts=names,
        )

    def run(self, run_id: str) -> Run:
        """The run of this id.

        Raises
        ------
        UsageError
            If there is none, or automl did not make it.
        """
        with storage_errors(f"look up the run {run_id}"):
            return self._run(run_id)

    def trial_runs(self, search: Run) -> list[Run]:
        """The runs of a search's trials, the latest first."""
        with storage_errors("read the trials"):
            return self.access.trial_runs(search.info.experiment_id, search.info.run_id)

    def present_runs(self, run_ids: Iterable[str]) -> list[Run]:
        """The runs with these ids, without those that were deleted or purged."""
        with storage_errors("read the trials"):
            runs = [self.access.run(run_id) for run_id in run_ids]
        return [run for run in runs if run is not None and run.info.lifecycle_stage == "active"]

    def members(self, search: Run) -> tuple[str, ...]:
        """The runs of the trials that a search's result is made of; empty before it has one."""
        best = (self._json(search, "summary.json") or {}).get("best", {})
        return tuple(member["run_id"] for member in best.get("members", ()) if member["run_id"])

    def history(self, run_id: str, metric: str) -> list[MetricPoint]:
        """All values of a run's metric, in order of time."""
        with storage_errors(f"read {metric} of the run {run_id}"):
            return self.access.history(run_id, metric)

    def runs_beginning(self, beginning: str) -> list[Run]:
        """The runs whose id has this beginning, the latest first."""
        with storage_errors(f"look up the run {beginning}"):
            return self.access.runs_beginning(beginning)

    def is_trial(self, run: Run) -> bool:
        """True if a run is a trial; otherwise it is a search."""
        return PARENT in run.data.tags

    def champion(self, name: str) -> Predictor:
        """The registered champion of the search of this name."""
        version = self._champion_version(name)
        if not version:
            raise without_champion(self, name)
        return self._version_model(name, version)

    def _champion_version(self, name: str) -> str:
        """The version that has the alias now, or an empty text."""
        with storage_errors(f"look up {name!r}"):
            return self.access.version_of(name, ALIAS)

    def trial_model(self, run: Run) -> Predictor:
        """The model of one trial."""
        description = f"trial {run.data.tags.get('automl.trial')} ({run.info.run_id})"
        with storage_errors(f"read {description}"):
            names = self.access.files(run)
        if MODEL_FOLDER not in names:
            state = run.data.tags.get("automl.state", "")
            reason = run.data.tags.get("automl.model", "")
            reason = f"it was {reason}" if reason else "it was dropped to bound the disk space"
            reason = reason if state == "done" else f"the trial is {state}"
            raise UsageError(
                f"There is no model of {description}: {reason}. "
                "Its candidate.json holds what it takes to train it again."
            )
        return self._predictor(run.info.artifact_uri, MODEL_FOLDER)

    def search_model(self, run: Run) -> Predictor:
        """The model that one search registered, even if a later search of its name registered another."""
        tags = run.data.tags
        name, version = tags["automl.search"], tags.get("automl.model_version")
        if not version:
            raise without_champion(self, name)
        return self._version_model(name, version, run)

    def _lost_version(self, search: Run) -> bool:
        """True if the version that a search registered was deleted; another one may have its number."""
        tags = search.data.tags
        name, version = tags["automl.search"], tags.get("automl.model_version")
        if not version:
            return False
        with storage_errors(f"look up version {version} of {name!r}"):
            return self.access.version_place(name, version, search.info.run_id) is None

    def _version_model(self, name: str, version: str, run: Run | None = None) -> Predictor:
        """A version's model; for a search's run, even if the version was deleted and its files remain."""
        with storage_errors(f"look up version {version} of {name!r}"):
            uri = self.access.version_place(name, version, "" if run is None else run.info.run_id)
            if uri is None and run is not None:
                uri = self._files_left(run)
        if uri is None:
            step = (
                "`automl list` shows the existing searches."
                if run is None
                else f"`automl leaderboard {run.info.run_id[:8]}` shows the trials; each loads by its run id."
            )
            raise UsageError(
                f"Version {version} of the model {name!r} was deleted in MLflow, with its files. {step}"
            )
        return self._predictor(uri, FOLDER)

    def _files_left(self, run: Run) -> str | None:
        """The location of a search's model that no version refers to; None if its files are gone too."""
        tags = run.data.tags
        model_id = tags.get(MODEL_ID, tags.get(OLD_MODEL_ID))
        place = None if model_id is None else self.access.logged_model_place(model_id)
        folder = None if place is None else local_path(place)
        return place if folder is None or folder.is_dir() else None

    def _predictor(self, uri: str, folder: str) -> Predictor:
        """The predictor below an artifact URI: in place if it is local, else downloaded."""
        from automl.model.predictor import Predictor

        place = local_path(uri)
        if place is not None:
            return Predictor.load(place / folder)
        from mlflow.artifacts import download_artifacts

        scratch = Path(mkdtemp(prefix="automl-model-"))
        try:
            with storage_errors(f"download {uri}/{folder}"):
                got = download_artifacts(
                    artifact_uri=f"{uri}/{folder}", dst_path=str(scratch), tracking_uri=self.location.uri
                )
            return Predictor.load(got).owning(scratch)
        except BaseException:
            remove_folder(scratch)
            raise

    def _run(self, run_id: str) -> Run:
        run = self.access.run(run_id)
        if run is None:
            raise UsageError(
                f"There is no run {run_id} at {self.location.shown}. `automl list` shows what is there."
            )
        if not {"automl.trial", "automl.search"} & set(run.data.tags):
            raise UsageError(f"The run {run_id} was not made by automl: load its model with MLflow.")
        return run

    def _search_of(self, run: Run) -> Run:
        parent = run.data.tags.get(PARENT)
        return run if parent is None else self._run(parent)

    def _json(self, run: Run, name: str) -> dict[str, Any] | None:
        text = self._text(run, name)
        if text is None:
            return None
        with suppress(ValueError):
            body = json.loads(text)
            if isinstance(body, dict):
                return body
        return None

    def _text(self, run: Run, name: str) -> str | None:
        """A small text artifact, or None."""
        folder = local_path(run.info.artifact_uri)
        if folder is not None:
            path = folder / name
            return path.read_text(encoding="utf-8") if path.is_file() else None
        with storage_errors(f"read {name} of the run {run.info.run_id}"):
            if name not in self.access.files(run):
                return None
            with TemporaryDirectory(prefix="automl-read-") as scratch:
                got = self.client.download_artifacts(run.info.run_id, name, scratch)
                return Path(got).read_text(encoding="utf-8")


def rows_of(search: Run, trials: Iterable[Run]) -> list[LeaderboardRow]:
    """Rows of the leaderboard for trials of a search, best first."""
    metric = search.data.tags.get("automl.metric", "")
    return best_first((_row(run, metric) for run in trials), _greater_is_better(search))


def is_run_id(text: str) -> bool:
    """True if a name looks like a run's id: 32 hexadecimal digits."""
    return _RUN_ID.fullmatch(text) is not None


def _greater_is_better(search: Run) -> bool:
    return search.data.tags.get("automl.greater_is_better", "true") == "true"


def _row(run: Run, metric: str) -> LeaderboardRow:
    tags: Mapping[str, str] = run.data.tags
    metrics: Mapping[str, float] = run.data.metrics
    size = metrics.get("model_bytes")
    return LeaderboardRow(
        trial=int(tags.get("automl.trial", -1)),
        run_id=run.info.run_id,
        family=tags.get("automl.family", ""),
        params=_params(tags, run.data.params),
        state=tags.get("automl.state", ""),
        origin=tags.get("automl.origin", ""),
        validation=metrics.get(f"val_{metric}"),
        standard_error=metrics.get(f"val_{metric}_se"),
        seconds=metrics.get("seconds", 0.0),
        predict_ms_per_1000_rows=metrics.get("predict_ms_per_1000_rows"),
        model_bytes=None if size is None else int(size),
    )


def _params(tags: Mapping[str, str], listed: Mapping[str, str]) -> dict[str, Any]:
    """Parameters with their types from the candidate; as text if it was too long for a tag."""
    for key in (CANDIDATE, OLD_CANDIDATE):
        if key in tags:
            return dict(json.loads(tags[key])["params"])
    prefix = f"{tags.get('automl.family', '')}."
    return {name.removeprefix(prefix): value for name, value in _family_params(listed, prefix)}


def _family_params(listed: Mapping[str, str], prefix: str) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, value in listed.items() if name.startswith(prefix))
