"""Starting worker processes and learning how they ended: forked from a loaded server, or spawned."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from automl.core.environment import variables
from automl.core.errors import AutoMLError
from automl.executors.child import SAFE_PATH
from automl.executors.first_server import FORKS, STAGES, FirstServer, Server
from automl.executors.worker import run

_MOST_FAILURES = 3
_END_SECONDS = 2.0
_CLOSE_SECONDS = 0.3
_KILLED = 9  # SIGKILL, which Windows has no name for
_WORDS = 4000


class WorkerProcess:
    """A worker as the controller sees it."""

    def __init__(self, connection: Connection, log: Path) -> None:
        self.connection = connection
        self.log = log
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.ready = False
        self.stage = len(STAGES) - 1

    @property
    def killed(self) -> bool:
        """True if it was ended from outside: by SIGKILL, or with the server that forked it."""
        return self.exit_code is None or self.exit_code == -_KILLED

    @property
    def ending(self) -> str:
        """The way it ended, for people: ``killed by SIGSEGV``, ``exited with code 3``."""
        if self.exit_code is None:
            return "ended without an exit code"
        if self.exit_code >= 0:
            return f"exited with code {self.exit_code}"
        try:
            name = signal.Signals(-self.exit_code).name
        except ValueError:
            name = f"signal {-self.exit_code}"
        return f"was killed by {name}"

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self.pid is None or self.exit_code is not None:
            return
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg") and os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    def last_words(self) -> str:
        """The end of what the worker printed."""
        with suppress(OSError):
            text = self.log.read_text(encoding="utf-8", errors="replace")
            # faulthandler ends its stack with the names of hundreds of extension modules.
            return text.partition("\nExtension modules:")[0].strip()[-_WORDS:]
        return ""


class Launcher(Protocol):
    """Makes worker processes."""

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Load these libraries, or all; within ``patience`` seconds what not every model needs."""
        ...

    def launch(self, libraries: Sequence[str] = ()) -> WorkerProcess:
        """A new worker, which has these libraries loaded if it can; returns before it is up."""
        ...

    def suits(self, worker: WorkerProcess, libraries: Sequence[str]) -> bool:
        """Tell whether no worker that could be launched now has more of these libraries loaded."""
        ...

    def loaded(self, libraries: Sequence[str]) -> bool:
        """Tell whether a worker that is launched now need not wait for these libraries."""
        ...

    def waitables(self) -> list[Any]:
        """Connections that become readable when :meth:`listen` has something to learn."""
        ...

    def listen(self, readable: list[Any]) -> None:
        """Take in how workers started and ended."""
        ...

    def end(self, worker: WorkerProcess) -> None:
        """Kill the worker unless it is dead already, and wait a moment for its exit code."""
        ...

    def close(self) -> None:
        """End the launcher's own processes; its workers have been killed before."""
        ...


def platform_launcher(folder: Path) -> Launcher:
    """Forks on Linux; spawns elsewhere, where a fork of a loaded process is unsafe or impossible."""
    return ForkLauncher(folder) if FORKS else SpawnLauncher(folder)


