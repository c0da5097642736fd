"""Outputs of frozen nets on disk, found by their images' contents, shared by processes and within a bound.

A shelf is a folder per kind of output with pairs of files, ``<name>.keys.npy`` (SHA-256 of the images) and
``<name>.values.npy`` (float16): a process that computes something new adds a pair. A name is never used
twice, and a shelf may be removed at any time: a reader then starts over.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl.core.family import TrialStopped
from automl.data.cache import FEATURES, lock_file, room_for

Halves = npt.NDArray[np.float16]
_FACTS = "facts.json"
_WAIT_SECONDS = 0.05
_HEADERS = 1024  # bytes of a pair of files beside its arrays, and of the facts


class ShelfGone(Exception):
    """Files that were found on a shelf have been removed since."""


class NoRoom(Exception):
    """The cache's bound leaves no room for the new outputs."""


@dataclass(frozen=True)
class Found:
    """Places of images on a shelf.

    Attributes
    ----------
    places:
        Of each image among all that the files hold, -1 for those that are not there.
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
        """Find the places of these images."""
        files = self.files()
        try:
            index = _indexed(files)
        except FileNotFoundError:  # removed just now
            files, index = (), {}
        return Found(np.array([index.get(str(digest), -1) for digest in hashes], dtype=np.int64), files)

    def take(self, entries: Found) -> Halves:
        """The outputs that were found; all of them have to be there.

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
        ends = np.cumsum([len(part) for part in parts])
        taken = np.empty((len(places), *parts[0].shape[1:]), dtype=np.float16)
        owner = np.searchsorted(ends, places, side="right")
        for number, part in enumerate(parts):
            mine = np.flatnonzero(owner == number)
            if len(mine):
                taken[mine] = part[places[mine] - (ends[number] - len(part))]
        return taken

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


@lru_cache(maxsize=64)
def _indexed(files: tuple[str, ...]) -> dict[str, int]:
    keys: list[str] = []
    for path in files:
        keys += np.load(path.replace(".values.npy", ".keys.npy")).astype(str).tolist()
    return {key: place for place, key in enumerate(keys)}


@lru_cache(maxsize=256)
def _mapped(path: str) -> Halves:
    loaded: Halves = np.load(path, mmap_mode="r")
    return loaded
