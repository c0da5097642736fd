"""One search in the store: its experiment, its run, its trials' runs and their files. Used by one thread."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from automl.core.errors import StorageError
from automl.core.sealed import folder_bytes
from automl.core.trial import Result, Status, Trial
from automl.core.version import __version__
from automl.model.predictor import Facts, Predictor, PredictorSource, build_predictor
from automl.tracker import record
from automl.tracker.datasets import log_dataset
from automl.tracker.files import MODEL_FOLDER, PLOTS, place, pretty, write_files
from automl.tracker.keep import KeptModel
from automl.tracker.models.registry import Registered, register_champion
from automl.tracker.models.succession import Judge, settle
from automl.tracker.notes import (
    begun_name,
    board_views,
    dated,
    experiment_note,
    note_successor,
    result_tags,
    run_name,
    score_words,
    search_note,
    trial_name,
    version_line,
    with_plots,
)
from automl.tracker.people import source_tags
from automl.tracker.reconcile import KnownRun, find_search, known_trials, owner_tags, reconcile, take_over
from automl.tracker.record import LeaderboardRow, SearchIds, SearchRecord, SearchSummary
from automl.tracker.removal import clear_pages, give_up_name
from automl.tracker.runs import FinishedRun, Point, RunWriter, log_points
from automl.tracker.sketches import sketches
from automl.tracker.store.location import (
    ROOT_TAG,
    StoreLocation,
    artifact_uri,
    checkpoint,
    connect,
    has_open_runs,
    local_path,
    remove_folder,
)
from automl.tracker.tags import ALIAS, CHAMPION, MODEL_ID, NOTE, PARENT, SEARCH, SETTLED

if TYPE_CHECKING:
    from mlflow import MlflowClient

MayStore = Callable[[KeptModel], bool]
_ENDED = {
    Status.DONE: "FINISHED",
    Status.PRUNED: "KILLED",
    Status.FAILED: "FAILED",
    Status.TIMEOUT: "FAILED",
    Status.OOM: "FAILED",
}
_BEST_EVERY_SECONDS = 10.0


@final
class SearchRun:
    """What a tracker's thread does.

    Attributes
    ----------
    models:
        The trials whose model is stored, by number.
    """

    def __init__(self, location: StoreLocation) -> None:
        self.location = location
        self.models: dict[int, KeptModel] = {}
        self._folders: dict[int, tuple[Path, ...]] = {}
        self._client: MlflowClient | None = None
        self._runs: RunWriter | None = None
        self._search: SearchRecord | None = None
        self._ids = SearchIds("", "", location.uri)
        self._artifact_uri = ""
        self._rows: list[LeaderboardRow] = []
        self._best: list[Point] = []
        self._best_steps: set[int] = set()
        self._known: dict[int, KnownRun] = {}
        self._doubtful = False
        self._made: Registered | None = None
        self._best_written = time.monotonic()
        self._open = False

    @property
    def client(self) -> MlflowClient:
        """The store's client."""
        if self._client is None:
            raise StorageError(f"The store at {self.location.shown} could not be opened.")
        return self._client

    @property
    def search(self) -> SearchRecord:
        """The search that was begun."""
        if self._search is None:
            raise StorageError(f"The search could not be begun in the store at {self.location.shown}.")
        return self._search

    @property
    def runs(self) -> RunWriter:
        """Writer of the trials' runs."""
        if self._runs is None:
            raise StorageError(f"The search could not be begun in the store at {self.location.shown}.")
        return self._runs

    def open(self) -> None:
        """Import MLflow, make the tables of a new store."""
        self._client = connect(self.location)

    def close(self) -> None:
        """Leave the SQLite file whole."""
        checkpoint(self.location)

    def begin(self, search: SearchRecord) -> None:
        """Create experiment and run, or take up those that an earlier process began."""
        if has_open_runs(self.location):
            reconcile(self.client)
        experiment = self._experiment(search)
        run = find_search(self.client, experiment, search.key) if search.key else None
        if run is None:
            run = self.client.create_run(
                experiment,
                start_time=round(1000 * search.started) or _now(),
                run_name=begun_name(search),
                tags={**_cut_all(record.search_tags(search, __version__)), **owner_tags(), **source_tags()},
            )
        else:
            take_over(self.client, run)
            clear_pages(self.location, self.client, run)
            self._known = known_trials(self.client, experiment, run.info.run_id)
            metric = f"best_val_{search.task.metric.name}"
            points = self.client.get_metric_history(run.info.run_id, metric)
            self._best_steps = {point.step for point in points}
        self._ids = replace(self._ids, run_id=run.info.run_id, experiment_id=experiment)
        self._artifact_uri = run.info.artifact_uri
        self._runs = RunWriter(
            self.client, self.location, experiment, search.dataset, search.layout.target_name
        )
        self._search, self._open = search, True
        plain = record.plain_params(search.configuration)
        known = run.data.params  # a param never changes, and a resumed search may have less memory
        log_points(
            self.client,
            run.info.run_id,
            (),
            {name: value for name, value in plain.items() if name not in known},
        )
        if not (run.inputs and run.inputs.dataset_inputs):
            log_dataset(self.client, run.info.run_id, search.dataset, search.layout.target_name)
        self.attach("configuration.json", pretty(search.configuration))

    def trial(self, trial: Trial, class_weights: tuple[float, ...], ended: int, may_store: MayStore) -> str:
        """Write a trial's run; returns its id."""
        search, result = self.search, trial.result
        if result is None:
            raise StorageError(f"Trial {trial.number} has no result to write.")
        metric = search.task.metric.name
        metrics = record.trial_metrics(result, trial.scores, metric)
        points = [Point(name, value, ended) for name, value in metrics.items()]
        if trial.scores is not None:
            # One key with a step per fold: many keys would slow MLflow's pages.
            points += [
                Point(f"val_{metric}_by_fold", score, ended, fold)
                for fold, score in enumerate(trial.scores.folds)
            ]
        for name, curve in record.curve_means(result.curves).items():
            points += [Point(name, value, ended, step) for step, value in curve]
        tags = {
            **_cut_all(record.trial_tags(trial, result, search, __version__)),
            PARENT: self._ids.run_id,
            **source_tags(),
        }
        drawn = sketches(trial, result, search.task, search.truth)
        plots, wanted = [f"{PLOTS}/{name}" for name in drawn], self._run_id(trial.number)
        if wanted:
            tags[NOTE] = with_plots(tags[NOTE], wanted, plots)
        run = FinishedRun(
            trial_name(trial, result, metric),
            _ENDED[result.status],
            ended - int(result.seconds * 1000),
            ended,
            tags,
            record.trial_params(trial.candidate),
            tuple(points),
        )
        if self._doubtful and not self.runs.keeps_folders:
            # The last try failed on the way to a server, which may have made the run all the same.
            self._known |= known_trials(self.client, self._ids.experiment_id, self._ids.run_id)
        self._doubtful = True
        self.models.pop(trial.number, None)
        known = self._known.get(trial.number)
        if known is not None and known.ended:
            self._doubtful = False
            self._take_in(trial, result, known)
            return known.run_id
        with self.runs.writing(run, wanted) as (run_id, folder):
            self._known[trial.number] = KnownRun(run_id, ended=False)
            write_files(folder, trial, result, drawn)
            if result.model_folder and Path(result.model_folder).is_dir():
                self._store_model(folder, trial, result, class_weights, may_store)
        if plots and not wanted:
            self.client.set_tag(run_id, NOTE, with_plots(tags[NOTE], run_id, plots))
        self._known[trial.number] = KnownRun(run_id, ended=True)
        self._doubtful = False
        self._rows.append(record.leaderboard_row(trial, result, run_id))
        return run_id

    def best(self, step: int, score: float, now: int) -> None:
        """Note a point of the best-so-far curve; written with others now and then."""
        if step in self._best_steps:
            return
        self._best_steps.add(step)
        name = f"best_val_{self.search.task.metric.name}"
        self._best.append(Point(name, score, now, step))
        if time.monotonic() - self._best_written > _BEST_EVERY_SECONDS:
            self._write_best()

    def attach(self, name: str, content: bytes | str | Path) -> None:
        """Add a file or folder to the search's artifacts."""
        folder = local_path(self._artifact_uri) if self._artifact_uri else None
        if folder is not None:
            place(folder / name, content)
            return
        with tempfile.TemporaryDirectory(prefix="automl-upload-") as scratch:
            place(Path(scratch) / name, content)
            self.client.log_artifacts(self._ids.run_id, scratch)

    def drop(self, number: int) -> None:
        """Delete a trial's model: from its run where that is a folder here, and from its scratch folder."""
        for folder in self._folders.pop(number):
            remove_folder(folder)
        del self.models[number]

    def end(
        self,
        summary: SearchSummary,
        champion: Predictor | None,
        status: str = "FINISHED",
        judge: Judge | None = None,
    ) -> SearchIds:
        """Register the champion, settle who has its alias, and close the search's run."""
        self._write_best()
        run_id, now = self._ids.run_id, _now()
        metrics = {name: float(value) for name, value in summary.metrics.items() if np.isfinite(value)}
        log_points(self.client, run_id, [Point(name, value, now) for name, value in metrics.items()])
        if champion is not None and self._made is None:
            self._made = register_champion(
                self.client,
                champion,
                experiment_id=self._ids.experiment_id,
                run_id=run_id,
                version=__version__,
                metrics=metrics,
                about=version_line(self.search, summary, champion),
                score=score_words(self.search, summary),
            )
        if self._made is not None:
            self._settle(self._made, judge)
        self.client.update_run(run_id, name=run_name(self.search, summary))
        for name, value in result_tags(self.search, summary).items():
            self.client.set_tag(run_id, name, value)
        note = search_note(self.search, summary, self._rows, self._ids)
        self.client.set_tag(run_id, NOTE, record.cut_note(note))
        about = record.cut_note(experiment_note(self.search, summary, self._ids))
        self.client.set_experiment_tag(self._ids.experiment_id, NOTE, about)
        metric = self.search.task.metric
        has_test = f"test_{metric.name}" in metrics
        for view in board_views(metric.name, metric.greater_is_better, self._ids, now, test=has_test):
            self.client.set_experiment_tag(self._ids.experiment_id, *view)
        self.attach("summary.json", pretty({**summary.body, **self._ids.fields()}))
        self.client.set_terminated(run_id, status=status)
        self._open = False
        return self._ids

    def _settle(self, made: Registered, judge: Judge | None) -> None:
        """Whether the new version is the champion of its name now, as ids and as tags."""
        run_id, name = self._ids.run_id, self.search.name
        self.client.set_tag(run_id, MODEL_ID, made.model_id)
        self.client.set_tag(run_id, "automl.model_version", made.version)
        if not self._ids.model_version:
            run = self.client.get_run(run_id)
            decided = settle(self.client, name, made.version, run, promote=self.search.promote, judge=judge)
            self.client.set_tag(run_id, SETTLED, made.version)
            if decided.taken:
                note_successor(self.client, name, made.version, decided.before, "")
            self._ids = replace(
                self._ids,
                model_uri=f"models:/{name}@{ALIAS}" if decided.taken else made.model_uri,
                model_version=made.version,
                champion_version=decided.version,
                succession=decided.note,
            )
        if self._ids.succession:
            self.client.set_tag(run_id, CHAMPION, record.cut_note(dated(self._ids.succession)))

    def fail(self, reason: str, status: str) -> None:
        """Close the search's run with the reason; nothing when it is closed already."""
        if self._open:
            self._write_best()
            self.client.set_tag(self._ids.run_id, "automl.error", record.cut_note(reason))
            self.client.set_terminated(self._ids.run_id, status=status)
            self._open = False

    def _run_id(self, number: int) -> str:
        """Of the run to write a trial into, begun before or not; empty where a server gives the id."""
        if number in self._known:
            return self._known[number].run_id
        if not self.runs.keeps_folders:
            return ""
        if self.search.key:
            return uuid.uuid5(uuid.NAMESPACE_OID, f"{self.search.key}/{number}").hex
        return uuid.uuid4().hex

    def _take_in(self, trial: Trial, result: Result, known: KnownRun) -> None:
        """A trial that is on record already: what is needed of it to go on."""
        self._rows.append(record.leaderboard_row(trial, result, known.run_id))
        scratch = Path(result.model_folder)
        if result.model_folder and scratch.is_dir():
            size = result.model_bytes or folder_bytes(scratch)
            self.models[trial.number] = KeptModel(
                trial.number, trial.candidate.family, self._loss(trial), size
            )
            stored = self.runs.folder_of(known.run_id)
            self._folders[trial.number] = (scratch, *(() if stored is None else (stored / MODEL_FOLDER,)))

    def _experiment(self, search: SearchRecord) -> str:
        """Id of the experiment of this name; made where there is none.

        One that was deleted in MLflow stays so and gives its name up, but to the search that goes on in it.
        """
        from mlflow.exceptions import MlflowException

        own = ""
        found = self.client.get_experiment_by_name(search.name)
        if found is not None:
            if found.lifecycle_stage != "deleted":
                return str(found.experiment_id)
            self.client.restore_experiment(found.experiment_id)
            if search.key and find_search(self.client, found.experiment_id, search.key):
                return str(found.experiment_id)
            give_up_name(self.client, found)
            own = f"-{uuid.uuid4().hex[:6]}"  # the files of the other stay where they are
        tags = {
            SEARCH: search.name,
            "mlflow.experimentKind": "custom_model_development",
            "mlflow.experiment.primaryMetric.name": f"val_{search.task.metric.name}",
        }
        if self.location.database is not None:
            tags[ROOT_TAG] = str(self.location.database.parent)
        artifacts = self.location.artifacts
        folder = None
        if artifacts is not None:
            folder = artifact_uri(artifacts / f"{record.folder_name(search.name)}{own}")
        try:
            return str(self.client.create_experiment(search.name, artifact_location=folder, tags=tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._experiment(search)  # another search of this name began at the same moment

    def _write_best(self) -> None:
        log_points(self.client, self._ids.run_id, self._best)
        self._best.clear()
        self._best_written = time.monotonic()

    def _store_model(
        self,
        folder: Path,
        trial: Trial,
        result: Result,
        class_weights: tuple[float, ...],
        may_store: MayStore,
    ) -> None:
        scratch = Path(result.model_folder)
        size = result.model_bytes or folder_bytes(scratch)
        search, family = self.search, trial.candidate.family
        model = KeptModel(trial.number, family, self._loss(trial), size)
        if not may_store(model):
            remove_folder(scratch)
            return
        facts: dict[str, str | int | float | bool | None] = {"trial": trial.number}
        if trial.scores is not None:
            facts[f"val_{search.task.metric.name}"] = trial.scores.validation
        members = ((scratch, 1.0),)
        build_predictor(
            folder / MODEL_FOLDER,
            PredictorSource(
                search.name,
                search.task,
                search.layout,
                members,
                class_weights=class_weights,
                facts=_facts(facts),
            ),
        )
        self.models[trial.number] = model
        stored = (folder / MODEL_FOLDER,) if self.runs.keeps_folders else ()
        self._folders[trial.number] = (scratch, *stored)

    def _loss(self, trial: Trial) -> float | None:
        if trial.scores is None or not np.isfinite(trial.scores.validation):
            return None
        return trial.scores.validation * (-1.0 if self.search.task.metric.greater_is_better else 1.0)


def _facts(facts: Facts) -> Facts:
    return {**facts, "automl": __version__}


def _now() -> int:
    return int(time.time() * 1000)


def _cut_all(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: record.cut_note(value) for name, value in tags.items()}
