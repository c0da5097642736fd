"""Decode once: the pixels of all images in one memory-mapped file, kept between searches.

A store is a folder ``pixels-<key>`` with ``pixels.npy`` ``(images, side, side, 3)`` uint8, ``aspects.npy``,
``hashes.npy`` and ``store.json``. Its key comes from the contents of the files alone, so that it is found
again wherever they lie. A table refers to an image as ``<folder>#<row>``: equal images, equal references.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.data.images import Decoded, Pixels, decode, image_size, read_file
from automl.data.table import Strings
from automl.errors import DataError, StorageError

LARGEST_VIEW = 224
# 1.15 times the largest resolution that nets see, so that crops of it are not blown up.
LARGEST_SIDE = 256
LEAST_SIDE = 32
_VERSION = 1
_DESCRIPTION = "store.json"
_SIZES_SAMPLED = 1000
_PROGRESS_SECONDS = 0.1
_RECENT = 2

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Pictures:
    """Images of the rows of a table, wherever they come from.

    Attributes
    ----------
    hashes:
        SHA-256 of each image's file (or pixels), hexadecimal.
    pixels:
        ``(rows, side, side, 3)`` uint8; rows of a memory map are read when they are taken.
    aspects:
        Width over height of the upright images.
    rows:
        Rows of ``pixels`` and ``aspects`` for each row of the table.
    cache:
        Folder for what is worth keeping about these images, or None for images that were just passed in.
    """

    hashes: Strings
    pixels: Pixels
    aspects: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    cache: Path | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def side(self) -> int:
        """Height and width of the stored pixels."""
        return int(self.pixels.shape[1])

    def take(self, places: npt.NDArray[np.int64] | slice) -> tuple[Pixels, npt.NDArray[np.float32]]:
        """Pixels and aspects of these places."""
        rows = self.rows[places]
        return np.asarray(self.pixels[rows]), self.aspects[rows]


@dataclass(frozen=True)
class PixelStore:
    """Decoded images on disk.

    Attributes
    ----------
    decode_ms:
        Milliseconds and core that reading and decoding one took.
    """

    folder: Path
    pixels: Pixels
    aspects: npt.NDArray[np.float32]
    hashes: Strings
    decode_ms: float

    def reference(self, row: int) -> str:
        """How a table names the image."""
        return f"{self.folder}#{row}"


@dataclass(frozen=True)
class Stored:
    """The outcome of :func:`store_pixels`.

    Attributes
    ----------
    references:
        Per path its reference; paths of broken images are absent.
    hashes:
        Per path the SHA-256 of its content; unreadable files are absent.
    broken:
        Per path why it cannot be used.
    reused:
        Whether everything was decoded before.
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
    """Decode these files into a store below ``cache``, or find the store that has them already.

    Parameters
    ----------
    side:
        Height and width of the stored pixels; by default 256, less where the images are smaller.
    most_bytes:
        Bound of the cache; older stores are removed, and the images stored smaller, to keep it.

    Raises
    ------
    DataError
        When none of the images can be read.
    StorageError
        When the cache cannot be written or its bound is too low.
    """
    names = [str(path) for path in paths]
    with _bombs_are_errors(), ThreadPoolExecutor(_threads()) as pool:
        hashes, unreadable = _hashes(paths, cache, pool, report)
        if not hashes:
            raise DataError(f"None of {len(names):,} images can be read; the first: {_first(unreadable)}.")
        by_hash = {digest: Path(name) for name, digest in hashes.items()}
        wanted = sorted(by_hash)
        side = side or _fitting_side([by_hash[digest] for digest in wanted], pool)
        side = _affordable_side(side, len(wanted), most_bytes)
        key = hashlib.sha256(json.dumps([_VERSION, side, wanted]).encode()).hexdigest()[:24]
        folder = cache / f"pixels-{key}"
        reused = (folder / _DESCRIPTION).is_file()
        if not reused:
            _decode_all([(digest, by_hash[digest]) for digest in wanted], folder, side, (pool, report))
    store = open_store(folder)
    failed: dict[str, str] = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))["broken"]
    row_of = {str(digest): row for row, digest in enumerate(store.hashes)}
    broken = {**unreadable, **{name: failed[digest] for name, digest in hashes.items() if digest in failed}}
    references = {
        name: store.reference(row_of[digest]) for name, digest in hashes.items() if digest in row_of
    }
    if not references:
        raise DataError(f"None of {len(names):,} images can be used; the first: {_first(broken)}.")
    os.utime(folder)
    if most_bytes is not None:
        trim_cache(cache, most_bytes, keep=folder)
    return Stored(store, references, hashes, broken, reused)


