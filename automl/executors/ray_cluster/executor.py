"""The controller's side of a Ray cluster: an executor that speaks with the driver through a socket."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from automl.core import errors
from automl.core.errors import ClusterError, MissingDependencyError
from automl.core.nodes import NodeState
from automl.core.trial import Event, Finished, Progress, Ticket
from automl.executors.base import Allowance, Capacity, ExecutorType
from automl.executors.child import SAFE_PATH, import_path, python_command
from automl.executors.ray_cluster.address import answers_loopback_only, check_address
from automl.executors.ray_cluster.fleet import room_of, trial_cores
from automl.executors.ray_cluster.messages import (
    Begin,
    Connect,
    Connected,
    FleetChange,
    KillTrial,
    NodeReport,
    NodeStates,
    Pulse,
    Refused,
    StopTrial,
    Submit,
    Warm,
)
from automl.problem.references import folders_beside

ADDRESS = "RAY_ADDRESS"
"""Names the cluster where the user did not."""
# Of the driver, unless the user's environment has them; Ray reads them when it is imported.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_GCS_SERVER_REQUEST_TIMEOUT_SECONDS": "20",  # for a node on this machine; 60 are usual
    "RAY_gcs_rpc_server_reconnect_timeout_s": "30",  # until a head that is silent counts as lost; likewise
}
# Processes listen to the loopback address alone, and look for the others there.
_LOOPBACK_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
# Of a cluster of our own besides: the agent watches the memory, and ends trials instead of itself.
_OWN_ENVIRONMENT = {**_LOOPBACK_ENVIRONMENT, "RAY_memory_monitor_refresh_ms": "0"}
_CONNECT_SECONDS = 180.0
_CLOSE_SECONDS = 2.5
_WORDS = 1500
_LONGEST_FOLDER = 40  # of a path: sockets lie 60 characters below it, and theirs may have 107


class RayExecutor:
    """Implements :class:`~automl.executors.base.Executor` with workers on the nodes of a Ray cluster.

    Raises
    ------
    ClusterError
        When the cluster cannot be reached or used.
    MissingDependencyError
        When Ray is not installed, or a node has other versions.
    UsageError
        For what is not an address.
    """

    def __init__(self, allowance: Allowance) -> None:
        if find_spec("ray") is None:
            raise MissingDependencyError(
                "Trials on a cluster need Ray. Next: pip install 'automl-on-record[ray]'."
            )
        self._allowance = replace(allowance, address=allowance.address or os.environ.get(ADDRESS, ""))
        check_address(self._allowance.address, option="--address" if allowance.address else ADDRESS)
        self._folder = Path(tempfile.mkdtemp(prefix="automl-ray-", dir=_short_folder()))
        self._running: set[int] = set()
        self._events: list[Event] = []
        self._notes: list[str] = []
        self._ran = self._waited = 0.0
        self._loading: dict[str, frozenset[str]] = {}
        self._states: tuple[NodeState, ...] = ()
        self._device = "cpu"
        self._lost: ClusterError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        with ExitStack() as stack:
            stack.callback(self.close)
            self._start_driver()
            self._nodes = self._connected()
            stack.pop_all()
        self._slots = self._most_slots()
        self._cores = sum(node.cores for node in self._nodes)

    @property
    def capacity(self) -> Capacity:
        """Processors of all nodes together and of one, and the limit of the memory."""
        memory = self._allowance.memory_bytes or sum(node.memory_bytes for node in self._nodes)
        most = trial_cores([node.cores for node in self._nodes])
        return Capacity(cores=self._cores, trial_cores=most, memory_bytes=memory)

    def device(self, wanted: str) -> str:
        """``cuda`` where all nodes have a GPU, or where it is wanted: then nodes without are not used."""
        equipped = [bool(node.gpus) for node in self._nodes]
        if wanted == "cuda" and not any(equipped):
            raise MissingDependencyError(
                "--device cuda was asked for, but no node of the cluster offers a GPU. "
                "Use --device cpu or auto."
            )
        use = wanted == "cuda" or (wanted == "auto" and all(equipped))
        self._device = "cuda" if use else "cpu"
        return self._device

    @property
    def slots(self) -> int:
        """Number of trials that can run at the same time, on the nodes that are there now."""
        return self._slots

    @property
    def idle(self) -> int:
        """Slots without a trial."""
        return max(0, self._slots - len(self._running))

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Begin to load libraries on all nodes."""
        self._send(Warm(None if libraries is None else tuple(libraries), patience))

    def loaded(self, libraries: Sequence[str]) -> bool:
        """Tell whether no node is still loading any of them."""
        return not any(loading.intersection(libraries) for loading in self._loading.values())

    def start(self, problem_folder: Path, *, slots: int | None = None) -> None:
        """Begin to carry the problem to the nodes; trials wait there for it."""
        self._slots = slots or self._slots
        folder = problem_folder.resolve()
        body = json.loads((folder / "problem.json").read_text(encoding="utf-8"))
        self._send(
            Begin(
                problem_folder=str(folder),
                slots=self._slots,
                threads=body["threads"],
                device=self._device,
                folders=folders_beside(folder),
                weights_dir=body.get("weights_dir", ""),
            )
        )

    def submit(self, ticket: Ticket) -> None:
        """Run this trial on the least busy node."""
        if not self.idle:
            raise RuntimeError("no slot is idle")
        self._running.add(ticket.number)
        self._send(Submit(replace(ticket, folder=str(Path(ticket.folder).resolve()))))

    def wait(self, seconds: float) -> list[Event]:
        """Take in what the driver says.

        Raises
        ------
        ClusterError
            When the cluster was lost.
        """
        until = time.monotonic() + seconds
        try:
            while self._lost is None and self._connection.poll(
                0 if self._events else max(0.0, until - time.monotonic())
            ):
                self._take(self._connection.recv())
        except (EOFError, OSError):
            self._lost = self._loss()
        except ClusterError as error:
            self._lost = error
        if self._lost is not None and not self._events:
            raise self._lost
        events, self._events = self._events, []  # what came before the loss is not lost
        return events

    def demand(self) -> tuple[float, float]:
        """Of the running trials on all nodes, as the nodes said."""
        demand, self._ran, self._waited = (self._ran, self._waited), 0.0, 0.0
        return demand

    def nodes(self) -> tuple[NodeState, ...]:
        """All nodes that were in use, as they last said."""
        return self._states

    def stop(self, number: int) -> None:
        """Ask the running trial to stop."""
        if number in self._running:
            self._send(StopTrial(number))

    def kill(self, number: int) -> None:
        """End the running trial now."""
        if number in self._running:
            self._send(KillTrial(number))

    def close(self) -> None:
        """End the agents and the driver, with its own cluster if it has one."""
        process, self._process = self._process, None
        if process is not None:
            import psutil

            own = [] if self._allowance.address else _descendants(process.pid)
            self._connection.close()
            if not own:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_CLOSE_SECONDS)
            for child in (*own, *_descendants(process.pid)):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            process.kill()
            process.wait()
            psutil.wait_procs(own, timeout=_CLOSE_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_driver(self) -> None:
        """Start the driver, with a connection to it."""
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        argument = json.dumps({"fd": theirs.fileno()})
        environment = {**_ENVIRONMENT, **os.environ, **SAFE_PATH}
        if not self._allowance.address:
            # A token of its own: Ray would make one in the user's home, for all later clusters.
            secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
            environment |= {**_OWN_ENVIRONMENT, **secret, "TMPDIR": str(self._folder)}  # nothing of it stays
        elif answers_loopback_only(self._allowance.address):
            environment |= _LOOPBACK_ENVIRONMENT
        with theirs, (self._folder / "driver.log").open("ab") as log:
            self._process = subprocess.Popen(
                python_command("automl.executors.ray_cluster.driver", argument),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._send(
            Connect(
                address=self._allowance.address,
                allowance=self._allowance,
                folder=str(self._folder),
                import_path=tuple(import_path()),
            )
        )

    def _connected(self) -> tuple[NodeReport, ...]:
        """The nodes, once their agents run; those that run first may have said something before."""
        until = time.monotonic() + _CONNECT_SECONDS
        try:
            while self._connection.poll(max(0.0, until - time.monotonic())):
                message = self._connection.recv()
                if isinstance(message, Connected):
                    return message.nodes
                self._take(message)
        except (EOFError, OSError) as error:
            raise ClusterError(f"The Ray cluster could not be used: {self._last_words()}") from error
        raise ClusterError(f"The Ray cluster did not answer within {_CONNECT_SECONDS:.0f} s.")

    def _take(self, message: Any) -> None:
        if isinstance(message, Finished):
            self._running.discard(message.number)
            notes, self._notes = (*message.result.notes, *self._notes), []
            self._events.append(Finished(message.number, replace(message.result, notes=notes)))
        elif isinstance(message, Progress):
            self._events.append(message)
        elif isinstance(message, Pulse):
            self._ran, self._waited = self._ran + message.ran, self._waited + message.waited
            self._loading[message.node] = message.loading
        elif isinstance(message, FleetChange):
            self._slots, self._cores = message.slots, message.cores
            self._notes += message.notes
        elif isinstance(message, NodeStates):
            self._states = message.states
        elif isinstance(message, Refused):
            raise getattr(errors, message.kind)(message.reason)

    def _send(self, order: Any) -> None:
        with suppress(OSError):  # the driver is gone: wait() takes what it said before, then reports its end
            self._connection.send(order)

    def _loss(self) -> ClusterError:
        return ClusterError(f"The Ray cluster was lost: {self._last_words()}")

    def _last_words(self) -> str:
        """The last line that the driver printed."""
        with suppress(OSError):
            text = (self._folder / "driver.log").read_text(encoding="utf-8", errors="replace")
            lines = [line for line in text[-_WORDS:].splitlines() if line.strip()]
            if lines:
                return lines[-1].strip()
        return "its driver ended"

    def _most_slots(self) -> int:
        """As many as there are cores, as far as each can have its memory."""
        if self._allowance.workers:
            return self._allowance.workers
        return sum(room_of(node.cores, node.memory_bytes) for node in self._nodes)


def _short_folder() -> str | None:
    """The usual place of temporary folders, unless its path is too long for sockets below it."""
    return None if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"


def _descendants(pid: int) -> list[Any]:
    """Processes below this one; none when it is gone."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


EXECUTOR = ExecutorType(
    name="ray",
    summary="On the nodes of a Ray cluster; needs the extra 'ray'.",
    make=RayExecutor,
    shared_disk=False,
    carries_folders=True,
    takes_address=True,
    least_seconds=20.0,  # connecting takes some seconds, and so do workers
)
