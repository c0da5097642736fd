"""Arrays of ended trials: in memory while they are few, then in files that are mapped into it."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

IN_MEMORY_BYTES = 256 << 20
"""Arrays up to this size in total stay in memory: those of searches of ordinary size."""
CHUNK_BYTES = 64 << 20
_ALIGNMENT = 64


@final
class ArrayShelf:
    """Arrays of a search that are needed again at its end at the latest.

    Parameters
    ----------
    folder:
        On the disk that the files take their space from.
    in_memory:
        Bytes in total up to which arrays stay as they are; default: :data:`IN_MEMORY_BYTES`.
    chunk:
        Bytes of a file, each of which takes one file descriptor; default: :data:`CHUNK_BYTES`.
    """

    def __init__(self, folder: Path, *, in_memory: int | None = None, chunk: int | None = None) -> None:
        self._folder = folder
        self._in_memory = IN_MEMORY_BYTES if in_memory is None else in_memory
        self._chunk = CHUNK_BYTES if chunk is None else chunk
        self._held = 0
        self._mapped: mmap.mmap | None = None
        self._used = 0

    def put(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The same array, or an equal one that cannot be written to and lies in a file.

        Raises
        ------
        OSError
            When the disk has no room for it.
        """
        if self._held + array.nbytes <= self._in_memory or not array.nbytes:
            self._held += array.nbytes
            return array
        mapped = self._room_for(array.nbytes)
        placed = np.frombuffer(mapped, dtype=array.dtype, count=array.size, offset=self._used)
        placed = placed.reshape(array.shape)
        placed[...] = array
        placed.flags.writeable = False
        self._used += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        return placed

    def _room_for(self, size: int) -> mmap.mmap:
        """A mapped file with room for an array; earlier ones leave the memory until they are read."""
        if self._mapped is not None and self._used + size <= len(self._mapped):
            return self._mapped
        if self._mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
        length = max(self._chunk, size)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            # Written in full: a page of a mapping that finds the disk full would end the process.
            for start in range(0, length, _BLOCK):
                file.write(bytes(min(_BLOCK, length - start)))
            file.flush()
            self._mapped, self._used = mmap.mmap(file.fileno(), length), 0
        return self._mapped


_BLOCK = 1 << 20