def open_store(folder: Path) -> PixelStore:
    """The store in ``folder``, mapped into memory."""
    return _opened(str(folder))


@lru_cache(maxsize=8)
def _opened(folder: str) -> PixelStore:
    place = Path(folder)
    body = json.loads((place / _DESCRIPTION).read_text(encoding="utf-8"))
    return PixelStore(
        place,
        np.load(place / "pixels.npy", mmap_mode="r"),
        np.load(place / "aspects.npy"),
        np.load(place / "hashes.npy").astype(str).astype(object),
        float(body["decode_ms"]),
    )


def pictures_of(images: Strings, side: int) -> Pictures:
    """The images of a table: references into a store, or paths, PIL images and arrays to decode now.

    Parameters
    ----------
    side:
        Height and width to decode with, as at training.

    Raises
    ------
    DataError
        Naming the first images that cannot be read, and how many there are.
    """
    places = [str(image).rpartition("#") if isinstance(image, str) else ("", "", "") for image in images]
    folders = {folder for folder, _, _ in places}
    if len(folders) == 1 and (Path(next(iter(folders))) / _DESCRIPTION).is_file():
        store = open_store(Path(next(iter(folders))))
        rows = np.array([int(row) for _, _, row in places], dtype=np.int64)
        if store.pixels.shape[1] == side:
            return Pictures(store.hashes[rows], store.pixels, store.aspects, rows, store.folder.parent)
    return _decoded_once(images, side)


_recent: list[tuple[weakref.ref[Strings], int, Pictures]] = []
_recent_lock = Lock()


def _decoded_once(images: Strings, side: int) -> Pictures:
    """Decode now; the models of a bag ask for the same array one after another, or at the same time."""
    with _recent_lock:
        for known, size, pictures in _recent:
            if known() is images and size == side:
                return pictures
        pictures = _decoded_now(images, side)
        _recent[:] = [entry for entry in _recent if entry[0]() is not None][-_RECENT + 1 :]
        _recent.append((weakref.ref(images), side, pictures))
        return pictures


def stored_side(images: Strings) -> int:
    """Height and width of the stored images that a table refers to; the usual ones for other images."""
    for image in images[:1]:
        folder, mark, _ = str(image).rpartition("#")
        if mark and (Path(folder) / _DESCRIPTION).is_file():
            return int(open_store(Path(folder)).pixels.shape[1])
    return LARGEST_SIDE


def trim_cache(cache: Path, most_bytes: int, *, keep: Path | None = None) -> None:
    """Remove what was not used for longest until the cache holds no more than ``most_bytes``."""
    entries = [entry for entry in cache.iterdir() if entry.is_dir()] if cache.is_dir() else []
    sizes = {entry: _folder_bytes(entry) for entry in entries}
    total = sum(sizes.values())
    for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime):
        if total <= most_bytes:
            return
        if entry != keep:
            shutil.rmtree(entry, ignore_errors=True)
            total -= sizes[entry]


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _decoded_now(images: Strings, side: int) -> Pictures:
    broken: dict[str, str] = {}

    def one(place: int) -> tuple[str, Decoded | None]:
        picture = images[place]
        try:
            if isinstance(picture, str):
                content = read_file(Path(picture))
                return hashlib.sha256(content).hexdigest(), decode(content, side)
            made = decode(picture, side)
            return hashlib.sha256(made.pixels.tobytes()).hexdigest(), made
        except DataError as error:
            broken[picture if isinstance(picture, str) else f"image {place}"] = str(error)
            return "", None

    with _bombs_are_errors(), ThreadPoolExecutor(_threads()) as pool:
        found = list(pool.map(one, range(len(images))))
    if broken:
        raise DataError(
            f"{len(broken)} of {len(images):,} images cannot be used, such as {_first(broken)}. "
            "Next: repair them or leave them out."
        )
    pixels = np.stack([made.pixels for _, made in found if made is not None])
    aspects = np.array([made.aspect for _, made in found if made is not None], dtype=np.float32)
    hashes = np.array([digest for digest, _ in found], dtype=object)
    return Pictures(hashes, pixels, aspects, np.arange(len(found)))


