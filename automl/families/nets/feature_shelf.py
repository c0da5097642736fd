"""Outputs of frozen nets on disk, found by what the nets read, shared by processes and within a bound.

A shelf is a folder per kind of output with pairs of files, ``<name>.keys.npy`` (SHA-256 of inputs) and
``<name>.values.npy`` (float16): a process that computes something new adds a pair. A name is never used
twice, and a shelf may be removed at any time: a reader then starts over.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from automl.core.family import TrialStopped
from automl.data.cache import FEATURES, lock_file, room_for

Halves = npt.NDArray[np.float16]
Kinds = tuple[slice, ...]
"""Parts of outputs ``(rows, kinds, …)`` along their second axis."""
_log = logging.getLogger(__name__)
_FACTS = "facts.json"
_WAIT_SECONDS = 0.05
_MOST_INDICES = 16
_HEADERS = 1024  # bytes of a pair of files beside its arrays, and of the facts


class ShelfGone(Exception):
    """Files that were found on a shelf have been removed since."""


class NoRoom(Exception):
    """The cache's bound leaves no room for the new outputs."""


@dataclass(frozen=True)
class Found:
    """Places of images or texts on a shelf.

    Attributes
    ----------
    places:
        Of each one among all that the files hold, -1 for those that are not there.
    files:
        The files when it was looked at.
    """

    places: npt.NDArray[np.int64]
    files: tuple[str, ...]


