"""Processes that load the libraries once and fork workers from themselves (Linux).

A chain of them: the first has what the simplest models need after a second's work, forks one that goes on
to load what boosting and forests need, and that forks the last, which loads torch. So the first trials need
not wait for the libraries of others, and no trial waits for torch later.
Nothing of the user's program is imported in them: they are ``python -c`` processes, not children of
``multiprocessing``, whose forkserver and spawn import the main module again.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from automl.core.processor_share import TrialPace

_KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main(arguments: str) -> NoReturn:
    """Load and serve.

    ``arguments`` is JSON: ``stages``, the modules of each server; ``fds``, a socket for each. The first
    message, also JSON, comes while the first stage loads: ``count`` of the servers; ``work``, of each but the
    first its processor seconds by those of all before; ``patience``, the seconds that loading a later stage
    may take; ``environment``, variables to set.
    """
    given = json.loads(arguments)
    controls = [socket.socket(fileno=number) for number in given["fds"]]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # imports make a million objects that stay
    _load(given["stages"][0])
    plan = json.loads(controls[0].recv(1 << 16) or "{}")
    if not plan:
        os._exit(0)  # the search ended before it began
    os.environ.update(plan["environment"])
    for stage, (modules, later) in enumerate(
        zip(given["stages"][: plan["count"]], [*plan["work"], None], strict=True)
    ):
        _load(modules)
        # Objects that live for ever are not to be touched by a child's collector: that copies their pages.
        gc.freeze()
        control = controls[stage]
        if later is None or _takes_too_long(later, plan["patience"]):
            break
        pid = os.fork()
        if pid:
            _send(control, {"next": pid})
            break
        control.close()
    for other in controls:
        if other is not control:
            other.close()
    _serve(control)


def _takes_too_long(work: float, patience: float | None) -> bool:
    """Tell whether the next stage would be loaded too late, at the pace of this process so far.

    ``work`` is the next stage's, by what this process has done.
    """
    if patience is None:
        return False
    return work * time.process_time() / TrialPace.since_start().share() > patience


def _load(modules: Sequence[str]) -> None:
    for module in modules:
        # What is not installed or broken shows in the trial that needs it.
        with suppress(ImportError, OSError):
            import_module(module)


def _serve(control: socket.socket) -> NoReturn:
    """Fork a worker for every descriptor that comes; report those that end; end with the controller."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    _send(control, {"ready": os.getpid()})
    while True:
        readable, _, _ = select.select([control.fileno(), wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
        _reap(control)
        if control.fileno() in readable:
            try:
                message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
            except OSError:
                message, descriptors = b"", []
            if not message:
                os._exit(0)
            _fork(control, message.decode(), descriptors[0], (wake, waker))
            os.close(descriptors[0])


def _reap(control: socket.socket) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _send(control, {"ended": pid, "status": status})


def _fork(control: socket.socket, token: str, descriptor: int, wakers: tuple[int, int]) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        _send(control, {"forked": token, "pid": pid})
        return
    gc.enable()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # A session of its own: what the trial starts can be killed with it, and the terminal cannot reach it.
    os.setsid()
    ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    control.close()
    for waker in wakers:
        os.close(waker)
    from automl.executors import worker

    try:
        worker.run(Connection(descriptor))
    finally:
        if sys.exc_info()[0] is not None:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    with suppress(OSError):  # the controller is gone; the next read ends this process
        control.send(json.dumps(message).encode())
