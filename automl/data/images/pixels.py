"""Pixels of images: memory-mapped from disk, or decoded now.

A pixel store is a folder ``pixels-<key>`` with ``pixels.npy`` ``(images, side, side, 3)`` uint8,
``aspects.npy``, ``hashes.npy`` and ``store.json``. Its key depends only on the contents of the files, so it
is found again when they move. A table refers to an image as ``<folder>#<row>``: equal images, equal
references.
"""

from __future__ import annotations

import hashlib
import json
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError
from automl.core.machine import cores
from automl.core.table import Strings
from automl.data.cache import DESCRIPTION, Hold
from automl.data.images.decode import DecodedImage, Pixels, decode, read_file

# 1.15 times the largest resolution of nets, so that crops are not enlarged.
LARGEST_SIDE = 256
_RECENT = 2
_BLANK_SIDE, _GREY = 64, 128
_CUT_OFF = 0.3  # of a picture; the central square leaves out a quarter of 4:3, and a third of 3:2


@dataclass(frozen=True)
class Pictures:
    """Images of the rows of a table, from disk or from memory.

    Attributes
    ----------
    hashes:
        SHA-256 of each image's file (or pixels), hexadecimal.
    pixels:
        ``(rows, side, side, 3)`` uint8; rows of a memory map are read when they are used.
    aspects:
        Width over height of the upright images.
    rows:
        Rows of ``pixels`` and ``aspects`` for each row of the table.
    cache:
        Folder for results worth keeping, or None for images that were passed in memory.
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
        """Pixels and aspects of these rows of the table."""
        rows = self.rows[places]
        return np.asarray(self.pixels[rows]), self.aspects[rows]


@dataclass(frozen=True, kw_only=True)
class PixelStore:
    """DecodedImage images on disk.

    Attributes
    ----------
    decode_ms:
        Milliseconds of one core for reading and decoding one image.
    held:
        Keeps the folder from being removed while this value lives.
    """

    folder: Path
    pixels: Pixels
    aspects: npt.NDArray[np.float32]
    hashes: Strings
    decode_ms: float
    held: Hold = field(compare=False, repr=False)

    def reference(self, row: int) -> str:
        """The name of an image in a table."""
        return f"{self.folder}#{row}"


def open_store(folder: Path) -> PixelStore:
    """The store in ``folder``, mapped into memory."""
    return _opened(str(folder))


def close_stores() -> None:
    """Close all pixel stores, so that they can be removed; they are reopened when needed."""
    _opened.cache_clear()


@lru_cache(maxsize=8)
def _opened(folder: str) -> PixelStore:
    place = Path(folder)
    body = json.loads((place / DESCRIPTION).read_text(encoding="utf-8"))
    return PixelStore(
        folder=place,
        pixels=np.load(place / "pixels.npy", mmap_mode="r"),
        aspects=np.load(place / "aspects.npy"),
        hashes=np.load(place / "hashes.npy").astype(str).astype(object),
        decode_ms=float(body["decode_ms"]),
        held=Hold(place),
    )


def blank_picture() -> npt.NDArray[np.uint8]:
    """An even grey picture."""
    return np.full((_BLANK_SIDE, _BLANK_SIDE, 3), _GREY, dtype=np.uint8)


def pictures_of(images: Strings, side: int) -> Pictures:
    """The images of a table: references into a pixel store, or paths, PIL images and arrays to decode now.

    Parameters
    ----------
    side:
        Height and width to decode to, as in training.

    Raises
    ------
    DataError
        With the first image that cannot be read, and their number.
    """
    if not len(images):
        nothing = np.empty((0, side, side, 3), dtype=np.uint8)
        return Pictures(images, nothing, np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64))
    places = [str(image).rpartition("#") if isinstance(image, str) else ("", "", "") for image in images]
    folders = {folder for folder, _, _ in places}
    # Paths of images have no folder part here; files in the current folder must not matter.
    if len(folders) == 1 and "" not in folders and (Path(next(iter(folders))) / DESCRIPTION).is_file():
        store = open_store(Path(next(iter(folders))))
        rows = np.array([int(row) for _, _, row in places], dtype=np.int64)
        if store.pixels.shape[1] == side:
            return Pictures(store.hashes[rows], store.pixels, store.aspects, rows, store.folder.parent)
    return _decoded_once(images, side)


_recent: list[tuple[weakref.ref[Strings], int, Pictures]] = []
_recent_lock = Lock()


def _decoded_once(images: Strings, side: int) -> Pictures:
    """Decode now, once for all models that ask for the same array, one after another or at the same time."""
    with _recent_lock:
        for reference, size, pictures in _recent:
            if reference() is images and size == side:
                return pictures
        pictures = _decoded_now(images, side)
        _recent[:] = [entry for entry in _recent if entry[0]() is not None][-_RECENT + 1 :]
        _recent.append((weakref.ref(images), side, pictures))
        return pictures


def stored_side(images: Strings) -> int:
    """Height and width of the stored images that a table refers to; the default for other images."""
    for image in images[:1]:
        folder, mark, _ = str(image).rpartition("#")
        if mark and (Path(folder) / DESCRIPTION).is_file():
            return int(open_store(Path(folder)).pixels.shape[1])
    return LARGEST_SIDE


def mostly_elongated(columns: Sequence[Strings]) -> bool:
    """Return whether the central square leaves out much of most stored images in the first column."""
    if not columns or not len(columns[0]):
        return False
    pictures = pictures_of(columns[0], stored_side(columns[0]))
    shown = pictures.aspects[pictures.rows]
    left_out = 1 - np.minimum(shown, 1 / shown)
    return bool((left_out > _CUT_OFF).mean() > 0.5)


def _decoded_now(images: Strings, side: int) -> Pictures:
    broken: dict[str, str] = {}

    def one(place: int) -> tuple[str, DecodedImage | None]:
        picture = images[place]
        try:
            if isinstance(picture, str):
                if not picture:
                    raise DataError("no path is given")
                content = read_file(Path(picture))
                return hashlib.sha256(content).hexdigest(), decode(content, side)
            made = decode(picture, side)
            return hashlib.sha256(made.pixels.tobytes()).hexdigest(), made
        except DataError as error:
            broken[(picture if isinstance(picture, str) else "") or f"image {place}"] = str(error)
            return "", None

    with bombs_are_errors(), ThreadPoolExecutor(usable_threads()) as pool:
        results = list(pool.map(one, range(len(images))))
    if broken:
        raise DataError(
            f"{len(broken)} of {len(images):,} images cannot be used, such as {first_of(broken)}. "
            "Next: fix or remove them; `automl predict --skip-bad-rows` predicts the others."
        )
    pixels = np.stack([made.pixels for _, made in results if made is not None])
    aspects = np.array([made.aspect for _, made in results if made is not None], dtype=np.float32)
    hashes = np.array([digest for digest, _ in results], dtype=object)
    return Pictures(hashes, pixels, aspects, np.arange(len(results)))


def first_of(broken: Mapping[str, str]) -> str:
    """The first broken image, with its reason."""
    name, reason = next(iter(broken.items()))
    return f"{name} ({reason})"


def usable_threads() -> int:
    """Number of threads for decoding."""
    return min(cores(), 16)


@contextmanager
def bombs_are_errors() -> Iterator[None]:
    """Raise for decompression bombs up to twice Pillow's limit, for which it only warns."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Warnings about odd metadata are not worth a line per image.
        warnings.simplefilter("ignore", UserWarning)
        yield