class ForkLauncher:
    """A chain of servers (see ``fork_server``); workers come from the best that is ready."""

    def __init__(self, folder: Path, *, stages: Sequence[Sequence[str]] = STAGES) -> None:
        self._folder = folder
        self._stages = stages
        self._count = len(stages)
        self._first: FirstServer | None = None
        self._servers: list[Server] = []
        self._workers: dict[str, tuple[WorkerProcess, Server]] = {}
        self._tokens = 0
        self._failures = 0
        self._patience: float | None = None

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Start the servers, or tell the one that was started early how to go on."""
        if self._first is not None:
            return
        self._patience = patience
        self._first = FirstServer.taken(self._stages)
        if libraries is not None:
            self._count = self._stage(libraries) + 1
        self._servers = self._first.go_on(self._count, patience)

    def launch(self, libraries: Sequence[str] = ()) -> WorkerProcess:
        """Ask a server for a worker; it may still be loading, then the worker comes later."""
        server = self._server(libraries)
        self._tokens += 1
        token = str(self._tokens)
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(server.control, [token.encode()], [theirs.fileno()])
        worker = WorkerProcess(Connection(ours.detach()), self._folder / f"worker-{token}.log")
        worker.stage = server.stage
        self._workers[token] = (worker, server)
        return worker

    def suits(self, worker: WorkerProcess, libraries: Sequence[str]) -> bool:
        """Tell whether it came from as late a server as has to load any of them."""
        wanted = self._stage(libraries)
        if worker.stage >= wanted:
            return True
        return not any(server.alive for server in self._servers[worker.stage + 1 : wanted + 1])

    def loaded(self, libraries: Sequence[str]) -> bool:
        """Tell whether the server that has them is ready, or will be and is not the last and slowest one."""
        wanted = self._stage(libraries)
        if not self._servers:
            return True
        server = self._servers[wanted]
        return server.alive and (server.ready or wanted < len(self._servers) - 1)

    def _stage(self, libraries: Sequence[str]) -> int:
        """The first one after which all of these libraries are loaded that any server loads."""
        stages = [
            number
            for number, modules in enumerate(self._stages)
            if {module.partition(".")[0] for module in modules} & {*libraries}
        ]
        return min(max(stages, default=0), self._count - 1)

    def _server(self, libraries: Sequence[str]) -> Server:
        """The latest that is ready, if it is late enough; else the one that will be."""
        self.warm(patience=self._patience)
        wanted = self._stage(libraries)
        alive = [server for server in self._servers if server.alive]
        ready = [server for server in alive if server.ready]
        if ready and ready[-1].stage >= wanted:
            return ready[-1]
        coming = [server for server in alive if server.stage <= wanted] or alive
        if coming:
            return coming[-1]
        self._failures += 1
        if self._failures > _MOST_FAILURES:
            words = "" if self._first is None else self._first.last_words()
            raise AutoMLError(f"Worker processes cannot be started. Their last output: {words or 'none'}")
        self._end_servers()
        return self._server(libraries)

    def waitables(self) -> list[Any]:
        """Control sockets of the servers that live."""
        return [server.control for server in self._servers if server.alive]

    def listen(self, readable: list[Any]) -> None:
        """Read one message of each readable server."""
        for server in self._servers:
            if server.alive and server.control in readable:
                try:
                    message = server.control.recv(4096)
                except OSError:
                    message = b""
                if message:
                    self._learn(server, json.loads(message))
                else:
                    server.alive = False

    def _learn(self, server: Server, message: dict[str, Any]) -> None:
        if "ready" in message:
            server.ready, server.pid = True, message["ready"]
        elif "next" in message:
            self._servers[server.stage + 1].pid = message["next"]
        elif "forked" in message:
            self._workers[message["forked"]][0].pid = message["pid"]
        elif "ended" in message:
            for token, (worker, _) in list(self._workers.items()):
                if worker.pid == message["ended"]:
                    worker.exit_code = os.waitstatus_to_exitcode(message["status"])
                    del self._workers[token]
            for later in self._servers[server.stage + 1 :]:
                later.alive = later.alive and later.pid != message["ended"]

    def end(self, worker: WorkerProcess) -> None:
        """Kill, and listen until the exit code is there; the fork may still have to be told of."""
        if worker.pid is None and not any(server.ready for _, server in self._workers.values()):
            return  # never begun: its server still loads, or is dead
        until = time.monotonic() + _END_SECONDS
        while worker.exit_code is None and time.monotonic() < until:
            worker.kill()
            sockets = self.waitables()
            if not sockets:
                return
            self.listen(wait(sockets, 0.05))

    def close(self) -> None:
        """End the servers: all of them are one session."""
        self._end_servers()

    def _end_servers(self) -> None:
        if self._first is None:
            return
        # The later ones first: each is reaped by the one before, where that does not load itself.
        until = time.monotonic() + _CLOSE_SECONDS
        for before, server in reversed(list(pairwise(self._servers))):
            if server.pid is None or not server.alive:
                continue
            with suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGKILL)
            while server.alive and before.alive and before.ready and time.monotonic() < until:
                self.listen(wait(self.waitables(), 0.02))
        self._first.end()
        for server in self._servers:
            server.control.close()
        self._first, self._servers = None, []
        self._workers.clear()


class SpawnLauncher:
    """A new interpreter per worker, through ``multiprocessing`` but without the user's main module."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[int, tuple[WorkerProcess, Any]] = {}
        self._count = 0

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Do nothing: processes share nothing, so nothing can be loaded ahead."""

    def suits(self, worker: WorkerProcess, libraries: Sequence[str]) -> bool:
        """Always true: each loads what it needs."""
        return True

    def loaded(self, libraries: Sequence[str]) -> bool:
        """Always true: no worker has more than another."""
        return True

    def launch(self, libraries: Sequence[str] = ()) -> WorkerProcess:
        """Start a process."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=run, args=(theirs,), daemon=True)
        # spawn copies the environment, and takes no other
        with _without_main_module(), variables(SAFE_PATH):
            process.start()
        theirs.close()
        self._count += 1
        worker = WorkerProcess(ours, self._folder / f"worker-{self._count}.log")
        worker.pid = process.pid
        self._processes[id(worker)] = (worker, process)
        return worker

    def waitables(self) -> list[Any]:
        """None: the workers' pipes are enough."""
        return []

    def listen(self, readable: list[Any]) -> None:
        """Do nothing: there is nothing to learn."""

    def end(self, worker: WorkerProcess) -> None:
        """Kill and join the process."""
        worker.kill()
        _, process = self._processes.pop(id(worker), (worker, None))
        if process is not None:
            process.join(_END_SECONDS)
            worker.exit_code = process.exitcode
            if process.exitcode is not None:
                process.close()

    def close(self) -> None:
        """Join what is left."""
        for worker, _ in list(self._processes.values()):
            self.end(worker)


_MAIN_LOCK = threading.Lock()


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Hide ``__main__``: spawn imports it in the child, which would run an unguarded script again."""
    with _MAIN_LOCK:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
