"""Errors of the disk that holds an unfinished search, with the way to continue."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from automl.core.errors import StorageError, UsageError
from automl.core.whole_files import FULL


class disk_errors:
    """Turns an error of the disk into a StorageError that says how to continue."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, StorageError | UsageError):
            if error.errno in FULL:
                raise full(self._place, str(error)) from error
            raise StorageError(f"{self._place} cannot be written: {error}.") from error


def full(place: Path, reason: str) -> StorageError:
    """The error of a disk without room."""
    return StorageError(f"The disk that holds {place} is full ({reason}). Make room, then continue.")
