"""One search in the store, from its beginning to its end. Used by the tracker's thread."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from automl.core.errors import StorageError
from automl.core.version import __version__
from automl.model.predictor import Predictor
from automl.tracker import record
from automl.tracker.files import place, pretty
from automl.tracker.live import LiveState
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
    version_line,
)
from automl.tracker.reconcile import KnownRun, find_search, known_trials, reconcile, take_over
from automl.tracker.record import SearchIds, SearchRecord, SearchSummary
from automl.tracker.removal import clear_pages
from automl.tracker.store.location import StoreLocation, checkpoint, connect, has_open_runs, local_path
from automl.tracker.store.tables import (
    Point,
    has_written_tables,
    make_tables,
    one_transaction,
    set_tag,
)
from automl.tracker.tags import ALIAS, CHAMPION, MODEL_ID, MODELS_BYTES, NOTE, SETTLED, SIGN
from automl.tracker.writing.begun_search import BegunSearch, begin_directly, run_tags
from automl.tracker.writing.datasets import log_dataset
from automl.tracker.writing.experiment import experiment_for
from automl.tracker.writing.finished_run import RunWriter, log_points
from automl.tracker.writing.model_retention import KeepModels
from automl.tracker.writing.trial_models import TrialModels
from automl.tracker.writing.trial_runs import TrialRuns

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BEST_EVERY_SECONDS = 10.0


class _BestCurve:
    """Points of the best-so-far curve that are to be written, one per step."""

    def __init__(self, steps: Iterable[int] = ()) -> None:
        self.points: list[Point] = []
        self._steps = set(steps)
        self._written = time.monotonic()

    @property
    def due(self) -> bool:
        """True if it is time to write again."""
        return time.monotonic() - self._written > _BEST_EVERY_SECONDS

    def add(self, point: Point) -> bool:
        """Add a point; False if its step was added or recorded before."""
        if point.step in self._steps:
            return False
        self._steps.add(point.step)
        self.points.append(point)
        return True

    def written(self) -> None:
        """Clear the points after they were recorded."""
        self.points.clear()
        self._written = time.monotonic()


@final
class SearchRun:
    """One search in the store, as the tracker's thread writes it.

    Attributes
    ----------
    models:
        The models of its trials.
    connecting_since:
        The time by ``time.monotonic()`` when the import of MLflow began; None before.
    """

    def __init__(self, location: StoreLocation, keep: KeepModels | None = None) -> None:
        self.location = location
        self.models = TrialModels(keep or KeepModels())
        self.connecting_since: float | None = None
        self._client: MlflowClient | None = None
        self._connecting = threading.Lock()
        self._search: SearchRecord | None = None
        self._trials: TrialRuns | None = None
        self._ids = SearchIds(run_id="", experiment_id="", tracking_uri=location.uri)
        self._artifact_uri = ""
        self._best = _BestCurve()
        self._made: Registered | None = None
        self._open = False

    @property
    def client(self) -> MlflowClient:
        """The store's client; the first call imports MLflow, which takes seconds."""
        with self._connecting:
            if self._client is None:
                self.connecting_since = self.connecting_since or time.monotonic()
                self._client = connect(self.location)
            return self._client

    @property
    def connected(self) -> bool:
        """True if there is a client."""
        return self._client is not None

    def connect_soon(self) -> None:
        """Import MLflow in the background, unless that was begun: the search's end needs it."""
        if self.connecting_since is None:
            self.connecting_since = time.monotonic()
            threading.Thread(target=self._connect_quietly, daemon=True).start()

    def _connect_quietly(self) -> None:
        with suppress(StorageError):  # whoever needs the client tries again, and reports the error
            _ = self.client

    @property
    def search(self) -> SearchRecord:
        """The search that was begun."""
        if self._search is None:
            raise StorageError(f"The search could not be begun in the store at {self.location.shown}.")
        return self._search

    @property
    def trials(self) -> TrialRuns:
        """The runs of its trials."""
        if self._trials is None:
            raise StorageError(f"The search could not be begun in the store at {self.location.shown}.")
        return self._trials

    def open(self) -> None:
        """Create the tables of a new store; import MLflow only if the tables cannot be written directly."""
        database, artifacts = self.location.database, self.location.artifacts
        if database is None or artifacts is None or not make_tables(database, artifacts):
            _ = self.client

    def close(self) -> None:
        """Leave the SQLite file complete, without a write-ahead log."""
        checkpoint(self.location)

    def begin(self, search: SearchRecord) -> None:
        """Create experiment and run, or continue those that an earlier process began."""
        recorded: dict[int, KnownRun] = {}
        begun = None if self.connected else begin_directly(self.location, search)
        if begun is None:
            begun, recorded = self._begin_by_client(search)
        self._ids = replace(self._ids, run_id=begun.run_id, experiment_id=begun.experiment_id)
        self._artifact_uri = begun.artifact_uri
        runs = RunWriter(
            lambda: self.client,
            self.location,
            experiment_id=begun.experiment_id,
            root=begun.root,
            dataset=search.dataset,
            target=search.layout.target_name,
        )
        self._trials = TrialRuns(
            lambda: self.client, search, begun, runs, models=self.models, recorded=recorded
        )
        self._search, self._open = search, True
        self.attach("configuration.json", pretty(search.configuration))

    def _begin_by_client(self, search: SearchRecord) -> tuple[BegunSearch, dict[int, KnownRun]]:
        """The search's run, and those of its trials that an earlier process recorded, by number."""
        if has_open_runs(self.location):
            reconcile(self.client)
        experiment = experiment_for(self.client, self.location, search)
        run = find_search(self.client, experiment, search.key) if search.key else None
        recorded: dict[int, KnownRun] = {}
        if run is None:
            run = self.client.create_run(
                experiment,
                start_time=round(1000 * search.started) or _now(),
                run_name=begun_name(search),
                tags=run_tags(search),
            )
        else:
            take_over(self.client, run)
            clear_pages(self.location, self.client, run)
            recorded = known_trials(self.client, self.location.database, experiment, run.info.run_id)
            metric = f"best_val_{search.task.metric.name}"
            points = self.client.get_metric_history(run.info.run_id, metric)
            self._best = _BestCurve(point.step for point in points)
        plain = record.plain_params(search.configuration)
        # A param never changes, and a resumed search may have less memory.
        params = {name: value for name, value in plain.items() if name not in run.data.params}
        log_points(self.client, run.info.run_id, (), params)
        if not (run.inputs and run.inputs.dataset_inputs):
            log_dataset(self.client, run.info.run_id, search.dataset, search.layout.target_name)
        begun = BegunSearch(
            run_id=run.info.run_id,
            experiment_id=experiment,
            artifact_uri=run.info.artifact_uri,
            root=str(self.client.get_experiment(experiment).artifact_location),
        )
        return begun, recorded

    def sign(self, state: LiveState) -> None:
        """Renew the sign by which others see that the search is alive."""
        if not self._open:
            return
        run_id, text = self._ids.run_id, replace(state, at=time.time()).to_text()
        database = self.location.database
        if database is not None and has_written_tables(database):
            with one_transaction(database) as connection:
                set_tag(connection, run_id, SIGN, text)
        elif self.connected:
            self.client.set_tag(run_id, SIGN, text)

    def best(self, step: int, score: float, now: int) -> None:
        """Add a point of the best-so-far curve; points are written in batches."""
        point = Point(f"best_val_{self.search.task.metric.name}", score, now, step)
        if self._best.add(point) and self._best.due:
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

    def end(
        self,
        summary: SearchSummary,
        champion: Predictor | None,
        status: str = "FINISHED",
        judge: Judge | None = None,
    ) -> SearchIds:
        """Register the champion, decide which version has the alias, and close the search's run."""
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
        for name, value in {**result_tags(self.search, summary), **self._models_bytes(summary)}.items():
            self.client.set_tag(run_id, name, value)
        note = search_note(self.search, summary, self.trials.rows, self._ids)
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

    def _models_bytes(self, summary: SearchSummary) -> dict[str, str]:
        """A tag with the bytes of all trials' models, so that a list of searches need not read the trials."""
        rows = self.trials.rows
        if len(rows) < sum(summary.body.get("trials", {}).values()):
            return {}  # those of an earlier process are not at hand
        return {MODELS_BYTES: str(sum(row.model_bytes or 0 for row in rows))}

    def _settle(self, made: Registered, judge: Judge | None) -> None:
        """Decide whether the new version is the champion of its name, and record it in ids and tags."""
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
        """Close the search's run with the reason, unless it is closed already."""
        if self._open:
            self._write_best()
            self.client.set_tag(self._ids.run_id, "automl.error", record.cut_note(reason))
            self.client.set_terminated(self._ids.run_id, status=status)
            self._open = False

    def _write_best(self) -> None:
        log_points(self.client, self._ids.run_id, self._best.points)
        self._best.written()


def _now() -> int:
    return int(time.time() * 1000)
