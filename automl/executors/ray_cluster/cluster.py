"""The connection to Ray: a cluster that is there or one of our own, its nodes, an agent on each of them."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.exceptions import AuthenticationError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl.core.errors import AutoMLError, ClusterError, MissingDependencyError
from automl.core.machine import cores
from automl.core.trial import Ticket
from automl.executors.child import HOME
from automl.executors.ray_cluster.address import CLIENT
from automl.executors.ray_cluster.agent import GROUPS, Agent, AgentSetup
from automl.executors.ray_cluster.messages import Connect
from automl.executors.ray_cluster.parcels import Parcel

_STORE_BYTES = 256 << 20  # what is on its way between the processes of one machine
# Ray ends what a process of a lost node began on other nodes, and begins nothing for it any more.
CUT_OFF = "The node of this machine was lost to the Ray cluster. Next: start it again with `ray start`."
"""What there is to say of a cluster that is ``cut_off``."""
_SLOW_HEAD, _PAUSES = "Starting Ray client server failed", (1.0, 4.0)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A living node of the cluster, with its processors and GPUs."""

    identity: str
    name: str
    cores: int
    gpus: int


class Free(NamedTuple):
    """Whole processors and GPUs of a node that nobody uses."""

    cores: int
    gpus: int


class RemoteAgent:
    """An agent as the driver sees it. Calls return at once: with nothing, or with a reference to wait for."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def report(self) -> Any:
        """Reference to a ``NodeReport``, which comes once the agent runs."""
        return self._actor.report.remote()

    def warm(self, libraries: Sequence[str] | None, patience: float | None) -> None:
        """Begin to load libraries."""
        self._actor.warm.remote(libraries, patience)

    def receive(self, name: str, parcel: Parcel) -> Any:
        """Reference to the end of the call."""
        return self._actor.receive.remote(name, parcel)

    def write(self, name: str, data: Any) -> Any:
        """Reference to the end of the call; ``data`` may be a reference."""
        return self._actor.write.remote(name, data)

    def begin(self, slots: int, folders: Sequence[str]) -> Any:
        """Reference to the end of the call."""
        return self._actor.begin.remote(slots, folders)

    def submit(self, ticket: Ticket) -> None:
        """Run this trial."""
        self._actor.submit.remote(ticket)

    def stop(self, number: int) -> None:
        """Ask it to stop."""
        self._actor.stop.remote(number)

    def kill(self, number: int) -> None:
        """End it."""
        self._actor.kill.remote(number)

    def news(self, seconds: float) -> Any:
        """Reference to ``News``."""
        return self._actor.news.remote(seconds)

    def read(self, number: int, offset: int) -> Any:
        """Reference to the next bytes of a trial's model."""
        return self._actor.read.remote(number, offset)

    def drop(self, number: int) -> None:
        """Forget a trial."""
        self._actor.drop.remote(number)

    def close(self) -> Any:
        """Reference to the end of the call."""
        return self._actor.close.remote()

    def end(self, seconds: float) -> None:
        """End its process, which has this long to leave nothing behind."""
        ray.wait([self.close()], timeout=seconds)
        ray.kill(self._actor)