class Shelf:
    """One kind of output on disk, ``name`` in ``cache``."""

    def __init__(self, cache: Path, name: str) -> None:
        self._cache = cache
        self._folder = cache / f"{FEATURES}{name}"

    def files(self) -> tuple[str, ...]:
        """The files of outputs, in the order of their arrival."""
        return tuple(sorted(str(path) for path in self._folder.glob("*.values.npy")))

    def find(self, hashes: npt.NDArray[np.object_]) -> Found:
        """Find the places of these images or texts."""
        files = self.files()
        try:
            index = _indexed(files)
        except FileNotFoundError:  # removed just now
            files, index = (), {}
        except _Damaged as error:
            self._forget(str(error))
            return self.find(hashes)
        return Found(np.array([index.get(str(digest), -1) for digest in hashes], dtype=np.int64), files)

    def take(self, entries: Found, kinds: Kinds = ()) -> Halves:
        """The outputs that were found; all of them have to be there.

        Parameters
        ----------
        kinds:
            What is wanted of each; all of it by default.

        Raises
        ------
        ShelfGone
            When they are no longer.
        """
        places = entries.places
        try:
            os.utime(self._folder)
            parts = [_mapped(path) for path in entries.files]
        except FileNotFoundError as error:
            raise ShelfGone(str(self._folder)) from error
        except _Damaged as error:
            self._forget(str(error))
            raise ShelfGone(str(self._folder)) from error
        ends = np.cumsum([len(part) for part in parts])
        chosen = places_of(kinds or (slice(None),), parts[0].shape[1])
        taken = np.empty((len(places), len(chosen), *parts[0].shape[2:]), dtype=np.float16)
        owner = np.searchsorted(ends, places, side="right")
        for number, part in enumerate(parts):
            mine = np.flatnonzero(owner == number)
            rows = places[mine] - (ends[number] - len(part))
            if len(mine):
                taken[mine] = part[rows[:, None], chosen] if kinds else part[rows]
        return taken

    def _forget(self, path: str) -> None:
        """Remove a pair of files that a crash of the machine left incomplete."""
        _log.warning("%s is damaged: what it held is computed again.", path)
        for what in ("keys", "values"):
            Path(f"{path.removesuffix('.keys.npy').removesuffix('.values.npy')}.{what}.npy").unlink(
                missing_ok=True
            )

    def make_room(self, wanted: int) -> None:
        """Remove what was not used for longest where so many bytes would not fit.

        Raises
        ------
        NoRoom
            When they would not fit even then.
        """
        with self._room(wanted):
            pass

    def add(self, keys: list[str], values: Halves, *, ms: float) -> None:
        """One more pair of files; complete or not there at all.

        Raises
        ------
        NoRoom
            When the cache's bound does not allow it, even without the shelves that were not used for longest.
        """
        arrays = {"keys": np.array(keys, dtype="S64"), "values": values}
        with self._room(sum(array.nbytes for array in arrays.values()) + _HEADERS):
            self._folder.mkdir(parents=True, exist_ok=True)
            # Times order the files by their arrival; process ids keep names unique where locks do not work.
            name = f"{time.time_ns():020}-{os.getpid()}"
            partial = self._folder / f"{name}.partial"
            for what, array in arrays.items():
                with partial.open("wb") as file:
                    np.save(file, array)
                os.replace(partial, self._folder / f"{name}.{what}.npy")
            self._note(len(values), ms)

    @contextmanager
    def _room(self, wanted: int) -> Iterator[None]:
        with room_for(self._cache, wanted, keep=self._folder, starts=FEATURES) as enough:
            if not enough:
                raise NoRoom(f"{wanted:,} bytes")
            yield

    def milliseconds(self) -> float:
        """Milliseconds and core of an output, on average over all here; 0 where that is not known."""
        return self._facts()[1]

    def _note(self, outputs: int, ms: float) -> None:
        """Count new outputs in, which may be few and unlike most: the longest texts, say."""
        before, ms_before = self._facts()
        mean = (before * ms_before + outputs * ms) / max(1, before + outputs)
        body = {"ms": mean, "outputs": before + outputs}
        (self._folder / _FACTS).write_text(json.dumps(body), encoding="utf-8")

    def _facts(self) -> tuple[int, float]:
        """Outputs that were counted (none by an earlier version), and milliseconds of each."""
        try:
            body = json.loads((self._folder / _FACTS).read_text(encoding="utf-8"))
            return int(body.get("outputs", 0)), float(body["ms"])
        except (OSError, ValueError, KeyError):
            return 0, 0.0

    @contextmanager
    def locked(self, should_stop: Callable[[], bool]) -> Iterator[None]:
        """A block in which one process computes, while the others wait for its outputs."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as file:
            while not lock_file(file):
                if should_stop():
                    raise TrialStopped("stopped while another trial computed the same features")
                time.sleep(_WAIT_SECONDS)
            yield  # closing the file gives the lock back, as does the death of the process


def places_of(kinds: Kinds, count: int) -> npt.NDArray[np.int64]:
    """The places of some parts among ``count``."""
    return np.concatenate([np.arange(count)[kind] for kind in kinds])


class _Damaged(Exception):
    """A file that cannot be read; its path."""


@dataclass(frozen=True)
class _Index:
    """The places of all keys in some files."""

    files: tuple[str, ...]
    places: dict[str, int]
    count: int


# Of each folder the latest one: a pass over many inputs adds dozens of files.
_indices: OrderedDict[str, _Index] = OrderedDict()
_indices_lock = Lock()


def _indexed(files: tuple[str, ...]) -> dict[str, int]:
    folder = os.path.dirname(files[0]) if files else ""
    with _indices_lock:
        index = _indices.pop(folder, None)
        if index is None or index.files != files[: len(index.files)]:
            index = _Index((), {}, 0)
        if index.files != files:
            places, count = dict(index.places), index.count  # readers may have the former one
            for path in files[len(index.files) :]:
                keys = _loaded(path.replace(".values.npy", ".keys.npy")).astype(str).tolist()
                places |= {key: count + place for place, key in enumerate(keys)}
                count += len(keys)
            index = _Index(files, places, count)
        _indices[folder] = index
        while len(_indices) > _MOST_INDICES:
            _indices.popitem(last=False)
        return index.places


@lru_cache(maxsize=256)
def _mapped(path: str) -> Halves:
    return _loaded(path, mmap_mode="r")


def _loaded(path: str, mmap_mode: Literal["r"] | None = None) -> npt.NDArray[Any]:
    try:
        loaded: npt.NDArray[Any] = np.load(path, mmap_mode=mmap_mode)
    except (ValueError, EOFError) as error:
        raise _Damaged(path) from error
    return loaded
