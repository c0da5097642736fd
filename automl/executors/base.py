"""The contract between the controller and whatever runs its trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from automl.core.nodes import NodeState
from automl.core.trial import Event, Status, Ticket, TrialResult
from automl.core.whole_files import settle

EXECUTOR_GROUP = "automl.executors"
"""The group of entry points by which packages offer executors."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """Limits that the user of a search gave.

    Attributes
    ----------
    workers:
        Trials at once; 0 for as many as the executor finds right.
    memory_bytes:
        What all trials may hold together; 0 for as much as the executor finds right.
    device:
        ``auto``, ``cpu`` or ``cuda``: the device of nets as the user wants it.
    address:
        Of the cluster; empty for the executor's own choice.
    """

    workers: int = 0
    memory_bytes: int = 0
    device: str = "auto"
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Resources of the trials, where they run.

    Attributes
    ----------
    cores:
        Processors, of all machines together.
    trial_cores:
        The most processors that one trial can use: those of one machine.
    memory_bytes:
        What all trials may hold together.
    """

    cores: int
    trial_cores: int
    memory_bytes: int


def settled(result: TrialResult) -> TrialResult:
    """The result once the disk has its models: a reported result must outlive a crash of the machine."""
    if not result.model_folder:
        return result
    try:
        settle(Path(result.model_folder))
    except OSError as error:
        return TrialResult(status=Status.FAILED, seconds=result.seconds, error=f"OSError: {error}")
    return result


class Executor(Protocol):
    """Runs trials: a ticket goes in, events come out; every ticket ends in exactly one ``Finished``.

    The problem's folder and those of the tickets are paths on the controller's machine. Where workers do not
    see its disk, the executor carries the problem to them and each trial's models back: by the time of
    ``Finished`` they are in ``ticket.folder``, and ``result.model_folder`` names them there.

    Only one thread may use an executor.
    """

    @property
    def capacity(self) -> Capacity:
        """Processors and memory of the trials; known before :meth:`start`."""
        ...

    def device(self, wanted: str) -> str:
        """``cpu`` or ``cuda``: what nets are to use where the trials run.

        Parameters
        ----------
        wanted:
            ``cpu``, ``cuda``, or ``auto`` for the faster one that is there.

        Raises
        ------
        MissingDependencyError
            For ``cuda`` where there is none.
        """
        ...

    @property
    def slots(self) -> int:
        """Number of trials that can run at the same time; before :meth:`start`, the most that can."""
        ...

    @property
    def idle(self) -> int:
        """Number of tickets that :meth:`submit` takes now."""
        ...

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Begin to load libraries in the background, before the problem is known; optional.

        Given what the search's families import, no others are loaded; and none that would take more than
        ``patience`` seconds, except those that every model needs.
        """
        ...

    def loaded(self, libraries: Sequence[str]) -> bool:
        """Tell whether a trial that needs these libraries finds as many of them loaded as can be."""
        ...

    def start(self, problem_folder: Path, *, slots: int | None = None) -> None:
        """Take the problem that ``Problem.save`` wrote; returns at once.

        ``slots`` replaces the number of the constructor, for callers who know the data only now.
        """
        ...

    def submit(self, ticket: Ticket) -> None:
        """Run this trial; its time limit counts from now.

        Raises
        ------
        RuntimeError
            When no slot is idle.
        """
        ...

    def wait(self, seconds: float) -> list[Event]:
        """The events since the last call, oldest first; waits up to ``seconds`` for the first one.

        Limits of time and memory are enforced in here: call it often.
        """
        ...

    def demand(self) -> tuple[float, float]:
        """Seconds that running trials ran on a processor and waited for one, since the last call."""
        ...

    def nodes(self) -> tuple[NodeState, ...]:
        """The machines on which trials run or ran, with their workers and trials now; quick to call."""
        ...

    def stop(self, number: int) -> None:
        """Ask the running trial of this number to stop; it ends as ``pruned``, or in time as ``done``."""
        ...

    def kill(self, number: int) -> None:
        """End the running trial of this number now, as a ``timeout``."""
        ...

    def close(self) -> None:
        """End everything; no process is left behind. What still runs gives no result."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ExecutorType:
    """A kind of executor that people can choose by its name.

    Attributes
    ----------
    name:
        As in ``--executor NAME``.
    summary:
        One line for ``automl executors``.
    make:
        A new executor for one search, not started.
    shared_disk:
        Whether its workers must see the disk of the controller, where the problem, images and what is
        computed of them lie. Without, the executor carries the problem.
    carries_folders:
        Without a shared disk, whether it also carries the folders that rows refer to, such as decoded images;
        where not, it is for tables.
    least_seconds:
        Budgets below this are too short for it to begin: their trials run in the process of the search.
    begin_early:
        Begins what any search needs, such as loading libraries in another process; called before the search's
        own libraries are loaded. What was begun ends with this process if no executor takes it over.
    takes_address:
        Whether it is found by an address, as in ``--address``.
    """

    name: str
    summary: str
    make: Callable[[Allowance], Executor]
    shared_disk: bool
    least_seconds: float = 0.0
    begin_early: Callable[[], None] = lambda: None
    carries_folders: bool = False
    takes_address: bool = False
