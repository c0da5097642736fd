"""Images decoded once: their pixels in one memory-mapped file, kept between searches."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.core.errors import DataError, StorageError
from automl.data.cache import DESCRIPTION, PIXELS, Hold, room_for, set_bound, trim
from automl.data.images.decode import DecodedImage, decode, image_size, read_file
from automl.data.images.pixels import (
    LARGEST_SIDE,
    PixelStore,
    bombs_are_errors,
    close_stores,
    first_of,
    open_store,
    usable_threads,
)

LEAST_SIDE = 32
_VERSION = 1
_ARRAYS = ("pixels.npy", "aspects.npy", "hashes.npy")
_SIZES_SAMPLED = 1000
_PROGRESS_SECONDS = 0.1

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Stored:
    """The outcome of :func:`store_pixels`.

    Attributes
    ----------
    references:
        Reference by path, without broken images.
    hashes:
        SHA-256 of the content by path, without unreadable files.
    broken:
        Reason by path of images that cannot be used.
    reused:
        Whether everything had been decoded before.
    """

    store: PixelStore
    references: Mapping[str, str]
    hashes: Mapping[str, str]
    broken: Mapping[str, str]
    reused: bool


def store_pixels(
    paths: Sequence[Path],
    cache: Path,
    *,
    side: int | None = None,
    most_bytes: int | None = None,
    report: Report = lambda fraction, message: None,
) -> Stored:
    """Decode files into a pixel store below ``cache``, or find the pixel store that has them already.

    Parameters
    ----------
    side:
        Height and width of the stored pixels; by default 256, or less if the images are smaller.
    most_bytes:
        Bound of the cache; to keep it, older entries are removed and images are stored smaller.

    Raises
    ------
    DataError
        If none of the images can be read.
    StorageError
        If the cache cannot be written or its bound is too low.
    """
    names = [str(path) for path in paths]
    with bombs_are_errors(), ThreadPoolExecutor(usable_threads()) as pool:
        hashes, unreadable = _hashes(paths, cache, pool, report)
        if not hashes:
            raise DataError(f"None of {len(names):,} images can be read; the first: {first_of(unreadable)}.")
        by_hash = {digest: Path(name) for name, digest in hashes.items()}
        wanted = sorted(by_hash)
        side = side or _fitting_side([by_hash[digest] for digest in wanted], pool)
        side = _affordable_side(side, len(wanted), most_bytes)
        key = hashlib.sha256(json.dumps([_VERSION, side, wanted]).encode()).hexdigest()[:24]
        folder = cache / f"{PIXELS}{key}"
        reused = _is_whole(folder)
        held: Hold | None = None
        if most_bytes is not None:
            set_bound(cache, most_bytes)
        if not reused:
            close_stores()  # of earlier searches of this process
            _make_room(cache, len(wanted) * side * side * 3)
            made = [(digest, by_hash[digest]) for digest in wanted]
            held = _decode_all(made, folder, side, (pool, report))
        store = open_store(folder)
        if held is not None:
            held.release()
    failed: dict[str, str] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["broken"]
    row_of = {str(digest): row for row, digest in enumerate(store.hashes)}
    broken = {**unreadable, **{name: failed[digest] for name, digest in hashes.items() if digest in failed}}
    references = {
        name: store.reference(row_of[digest]) for name, digest in hashes.items() if digest in row_of
    }
    if not references:
        raise DataError(f"None of {len(names):,} images can be used; the first: {first_of(broken)}.")
    os.utime(folder)
    trim(cache, keep=folder)
    return Stored(store, references, hashes, broken, reused)


def _hashes(
    paths: Sequence[Path], cache: Path, pool: ThreadPoolExecutor, report: Report
) -> tuple[dict[str, str], dict[str, str]]:
    """``(hash by path, reason by unreadable path)``; files unchanged since the last time are not read."""
    index_path = cache / "hashes" / f"{hashlib.sha256(_common(paths).encode()).hexdigest()[:24]}.json"
    try:
        index: dict[str, list[Any]] = json.loads(index_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        index = {}
    progress = _Progress(len(paths), "reading images", report)

    def one(path: Path) -> tuple[str, list[Any] | None, str]:
        name = str(path)
        try:
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns]
            before = index.get(name)
            if before is not None and before[:2] == stamp:
                return name, before, ""
            digest = hashlib.sha256(read_file(path)).hexdigest()
            return name, [*stamp, digest], ""
        except FileNotFoundError:
            return name, None, "there is no such file"
        except (OSError, DataError) as error:
            return name, None, str(error)
        finally:
            progress.step()

    results = list(pool.map(one, paths))
    entries = {name: entry for name, entry, _ in results if entry is not None}
    if entries != index:
        _write_json(index_path, entries)
    return (
        {name: str(entry[2]) for name, entry in entries.items()},
        {name: reason for name, entry, reason in results if entry is None},
    )


def _common(paths: Sequence[Path]) -> str:
    return os.path.commonpath([str(path.parent.absolute()) for path in paths]) if paths else ""


def _write_json(path: Path, body: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(body), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error


def _fitting_side(paths: Sequence[Path], pool: ThreadPoolExecutor) -> int:
    """The 0.9 quantile of the shorter sides of images, within the limits."""
    step = max(1, len(paths) // _SIZES_SAMPLED)

    def shorter(path: Path) -> int:
        try:
            return min(image_size(read_file(path)))
        except DataError:
            return 0

    sides = [side for side in pool.map(shorter, paths[::step]) if side]
    if not sides:
        return LARGEST_SIDE
    typical = -(-int(np.quantile(sides, 0.9)) // 8) * 8
    return int(np.clip(typical, LEAST_SIDE, LARGEST_SIDE))


def _affordable_side(side: int, images: int, most_bytes: int | None) -> int:
    """The side, reduced if the pixels would fill more than two thirds of the cache."""
    if most_bytes is None or images * side * side * 3 <= most_bytes * 2 // 3:
        return side
    smaller = int((most_bytes * 2 / 3 / images / 3) ** 0.5) // 8 * 8
    if smaller < LEAST_SIDE:
        least = math.ceil(images * LEAST_SIDE**2 * 4.5 / 2**20)
        raise StorageError(
            f"{images:,} images need a cache of at least {least:,} MiB. Next: raise --cache-size."
        )
    return smaller


def _is_whole(folder: Path) -> bool:
    """Return whether a pixel store has all its files; disk cleaners remove some of them."""
    return all((folder / name).is_file() for name in (DESCRIPTION, *_ARRAYS))


def _make_room(cache: Path, wanted: int) -> None:
    with room_for(cache, wanted) as enough:
        if not enough:
            raise StorageError(
                f"The cache {cache} has no room for {wanted / 2**20:,.0f} MiB of decoded images beside those "
                "that other searches work with. Next: wait for these, or raise --cache-size."
            )


def _decode_all(
    files: Sequence[tuple[str, Path]], folder: Path, side: int, work: tuple[ThreadPoolExecutor, Report]
) -> Hold:
    """Make the pixel store in ``folder``; the returned value keeps it from being removed."""
    pool, report = work
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    progress = _Progress(len(files), "decoding images", report)
    spent: list[float] = []

    def one(path: Path) -> DecodedImage | str:
        began = time.thread_time()
        try:
            return decode(path, side)
        except DataError as error:
            return str(error)
        finally:
            spent.append(time.thread_time() - began)
            progress.step()

    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (partial / DESCRIPTION).touch()
        held = Hold(partial)  # other searches must not remove a folder that is being written
        pixels = np.lib.format.open_memmap(
            partial / "pixels.npy", mode="w+", dtype=np.uint8, shape=(len(files), side, side, 3)
        )
        aspects: list[float] = []
        hashes: list[str] = []
        broken: dict[str, str] = {}
        for (digest, _), made in zip(files, pool.map(one, [path for _, path in files]), strict=True):
            if isinstance(made, str):
                broken[digest] = made
                continue
            pixels[len(hashes)] = made.pixels
            aspects.append(made.aspect)
            hashes.append(digest)
        pixels.flush()
        np.save(partial / "aspects.npy", np.array(aspects, dtype=np.float32))
        np.save(partial / "hashes.npy", np.array(hashes, dtype="S64"))
        body = {
            "version": _VERSION,
            "side": side,
            "broken": broken,
            "decode_ms": 1000 * float(np.mean(spent)),
        }
        (partial / DESCRIPTION).write_text(json.dumps(body), encoding="utf-8")
        if _is_whole(folder):  # another search was faster
            shutil.rmtree(partial, ignore_errors=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(partial, folder)
        return held
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise StorageError(
            f"The decoded images cannot be written to {folder}: {error.strerror or error}. Next: make room, "
            "or choose another --store."
        ) from error


class _Progress:
    """A counter of the work done by the threads of a pool, which reports it now and then."""

    def __init__(self, total: int, message: str, report: Report) -> None:
        self._total, self._message, self._report = total, message, report
        self._done, self._said = 0, 0.0

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._said > _PROGRESS_SECONDS or self._done == self._total:
            self._said = now
            self._report(min(1.0, self._done / self._total), self._message)
