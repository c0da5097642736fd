"""The most memory that a process held while something ran in it."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from pathlib import Path


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
