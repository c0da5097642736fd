"""The first of the servers that fork workers: a process that may be started before a search is known."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile

from automl.executors.child import SAFE_PATH, python_command
from automl.executors.worker import THREAD_VARIABLES, WAITING

# What the servers load, one after another: a model without any of the later libraries need not wait for them.
STAGES = (
    (
        "numpy",
        "scipy.optimize",
        "scipy.sparse",
        "pyarrow.feather",
        "threadpoolctl",
        "automl.executors.evaluate",
        "automl.executors.worker",
    ),
    (
        "sklearn.linear_model",
        "sklearn.ensemble",
        "sklearn.preprocessing",
        "lightgbm",
        "xgboost",
        "catboost",
    ),
    ("torch", "safetensors.torch"),
)
# What a stage takes of a processor, by all before it (measured: 0.7, 0.9 and 1.6 s).
WORK = (1.3, 1.0)
FORKS = sys.platform == "linux"
"""Elsewhere a fork of a loaded process is unsafe or impossible."""


class Server:
    """One of the processes that fork."""

    def __init__(self, stage: int, control: socket.socket) -> None:
        self.stage = stage
        self.control = control
        self.pid: int | None = None
        self.ready = False
        self.alive = True


class FirstServer:
    """The first server's process, which loads what every model needs and then waits to be told how to go on.

    Parameters
    ----------
    stages:
        Modules of each server that may follow from it.
    """

    _early: FirstServer | None = None

    def __init__(self, stages: Sequence[Sequence[str]]) -> None:
        self.stages = stages
        self._environment = dict(os.environ)
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in stages]
        self._controls, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        fds = [end.fileno() for end in theirs]
        # One thread while libraries load: a fork must not find pools of threads. Workers set their own.
        # A look for GPUs must not initialise CUDA, which no child of this process could use then.
        environment = {**WAITING, **os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), **SAFE_PATH}
        environment["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
        self._log = TemporaryFile()  # noqa: SIM115  # it is as long-lived as the process
        self.process = subprocess.Popen(
            python_command("automl.executors.fork_server", json.dumps({"stages": stages, "fds": fds})),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=environment,
            pass_fds=fds,
            start_new_session=True,
        )
        for end in theirs:
            end.close()

    @classmethod
    def start_early(cls) -> None:
        """Start one now where workers are forked, before the search's own libraries are loaded here."""
        if cls._early is None and FORKS:
            cls._early = cls(STAGES)
            atexit.register(cls._end_early)

    @classmethod
    def taken(cls, stages: Sequence[Sequence[str]]) -> FirstServer:
        """The one that was started early, if it has these stages and nobody took it; else a new one."""
        early = cls._early
        if early is None or early.stages != stages or early.process.poll() is not None:
            return cls(stages)
        cls._early = None
        return early

    @classmethod
    def _end_early(cls) -> None:
        """End the one that nobody took, as its command failed before."""
        if cls._early is not None:
            cls._early.end()
            cls._early = None

    def go_on(self, count: int, patience: float | None) -> list[Server]:
        """Tell it how many servers there are to be, itself included; returns them.

        Parameters
        ----------
        patience:
            Seconds that loading the later ones may take.
        """
        new = {key: value for key, value in os.environ.items() if self._environment.get(key) != value}
        new = {key: value for key, value in new.items() if key not in THREAD_VARIABLES}
        plan = {"count": count, "work": WORK[: count - 1], "patience": patience, "environment": new}
        with suppress(OSError):  # it has ended; the first use notices
            self._controls[0].send(json.dumps(plan).encode())
        for control in self._controls[count:]:
            control.close()
        servers = [Server(stage, control) for stage, control in enumerate(self._controls[:count])]
        servers[0].pid = self.process.pid
        return servers

    def last_words(self) -> str:
        """The end of what it and those after it printed."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", errors="replace")[-1000:].strip()

    def end(self) -> None:
        """End it and what it forked: all of them are one session."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for control in self._controls:
            control.close()
        self._log.close()