def _first(broken: Mapping[str, str]) -> str:
    name, reason = next(iter(broken.items()))
    return f"{name} ({reason})"


def _threads() -> int:
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    return min(len(allowed(0)) if allowed is not None else os.cpu_count() or 1, 16)


@contextmanager
def _bombs_are_errors() -> Iterator[None]:
    """Pillow only warns of bombs between its limit and twice that."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Remarks on odd metadata are not worth a line per image.
        warnings.simplefilter("ignore", UserWarning)
        yield


def _hashes(
    paths: Sequence[Path], cache: Path, pool: ThreadPoolExecutor, report: Report
) -> tuple[dict[str, str], dict[str, str]]:
    """``(hash by path, reason by unreadable path)``; files unchanged since the last time are not read."""
    index_path = cache / "hashes" / f"{hashlib.sha256(_common(paths).encode()).hexdigest()[:24]}.json"
    try:
        known: dict[str, list[Any]] = json.loads(index_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    progress = _Progress(len(paths), "reading images", report)

    def one(path: Path) -> tuple[str, list[Any] | None, str]:
        name = str(path)
        try:
            found = path.stat()
            stamp = [found.st_size, found.st_mtime_ns]
            before = known.get(name)
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

    found = list(pool.map(one, paths))
    entries = {name: entry for name, entry, _ in found if entry is not None}
    if entries != known:
        _write_json(index_path, entries)
    return (
        {name: str(entry[2]) for name, entry in entries.items()},
        {name: reason for name, entry, reason in found if entry is None},
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
    """The shorter side that nine of ten images do not exceed, within the limits."""
    step = max(1, len(paths) // _SIZES_SAMPLED)

    def shorter(path: Path) -> int:
        try:
            return min(image_size(read_file(path)))
        except DataError:
            return 0

    sides = [side for side in pool.map(shorter, paths[::step]) if side]
    if not sides:
        return LARGEST_SIDE
    wanted = -(-int(np.quantile(sides, 0.9)) // 8) * 8
    return int(np.clip(wanted, LEAST_SIDE, LARGEST_SIDE))


def _affordable_side(side: int, images: int, most_bytes: int | None) -> int:
    """A smaller one where the pixels would fill more than two thirds of the cache."""
    if most_bytes is None or images * side * side * 3 <= most_bytes * 2 // 3:
        return side
    smaller = int((most_bytes * 2 / 3 / images / 3) ** 0.5) // 8 * 8
    if smaller < LEAST_SIDE:
        raise StorageError(
            f"{images:,} images need a cache of {images * LEAST_SIDE**2 * 4.5 / 2**20:,.0f} MiB at least. "
            "Next: raise --cache-size."
        )
    return smaller


def _decode_all(
    files: Sequence[tuple[str, Path]], folder: Path, side: int, work: tuple[ThreadPoolExecutor, Report]
) -> None:
    pool, report = work
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    progress = _Progress(len(files), "decoding images", report)
    spent: list[float] = []

    def one(path: Path) -> Decoded | str:
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
        (partial / _DESCRIPTION).write_text(json.dumps(body), encoding="utf-8")
        if folder.exists():  # another search was faster
            shutil.rmtree(partial, ignore_errors=True)
        else:
            os.replace(partial, folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise StorageError(
            f"The decoded images cannot be written to {folder}: {error.strerror or error}. Next: make room, "
            "or choose another --store."
        ) from error


class _Progress:
    """Counts what the pool's threads have done and reports it now and then."""

    def __init__(self, total: int, message: str, report: Report) -> None:
        self._total, self._message, self._report = total, message, report
        self._done, self._said = 0, 0.0

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._said > _PROGRESS_SECONDS or self._done == self._total:
            self._said = now
            self._report(min(1.0, self._done / self._total), self._message)
