"""The one writer: a thread that puts a search and its trials on record without holding up the loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar, final

import numpy as np

from automl.errors import SearchInterrupted, StorageError
from automl.predictor import Predictor
from automl.tracker.keep import KeepModels, KeptModel
from automl.tracker.record import SearchIds, SearchRecord, SearchSummary
from automl.tracker.search_run import SearchRun
from automl.tracker.store import StoreLocation, storage_errors
from automl.trial import Trial

T = TypeVar("T")
_FAILURES = 3


@final
class Tracker:
    """Writes one search: every method but the last ones returns at once, the work is done by a thread.

    The thread starts with the tracker and imports MLflow first, so make it early. A failure of the store
    does not stop the trials; it stands in :attr:`failure`, and :meth:`flush` and :meth:`finish_search`
    raise it.

    Parameters
    ----------
    location:
        From :func:`automl.tracker.open_store`.
    keep:
        The bound on disk space. A model that goes is deleted from the run and from the trial's scratch
        folder, so that it takes no space; see :attr:`dropped`.
    """

    def __init__(self, location: StoreLocation, keep: KeepModels | None = None) -> None:
        self.location = location
        self._keep = keep or KeepModels()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="automl-tracker")
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self._failed_in_a_row = 0
        self._protected: frozenset[int] = frozenset()
        self._dropped: frozenset[int] = frozenset()
        self._run_ids: dict[int, str] = {}
        self._search_run = SearchRun(location)
        self._closed = False
        self._ending = "FINISHED"
        self._submit(self._search_run.open)

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            killed = isinstance(error, KeyboardInterrupt | SearchInterrupted)
            self.fail_search(f"{type(error).__name__}: {error}", killed=killed)
        self.close()

    @property
    def failure(self) -> Exception | None:
        """The first thing that could not be written, or None."""
        return self._failure

    @property
    def dropped(self) -> frozenset[int]:
        """Trials whose model was deleted to bound the disk space; none of them can be a member any more."""
        return self._dropped

    @property
    def run_ids(self) -> dict[int, str]:
        """Trial number → run id, of the trials written so far."""
        with self._lock:
            return dict(self._run_ids)

    def begin_search(self, search: SearchRecord) -> None:
        """Create the search's experiment and run; runs that a killed process left open are closed."""
        self._submit(lambda: self._search_run.begin(search))

    def finish_trial(self, trial: Trial, *, class_weights: tuple[float, ...] = ()) -> None:
        """Write a trial that has a result: its run with params, scores, curves, predictions and model.

        The model's files are linked, not moved: ``result.model_folder`` stays usable.
        """
        ended = int(time.time() * 1000)
        self._submit(lambda: self._write_trial(trial, class_weights, ended))

    def best_so_far(self, step: int, score: float) -> None:
        """Add a point to the search's curve of the best validation score."""
        if np.isfinite(score):
            now = int(time.time() * 1000)
            self._submit(lambda: self._search_run.best(step, score, now))

    def attach(self, name: str, content: bytes | str | Path) -> None:
        """Put a file or a folder into the search's artifacts, e.g. ``plots/history.png``."""
        self._submit(lambda: self._search_run.attach(name, content))

    def protect(self, numbers: Collection[int]) -> None:
        """These trials' models (the ensemble's members) are not dropped, whatever their size."""
        self._protected = frozenset(numbers)

    def interrupt(self) -> None:
        """The user ended the search early: its run is closed as killed, and may be taken up again."""
        self._ending = "KILLED"

    def finish_search(self, summary: SearchSummary, champion: Predictor | None = None) -> SearchIds:
        """Wait for everything before, register the champion, close the search's run; returns the ids.

        Raises
        ------
        StorageError
            When this, or anything before, could not be written.
        """
        ending = self._submit(lambda: self._search_run.end(summary, champion, self._ending))
        self.flush()
        return ending.result()

    def fail_search(self, reason: str, *, killed: bool = False) -> None:
        """Close the search's run as failed, or as killed, with the reason."""
        self._submit(lambda: self._search_run.fail(reason, "KILLED" if killed else "FAILED"))

    def flush(self, seconds: float | None = None) -> None:
        """Wait until everything so far is written, ``seconds`` at most.

        Raises
        ------
        StorageError
            When something could not be written, or not in time.
        """
        try:
            self._pool.submit(lambda: None).result(seconds)
        except TimeoutError:
            raise StorageError(
                f"The store at {self.location.uri} was not done after {seconds:g} s."
            ) from None
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Wait for the thread and end it; never raises for the store."""
        if not self._closed:
            self._closed = True
            self._pool.submit(self._search_run.close)
            self._pool.shutdown(wait=True)

    def _submit(self, job: Callable[[], T]) -> Future[T]:
        return self._pool.submit(self._kept, job)

    def _kept(self, job: Callable[[], T]) -> T:
        """Run in the thread; the first failure is remembered.

        A server that did not answer three times in a row is not asked again: each time takes a while.
        """
        try:
            if self.location.database is None and self._failed_in_a_row >= _FAILURES:
                raise StorageError(f"The server at {self.location.uri} was given up.")
            with storage_errors("write to the tracking store"):
                done = job()
        except Exception as error:
            self._failure = self._failure or error
            self._failed_in_a_row += 1
            raise
        self._failed_in_a_row = 0
        return done

    def _write_trial(self, trial: Trial, class_weights: tuple[float, ...], ended: int) -> None:
        run_id = self._search_run.trial(trial, class_weights, ended, self._drop_before)
        with self._lock:
            self._run_ids[trial.number] = run_id
        result = trial.result
        if result is not None and result.model_folder and not Path(result.model_folder).is_dir():
            self._dropped |= {trial.number}  # by an earlier process, to bound the disk space

    def _drop_before(self, model: KeptModel) -> bool:
        """Make room for a new model; whether it may be stored itself."""
        models = [*self._search_run.models.values(), model]
        dropping = self._keep.to_drop(models, self._protected)
        for number in dropping:
            if number != model.number:
                self._search_run.drop(number)
        self._dropped |= frozenset(dropping)
        return model.number not in dropping