class Cluster:
    """A connection to Ray, of this process.

    Raises
    ------
    ClusterError
        When there is not a Ray cluster at the address, or none that this machine can use.
    MissingDependencyError
        When it runs another version of Python or of Ray.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.is_own = not connect.address
        if self.is_own:
            self._start_own()
        else:
            self._attach()
        # Through a client, the node of the process that speaks for it.
        self._own_node = str(ray.get_runtime_context().get_node_id())
        self.cut_off = False

    def nodes(self) -> list[Node]:
        """Living nodes with processors; notes whether this process's own node is still one of the cluster."""
        every = ray.nodes()
        self.cut_off = not any(item["Alive"] and item["NodeID"] == self._own_node for item in every)
        return [
            Node(
                identity=item["NodeID"],
                name=f"{item['NodeManagerAddress']} ({item['NodeID'][:6]})",
                cores=int(item["Resources"]["CPU"]),
                gpus=int(item["Resources"].get("GPU", 0)),
            )
            for item in every
            if item["Alive"] and item["Resources"].get("CPU", 0) >= 1
        ]

    def free(self) -> dict[str, Free]:
        """Resources that nobody uses, by a node's identity."""
        if self._connect.address.startswith(CLIENT):
            resources = ray.get(ray.remote(num_cpus=0)(_available).remote())
        else:
            resources = _available()
        return {
            name: Free(int(left.get("CPU", 0)), int(left.get("GPU", 0))) for name, left in resources.items()
        }

    def agent_on(self, node: Node, grant: Free, *, memory_bytes: int) -> RemoteAgent:
        """A new agent with this part of the node's processors and GPUs; it may still be starting."""
        setup = AgentSetup(
            name=node.name,
            cores=grant.cores,
            gpus=grant.gpus,
            memory_bytes=memory_bytes,
            import_path=self._connect.import_path,
        )
        make = ray.remote(concurrency_groups=GROUPS)(Agent)
        placed = make.options(
            num_cpus=grant.cores,
            num_gpus=grant.gpus,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.identity, soft=False),
        )
        return RemoteAgent(placed.remote(setup))

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        ray.shutdown()

    def _start_own(self) -> None:
        # Workers find the package where this process does.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [HOME, os.environ.get("PYTHONPATH", "")]))
        self._init(
            address="local",
            num_cpus=cores(),
            object_store_memory=_STORE_BYTES,
            _temp_dir=str(Path(self._connect.folder) / "ray"),
        )

    def _attach(self) -> None:
        package = Path(HOME) / "automl"
        self._init(address=self._connect.address, runtime_env={"py_modules": [str(package)]})

    def _init(self, **given: Any) -> None:
        try:
            patiently(
                lambda: ray.init(
                    include_dashboard=False if self.is_own else None,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **given,
                )
            )
        except (RayError, ConnectionError, RuntimeError, ValueError, TimeoutError, ImportError) as error:
            raise _explained(self._connect.address, error) from error


def patiently(connect: Callable[[], Any]) -> Any:
    """The result of ``connect``, begun again where the head could not start its process for a client in time.

    Ray gives that process 30 seconds, which it may exceed on a busy head.
    """
    for pause in _PAUSES:
        try:
            return connect()
        except (RuntimeError, ConnectionError) as error:
            if _SLOW_HEAD not in str(error):
                raise
        time.sleep(pause)
    return connect()


def _available() -> dict[str, dict[str, float]]:
    from ray._private.state import available_resources_per_node

    return dict(available_resources_per_node())


def _explained(address: str, error: Exception) -> AutoMLError:
    """The error of this project for one of Ray's."""
    words = " ".join(str(error).split())
    if isinstance(error, AuthenticationError) or isinstance(error.__cause__, AuthenticationError):
        return ClusterError(
            f"The Ray cluster at {address} asks for its token. Next: set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN to what `ray get-auth-token` prints on a node, or copy that node's "
            "~/.ray/auth_token."
        )
    if "resolve node to connect to" in words:
        host = address.rpartition(":")[0]
        return ClusterError(
            f"This machine is not a node of the Ray cluster at {address}. Next: let it join with `ray start "
            f"--address {address} --num-cpus 0`, or connect through --address {CLIENT}{host}:10001."
        )
    if "version mismatch" in words.lower():
        return MissingDependencyError(
            f"The Ray cluster at {address} runs other versions: {words[:400]} "
            "Next: install the same versions of Python and Ray on both sides."
        )
    return ClusterError(f"The Ray cluster at {address or 'this machine'} cannot be used: {words[:600]}")


def reason_of(error: Exception) -> str:
    """The reason in one of Ray's errors, in one line: that of the task or of the process where one failed."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in _COLOUR.sub("", str(cause)).splitlines() if line.strip()]
    if not lines:
        return type(cause).__name__
    if not isinstance(cause, RayError):
        reason = f"{type(cause).__name__}: {lines[-1]}"
    else:  # a process that could not begin ends with the traceback of its own error
        reason = lines[-1] if "creation task" in lines[0] else lines[0]
    return reason[:300].rstrip(".")
