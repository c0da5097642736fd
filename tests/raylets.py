"""A real Ray cluster on this machine: several raylets, each with a scratch root of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from automl.core.environment import variables

# Nothing is reported to anyone, and the trials of a test are not Ray's to end.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}
STORE_BYTES = 100 << 20
_TRIES = 4  # Ray gives a node 30 s to start, whatever else the machine does


class Raylets:
    """Nodes of a cluster, with one processor each unless it is said otherwise; the first is the head."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.root = Path(tempfile.mkdtemp(prefix="rl", dir="/tmp"))  # sockets need short paths
        self._cluster = Cluster()
        self.nodes: list[Any] = []
        self.scratch: dict[Any, Path] = {}

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return str(self._cluster.address)

    def add(self, cpus: int = 1) -> Any:
        """A further node, once it has joined."""
        for _ in range(_TRIES - 1):
            try:
                return self._added(cpus)
            except Exception as error:
                if "timed out during startup" not in str(error):
                    raise
        return self._added(cpus)

    def _added(self, cpus: int) -> Any:
        scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=self.root))
        (scratch / "ray").mkdir()
        with variables({**ENVIRONMENT, "TMPDIR": str(scratch)}):
            node = self._cluster.add_node(
                num_cpus=cpus,
                object_store_memory=STORE_BYTES,
                node_ip_address="127.0.0.1",
                include_dashboard=False,
                temp_dir=str(self.root / "ray"),
            )
        self.nodes.append(node)
        self.scratch[node] = scratch
        return node

    def kill(self, node: Any) -> None:
        """SIGKILL for a node's raylet and all that it started, as when its machine fails."""
        raylet = raylet_of(node)
        for process in (raylet, *raylet.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.nodes.remove(node)

    def kill_head(self) -> None:
        """SIGKILL for the head with all that it started, as when its machine fails."""
        head = self.nodes[0]
        self.kill(head)
        for info in head.all_processes["gcs_server"]:
            psutil.Process(info.process.pid).kill()

    def close(self) -> None:
        """End all of it."""
        self._cluster.shutdown()
        shutil.rmtree(self.root, ignore_errors=True)


def raylet_of(node: Any) -> psutil.Process:
    """The process that stands for a node."""
    (info,) = node.all_processes["raylet"]
    return psutil.Process(info.process.pid)


@contextmanager
def raylets(count: int, cpus: int = 1) -> Iterator[Raylets]:
    """A cluster of so many nodes, for as long as the block runs."""
    made = Raylets()
    try:
        for _ in range(count):
            made.add(cpus)
        yield made
    finally:
        made.close()


@contextmanager
def served_head() -> Iterator[str]:
    """The address for clients of a head of one processor, made by ``ray start`` as people do."""
    with tempfile.TemporaryDirectory(prefix="rh", dir="/tmp", ignore_cleanup_errors=True) as name:
        ports = [free_port() for _ in range(2)]
        words = ["--head", "--port", str(ports[0]), "--ray-client-server-port", str(ports[1])]
        words += ["--num-cpus", "1", "--node-ip-address", "127.0.0.1", "--include-dashboard", "false"]
        words += ["--object-store-memory", str(STORE_BYTES), "--temp-dir", f"{name}/ray", "--block"]
        environment = {**os.environ, **ENVIRONMENT, "RAY_AUTH_MODE": "disabled", "TMPDIR": name}
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words]
        with subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as head:
            try:
                while not _answers(ports[1]):
                    assert head.poll() is None, "the head has ended"
                    time.sleep(0.1)
                yield f"ray://127.0.0.1:{ports[1]}"
            finally:
                below = psutil.Process(head.pid).children(recursive=True)
                for process in (psutil.Process(head.pid), *below):
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs(below, timeout=10)


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
