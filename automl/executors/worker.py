"""The inside of a worker process: take a ticket, evaluate it, send the result; end when the pipe ends."""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from automl.core.memory import release_freed
from automl.core.trial import Finished, Progress, Ticket
from automl.executors.base import settled
from automl.executors.prepared_cache import PreparedCache

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Threads of OpenMP that wait spin by default. With more threads than free cores nothing gets on:
# on two busy cores XGBoost's 100 rounds on 178 rows took 11-19 s with two threads, and 2 s when they sleep.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class Setup:
    """First message to a worker.

    Attributes
    ----------
    cache_bytes:
        Its share of memory for prepared data.
    gpu:
        The name of the GPU that it may use; empty for all that it finds.
    durable:
        Whether the disk must have a trial's models before its end is reported.
    """

    problem_folder: str
    cache_bytes: int
    log: str
    gpu: str = ""
    durable: bool = True


@dataclass(frozen=True)
class Work:
    """A trial; ``deadline`` by ``time.monotonic()``, which all processes of a machine share."""

    ticket: Ticket
    deadline: float


@dataclass(frozen=True)
class Stop:
    """The trial of this number should stop."""

    number: int


@dataclass(frozen=True)
class Ready:
    """The worker has the problem and waits for tickets."""

    pid: int


def run(connection: Connection) -> None:
    """Serve until the other end closes; the process must then end, which :func:`_listen` sees to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setup: Setup = connection.recv()
    _redirect_output(Path(setup.log))
    if setup.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = setup.gpu
    from automl.executors.evaluate import Control, evaluate
    from automl.problem.problem import Problem

    problem = Problem.load(Path(setup.problem_folder))
    _limit_threads(problem.threads)
    cache = PreparedCache(setup.cache_bytes)
    inbox: queue.SimpleQueue[Work] = queue.SimpleQueue()
    stopped: set[int] = set()
    threading.Thread(target=_listen, args=(connection, inbox, stopped), daemon=True).start()
    connection.send(Ready(os.getpid()))

    def report(progress: Progress) -> None:
        connection.send(progress)

    while True:
        work = inbox.get()
        ticket = replace(work.ticket, seconds=max(0.05, work.deadline - time.monotonic()))
        _limit_threads(problem.threads)
        os.ftruncate(1, 0)  # the log holds the running trial's words only
        control = Control(report, lambda number=ticket.number: number in stopped, cache)  # type: ignore[misc]
        result = evaluate(ticket, problem, control)
        if setup.durable:
            result = settled(result)
        connection.send(Finished(ticket.number, result))
        del result
        release_freed()  # now, while the controller learns of the result


def _listen(connection: Connection, inbox: queue.SimpleQueue[Work], stopped: set[int]) -> None:
    """Read messages beside the running trial, and end the process with the controller."""
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        if isinstance(message, Stop):
            stopped.add(message.number)
        else:
            inbox.put(message)


def _redirect_output(log: Path) -> None:
    """Send what libraries print to the log, where the controller finds the last words of a dead worker."""
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(sink)
    os.close(nothing)
    # A process that multiprocessing made without a console, or from a notebook, has others.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    faulthandler.enable(sys.stderr)


def _limit_threads(threads: int) -> None:
    """Set the threads of libraries that are loaded, and of those that will be."""
    from threadpoolctl import threadpool_limits

    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    threadpool_limits(threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
