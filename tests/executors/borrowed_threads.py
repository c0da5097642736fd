"""An executor of somebody else, whole in one file: two threads, with a disk of their own.

Tests install it as a package with an entry point. It uses nothing of the controller's disk after ``start``
and carries every model back, as workers on other machines have to.
"""

from __future__ import annotations

import queue
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from automl.plugins import (
    GIBIBYTE,
    Allowance,
    Capacity,
    Control,
    Event,
    ExecutorType,
    Finished,
    NodeState,
    Problem,
    Status,
    Ticket,
    TrialResult,
    UsageError,
    evaluate,
    settled,
)


class Threads:
    """Implements the protocol ``automl.plugins.Executor``."""

    def __init__(self, allowance: Allowance) -> None:
        self._count = allowance.workers or 2
        self._memory = allowance.memory_bytes or 2 * GIBIBYTE
        self._own = Path(tempfile.mkdtemp(prefix="borrowed-threads-"))
        self._problem: Problem | None = None
        self._stops: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    @property
    def capacity(self) -> Capacity:
        return Capacity(cores=self._count, trial_cores=1, memory_bytes=self._memory)

    def device(self, wanted: str) -> str:
        if wanted == "cuda":
            raise UsageError("Threads have no GPU.")
        return "cpu"

    @property
    def slots(self) -> int:
        return self._count

    @property
    def idle(self) -> int:
        return self._count - len(self._stops)

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        pass

    def loaded(self, libraries: Sequence[str]) -> bool:
        return True

    def start(self, problem_folder: Path, *, slots: int | None = None) -> None:
        self._count = slots or self._count
        shutil.copytree(problem_folder, self._own / "problem")
        self._problem = Problem.load(self._own / "problem")

    def submit(self, ticket: Ticket) -> None:
        if self._problem is None or not self.idle:
            raise RuntimeError("no slot is idle")
        self._stops[ticket.number] = threading.Event()
        arguments = (ticket, self._problem, self._stops[ticket.number])
        self._threads.append(threading.Thread(target=self._run, args=arguments, daemon=True))
        self._threads[-1].start()

    def _run(self, ticket: Ticket, problem: Problem, stop: threading.Event) -> None:
        here = replace(ticket, folder=str(self._own / f"trial-{ticket.number}"))
        result = evaluate(here, problem, Control(self._events.put, stop.is_set))
        if result.model_folder:
            there = shutil.copytree(result.model_folder, Path(ticket.folder) / "model", dirs_exist_ok=True)
            result = replace(result, model_folder=str(there))
        shutil.rmtree(here.folder, ignore_errors=True)
        self._events.put(Finished(ticket.number, settled(result)))

    def wait(self, seconds: float) -> list[Event]:
        events: list[Event] = []
        try:
            events.append(self._events.get(timeout=max(seconds, 1e-3)))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            pass
        # A trial that was killed has ended already: what its thread still says is not heard.
        events = [event for event in events if event.number in self._stops]
        for event in events:
            if isinstance(event, Finished):
                del self._stops[event.number]
        return events

    def demand(self) -> tuple[float, float]:
        return 0.0, 0.0

    def nodes(self) -> tuple[NodeState, ...]:
        return (NodeState(name="borrowed", workers=self._count, running=tuple(self._stops)),)

    def stop(self, number: int) -> None:
        if number in self._stops:
            self._stops[number].set()

    def kill(self, number: int) -> None:
        self.stop(number)
        self._events.put(Finished(number, TrialResult(status=Status.TIMEOUT, error="ended by the search")))

    def close(self) -> None:
        for stop in self._stops.values():
            stop.set()
        for thread in self._threads:
            thread.join(5.0)
        shutil.rmtree(self._own, ignore_errors=True)

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


EXECUTOR = ExecutorType(
    name="borrowed_threads",
    summary="In two threads with a disk of their own.",
    make=Threads,
    shared_disk=False,
)
