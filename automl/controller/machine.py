"""The machine's share in a search: where trials run, how many at once, with how many threads each."""

from __future__ import annotations

from dataclasses import dataclass

from automl.core.table import Table
from automl.executors.base import Executor
from automl.executors.inline import InlineExecutor
from automl.executors.local import LocalExecutor
from automl.problem.capacity import cores
from automl.problem.settings import Settings

HURRY_SECONDS = 8.0
_WORKER_BYTES = 1.5e9


@dataclass(frozen=True)
class Division:
    """The cores, divided: trials at once, and threads of each."""

    slots: int
    threads: int


def hurried(settings: Settings) -> bool:
    """Tell whether the budget is too short for workers, which take a few seconds to start."""
    return settings.seconds is not None and settings.seconds < HURRY_SECONDS


def executor_for(settings: Settings) -> Executor:
    """The executor of the trials: in this process, or in workers."""
    if _in_this_process(settings):
        return InlineExecutor()
    return LocalExecutor(_most_workers(settings), memory_bytes=settings.memory_bytes)


def division_for(settings: Settings, table: Table) -> Division:
    """The cores divided by the size of the table: many small fits, or few wide ones."""
    if _in_this_process(settings):
        return Division(1, cores())
    cells = table.rows * max(1, table.numbers.shape[1] + table.codes.shape[1])
    most = _most_workers(settings)
    if settings.workers or cells < 1_000_000:
        slots = most
    elif cells < 10_000_000:
        slots = min(most, 2)
    else:
        slots = 1
    return Division(slots, max(1, cores() // slots))


def _in_this_process(settings: Settings) -> bool:
    return settings.executor == "inline" or hurried(settings)


def _most_workers(settings: Settings) -> int:
    """One per core, as far as each can have its memory."""
    return settings.workers or max(1, min(cores(), int(settings.memory_bytes / _WORKER_BYTES)))
