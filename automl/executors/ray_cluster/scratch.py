"""The folder of an agent on its node's disk, which goes with the agent, however that ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from automl.data.cache import lock_file

_PREFIX = "automl-node-"
_LOCK = "in-use.lock"
# Waits for the end of a pipe that the agent alone holds. In the background of a shell that ends at once: Ray
# kills the children of a worker that it kills. The workers of the agent end a moment after it.
_TIDY = 'exec 3<&0; (while read -r _ <&3; do :; done; sleep 2; rm -rf -- "$1") &'


class Scratch:
    """A new folder of this process; those of dead processes are removed.

    Ray kills the processes of a search whose driver or node it lost, and the data of the search would stay on
    the disk of somebody else's machine. So a shell waits for the end of this process.
    """

    def __init__(self) -> None:
        self.folder, self._lock = _locked_folder(Path(tempfile.gettempdir()))
        self._pipe = _watched(self.folder)

    def remove(self) -> None:
        """Remove it now."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for handle in (self._lock, *([] if self._pipe is None else [self._pipe])):
            os.close(handle)


def _watched(folder: Path) -> int | None:
    """The end of a pipe; the folder is removed when it is closed. None where there is no such shell."""
    if os.name != "posix":
        return None
    theirs, ours = os.pipe()
    try:
        subprocess.run(
            ["/bin/sh", "-c", _TIDY, "automl-tidy", str(folder)],
            stdin=theirs,  # a shell may know no descriptors above 9
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
    finally:
        os.close(theirs)
    return ours


def _locked_folder(root: Path) -> tuple[Path, int]:
    """A new folder below ``root`` and its lock."""
    for old in root.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError):
            handle = os.open(old, os.O_RDONLY)
            if lock_file(handle):
                shutil.rmtree(old.parent, ignore_errors=True)
            os.close(handle)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        handle = os.open(folder / _LOCK, os.O_RDONLY | os.O_CREAT, 0o600)
        if lock_file(handle) and (folder / _LOCK).exists():  # else another process tidied in between
            return folder, handle
        os.close(handle)
