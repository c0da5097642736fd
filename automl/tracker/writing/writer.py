"""The only writer: a thread that records a search and its trials without delaying the search."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar, final

import numpy as np

from automl.core.errors import MissingDependencyError, SearchInterrupted, StorageError
from automl.core.trial import Trial
from automl.model.predictor import Predictor
from automl.tracker.live import LiveState
from automl.tracker.models.succession import Judge
from automl.tracker.record import SearchIds, SearchRecord, SearchSummary
from automl.tracker.store.failures import may_pass, storage_errors
from automl.tracker.store.location import StoreLocation, patience_seconds
from automl.tracker.writing.model_retention import KeepModels
from automl.tracker.writing.search_run import SearchRun

T = TypeVar("T")
SIGN_SECONDS = 5.0
"""Time between two signs of life in the record."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0
_FAREWELL_SECONDS = 2.0
_CONNECT_AFTER_SECONDS = 1.0


@final
class Tracker:
    """Writer of one search: all methods except the last ones return at once, a thread does the work.

    In a local store the search and its first trials are written without MLflow, which is imported in the
    background after the first trial, or a second; for any other store it is imported first. A store that is
    locked or does not answer is tried again while the trials continue (their results are on disk): for as
    long as the search runs, once it was begun there; for ``AUTOML_STORE_PATIENCE`` seconds (60) at its
    beginning and whenever someone waits. A permanent failure is in :attr:`failure`, and :meth:`flush` and
    :meth:`finish_search` raise it.

    Parameters
    ----------
    location:
        The result of :func:`automl.tracker.open_store`.
    keep:
        The limit on disk space. A model that is dropped is deleted from the run and from the trial's scratch
        folder, so that it takes no space; see :attr:`dropped`.
    """

    def __init__(self, location: StoreLocation, keep: KeepModels | None = None) -> None:
        self.location = location
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="automl-tracker")
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self._patience = patience_seconds()
        self._begun = False
        self._awaited: float | None = None
        self._gave_up = False
        self._trouble = ""
        self._wake = threading.Event()
        self._run_ids: dict[int, str] = {}
        self._submitted = self._done = 0  # jobs, each counted by one thread
        self._search_run = SearchRun(location, keep)
        self._closed = False
        self._ending = "FINISHED"
        self._state = LiveState()
        self._signing = False
        self._ended = threading.Event()
        self._submit(self._search_run.open)
        threading.Thread(target=self._keep_signing, name="automl-sign", daemon=True).start()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self._abandon()
            return
        if error is not None:
            killed = isinstance(error, SearchInterrupted)
            self.fail_search(f"{type(error).__name__}: {error}", killed=killed)
        self.close()

    def _abandon(self) -> None:
        """Stop at once: what was not written is written when the search is resumed."""
        self._ended.set()
        self._closed = self._gave_up = True  # repeated attempts would delay the end of the process
        self._wake.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        ending = threading.Thread(target=self._say_farewell, daemon=True)
        ending.start()
        ending.join(_FAREWELL_SECONDS)

    def _say_farewell(self) -> None:
        with suppress(StorageError, RuntimeError), storage_errors("close the search's run"):
            self._search_run.fail("KeyboardInterrupt", "KILLED")

    @property
    def failure(self) -> Exception | None:
        """The first thing that could not be written, or None."""
        return self._failure

    @property
    def stopped(self) -> StorageError | MissingDependencyError | None:
        """The error after which nothing more can be recorded in this search; None while that is possible."""
        failure = self._failure
        if isinstance(failure, MissingDependencyError):
            return failure
        hopeless = self._gave_up or (failure is not None and "full" in str(failure))
        return failure if hopeless and isinstance(failure, StorageError) else None

    @property
    def trouble(self) -> str:
        """The error of the store while it is tried again and again; empty if there is none."""
        return self._trouble

    @property
    def begun(self) -> bool:
        """True if the search has its run."""
        return self._begun

    @property
    def connected(self) -> bool:
        """True if MLflow is imported and the store was opened with it."""
        return self._search_run.connected

    @property
    def connecting_since(self) -> float | None:
        """The time by ``time.monotonic()`` when the import of MLflow began; None before."""
        return self._search_run.connecting_since

    @property
    def waiting(self) -> int:
        """Number of things that are yet to be written."""
        return self._submitted - self._done

    @property
    def dropped(self) -> frozenset[int]:
        """Trials whose model was deleted to limit the disk space; they can no longer be members."""
        return self._search_run.models.dropped

    @property
    def run_ids(self) -> dict[int, str]:
        """Trial number → run id, of the trials written so far."""
        with self._lock:
            return dict(self._run_ids)

    def begin_search(self, search: SearchRecord) -> None:
        """Create the search's experiment and run; close runs that a killed process left open."""
        self._submit(lambda: self._begin(search))

    def _begin(self, search: SearchRecord) -> None:
        self._search_run.begin(search)
        self._begun = True
        threading.Thread(target=self._connect_later, daemon=True).start()

    def _connect_later(self) -> None:
        """Import MLflow after a moment if the first trial takes longer, as it does on a busy machine."""
        if not self._ended.wait(_CONNECT_AFTER_SECONDS):
            self._search_run.connect_soon()

    def finish_trial(
        self,
        trial: Trial,
        *,
        class_weights: tuple[float, ...] = (),
        whole: Callable[[], Trial] | None = None,
    ) -> None:
        """Write a trial that has a result: its run with params, scores, curves, predictions and model.

        The model's files are linked, not moved: ``result.model_folder`` stays usable.

        Parameters
        ----------
        whole:
            Reads the trial with all of its result, where ``trial`` is lean; called in the thread.
        """
        ended = int(time.time() * 1000)

        def write() -> None:
            run_id = self._search_run.trials.write(
                trial, class_weights=class_weights, ended=ended, whole=whole or (lambda: trial)
            )
            with self._lock:
                self._run_ids[trial.number] = run_id
            self._search_run.connect_soon()

        self._submit(write)

    def show(self, state: LiveState) -> None:
        """Set the state of the search that the next sign of life shows to those who follow it elsewhere."""
        self._state = state

    def best_so_far(self, step: int, score: float) -> None:
        """Add a point to the search's curve of the best validation score."""
        if np.isfinite(score):
            now = int(time.time() * 1000)
            self._submit(lambda: self._search_run.best(step, score, now))

    def attach(self, name: str, content: bytes | str | Path) -> None:
        """Put a file or a folder into the search's artifacts, e.g. ``plots/history.png``."""
        self._submit(lambda: self._search_run.attach(name, content))

    def protect(self, numbers: Collection[int]) -> None:
        """Keep these trials' models (the ensemble's members), whatever their size."""
        self._search_run.models.protected = frozenset(numbers)

    def interrupt(self) -> None:
        """Note that the user stopped the search early: its run is closed as killed, and may be resumed."""
        self._ending = "KILLED"

    def finish_search(
        self, summary: SearchSummary, champion: Predictor | None = None, judge: Judge | None = None
    ) -> SearchIds:
        """Wait for everything before, register the champion, close the search's run; returns the ids.

        Parameters
        ----------
        judge:
            Compares the new champion with the current one of its name; without it the two cannot be compared,
            and the current one stays unless the search asked otherwise.

        Raises
        ------
        StorageError
            If this, or anything before, could not be written.
        """
        ending = self._submit(lambda: self._search_run.end(summary, champion, self._ending, judge))
        self.flush()
        return ending.result()

    def fail_search(self, reason: str, *, killed: bool = False) -> None:
        """Close the search's run as failed, or as killed, with the reason."""
        self._submit(lambda: self._search_run.fail(reason, "KILLED" if killed else "FAILED"))

    def flush(self, seconds: float | None = None) -> None:
        """Wait until everything so far is written, for at most ``seconds``.

        Raises
        ------
        StorageError
            If something could not be written, or not in time.
        """
        self._hurry()
        try:
            self._pool.submit(lambda: None).result(seconds)
        except TimeoutError:
            raise StorageError(
                f"The store at {self.location.shown} did not finish writing within {seconds:g} s."
            ) from None
        if self._failure is not None:
            raise self._failure
        self._awaited = None

    def _hurry(self) -> None:
        """Limit the patience with the store: from now on someone waits."""
        if self._awaited is None:
            self._awaited = time.monotonic()
        self._wake.set()

    def close(self) -> None:
        """Wait for the thread and end it; never raise an error of the store."""
        if not self._closed:
            self._closed = True
            self._ended.set()
            self._hurry()
            self._pool.submit(self._search_run.close)
            self._pool.shutdown(wait=True)

    def _submit(self, job: Callable[[], T]) -> Future[T]:
        self._submitted += 1
        return self._pool.submit(self._kept, job)

    def _kept(self, job: Callable[[], T]) -> T:
        """Run a job in the thread and count it."""
        try:
            return self._insisted(job)
        finally:
            self._done += 1

    def _insisted(self, job: Callable[[], T]) -> T:
        """Do a job, again and again while that may help; keep the first failure."""
        failing_since, pause = None, _FIRST_PAUSE
        while True:
            try:
                if self._gave_up:
                    raise StorageError(f"The store at {self.location.shown} was given up.")
                with storage_errors("write to the tracking store"):
                    done = job()
            except Exception as error:
                failing_since = failing_since or time.monotonic()
                hopeful = not self._gave_up and may_pass(error)
                if hopeful and self._has_patience(failing_since):
                    self._trouble = str(error)
                    self._wake.wait(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                self._gave_up = self._gave_up or hopeful
                self._failure = self._failure or error
                raise
            self._trouble = ""
            return done

    def _has_patience(self, failing_since: float) -> bool:
        """True if the job is to be tried again: always while the search runs and nobody waits."""
        self._wake.clear()
        if self._begun and self._awaited is None:
            return True
        return time.monotonic() - max(failing_since, self._awaited or 0.0) < self._patience

    def _keep_signing(self) -> None:
        """Give a sign of life every few seconds, also while the search is busy with something else.

        A sign waits for its turn in the queue; none is added while one is waiting.
        """
        while not self._ended.wait(SIGN_SECONDS):
            if self._begun and not self._signing:
                self._signing = True
                with suppress(RuntimeError):  # the pool was closed just now
                    self._pool.submit(self._sign)

    def _sign(self) -> None:
        """Give one sign; one that fails is not tried again, as the next is due soon."""
        self._signing = False
        with suppress(StorageError), storage_errors("give a sign of life"):
            self._search_run.sign(self._state)
