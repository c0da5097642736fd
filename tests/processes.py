"""Processes that tests look after."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil


def still_running(processes: Iterable[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Those that have not ended within these seconds; one that only waits to be reaped has ended."""
    until = time.monotonic() + seconds
    left = list(processes)
    while left and time.monotonic() < until:
        left = [process for process in left if _runs(process)]
        time.sleep(0.05)
    return [process for process in left if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def search_through(
    words: Sequence[str], disturb: Callable[[], None], *, folder: Path, seconds: float
) -> None:
    """Run ``automl`` in a folder and disturb it once a linear model has ended; it has to end well."""
    command = [sys.executable, "-m", "automl", *words]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "linear" in line:
                break
        disturb()
        rest = process.stderr.read()
        assert process.wait(seconds) == 0, rest
