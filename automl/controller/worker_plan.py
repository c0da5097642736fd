"""The place of a search's trials: its executor, how many run at once, and with how many threads each."""

from __future__ import annotations

from dataclasses import dataclass

from automl.core.errors import UsageError
from automl.core.modality import Modality
from automl.core.table import Table
from automl.executors import executor_type, executor_types
from automl.executors.base import Allowance, Executor, ExecutorType
from automl.problem.settings import Settings, is_folder

HURRY_SECONDS = 8.0


@dataclass(frozen=True)
class Division:
    """The cores, divided: trials at once, and threads of each."""

    slots: int
    threads: int


def hurried(settings: Settings) -> bool:
    """Tell whether the budget is too short for any but quick families."""
    return settings.seconds is not None and settings.seconds < HURRY_SECONDS


def executor_for(settings: Settings) -> Executor:
    """The executor that was asked for; one in this process where the budget is too short for it to begin.

    Raises
    ------
    UsageError
        When there is none of that name, or its trials cannot reach the files of a folder.
    """
    chosen = _chosen(settings)
    if is_folder(settings.source) and not chosen.carries_folders:
        _refuse_files(chosen)
    return chosen.make(
        Allowance(
            workers=settings.workers,
            memory_bytes=settings.memory_bytes,
            device=settings.device,
            address=settings.address or "",
        )
    )


def check_executor_choice(settings: Settings) -> None:
    """Check the choice of the executor before the data is read.

    Raises
    ------
    UsageError
        When there is none of that name, or an address is given to one that has none.
    """
    chosen = executor_type(settings.executor)
    if settings.address and not chosen.takes_address:
        others = ", ".join(name for name, kind in executor_types().items() if kind.takes_address)
        raise UsageError(
            f"--address {settings.address} is for a cluster, and the executor {chosen.name!r} runs trials "
            f"without one. Next: leave --address out, or choose --executor {others}."
        )


def begin_early(settings: Settings) -> None:
    """Begin what the workers of any search need, before its own libraries are loaded here."""
    _chosen(settings).begin_early()


def check_reach(settings: Settings, modality: Modality) -> None:
    """Check that trials reach the files that a table names.

    Raises
    ------
    UsageError
        For data that is in files where the executor shares no disk.
    """
    chosen = _chosen(settings)
    if modality.kind and not (chosen.carries_folders and modality.portable):
        _refuse_files(chosen)


def division_for(executor: Executor, table: Table, *, workers: int) -> Division:
    """The executor's cores divided by the size of the table: many small fits, or few wide ones.

    Parameters
    ----------
    workers:
        Trials at once as the user wants them; 0 for no wish.
    """
    capacity, most = executor.capacity, executor.slots
    machines = max(1, capacity.cores // capacity.trial_cores)
    cells = table.rows * max(1, table.numbers.shape[1] + table.codes.shape[1])
    if workers or cells < 1_000_000:
        slots = most
    elif cells < 10_000_000:
        slots = min(most, 2 * machines)
    else:
        slots = min(most, machines)
    return Division(slots, max(1, min(capacity.trial_cores, capacity.cores // slots)))


def shares_disk(settings: Settings) -> bool:
    """Tell whether trials run where this machine's disk is seen."""
    return _chosen(settings).shared_disk


def _chosen(settings: Settings) -> ExecutorType:
    chosen = executor_type(settings.executor)
    short = settings.seconds is not None and settings.seconds < chosen.least_seconds
    return executor_type("inline") if short else chosen


def _refuse_files(chosen: ExecutorType) -> None:
    if not chosen.shared_disk:
        raise UsageError(
            f"The executor {chosen.name!r} shares no disk with this process, and trials read files from it. "
            "Next: choose another one with --executor; `automl executors` lists them."
        )
