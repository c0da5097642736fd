"""A search on disk while it is unfinished: its setup, its candidates, its results, the time it used.

``<store>/searches/<name>-<time>-<key>/`` holds ``search.json``, ``lock``, ``spent.json``, ``lessons.jsonl``,
``problem/`` and ``trials/00012/`` with ``candidate.json`` (there before the trial starts), ``model/`` (the
worker's), ``arrays.npz`` and ``result.json`` (there before anything learns of the outcome). It goes when the
search is finished: the models and predictions are in the record by then.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, final, overload
from zipfile import BadZipFile

import numpy as np

from automl.controller.array_shelf import ArrayShelf
from automl.controller.disk_errors import disk_errors, full
from automl.controller.lesson_file import LessonFile
from automl.controller.saved_setup import Outset
from automl.core.errors import StorageError, UsageError
from automl.core.trial import Candidate, Curve, Scores, Status, Trial, TrialResult
from automl.core.whole_files import FULL, write_whole

SEARCHES = "searches"
LEAST_FREE_BYTES = 32 << 20
_OUTSET, _LOCK, _SPENT, _LESSONS = "search.json", "lock", "spent.json", "lessons.jsonl"
_CANDIDATE, _RESULT, _ARRAYS, _MODEL = "candidate.json", "result.json", "arrays.npz", "model"
_ARRAY_FIELDS = ("held_out", "untouched", "train_rows", "train_predictions")
_SPEND_SECONDS = 1.0


@dataclass(frozen=True)
class KeptTrial:
    """A trial as an earlier process left it; one without a result was interrupted.

    Attributes
    ----------
    ended:
        Milliseconds since 1970, 0 without a result.
    pruned_loss:
        The loss that the sampler learned of a pruned trial.
    """

    trial: Trial
    ended: int = 0
    pruned_loss: float | None = None


@final
class KeptTrials(Sequence[KeptTrial]):
    """Trials as an earlier process left them; each is read from the disk when it is asked for.

    Raises
    ------
    StorageError
        When one is damaged.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    def __len__(self) -> int:
        return len(self._folders)

    @overload
    def __getitem__(self, place: int) -> KeptTrial: ...
    @overload
    def __getitem__(self, place: slice) -> KeptTrials: ...
    def __getitem__(self, place: int | slice) -> KeptTrial | KeptTrials:
        if isinstance(place, slice):
            return KeptTrials(self._folders[place])
        return _kept(self._folders[place])


