"""The agent of a node: an actor that runs trials in workers there, and keeps their models until fetched.

Its methods are called from other machines, each by one thread at a time: orders in the order in which they
were given, :meth:`Agent.news` and :meth:`Agent.read` beside them.
"""

from __future__ import annotations

import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from pathlib import Path
from typing import NoReturn

import ray

from automl.core.memory import available_bytes, usable_bytes
from automl.core.nodes import NodeState
from automl.core.trial import Event, Progress, Status, Ticket, TrialResult
from automl.executors.local import LocalExecutor
from automl.executors.ray_cluster.messages import News, NodeReport, Pulse, TrialEnd
from automl.executors.ray_cluster.parcels import PART_BYTES, Parcel, Unpacker, pack, read_part
from automl.executors.ray_cluster.scratch import Scratch
from automl.executors.ray_cluster.versions import plug_ins_here, versions_here
from automl.problem.references import kept_in, refer_to

GROUPS = {"news": 1, "models": 2}
"""Threads for calls that wait or are large, beside the one that takes orders in their order."""
PROBLEM, WEIGHTS = "problem", "weights"
_CACHE = "cache"
_INLINE_BYTES = 1 << 20  # models up to this come with the news of their trial
_MOST_EVENTS = 64
_LOOK_SECONDS = 1.0
SILENT_SECONDS = 120.0
"""Without a call for news after which nobody is there who wants them; a driver calls every second."""


@dataclass(frozen=True, kw_only=True)
class AgentSetup:
    """Facts that an agent is given at its start.

    Attributes
    ----------
    name:
        Of the node, for people.
    cores:
        Processors that Ray granted.
    gpus:
        Number of GPUs that Ray granted.
    memory_bytes:
        What the node's trials may hold together, as far as it is free there; 0 for the usual share of that.
    import_path:
        Folders of plug-ins, where this node has them.
    """

    name: str
    cores: int
    gpus: int
    memory_bytes: int
    import_path: tuple[str, ...]


