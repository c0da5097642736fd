"""Folders on their way between machines: a list of files, and their bytes one after another in parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PART_BYTES = 16 << 20
"""The most that is on its way at once: what memory a transfer takes, however large the folder is."""


@dataclass(frozen=True)
class Parcel:
    """The files of a folder.

    Attributes
    ----------
    files:
        Relative path with ``/`` and size in bytes of each.
    first:
        The first bytes of all files together; the rest is read by :func:`read_part`.
    """

    files: tuple[tuple[str, int], ...]
    first: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)

    @property
    def whole(self) -> bool:
        """True where nothing is left to be read."""
        return len(self.first) == self.size


def pack(folder: Path, most: int = 0) -> Parcel:
    """All files below a folder, with up to ``most`` of their first bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = tuple((path.relative_to(folder).as_posix(), path.stat().st_size) for path in paths)
    return Parcel(files, read_part(folder, Parcel(files), 0, most))


def read_part(folder: Path, parcel: Parcel, offset: int, most: int = PART_BYTES) -> bytes:
    """Up to ``most`` bytes of the parcel's files from ``offset`` on; empty behind the last.

    Raises
    ------
    OSError
        When a file is gone or shorter than it was.
    """
    parts: list[bytes] = []
    start = 0
    for name, size in parcel.files:
        skipped = max(0, offset - start)
        wanted = min(size - skipped, most)
        start += size
        if wanted <= 0:
            continue
        with (folder / name).open("rb") as file:
            file.seek(skipped)
            part = file.read(wanted)
        if len(part) < wanted:
            raise OSError(f"{folder / name} is shorter than it was")
        parts.append(part)
        offset, most = offset + wanted, most - wanted
    return b"".join(parts)


class Unpacker:
    """Writes a parcel's files into a folder as their bytes arrive.

    Parameters
    ----------
    folder:
        Made if need be; files in it are replaced.

    Raises
    ------
    ValueError
        For a path that leads out of the folder.
    """

    def __init__(self, folder: Path, parcel: Parcel) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._places: list[tuple[Path, int]] = []
        for name, size in parcel.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ValueError(f"{name!r} leads out of the folder")
            place = folder.joinpath(*path.parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"")
            self._places.append((place, size))
        self._left = parcel.size
        self.received = 0
        self.write(parcel.first)

    @property
    def complete(self) -> bool:
        """True once every byte is written."""
        return self._left == 0

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes of all files."""
        view = memoryview(data)
        self._left -= len(view)
        self.received += len(view)
        while view and self._places:
            place, missing = self._places[0]
            part = view[:missing]
            with place.open("ab") as file:
                file.write(part)
            view = view[len(part) :]
            if len(part) == missing:
                self._places.pop(0)
            else:
                self._places[0] = (place, missing - len(part))
