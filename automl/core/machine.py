"""The machine that this process runs on: its processors, its GPU, the unit that its memory is counted in."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from automl.core.errors import MissingDependencyError

GIBIBYTE = 1 << 30

# What Linux's control groups allow a container, versions 2 and 1: "200000 100000" are two processors.
_QUOTAS = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


def cores() -> int:
    """Processors that this process may use: of the machine, or as many as its container is allowed."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine_cores()
    for files in _QUOTAS:
        with suppress(OSError, ValueError):  # no such version, or "max" for no limit
            words = " ".join(Path(file).read_text(encoding="ascii") for file in files).split()
            quota, period = int(words[0]), int(words[1])
            if quota > 0 < period:
                return max(1, min(count, math.ceil(quota / period)))
    return count


def machine_cores() -> int:
    """Processors of the whole machine, which is what its load averages count against."""
    return os.cpu_count() or 1


def device_here(wanted: str) -> str:
    """``cpu`` or ``cuda``; torch is only imported where a driver's device file says it may find a GPU.

    Raises
    ------
    MissingDependencyError
        For ``cuda`` where there is none.
    """
    if wanted == "cpu":
        return "cpu"
    if wanted == "auto" and not Path("/dev/nvidiactl").exists() and os.name != "nt":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise MissingDependencyError(
            "--device cuda was asked for, but torch finds no GPU. Use --device cpu or auto."
        )
    return "cpu"
