"""Problems on their way to the nodes and models on their way back: in parts, through Ray's object store."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayError, RayTaskError

from automl.core.trial import Finished, Status, TrialResult
from automl.executors.base import settled
from automl.executors.ray_cluster.agent import PROBLEM, WEIGHTS, beside
from automl.executors.ray_cluster.cluster import RemoteAgent, reason_of
from automl.executors.ray_cluster.messages import Begin, TrialEnd
from automl.executors.ray_cluster.parcels import Unpacker, pack, read_part

_UNDER_WAY = 2  # parts that wait for their nodes


def furnish(
    agents: Mapping[str, RemoteAgent], slots: Mapping[str, int], begin: Begin
) -> dict[str, Exception]:
    """Take a problem to nodes, with what it refers to, and start so many workers on each.

    Returns
    -------
    dict
        The error by the node's identity, where that failed.
    """
    failed = dict[str, Exception]()
    weights = {begin.weights_dir: WEIGHTS} if begin.weights_dir else {}
    places = {begin.problem_folder: PROBLEM, **weights, **{name: beside(name) for name in begin.folders}}
    for folder, name in places.items():
        left = {identity: agent for identity, agent in agents.items() if identity not in failed}
        failed |= send_folder(left, folder, name)
    begun = {
        identity: agent.begin(slots[identity], begin.folders)
        for identity, agent in agents.items()
        if identity not in failed
    }
    for identity, reply in begun.items():
        try:
            ray.get(reply)
        except RayError as error:
            failed[identity] = error
    return failed


def send_folder(agents: Mapping[str, RemoteAgent], folder: str, name: str) -> dict[str, Exception]:
    """Copy a folder to the nodes: each part is put into the store once, and pulled by each node.

    Returns
    -------
    dict
        The error by the node's identity, where that failed.
    """
    place, failed = Path(folder), dict[str, Exception]()
    parcel = pack(place)
    waiting: deque[dict[str, Any]] = deque()
    waiting.append({identity: agent.receive(name, parcel) for identity, agent in agents.items()})
    offset = 0
    while waiting:
        left = {identity: agent for identity, agent in agents.items() if identity not in failed}
        while left and offset < parcel.size and len(waiting) <= _UNDER_WAY:
            data = read_part(place, parcel, offset)
            offset += len(data)
            part = ray.put(data)
            waiting.append({identity: agent.write(name, part) for identity, agent in left.items()})
            del part, data
        for identity, reply in waiting.popleft().items():
            try:
                ray.get(reply)
            except RayError as error:
                failed.setdefault(identity, error)  # the first one is the reason of those that follow
    return failed


@dataclass(frozen=True)
class Arrival:
    """The end of a trial whose model, if it has one, is here: beside its place, until :meth:`taken`."""

    end: Finished
    model: Path | None = None

    def taken(self, folder: str) -> Finished:
        """The end, with the model in ``folder``."""
        if self.model is None:
            return self.end
        place, result = Path(folder) / "model", self.end.result
        try:
            shutil.rmtree(place, ignore_errors=True)
            os.replace(self.model, place)
        except OSError as error:
            return Finished(self.end.number, _failed(result, f"OSError: {error}"))
        return Finished(self.end.number, replace(result, model_folder=str(place)))

    def discard(self) -> None:
        """Remove the model: its trial runs again elsewhere."""
        if self.model is not None:
            shutil.rmtree(self.model, ignore_errors=True)


def collect(agent: RemoteAgent, ended: TrialEnd, folder: str) -> Arrival | None:
    """Bring a trial's model to this machine's disk; None where the node was lost on the way.

    Parameters
    ----------
    folder:
        Of the trial; the model lies in a folder of its own in there.
    """
    assert ended.model is not None
    place, model = Path(folder), None
    with ExitStack() as undo:
        try:
            arriving = place / f"arriving-{uuid4().hex}"  # as open to others as any folder of this process
            arriving.mkdir(parents=True)
            undo.callback(shutil.rmtree, arriving, ignore_errors=True)
            unpacker = Unpacker(arriving, ended.model)
            while not unpacker.complete:
                unpacker.write(ray.get(agent.read(ended.number, unpacker.received)))
            result = settled(replace(ended.result, model_folder=str(arriving)))
            if result.model_folder:
                model = arriving
                undo.pop_all()
        except RayTaskError as error:  # the model cannot be read on its node
            result = _failed(ended.result, reason_of(error))
        except RayError:
            return None
        except OSError as error:
            result = _failed(ended.result, f"OSError: {error}")
    if not ended.model.whole:
        agent.drop(ended.number)
    return Arrival(Finished(ended.number, result), model)


def _failed(result: TrialResult, reason: str) -> TrialResult:
    return TrialResult(status=Status.FAILED, seconds=result.seconds, error=reason)
