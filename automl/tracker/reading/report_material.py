"""The material of a report: a search with the times of its trials and its files, read from the record."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl.core.errors import UsageError
from automl.core.whole_files import write_whole
from automl.tracker.reading.descriptions import SearchDescription
from automl.tracker.reading.not_found import refuse_deleted
from automl.tracker.reading.query import Record, is_run_id, rows_of
from automl.tracker.record import LeaderboardRow
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.location import local_path
from automl.tracker.store.runs import Run

_SUMMARY = "summary.json"
_BEGINNING = re.compile(r"[0-9a-f]{6,32}")


@dataclass(frozen=True)
class TimedTrial:
    """A trial with its times (Unix seconds), its error, and its score on training rows."""

    row: LeaderboardRow
    started: float
    ended: float
    error: str = ""
    train: float | None = None


@dataclass(frozen=True)
class Material:
    """The data of a search for a report.

    Attributes
    ----------
    best:
        ``(unix seconds, score)`` of the best ensemble, in order of time.
    folders:
        Folders to which the paths given to the search may be relative, besides the working directory.
    """

    search: SearchDescription
    trials: tuple[TimedTrial, ...]
    best: tuple[tuple[float, float], ...]
    folders: tuple[Path, ...]

    @property
    def members(self) -> list[LeaderboardRow]:
        """The champion's trials."""
        own = {member["trial"] for member in (self.search.summary or {}).get("best", {}).get("members", ())}
        return [trial.row for trial in self.trials if trial.row.trial in own]

    @property
    def cost(self) -> tuple[float, int]:
        """Milliseconds per 1000 rows and bytes of the deployed model, which may have fewer folds."""
        metrics = self.search.metrics
        return metrics.get("predict_ms_per_1000_rows", 0.0), round(metrics.get("model_bytes", 0.0))


def search_material(record: Record, name: str, *, only: Collection[str] | None = None) -> Material:
    """The latest search of this name, or the one with this run id.

    Parameters
    ----------
    only:
        The runs of the trials that are wanted; None for all, which may be thousands.
    """
    run = resolve_search(record, name)
    search = record.describe_search(run, trials=False)
    history = record.history(run.info.run_id, f"best_val_{search.metric}")
    read = record.trial_runs(run) if only is None else record.present_runs(only)
    runs = {trial.info.run_id: trial for trial in read}
    trials = [_timed(row, runs[row.run_id], search.metric) for row in rows_of(run, read)]
    points = sorted((point.timestamp / 1000, point.value) for point in history)
    return Material(search, tuple(trials), tuple(points), (record.location.root.parent,))


def read_file(record: Record, run_id: str, name: str) -> bytes | None:
    """Read a file of a run; None if it has no file of this name."""
    run = record.run(run_id)
    folder = local_path(run.info.artifact_uri)
    if folder is not None:
        path = folder / name
        return path.read_bytes() if path.is_file() else None
    with storage_errors(f"read {name} of the run {run_id}"):
        parent = str(Path(name).parent.as_posix())
        listed = record.client.list_artifacts(run_id, None if parent == "." else parent)
        if name not in {item.path for item in listed}:
            return None
        with tempfile.TemporaryDirectory(prefix="automl-read-") as scratch:
            return Path(record.client.download_artifacts(run_id, name, scratch)).read_bytes()


def write_file(record: Record, run_id: str, name: str, content: bytes) -> None:
    """Add a file to a run, which may have ended."""
    run = record.run(run_id)
    folder = local_path(run.info.artifact_uri)
    with storage_errors(f"write {name} to the run {run_id}"):
        if folder is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content, durable=False)
            return
        with tempfile.TemporaryDirectory(prefix="automl-upload-") as scratch:
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            record.client.log_artifacts(run_id, scratch)


def record_duration(record: Record, run_id: str, seconds: float) -> None:
    """Write the final duration of a search into its summary, where all pages read it."""
    content = read_file(record, run_id, _SUMMARY)
    if content is not None:
        body = {**json.loads(content), "seconds": round(seconds, 3)}
        write_file(record, run_id, _SUMMARY, json.dumps(body, indent=1).encode())


def held_out(record: Record, run_id: str) -> npt.NDArray[np.floating] | None:
    """A trial's held-out predictions ``(rows scored, n_outputs)``, or None if it did not finish."""
    content = read_file(record, run_id, "held_out.npy")
    if content is None:
        return None
    loaded: npt.NDArray[np.floating] = np.load(io.BytesIO(content), allow_pickle=False)
    return loaded


def resolve_run(record: Record, given: str) -> Run:
    """The run with an id or the beginning of an id (six digits or more), or the latest search of a name."""
    return run_of_id(record, given) or record.search_run(given)


def resolve_search(record: Record, given: str) -> Run:
    """The run of a search, by its own id, the id of one of its trials, or its name."""
    run = resolve_run(record, given)
    return record.search_run(run.info.run_id) if record.is_trial(run) else run


def run_of_id(record: Record, given: str) -> Run | None:
    """The run with an id or the beginning of an id; None for the name of a search.

    Raises
    ------
    UsageError
        If there is no run of this id, several begin with it, or it was deleted in MLflow.
    """
    text = given.rstrip("…").lower()
    if _BEGINNING.fullmatch(text) is None or given in record.names():
        return None
    if is_run_id(text):
        return refuse_deleted(record, record.run(text))
    runs = record.runs_beginning(text)
    if not runs:
        with storage_errors(f"look up the run {text}"):
            gone = record.access.deleted_runs(text)
        if len(gone) == 1:
            refuse_deleted(record, gone[0])
    if len(runs) > 1:
        raise UsageError(f"{len(runs)} runs begin with {given!r}: give more digits.")
    return runs[0] if runs else None


def _timed(row: LeaderboardRow, run: Run, metric: str) -> TimedTrial:
    started = run.info.start_time / 1000
    ended = started + row.seconds if run.info.end_time is None else run.info.end_time / 1000
    tags, metrics = run.data.tags, run.data.metrics
    return TimedTrial(row, started, ended, tags.get("automl.error", ""), metrics.get(f"train_{metric}"))
