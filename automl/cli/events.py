"""``--events FILE``: the events of a search as JSON lines, for other programs."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.errors import StorageError, UsageError
from automl.core.trial import Progress, Trial

if TYPE_CHECKING:
    from automl.controller.result import SearchResult
    from automl.problem.preparation import Prepared

VERSION = 1
_EVERY_SECONDS = 0.5


class EventLog:
    """Writes one JSON object per line, each with ``event`` and ``time`` (Unix seconds), as it happens.

    ``prepared`` (once), ``started``, ``progressed`` (of a trial twice a second at most), ``finished`` (of
    every trial), and at the end ``ended`` with the object of ``search --json`` or ``failed`` with the error.

    Raises
    ------
    UsageError
        When the file cannot be opened.
    StorageError
        When a line cannot be written later: the disk is full, or the reader of a pipe went away.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115  # lives as long as the search
        except OSError as error:
            raise UsageError(f"--events {path} cannot be written ({error.strerror}).") from error
        self._progressed_at: dict[int, float] = {}

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None:
        """The data was read."""
        metric = prepared.task.metric
        self._write(
            "prepared",
            version=VERSION,
            name=name,
            rows=prepared.rows,
            task=prepared.task.name,
            metric=metric.name,
            greater_is_better=metric.greater_is_better,
            budget_seconds=seconds,
            seconds=elapsed,
        )

    def started(self, trial: Trial) -> None:
        """A trial was handed to a worker."""
        candidate = trial.candidate
        self._write(
            "started",
            trial=trial.number,
            family=candidate.family,
            params=candidate.params,
            origin=candidate.origin,
        )

    def progressed(self, progress: Progress) -> None:
        """A running trial reported its progress."""
        now = time.monotonic()
        if now - self._progressed_at.get(progress.number, -1e9) < _EVERY_SECONDS:
            return
        self._progressed_at[progress.number] = now
        self._write(
            "progressed",
            trial=progress.number,
            fraction=round(progress.fraction, 4),
            message=progress.message,
            fold=progress.fold,
        )

    def finished(self, trial: Trial, best: float | None) -> None:
        """A trial ended; ``best`` is the validation score of the best trial or ensemble so far."""
        self._progressed_at.pop(trial.number, None)
        result, scores = trial.result, trial.scores
        self._write(
            "finished",
            trial=trial.number,
            family=trial.candidate.family,
            state=None if result is None else result.status.value,
            validation=None if scores is None else scores.validation,
            standard_error=None if scores is None else scores.standard_error,
            seconds=0.0 if result is None else round(result.seconds, 3),
            error="" if result is None else result.error,
            best=best,
        )

    def ended(self, result: SearchResult) -> None:
        """The search is over."""
        self._write("ended", **result.to_json())

    def failed(self, error: BaseException) -> None:
        """The search ended without a result."""
        with suppress(StorageError):  # that may be the very error
            self._write("failed", error=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Nothing more is written."""
        with suppress(OSError):  # of a line that was refused before
            self._file.close()

    def _write(self, event: str, **values: Any) -> None:
        body = {"event": event, "time": round(time.time(), 3), **values}
        try:
            self._file.write(json.dumps(body, default=str) + "\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(f"--events {self._path} cannot be written ({error.strerror}).") from error
