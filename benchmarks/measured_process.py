"""Run a command to its end and measure it: wall seconds and peak memory of its whole process tree."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Measured:
    """How a process went. ``code`` is None when it was ended at its limit."""

    code: int | None
    seconds: float
    peak_bytes: int


def run_measured(command: Sequence[str], *, log: Path, folder: Path, limit_seconds: float) -> Measured:
    """Run ``command`` in ``folder`` with its output in ``log``, and end what it leaves behind."""
    started = time.monotonic()
    seen: dict[int, psutil.Process] = {}
    peak = 0
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
        )
        root = psutil.Process(process.pid)
        try:
            while process.poll() is None and time.monotonic() - started < limit_seconds:
                peak = max(peak, _resident_bytes(root, seen))
                time.sleep(_SAMPLE_SECONDS)
            code = process.poll()
            seconds = time.monotonic() - started
        finally:
            _end(process, seen)
    return Measured(code, seconds, peak)


def _resident_bytes(root: psutil.Process, seen: dict[int, psutil.Process]) -> int:
    """Resident memory of the tree. Pages that processes share are counted once for each."""
    total = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        # A daemon (Ray's) leaves the tree when its parent ends; it is remembered, so that it is ended too.
        seen.setdefault(process.pid, process)
    for process in seen.values():
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _end(process: subprocess.Popen[bytes], seen: dict[int, psutil.Process]) -> None:
    """End what was seen in the tree and still runs (psutil checks that a pid is still theirs)."""
    for member in seen.values():
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    psutil.wait_procs(list(seen.values()), timeout=10)
