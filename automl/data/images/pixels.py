"""Pixels of images: mapped from a store on disk, or decoded now.

A store is a folder ``pixels-<key>`` with ``pixels.npy`` ``(images, side, side, 3)`` uint8, ``aspects.npy``,
``hashes.npy`` and ``store.json``. Its key comes from the contents of the files alone, so that it is found
again wherever they lie. A table refers to an image as ``<folder>#<row>``: equal images, equal references.
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
from automl.data.images.cache import DESCRIPTION, Hold
from automl.data.images.decode import Decoded, Pixels, decode, read_file

# 1.15 times the largest resolution that nets see, so that crops of it are not blown up.
LARGEST_SIDE = 256
_RECENT = 2
_CUT_OFF = 0.3  # of a picture; a square in one of 4:3 leaves out a quarter, in one of 3:2 a third


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
    held:
        Keeps the folder from being removed as long as this value lives.
    """

    folder: Path
    pixels: Pixels
    aspects: npt.NDArray[np.float32]
    hashes: Strings
    decode_ms: float
    held: Hold = field(compare=False, repr=False)

    def reference(self, row: int) -> str:
        """How a table names the image."""
        return f"{self.folder}#{row}"


def open_store(folder: Path) -> PixelStore:
    """The store in ``folder``, mapped into memory."""
    return _opened(str(folder))


def close_stores() -> None:
    """Let go of all stores, so that they may be removed; those that are needed again are opened again."""
    _opened.cache_clear()


@lru_cache(maxsize=8)
def _opened(folder: str) -> PixelStore:
    place = Path(folder)
    body = json.loads((place / DESCRIPTION).read_text(encoding="utf-8"))
    return PixelStore(
        place,
        np.load(place / "pixels.npy", mmap_mode="r"),
        np.load(place / "aspects.npy"),
        np.load(place / "hashes.npy").astype(str).astype(object),
        float(body["decode_ms"]),
        Hold(place),
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
    if not len(images):
        nothing = np.empty((0, side, side, 3), dtype=np.uint8)
        return Pictures(images, nothing, np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64))
    places = [str(image).rpartition("#") if isinstance(image, str) else ("", "", "") for image in images]
    folders = {folder for folder, _, _ in places}
    # Paths of images refer to no folder: what lies in the current one is none of their business.
    if len(folders) == 1 and "" not in folders and (Path(next(iter(folders))) / DESCRIPTION).is_file():
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
        if mark and (Path(folder) / DESCRIPTION).is_file():
            return int(open_store(Path(folder)).pixels.shape[1])
    return LARGEST_SIDE


def mostly_elongated(columns: Sequence[Strings]) -> bool:
    """Whether a square in the middle leaves out a good part of most stored images of the first column."""
    if not columns or not len(columns[0]):
        return False
    pictures = pictures_of(columns[0], stored_side(columns[0]))
    shown = pictures.aspects[pictures.rows]
    left_out = 1 - np.minimum(shown, 1 / shown)
    return bool((left_out > _CUT_OFF).mean() > 0.5)


def _decoded_now(images: Strings, side: int) -> Pictures:
    broken: dict[str, str] = {}

    def one(place: int) -> tuple[str, Decoded | None]:
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
        found = list(pool.map(one, range(len(images))))
    if broken:
        raise DataError(
            f"{len(broken)} of {len(images):,} images cannot be used, such as {first_of(broken)}. "
            "Next: repair them or leave them out."
        )
    pixels = np.stack([made.pixels for _, made in found if made is not None])
    aspects = np.array([made.aspect for _, made in found if made is not None], dtype=np.float32)
    hashes = np.array([digest for digest, _ in found], dtype=object)
    return Pictures(hashes, pixels, aspects, np.arange(len(found)))


def first_of(broken: Mapping[str, str]) -> str:
    """The first broken image, with its reason."""
    name, reason = next(iter(broken.items()))
    return f"{name} ({reason})"


def usable_threads() -> int:
    """Threads to decode with."""
    return min(cores(), 16)


@contextmanager
def bombs_are_errors() -> Iterator[None]:
    """Pillow only warns of bombs between its limit and twice that."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Remarks on odd metadata are not worth a line per image.
        warnings.simplefilter("ignore", UserWarning)
        yield
