"""The share of the processor that a process gets of the time in which it could have run on one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

LEAST_SHARE = 0.05
_HALF_LIFE = 5.0
"""Seconds that were wanted of a processor, after which what was learnt counts half."""


class Pace:
    """The share of the wanted processor time that a process gets: 1 on a free machine, a fifth beside
    four busy processes per core.

    Parameters
    ----------
    share:
        What is assumed before anything is measured; it counts as one second.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._ran, self._wanted = share, 1.0

    def learn(self, ran: float, waited: float) -> None:
        """Threads ran for ``ran`` seconds, and could have run for ``waited`` more; the past fades."""
        kept = 0.5 ** ((ran + waited) / _HALF_LIFE)
        self._ran = self._ran * kept + ran
        self._wanted = self._wanted * kept + ran + waited

    @property
    def share(self) -> float:
        """Between 0.05 and 1."""
        return share_of(self._ran, self._wanted - self._ran)


class Meter:
    """Reads how long processes ran and how long they waited for a processor, since the last reading.

    Linux counts both per thread. Elsewhere a process is taken to want one processor all the time, so that
    only those should be read that compute.
    """

    def __init__(self) -> None:
        self._seen: dict[int, dict[int, tuple[float, float]]] = {}

    def read(self, pids: Iterable[int]) -> tuple[float, float]:
        """``(seconds run, seconds waited)`` of the threads of these processes together."""
        now = {pid: _threads(pid) for pid in pids}
        ran = waited = 0.0
        for pid, threads in now.items():
            before = self._seen.get(pid)
            for thread, (total_ran, total_waited) in threads.items():
                if before is not None:  # else the length of time is unknown
                    earlier_ran, earlier_waited = before.get(thread, (0.0, 0.0))
                    ran += max(0.0, total_ran - earlier_ran)
                    waited += max(0.0, total_waited - earlier_waited)
        self._seen = now
        return ran, waited

    def totals(self, pid: int) -> list[tuple[float, float]]:
        """Per thread of a process that was read: seconds run and waited since the thread began."""
        return list(self._seen.get(pid, {}).values())


class TrialPace:
    """The share of the processor that this process gets from now on."""

    def __init__(self) -> None:
        self._meter = Meter()
        self._meter.read([os.getpid()])
        self._ran = self._waited = 0.0

    @classmethod
    def since_start(cls) -> TrialPace:
        """From the beginning of this process."""
        pace = cls()
        for ran, waited in pace._meter.totals(os.getpid()):
            pace._ran, pace._waited = pace._ran + ran, pace._waited + waited
        return pace

    def share(self) -> float:
        """Of the time wanted since the beginning, between 0.05 and 1."""
        ran, waited = self._meter.read([os.getpid()])
        self._ran, self._waited = self._ran + ran, self._waited + waited
        return share_of(self._ran, self._waited)


def share_of(ran: float, waited: float) -> float:
    """Between 0.05 and 1; 1 where nothing was wanted."""
    return min(1.0, max(LEAST_SHARE, ran / (ran + waited))) if ran + waited > 0 else 1.0


def seconds_wanted(pid: int) -> float:
    """Seconds that a process ran and waited for a processor; its age where the system keeps no such count."""
    return sum(ran + waited for ran, waited in _threads(pid).values())


def _threads(pid: int) -> dict[int, tuple[float, float]]:
    """Per thread of a process: seconds run and seconds waited for a processor; empty when it is gone."""
    threads = {}
    folder = Path(f"/proc/{pid}/task")
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError, ValueError):  # it has just ended, or the kernel keeps no count
                ran, waited, _ = (folder / name / "schedstat").read_text(encoding="ascii").split()
                threads[int(name)] = int(ran) / 1e9, int(waited) / 1e9
    return threads or _whole(pid)


def _whole(pid: int) -> dict[int, tuple[float, float]]:
    """The same where the system keeps no such count: what it did not run, it waited."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        times = process.cpu_times()
        ran = times.user + times.system
        return {pid: (ran, max(0.0, time.time() - process.create_time() - ran))}
    return {}