@final
class SearchFolder:
    """One search's folder; used by one process at a time, which holds its lock."""

    def __init__(self, path: Path, outset: Outset) -> None:
        self.path = path
        self.outset = outset
        self._lock: IO[str] | None = None
        self._spent_written = 0.0
        self._shelf = ArrayShelf(path)

    @classmethod
    def create(cls, root: Path, outset: Outset, folder_name: str) -> SearchFolder:
        """A new folder below ``root``, private to the user, locked."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(outset.created))
        path = root / SEARCHES / f"{folder_name}-{stamp}-{outset.key[:6]}"
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
            folder = cls(path, outset)
            folder.claim()
            (path / "trials").mkdir()
            write_whole(path / _OUTSET, outset.to_json().encode())
        return folder

    @classmethod
    def open(cls, path: Path) -> SearchFolder:
        """The folder of an unfinished search."""
        place = path / _OUTSET
        try:
            text = place.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"{path} is not an unfinished search: {error}.") from error
        return cls(path, Outset.from_json(text, place))

    def claim(self) -> None:
        """Take the lock; it goes with the process, however that ends.

        Raises
        ------
        UsageError
            When another process holds it; the message names that process.
        StorageError
            When the lock cannot be written.
        """
        if self._lock is not None:
            return
        with disk_errors(self.path):
            self._take_lock()

    def _take_lock(self) -> None:
        file = (self.path / _LOCK).open("a+", encoding="utf-8")
        if not _try_lock(file):
            file.close()
            raise UsageError(
                f"The search {self.outset.name!r} is being run by {self.owner}. Wait for it, or end that "
                "process and try again."
            )
        file.seek(0)
        file.truncate()
        body = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        file.write(json.dumps(body))
        file.flush()
        self._lock = file

    def release(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def owner(self) -> str:
        """The process that holds the lock, or held it last, for people."""
        try:
            body = json.loads((self.path / _LOCK).read_text(encoding="utf-8"))
            return f"process {body['pid']} on {body['host']}, since {body['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    @property
    def in_use(self) -> bool:
        """True while a process runs this search."""
        if self._lock is not None:
            return True
        try:
            with (self.path / _LOCK).open("a+", encoding="utf-8") as file:
                return not _try_lock(file)
        except OSError:
            return False

    @property
    def description(self) -> str:
        """Name, start and progress of the search, for people."""
        settings = self.outset.settings
        trials, seconds = settings.get("trials"), settings.get("seconds")
        done = f"{self.finished_trials}{f' of {trials}' if trials else ''} trials"
        used = f"{self.spent:.0f} s{f' of {seconds:g} s' if seconds else ''} used"
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.outset.created))
        return f"{self.outset.name}: {done}, {used}, begun {began}"

    def begin(self, trial: Trial) -> Path:
        """Put a candidate on disk before its trial starts; returns the trial's folder."""
        folder = self._trial_folder(trial.number)
        with disk_errors(folder):
            free = shutil.disk_usage(self.path).free
            if free < LEAST_FREE_BYTES:
                raise full(folder, f"{free >> 20} MB are left")
            folder.mkdir(exist_ok=True)
            if not (folder / _CANDIDATE).exists():
                write_whole(folder / _CANDIDATE, json.dumps(trial.candidate.to_json()).encode())
        return folder

    def keep(self, trial: Trial, *, pruned_loss: float | None = None) -> None:
        """Put a result on disk before anything learns of it.

        Raises
        ------
        StorageError
            When the disk is full, also where it was the worker that noticed; the trial then counts as
            interrupted.
        """
        result = trial.result
        assert result is not None
        folder = self._trial_folder(trial.number)
        if result.status is Status.FAILED and any(f"[Errno {code}]" in result.error for code in FULL):
            raise full(folder, result.error)
        with disk_errors(folder):
            buffer = io.BytesIO()
            arrays = {name: getattr(result, name) for name in _ARRAY_FIELDS}
            np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
            write_whole(folder / _ARRAYS, buffer.getvalue())
            write_whole(folder / _RESULT, json.dumps(_plain_result(trial, result, pruned_loss)).encode())

    def shelved(self, trial: Trial) -> Trial:
        """The trial with its predictions in a file, once those of all trials are many."""
        if trial.result is None:
            return trial
        held_out, untouched = trial.result.held_out, trial.result.untouched
        with disk_errors(self.path):
            held_out = None if held_out is None else self._shelf.put(held_out)
            untouched = None if untouched is None else self._shelf.put(untouched)
        return replace(trial, result=replace(trial.result, held_out=held_out, untouched=untouched))

    def whole(self, trial: Trial) -> Trial:
        """A trial that was kept, with all of its result, for its record."""
        return replace(_kept(self._trial_folder(trial.number)).trial, scores=trial.scores)

    def trials(self) -> KeptTrials:
        """The trials on disk, by number.

        Raises
        ------
        StorageError
            When one in between is missing.
        """
        folders = [path for path in (self.path / "trials").iterdir() if (path / _CANDIDATE).is_file()]
        folders.sort(key=lambda path: int(path.name))
        if [int(path.name) for path in folders] != list(range(len(folders))):
            raise StorageError(f"Trials are missing in {self.path / 'trials'}. Start the search again.")
        return KeptTrials(folders)

    def lessons(self) -> LessonFile:
        """Lessons of the trials so far."""
        return LessonFile(self.path / _LESSONS)

    @property
    def finished_trials(self) -> int:
        """Number of trials that have a result."""
        return sum((path / _RESULT).is_file() for path in (self.path / "trials").glob("*"))

    @property
    def spent(self) -> float:
        """Seconds of the budget that were used when that was last noted."""
        try:
            return float(json.loads((self.path / _SPENT).read_text(encoding="utf-8"))["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0

    def spend(self, seconds: float, *, now: bool = False) -> None:
        """Note the seconds used so far, about once a second."""
        if now or time.monotonic() - self._spent_written >= _SPEND_SECONDS:
            self._spent_written = time.monotonic()
            with disk_errors(self.path):
                body = json.dumps({"seconds": round(seconds, 3)}).encode()
                write_whole(self.path / _SPENT, body, durable=False)

    def remove(self) -> None:
        """The search is finished, or given up: nothing of it can be resumed from here on."""
        (self.path / _OUTSET).unlink(missing_ok=True)
        self.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _trial_folder(self, number: int) -> Path:
        return self.path / "trials" / f"{number:05d}"


def unfinished_folders(root: Path, name: str | None = None) -> list[SearchFolder]:
    """Searches that can be resumed, or are running, the newest first; ``root`` is the store's folder.

    Folders that this version cannot read are skipped.
    """
    folders = []
    for path in (root / SEARCHES).glob("*"):
        with suppress(StorageError):
            folder = SearchFolder.open(path)
            if name is None or folder.outset.name == name:
                folders.append(folder)
    return sorted(folders, key=lambda folder: folder.outset.created, reverse=True)


def tidy(root: Path) -> None:
    """Delete folders that were being removed, or made, when their process ended."""
    for path in (root / SEARCHES).glob("*"):
        if path.is_dir() and not (path / _OUTSET).exists() and not _held(path / _LOCK):
            shutil.rmtree(path, ignore_errors=True)


def _held(lock: Path) -> bool:
    """Tell whether a lock is held; a missing one counts as held for a moment, as it is about to be taken."""
    try:
        with lock.open("r+", encoding="utf-8") as file:
            return not _try_lock(file)
    except OSError:
        return time.time() - lock.parent.stat().st_mtime < 60 if lock.parent.exists() else False


def _try_lock(file: IO[str]) -> bool:
    if os.name == "nt":
        import msvcrt

        try:
            file.seek(1 << 20)  # beyond the text, which other processes read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _plain_result(trial: Trial, result: TrialResult, pruned_loss: float | None) -> dict[str, Any]:
    return {
        "scores": None if trial.scores is None else asdict(trial.scores),
        "status": result.status.value,
        "seconds": result.seconds,
        "share": result.share,
        "fold_seconds": list(result.fold_seconds),
        "fit_seconds": result.fit_seconds,
        "predict_ms_per_1000_rows": result.predict_ms_per_1000_rows,
        "frozen_ms": result.frozen_ms,
        "model": bool(result.model_folder),
        "model_bytes": result.model_bytes,
        "peak_bytes": result.peak_bytes,
        "curves": [[curve.name, list(curve.steps), list(curve.values)] for curve in result.curves],
        "facts": {name: float(value) for name, value in result.facts.items()},
        "notes": list(result.notes),
        "node": result.node,
        "error": result.error,
        "traceback": result.traceback,
        "ended": int(time.time() * 1000),
        "pruned_loss": pruned_loss,
    }


def _kept(folder: Path) -> KeptTrial:
    try:
        candidate = Candidate.from_json(json.loads((folder / _CANDIDATE).read_text(encoding="utf-8")))
        trial = Trial(int(folder.name), candidate)
        if not (folder / _RESULT).is_file():
            return KeptTrial(trial)
        body = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
        with (folder / _ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            fields = {name: arrays[name] for name in arrays.files if name in _ARRAY_FIELDS}
        result = TrialResult(
            status=Status(body["status"]),
            seconds=body["seconds"],
            share=body.get("share", 1.0),
            **fields,
            fold_seconds=tuple(body["fold_seconds"]),
            fit_seconds=body["fit_seconds"],
            predict_ms_per_1000_rows=body["predict_ms_per_1000_rows"],
            frozen_ms=body.get("frozen_ms", {}),
            model_folder=str(folder / _MODEL) if body["model"] else "",
            model_bytes=body["model_bytes"],
            peak_bytes=body["peak_bytes"],
            curves=tuple(Curve(name, tuple(steps), tuple(values)) for name, steps, values in body["curves"]),
            facts=body["facts"],
            notes=tuple(body.get("notes", ())),
            node=body.get("node", ""),
            error=body["error"],
            traceback=body["traceback"],
        )
        stated = body.get("scores")
        scores = None if stated is None else Scores(**{**stated, "folds": tuple(stated["folds"])})
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile) as error:
        raise StorageError(f"{folder} is damaged ({error}). Start the search again.") from error
    return KeptTrial(trial.finished(result, scores), body["ended"], body["pruned_loss"])
