"""How much memory there is, and how much a process holds alone."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

# Version 2 and version 1 of Linux's control groups: containers are limited by them, not by the machine.
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


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


def _droppable(group: Path) -> int:
    for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
        name, _, number = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(number)
    return 0
