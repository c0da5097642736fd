"""Trials in the caller's own process, one after the other: for debugging and for tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from automl.core.machine import cores, device_here
from automl.core.memory import usable_bytes
from automl.core.nodes import NodeState, this_node
from automl.core.trial import Event, Finished, Status, Ticket, TrialResult
from automl.executors.base import Capacity, ExecutorType, settled
from automl.executors.evaluate import Control, evaluate
from automl.executors.prepared_cache import PreparedCache
from automl.problem.problem import Problem


class InlineExecutor:
    """Implements :class:`~automl.executors.base.Executor`; a trial runs inside :meth:`wait`.

    It cannot be interrupted there: its time limit is what the family makes of its deadline, and a request
    to stop comes too late.

    Parameters
    ----------
    memory_bytes:
        What a trial may hold, which nothing watches here; None for the usual share of what can be had.
    """

    def __init__(self, *, memory_bytes: int | None = None) -> None:
        self._memory_bytes = memory_bytes or usable_bytes()
        self._problem: Problem | None = None
        self._cache = PreparedCache()
        self._waiting: deque[Ticket] = deque()
        self._events: list[Event] = []
        self._ran = self._waited = 0.0

    @property
    def capacity(self) -> Capacity:
        """Processors of this machine or its container, and the limit of the memory."""
        return Capacity(cores=cores(), trial_cores=cores(), memory_bytes=self._memory_bytes)

    def device(self, wanted: str) -> str:
        """The device of this machine."""
        return device_here(wanted)

    @property
    def slots(self) -> int:
        """One."""
        return 1

    @property
    def idle(self) -> int:
        """1 while no ticket waits, else 0."""
        return 0 if self._waiting else 1

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Do nothing: libraries are loaded by the first trial that needs them."""

    def loaded(self, libraries: Sequence[str]) -> bool:
        """Always true: nothing could load them earlier."""
        return True

    def start(self, problem_folder: Path, *, slots: int | None = None) -> None:
        """Load the problem; ``slots`` is not needed here."""
        self._problem = Problem.load(problem_folder)
        self._cache.clear()

    def submit(self, ticket: Ticket) -> None:
        """Run this trial in the next :meth:`wait`."""
        if self._problem is None:
            raise RuntimeError("submit() before start(): there is no problem yet")
        if not self.idle:
            raise RuntimeError("no slot is idle")
        self._waiting.append(ticket)

    def wait(self, seconds: float) -> list[Event]:
        """Run the waiting trial to its end, however long it takes."""
        if self._waiting and self._problem is not None:
            from threadpoolctl import threadpool_limits

            ticket = self._waiting[0]
            control = Control(report=self._events.append, cache=self._cache)
            with threadpool_limits(self._problem.threads):
                result = settled(evaluate(ticket, self._problem, control))
            self._waiting.popleft()
            self._ran += result.seconds * result.share
            self._waited += result.seconds * (1 - result.share)
            self._events.append(Finished(ticket.number, result))
        events, self._events = self._events, []
        return events

    def demand(self) -> tuple[float, float]:
        """Of the trials that ended."""
        demand, self._ran, self._waited = (self._ran, self._waited), 0.0, 0.0
        return demand

    def nodes(self) -> tuple[NodeState, ...]:
        """This machine, whose only worker is this process."""
        running = tuple(ticket.number for ticket in self._waiting)
        return (NodeState(name=this_node(), workers=1, running=running),)

    def stop(self, number: int) -> None:
        """Drop the trial if it has not begun."""
        reason = "stopped early: clearly worse than the best of its family"
        self._drop(number, TrialResult(status=Status.PRUNED, error=reason))

    def kill(self, number: int) -> None:
        """Drop the trial if it has not begun."""
        self._drop(number, TrialResult(status=Status.TIMEOUT, error="ended by the search"))

    def close(self) -> None:
        """Forget the problem."""
        self._waiting.clear()
        self._cache.clear()
        self._problem = None

    def _drop(self, number: int, result: TrialResult) -> None:
        if any(ticket.number == number for ticket in self._waiting):
            self._waiting.clear()
            self._events.append(Finished(number, result))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


EXECUTOR = ExecutorType(
    name="inline",
    summary="In the process of the search, one trial after the other: for debugging and tests.",
    make=lambda allowance: InlineExecutor(memory_bytes=allowance.memory_bytes),
    shared_disk=True,
)
