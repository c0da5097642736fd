"""Files that are whole or absent, whatever ends the process or the machine while they are written."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when a disk, a quota or a limit of file sizes is used up."""


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that readers find the old content or the new one, never a part.

    Parameters
    ----------
    durable:
        Wait until the disk has it, so that it outlives a crash of the machine and not only of the process.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    if durable:
        _sync_names(path.parent)


def settle(folder: Path) -> None:
    """Wait until the disk has every file below ``folder``."""
    for root, _, files in os.walk(folder):
        for name in files:
            with (Path(root) / name).open("rb") as file:
                os.fsync(file.fileno())
        _sync_names(Path(root))


def _sync_names(folder: Path) -> None:
    """Let the disk have what a folder lists; Windows has no way to ask for that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
