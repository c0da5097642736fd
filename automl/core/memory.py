"""Memory: how much there is, how much a process holds alone, the most that it held, what it can return."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from pathlib import Path

USABLE_SHARE = 0.8
"""Of the memory that can still be had, what the trials of a search may use unless it is said otherwise."""

# Version 2 and version 1 of Linux's control groups: containers are limited by them, not by the machine.
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def usable_bytes() -> int:
    """Memory that the trials of a search may use here, unless it is said otherwise."""
    return int(USABLE_SHARE * available_bytes())


def available_bytes() -> int:
    """Memory that can still be had, of the machine or of the container, whichever has less."""
    import psutil

    available = int(psutil.virtual_memory().available)
    for limit_file, usage_file in _GROUPS:
        with suppress(OSError, ValueError):
            limit = int(Path(limit_file).read_text(encoding="ascii"))
            usage = int(Path(usage_file).read_text(encoding="ascii"))
            # Pages of files count as used there although they can be dropped at any time.
            available = min(available, max(0, limit - usage) + _droppable(Path(limit_file).parent))
            break
    return available


def private_bytes(pid: int) -> int:
    """Memory of a process without what it maps from files; 0 when it is gone."""
    import psutil

    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - memory.shared if sys.platform == "linux" else memory.rss)


def release_freed() -> None:
    """Return memory that is no longer used to the system; glibc keeps it otherwise, in pieces, for ever.

    After a forest of 77 MB, five folds on 6,500 rows, that was 300 MB of the worker's 460.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # musl has no such function
        trim(0)


def _droppable(group: Path) -> int:
    for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
        name, _, number = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(number)
    return 0


class PeakMemory:
    """Peak resident memory of this process since the object was made, where the system tells."""

    def __init__(self) -> None:
        gc.collect()
        # Linux: starts the high-water mark anew. Elsewhere, and where it is forbidden, the peak is that
        # of the process's whole life.
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def peak_bytes(self) -> int:
        """Bytes; 0 where the system does not say."""
        with suppress(OSError):
            for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        if sys.platform == "win32":
            import psutil

            return int(psutil.Process().memory_info().peak_wset)
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak if sys.platform == "darwin" else peak * 1024)
