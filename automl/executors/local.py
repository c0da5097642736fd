"""Trials in persistent worker processes on this machine: timed, watched, killed and replaced.

No pool of the standard library can kill one worker, watch its memory and report its progress.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from automl.core.errors import AutoMLError
from automl.core.machine import GIBIBYTE, cores, device_here
from automl.core.memory import available_bytes, private_bytes, usable_bytes
from automl.core.nodes import NodeState, this_node
from automl.core.processor_share import Meter, share_of
from automl.core.trial import Event, Finished, Progress, Status, Ticket, TrialResult
from automl.executors.base import Allowance, Capacity, ExecutorType
from automl.executors.first_server import FirstServer
from automl.executors.launch import Launcher, WorkerProcess, platform_launcher
from automl.executors.worker import Ready, Setup, Stop, Work
from automl.families import families

_WATCH_SECONDS = 0.5
_GRACE_SECONDS = 2.0
_GRACE_SHARE = 0.1
_MACHINE_RESERVE = 256 << 20
_WORKER_BYTES = 1.5e9  # what a worker takes, by which their number is bounded
_MOST_FAILED_STARTS = 3
_MOST_LOST = 1
# A worker that is killed while it holds this share of the limit was most likely the kernel's victim.
_SUSPECT_SHARE = 0.6


@dataclass(kw_only=True)
class _Running:
    """A trial on its way; ``lost`` counts its workers that were killed from outside.

    ``sent`` is whether a worker has it: one that is not up yet is given it later. ``ran`` and ``waited``
    are seconds on a processor and for one.
    """

    ticket: Ticket
    began: float
    peak: int = 0
    lost: int = 0
    sent: bool = False
    meter: Meter = field(default_factory=Meter)
    ran: float = 0.0
    waited: float = 0.0

    @property
    def share(self) -> float:
        """Share that it got of the processor time that it wanted."""
        return share_of(self.ran, self.waited)

    @property
    def kill_at(self) -> float:
        """Some time after it should have stopped: later where it has to wait for a processor."""
        seconds = self.ticket.seconds + self.ticket.spare * (not self.sent)
        return self.began + seconds + max(_GRACE_SECONDS / self.share, _GRACE_SHARE * seconds)

    def begin(self, now: float) -> None:
        """The worker is up only now: the limit counts from here, as far as there is time."""
        late = min(now - self.began, self.ticket.spare)
        self.ticket = replace(self.ticket, seconds=self.ticket.seconds + late, spare=0.0)


@dataclass
class _Slot:
    """A worker with its trial; ``stands_in`` for one that was lost, until it is up."""

    worker: WorkerProcess
    gpu: str = ""
    running: _Running | None = None
    stands_in: bool = False


class LocalExecutor:
    """Implements :class:`~automl.executors.base.Executor` with worker processes.

    Parameters
    ----------
    workers:
        Processes, each for one trial at a time; the problem says how many threads each uses.
    memory_bytes:
        What all workers may hold together; None for the usual share of what can be had. When they exceed
        it, the largest one is killed and its trial ends as ``oom``.
    launcher:
        How processes are started; None for the platform's way.
    gpus:
        Names of GPUs for CUDA, which the workers share evenly; none for all that they find.
    waker:
        Something with a file descriptor: :meth:`wait` returns while it is readable.
    durable:
        Whether models outlive a crash of this machine; not needed where they are taken to another one.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        memory_bytes: int | None = None,
        launcher: Launcher | None = None,
        gpus: Sequence[str] = (),
        waker: Any = None,
        durable: bool = True,
    ) -> None:
        self._count = workers
        self._limit = memory_bytes or usable_bytes()
        self._gpus = tuple(gpus)
        self._wakers = [] if waker is None else [waker]
        self._woken = False
        self._durable = durable
        self._folder = Path(tempfile.mkdtemp(prefix="automl-workers-"))
        self._launcher = launcher if launcher is not None else platform_launcher(self._folder)
        self._problem_folder: Path | None = None
        self._slots: list[_Slot] = []
        self._events: list[Event] = []
        self._ran = self._waited = 0.0
        self._watched = 0.0
        self._failed_starts = self._lost = self._returned = 0

    @property
    def capacity(self) -> Capacity:
        """Processors of this machine or its container, and the limit of the memory."""
        return Capacity(cores=cores(), trial_cores=cores(), memory_bytes=self._limit)

    def device(self, wanted: str) -> str:
        """The device of this machine."""
        return device_here(wanted)

    @property
    def slots(self) -> int:
        """Number of trials that can run at the same time."""
        return self._count

    @property
    def idle(self) -> int:
        """Workers without a trial, starting ones included; 0 before :meth:`start`."""
        return sum(slot.running is None for slot in self._slots)

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Begin to load libraries in the background."""
        self._launcher.warm(libraries, patience)

    def loaded(self, libraries: Sequence[str]) -> bool:
        """Tell whether a worker that has them is available at once, or soon."""
        return self._launcher.loaded(libraries)

    def start(self, problem_folder: Path, *, slots: int | None = None) -> None:
        """Ask for the workers; they load the problem in the background."""
        if self._slots:
            raise RuntimeError("start() was called already")
        self._count = slots if slots is not None else self._count
        self._problem_folder = problem_folder.resolve()
        gpus = self._gpus or ("",)
        places = [gpus[number % len(gpus)] for number in range(self._count)]
        self._slots = [_Slot(self._new_worker(gpu=gpu), gpu) for gpu in places]

    def submit(self, ticket: Ticket) -> None:
        """Give the trial to an idle worker; one that still starts takes it as soon as it is up."""
        idle = [slot for slot in self._slots if slot.running is None]
        if not idle:
            raise RuntimeError("no slot is idle")
        libraries = _libraries(ticket)
        slot = min(
            idle,
            key=lambda item: (not self._launcher.suits(item.worker, libraries), not item.worker.ready),
        )
        if not self._launcher.suits(slot.worker, libraries):
            self._replace(slot, libraries)
        slot.running = _Running(ticket=ticket, began=time.monotonic())
        if slot.worker.ready:
            _send(slot)

    def wait(self, seconds: float) -> list[Event]:
        """Take in the workers' messages, and enforce their limits."""
        until = time.monotonic() + seconds
        while True:
            self._receive(max(0.0, min(until - time.monotonic(), self._next_check())))
            self._enforce_time()
            self._enforce_memory()
            if self._events or self._woken or time.monotonic() >= until:
                events, self._events = self._events, []
                return events

    def demand(self) -> tuple[float, float]:
        """Of the running trials, as :meth:`wait` saw it."""
        demand, self._ran, self._waited = (self._ran, self._waited), 0.0, 0.0
        return demand

    def nodes(self) -> tuple[NodeState, ...]:
        """This machine, with its worker processes."""
        running = [slot.running.ticket.number for slot in self._slots if slot.running is not None]
        return (
            NodeState(
                name=this_node(),
                workers=len(self._slots),
                running=tuple(running),
                lost=self._lost,
                returned=self._returned,
            ),
        )

    def stop(self, number: int) -> None:
        """Ask the running trial to stop."""
        for slot in self._slots:
            if slot.running is not None and slot.running.ticket.number == number:
                try:
                    slot.worker.connection.send(Stop(number))
                except OSError:
                    pass  # it is dead; wait() will notice

    def kill(self, number: int) -> None:
        """End the running trial now."""
        for slot in self._slots:
            if slot.running is not None and slot.running.ticket.number == number:
                self._end(slot, Status.TIMEOUT, "ended by the search")

    def close(self) -> None:
        """Kill the workers and what launched them; none is waited for that does not end."""
        for slot in self._slots:
            slot.worker.kill()
            slot.worker.connection.close()
        self._slots = []
        self._launcher.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _new_worker(self, libraries: Sequence[str] = (), *, gpu: str = "") -> WorkerProcess:
        worker = self._launcher.launch(libraries)
        cache_bytes = min(GIBIBYTE, self._limit // (4 * self._count))
        try:
            worker.connection.send(
                Setup(str(self._problem_folder), cache_bytes, str(worker.log), gpu, self._durable)
            )
        except OSError:
            pass  # it is dead already; wait() will notice
        return worker

    def _replace(self, slot: _Slot, libraries: Sequence[str] = ()) -> None:
        slot.worker.connection.close()
        self._launcher.end(slot.worker)
        slot.worker = self._new_worker(libraries, gpu=slot.gpu)
        slot.running = None

    def _receive(self, seconds: float) -> None:
        by_connection: dict[Any, _Slot] = {slot.worker.connection: slot for slot in self._slots}
        readable = wait([*by_connection, *self._launcher.waitables(), *self._wakers], seconds)
        self._woken = any(waker in readable for waker in self._wakers)
        self._launcher.listen(readable)
        for connection in readable:
            slot = by_connection.get(connection)
            if slot is not None:
                self._read(slot)

    def _read(self, slot: _Slot) -> None:
        try:
            message = slot.worker.connection.recv()
        except (EOFError, OSError):
            self._take_death(slot)
            return
        if isinstance(message, Ready):
            slot.worker.ready = True
            slot.worker.pid = message.pid
            self._failed_starts = 0
            self._returned += slot.stands_in
            slot.stands_in = False
            if slot.running is not None:
                slot.running.begin(time.monotonic())
                _send(slot)
        elif isinstance(message, Progress):
            self._events.append(message)
        elif isinstance(message, Finished):
            self._events.append(message)
            slot.running = None

    def _take_death(self, slot: _Slot) -> None:
        """Report why a worker ended by itself, and start another in its place."""
        worker, running = slot.worker, slot.running
        libraries = () if running is None else _libraries(running.ticket)
        self._launcher.end(worker)
        words = worker.last_words()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts > _MOST_FAILED_STARTS:
                raise AutoMLError(
                    f"Worker processes end before they are ready (the last one {worker.ending}): {words}"
                )
        self._replace(slot, libraries)
        self._lost += 1
        slot.stands_in = True
        if running is None:
            return
        suspect = worker.killed and running.peak > _SUSPECT_SHARE * self._limit
        if worker.killed and not suspect and running.lost < _MOST_LOST:
            # No model ends like this: something else killed the worker, so the trial runs again.
            running.lost += 1
            slot.running = replace(running, sent=False, meter=Meter())
            return
        age = time.monotonic() - running.began
        reason = f"The worker process {worker.ending} after {age:.1f} s"
        if running.peak:
            reason += f", holding {_size(running.peak)}"
        status = Status.OOM if suspect else Status.FAILED
        result = TrialResult(
            status=status, seconds=age, peak_bytes=running.peak, error=reason, traceback=words
        )
        self._events.append(Finished(running.ticket.number, result))

    def _end(self, slot: _Slot, status: Status, reason: str) -> None:
        """Kill a slot's worker, report its trial, and put another worker in its place."""
        running = slot.running
        assert running is not None
        result = TrialResult(
            status=status,
            seconds=time.monotonic() - running.began,
            peak_bytes=running.peak,
            share=running.share,
            error=reason,
        )
        self._replace(slot)
        shutil.rmtree(Path(running.ticket.folder) / "model", ignore_errors=True)
        self._events.append(Finished(running.ticket.number, result))

    def _next_check(self) -> float:
        """Seconds until a limit may be reached."""
        running = [slot.running for slot in self._slots if slot.running is not None]
        if not running:
            return float("inf")
        nearest = min(item.kill_at for item in running) - time.monotonic()
        return max(0.0, min(nearest, _WATCH_SECONDS))

    def _enforce_time(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            while slot.running is not None and now >= slot.running.kill_at and slot.worker.connection.poll():
                self._read(slot)  # its result may be here already
            if slot.running is not None and now >= slot.running.kill_at:
                limit = slot.running.ticket.seconds
                reason = f"did not stop at its limit of {limit:.1f} s and was killed"
                self._end(slot, Status.TIMEOUT, reason)

    def _measure(self, running: _Running, pid: int) -> None:
        ran, waited = running.meter.read([pid])
        running.ran, running.waited = running.ran + ran, running.waited + waited
        self._ran, self._waited = self._ran + ran, self._waited + waited

    def _enforce_memory(self) -> None:
        now = time.monotonic()
        if now - self._watched < _WATCH_SECONDS:
            return
        self._watched = now
        held: list[tuple[int, _Slot]] = []
        for slot in self._slots:
            if slot.worker.pid is not None and slot.running is not None and slot.running.sent:
                self._measure(slot.running, slot.worker.pid)
                held.append((private_bytes(slot.worker.pid), slot))
                slot.running.peak = max(slot.running.peak, held[-1][0])
        if not held:
            return
        total, (largest, slot) = sum(size for size, _ in held), max(held, key=lambda item: item[0])
        if total > self._limit:
            limit = f"the limit of {_size(self._limit)}"
            together = "" if len(held) == 1 else f" ({_size(total)} with the other trials)"
            self._end(slot, Status.OOM, f"held {_size(largest)}{together}, over {limit}, and was killed")
            return
        available = available_bytes()
        if available < _MACHINE_RESERVE:
            left = f"{_size(available)} of memory was left on this machine"
            self._end(slot, Status.OOM, f"held {_size(largest)} when only {left}, and was killed")


def _libraries(ticket: Ticket) -> tuple[str, ...]:
    """Imports of its family; a family that is not installed fails in the worker, as any trial may."""
    family = families().get(ticket.candidate.family)
    return () if family is None else family.libraries


def _send(slot: _Slot) -> None:
    """Give the slot's trial to its worker; one that is dead is noticed by the end of its pipe."""
    assert slot.running is not None
    ticket, slot.running.sent = slot.running.ticket, True
    try:
        slot.worker.connection.send(Work(ticket, slot.running.began + ticket.seconds))
    except OSError:
        pass


def _size(count: int) -> str:
    return f"{count / GIBIBYTE:.2f} GiB"


def _make(allowance: Allowance) -> LocalExecutor:
    """As many workers as there are cores, as far as each can have its memory."""
    memory = allowance.memory_bytes or usable_bytes()
    workers = allowance.workers or max(1, min(cores(), int(memory / _WORKER_BYTES)))
    return LocalExecutor(workers, memory_bytes=memory)


EXECUTOR = ExecutorType(
    name="local",
    summary="In worker processes on this machine: timed, watched, killed and replaced.",
    make=_make,
    shared_disk=True,
    least_seconds=8.0,  # workers take a few seconds to start
    begin_early=FirstServer.start_early,
)
