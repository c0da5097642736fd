"""A bounded cache of decoded images and of frozen nets' outputs; the least recently used entries go first.

It has a folder per kind of data with two kinds of folders, ``pixels-…`` (decoded images) and ``features-…``
(outputs of frozen nets). Code that adds to them asks here for room first, before the first trial of a search
and in the middle of one. The bound is that of all kinds of data together where it is set for their parent.
"""

from __future__ import annotations

import json
import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

DESCRIPTION = "store.json"
PIXELS, FEATURES = "pixels-", "features-"
_BOUND = "bound.json"
_LOCK = "room.lock"
_GONE = ".gone"


def set_bound(cache: Path, most_bytes: int) -> None:
    """Record for every process how many bytes the cache may hold; the last search decides."""
    root = root_of(cache)
    root.mkdir(parents=True, exist_ok=True)
    partial = root / f"{_BOUND}.{os.getpid()}"
    partial.write_text(json.dumps({"bytes": most_bytes}), encoding="utf-8")
    os.replace(partial, root / _BOUND)


def root_of(cache: Path) -> Path:
    """The folder whose contents are bound: the one above, with all kinds of data, where that has a bound."""
    return cache.parent if (cache.parent / _BOUND).is_file() else cache


def bound_of(cache: Path) -> int | None:
    """Bytes that the cache may hold, or None if no bound is set."""
    try:
        return int(json.loads((root_of(cache) / _BOUND).read_text(encoding="utf-8"))["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def room_for(cache: Path, needed: int, *, keep: Path | None = None, starts: str = "") -> Iterator[bool]:
    """Make room for ``needed`` bytes and yield whether they fit; other processes wait outside the block.

    Parameters
    ----------
    keep:
        A folder that stays.
    starts:
        Only folders whose names start with this are removed. Decoded images that a search uses always stay.
    """
    bound = bound_of(cache)
    if bound is None:
        yield True
        return
    with (root_of(cache) / _LOCK).open("a") as lock:
        lock_file(lock, wait=True)
        yield _trimmed(cache, bound - needed, keep, starts)


def trim(cache: Path, *, keep: Path | None = None) -> None:
    """Remove the least recently used folders until the cache is within its bound."""
    with room_for(cache, 0, keep=keep):
        pass


def unused_since(cache: Path, before: float) -> list[tuple[Path, int, float]]:
    """Folders of one kind of data that nobody used since a moment: path, bytes, last use.

    What a process works with is left out; remains of a killed process are among them.
    """
    folders = []
    for folder in _within(cache):
        used = _used_at(folder)
        if folder.name.startswith((PIXELS, FEATURES)) and used < before and not _in_use(folder):
            folders.append((folder, _bytes_below(folder), used))
    return folders


def discard(folder: Path) -> bool:
    """Remove a folder of the cache, unless a process began to use it; True if it is gone."""
    with (root_of(folder.parent) / _LOCK).open("a") as lock:
        lock_file(lock, wait=True)
        return not _in_use(folder) and _removed(folder)


class Hold:
    """A lock that keeps a folder of the cache from being removed while this value lives."""

    def __init__(self, folder: Path) -> None:
        handle = os.open(folder / DESCRIPTION, os.O_RDONLY)
        lock_file(handle, shared=True)
        self.release = weakref.finalize(self, os.close, handle)


def _trimmed(cache: Path, most: int, keep: Path | None, starts: str) -> bool:
    sizes = {entry: _bytes_below(entry) for entry in _folders(cache)}
    total = sum(sizes.values())
    for entry in sorted(sizes, key=_used_at):
        if total <= most:
            break
        if entry != keep and entry.name.startswith(starts) and not _in_use(entry) and _removed(entry):
            total -= sizes[entry]
    return total <= most


def _removed(folder: Path) -> bool:
    """Rename a folder before removing its files, so that a killed process leaves no partial folder."""
    doomed = folder if folder.suffix == _GONE else folder.with_name(folder.name + _GONE)
    try:
        if doomed != folder:
            shutil.rmtree(doomed, ignore_errors=True)
            os.replace(folder, doomed)
    except OSError:
        return not folder.exists()
    shutil.rmtree(doomed, ignore_errors=True)
    return True


def _folders(cache: Path) -> list[Path]:
    root = root_of(cache)
    places = _within(root) if root != cache else [cache]
    return [entry for place in places for entry in _within(place)]


def _within(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # a temporary file that was renamed meanwhile
            continue
    return total


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # removed by another process
        return 0.0


def _in_use(folder: Path) -> bool:
    """Return whether a process has a :class:`Hold` on a folder."""
    try:
        with (folder / DESCRIPTION).open("rb") as file:
            return not lock_file(file)
    except FileNotFoundError:
        return False


def lock_file(file: IO[Any] | int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file and return whether that worked; closing the file, or dying, releases the lock."""
    try:
        import fcntl
    except ImportError:  # Windows has no flock, but open files cannot be removed there
        return True
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
