"""The runs of a search's trials, below its own run. Used by the tracker's thread."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, final

from automl.core.errors import StorageError
from automl.core.trial import Status, Trial, TrialResult
from automl.core.version import __version__
from automl.tracker import record
from automl.tracker.files import MODEL_FOLDER, PLOTS, write_files
from automl.tracker.notes import trial_name, with_plots
from automl.tracker.people import source_tags
from automl.tracker.reconcile import KnownRun, known_trials
from automl.tracker.record import LeaderboardRow, SearchRecord
from automl.tracker.store.tables import Point, RunRecord
from automl.tracker.tags import NOTE, PARENT
from automl.tracker.writing.begun_search import BegunSearch
from automl.tracker.writing.finished_run import RunWriter
from automl.tracker.writing.sketches import sketches
from automl.tracker.writing.trial_models import TrialModels

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENDED = {
    Status.DONE: "FINISHED",
    Status.PRUNED: "KILLED",
    Status.FAILED: "FAILED",
    Status.TIMEOUT: "FAILED",
    Status.OOM: "FAILED",
}


@final
class TrialRuns:
    """Writer of trials that have a result.

    Parameters
    ----------
    connect:
        Gives the store's client, which may import MLflow.
    parent:
        The search's run.
    runs:
        Writer of runs in the search's experiment.
    recorded:
        The trials' runs that were recorded already, by number.

    Attributes
    ----------
    rows:
        Rows of the leaderboard, in the order in which the trials were written.
    """

    def __init__(
        self,
        connect: Callable[[], MlflowClient],
        search: SearchRecord,
        parent: BegunSearch,
        runs: RunWriter,
        *,
        models: TrialModels,
        recorded: dict[int, KnownRun],
    ) -> None:
        self.rows: list[LeaderboardRow] = []
        self._connect = connect
        self._search = search
        self._experiment_id, self._parent = parent.experiment_id, parent.run_id
        self._models = models
        self._recorded = recorded
        self._doubtful = False
        self._runs = runs

    def write(
        self, trial: Trial, *, class_weights: tuple[float, ...], ended: int, whole: Callable[[], Trial]
    ) -> str:
        """Write a trial's run with its files and its model; returns the run's id.

        Parameters
        ----------
        ended:
            End of the trial in milliseconds since 1970.
        whole:
            The trial with all of its result; called where the run is not complete.
        """
        result = trial.result
        if result is None:
            raise StorageError(f"Trial {trial.number} has no result to write.")
        if self._doubtful and not self._runs.keeps_folders:
            # The last attempt failed on the way to a server, which may have created the run nevertheless.
            self._recorded |= known_trials(self._connect(), None, self._experiment_id, self._parent)
        self._doubtful = True
        self._models.forget(trial.number)
        earlier = self._recorded.get(trial.number)
        if earlier is not None and earlier.ended:
            run_id = earlier.run_id
            stored = self._runs.folder_of(run_id)
            self._models.take_in(trial, self._search, None if stored is None else stored / MODEL_FOLDER)
        else:
            run_id = self._complete(whole(), class_weights, ended)
        self._doubtful = False
        self._models.note_gone(trial)
        self.rows.append(record.leaderboard_row(trial, result, run_id))
        return run_id

    def _complete(self, trial: Trial, class_weights: tuple[float, ...], ended: int) -> str:
        """Write a new run, or complete one that was begun."""
        result = trial.result
        assert result is not None
        drawn = sketches(trial, result, self._search.task, self._search.truth)
        plots, wanted = [f"{PLOTS}/{name}" for name in drawn], self._run_id(trial.number)
        run = self._finished(trial, result, ended)
        if wanted:
            run = replace(run, tags={**run.tags, NOTE: with_plots(run.tags[NOTE], wanted, plots)})
        with self._runs.writing(run, wanted) as (run_id, folder):
            self._recorded[trial.number] = KnownRun(run_id, ended=False)
            write_files(folder, trial, result, drawn)
            self._models.store(
                folder / MODEL_FOLDER,
                trial,
                self._search,
                class_weights=class_weights,
                stays=self._runs.keeps_folders,
            )
        if plots and not wanted:
            self._connect().set_tag(run_id, NOTE, with_plots(run.tags[NOTE], run_id, plots))
        self._recorded[trial.number] = KnownRun(run_id, ended=True)
        return run_id

    def _finished(self, trial: Trial, result: TrialResult, ended: int) -> RunRecord:
        """The run as it is to be recorded."""
        search, metric = self._search, self._search.task.metric.name
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
            **record.cut_tags(record.trial_tags(trial, result, search, __version__)),
            PARENT: self._parent,
            **source_tags(),
        }
        return RunRecord(
            name=trial_name(trial, result, metric),
            status=_ENDED[result.status],
            started=ended - int(result.seconds * 1000),
            ended=ended,
            tags=tags,
            params=record.trial_params(trial.candidate),
            points=tuple(points),
        )

    def _run_id(self, number: int) -> str:
        """Id of the run for a trial, begun before or not; empty if the server chooses the id."""
        if number in self._recorded:
            return self._recorded[number].run_id
        if not self._runs.keeps_folders:
            return ""
        if self._search.key:
            return uuid.uuid5(uuid.NAMESPACE_OID, f"{self._search.key}/{number}").hex
        return uuid.uuid4().hex