class Agent:
    """Runs the trials of one node with a :class:`~automl.executors.local.LocalExecutor`."""

    def __init__(self, setup: AgentSetup) -> None:
        sys.path += [path for path in setup.import_path if path not in sys.path and os.path.isdir(path)]
        self._setup = setup
        self._scratch = Scratch()
        self._folder = self._scratch.folder
        # Temporary files of libraries and workers go with it, however this process ends.
        tempfile.tempdir = os.environ["TMPDIR"] = str(self._folder)
        self._limit = min(setup.memory_bytes, available_bytes()) or usable_bytes()
        self._gpus = _visible_gpus() if setup.gpus else ()
        reader, self._waker = Pipe(duplex=False)
        self._awake = reader
        self._executor = LocalExecutor(memory_bytes=self._limit, gpus=self._gpus, waker=reader, durable=False)
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._arriving: dict[str, Unpacker] = {}
        self._models: dict[int, Parcel] = {}
        self._pulse = Pulse(node=setup.name, ran=0.0, waited=0.0, loading=frozenset())
        self._pulse_lock = threading.Lock()
        self._state = NodeState(name=setup.name, workers=0)
        self._libraries: tuple[str, ...] = ()
        self._closed = False
        self._asked = time.monotonic()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="automl-agent")
        self._running: Future[None] = self._thread.submit(self._run)

    def report(self) -> NodeReport:
        """The facts by which the node is taken or refused."""
        return NodeReport(
            name=self._setup.name,
            cores=self._setup.cores,
            memory_bytes=self._limit,
            gpus=self._gpus,
            versions=versions_here(),
            plug_ins=plug_ins_here(),
        )

    def warm(self, libraries: Sequence[str] | None, patience: float | None) -> None:
        """Begin to load libraries."""
        self._libraries = tuple(libraries or ())
        self._order(lambda: self._executor.warm(libraries, patience))

    def receive(self, name: str, parcel: Parcel) -> None:
        """Begin to take a folder in, which is called ``name`` here."""
        self._arriving[name] = Unpacker(self._folder / name, parcel)

    def write(self, name: str, data: bytes) -> None:
        """Take in the next bytes of that folder."""
        self._arriving[name].write(data)

    def begin(self, slots: int, folders: Sequence[str]) -> None:
        """Start workers for the problem that has arrived, with the folders that it refers to."""
        self._arriving.clear()
        cache, weights = self._folder / _CACHE, self._folder / WEIGHTS
        cache.mkdir(exist_ok=True)
        kept_in(self._folder / PROBLEM, cache_dir=cache, weights_dir=weights if weights.is_dir() else None)
        if folders:
            refer_to(self._folder / PROBLEM, {name: str(self._folder / beside(name)) for name in folders})
        self._order(lambda: self._executor.start(self._folder / PROBLEM, slots=slots))

    def submit(self, ticket: Ticket) -> None:
        """Run this trial."""
        here = replace(ticket, folder=str(self._trial_folder(ticket.number)))
        self._order(lambda: self._executor.submit(here))

    def stop(self, number: int) -> None:
        """Ask the trial to stop."""
        self._order(lambda: self._executor.stop(number))

    def kill(self, number: int) -> None:
        """End the trial now."""
        self._order(lambda: self._executor.kill(number))

    # Here, as a client of Ray cannot say it when it calls.
    @ray.method(concurrency_group="news")  # type: ignore[untyped-decorator]
    def news(self, seconds: float) -> News:
        """Everything since the last call; waits up to ``seconds`` for something.

        Raises
        ------
        AutoMLError
            When the node cannot run trials any more.
        """
        events: list[Event] = []
        self._asked = time.monotonic()
        with suppress(queue.Empty):
            events.append(self._outbox.get(timeout=seconds))
            while len(events) < _MOST_EVENTS:
                events.append(self._outbox.get_nowait())
        if self._running.done() and not self._closed:
            self._running.result()
        with self._pulse_lock:
            pulse, self._pulse = self._pulse, replace(self._pulse, ran=0.0, waited=0.0)
        packed = tuple(self._packed(event) for event in events)
        return News(events=packed, pulse=pulse, state=self._state)

    @ray.method(concurrency_group="models")  # type: ignore[untyped-decorator]
    def read(self, number: int, offset: int) -> bytes:
        """The next bytes of a trial's model folder."""
        return read_part(self._trial_folder(number) / "model", self._models[number], offset, PART_BYTES)

    def drop(self, number: int) -> None:
        """Forget a trial: its model has arrived."""
        self._models.pop(number, None)
        shutil.rmtree(self._trial_folder(number), ignore_errors=True)

    def close(self) -> None:
        """End the workers and leave nothing on this node's disk."""
        self._closed = True
        self._wake()
        self._thread.shutdown()
        self._executor.close()
        self._scratch.remove()

    def _trial_folder(self, number: int) -> Path:
        return self._folder / f"trial-{number}"

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.put(order)
        self._wake()

    def _wake(self) -> None:
        self._waker.send_bytes(b"!")

    def _run(self) -> None:
        """The only thread that uses the executor."""
        while not self._closed:
            while self._awake.poll():
                self._awake.recv_bytes()
            while not self._orders.empty():
                self._orders.get()()
            events = self._executor.wait(_LOOK_SECONDS)
            self._measure()  # first: whoever learns of an event finds the state after it
            for event in events:
                self._outbox.put(event)
            if time.monotonic() - self._asked > SILENT_SECONDS:
                self._give_up()

    def _give_up(self) -> NoReturn:
        """End without being asked: a process whose raylet is gone is told of nothing any more."""
        self._executor.close()
        self._scratch.remove()
        os._exit(1)

    def _measure(self) -> None:
        ran, waited = self._executor.demand()
        self._state = replace(self._executor.nodes()[0], name=self._setup.name)
        loading = frozenset(name for name in self._libraries if not self._executor.loaded((name,)))
        with self._pulse_lock:
            ran, waited = self._pulse.ran + ran, self._pulse.waited + waited
            self._pulse = replace(self._pulse, ran=ran, waited=waited, loading=loading)

    def _packed(self, event: Event) -> Progress | TrialEnd:
        """The event as it travels: a small model with it, a larger one to be fetched."""
        if isinstance(event, Progress):
            return event
        number, result = event.number, replace(event.result, node=self._setup.name)
        if not result.model_folder:
            self.drop(number)
            # The controller takes these words for its own disk.
            words = result.error.replace("[Errno ", f"[on node {self._setup.name}, errno ")
            return TrialEnd(number, replace(result, error=words), None)
        try:
            parcel = pack(Path(result.model_folder), _INLINE_BYTES)
        except OSError as error:
            self.drop(number)
            reason = f"Its model cannot be read on node {self._setup.name}: {error.strerror or error}"
            failed = TrialResult(status=Status.FAILED, seconds=result.seconds, error=reason)
            return TrialEnd(number, failed, None)
        if parcel.whole:
            self.drop(number)
        else:
            self._models[number] = parcel
        return TrialEnd(number, result, parcel)


def beside(folder: str) -> str:
    """The name on a node of a folder that the problem refers to; what is computed of it comes beside it."""
    return f"{_CACHE}/{Path(folder).name}"


def _visible_gpus() -> tuple[str, ...]:
    """Those that Ray granted to this process."""
    return tuple(name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name)
