"""Problems on their way to the nodes and models on their way back: in parts, through Ray's object store."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from automl.core.trial import Finished, Status, TrialResult
from automl.executors.base import settled
from automl.executors.ray_cluster.cluster import RemoteAgent, reason_of
from automl.executors.ray_cluster.messages import TrialEnd
from automl.executors.ray_cluster.parcels import Unpacker, pack, read_part

_UNDER_WAY = 2  # parts that wait for their nodes


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
        while offset < parcel.size and len(waiting) <= _UNDER_WAY:
            data = read_part(place, parcel, offset)
            offset += len(data)
            part = ray.put(data)
            left = {identity: agent for identity, agent in agents.items() if identity not in failed}
            waiting.append({identity: agent.write(name, part) for identity, agent in left.items()})
            del part, data
        for identity, reply in waiting.popleft().items():
            try:
                ray.get(reply)
            except RayError as error:
                failed[identity] = error
    return failed


def collect(agent: RemoteAgent, ended: TrialEnd, folder: str) -> Finished | None:
    """The end of a trial, once its model is in its folder here; None where the node was lost on the way."""
    assert ended.model is not None
    place = Path(folder)
    arriving, model = place, place / "model"
    try:
        place.mkdir(parents=True, exist_ok=True)
        arriving = Path(tempfile.mkdtemp(prefix="arriving-", dir=place))
        unpacker = Unpacker(arriving, ended.model)
        fetched = not unpacker.complete
        while not unpacker.complete:
            unpacker.write(ray.get(agent.read(ended.number, unpacker.received)))
        shutil.rmtree(model, ignore_errors=True)
        os.replace(arriving, model)
    except RayTaskError as error:  # the model cannot be read on its node
        return Finished(ended.number, _failed(ended, reason_of(error)))
    except RayError:
        shutil.rmtree(arriving, ignore_errors=True)
        return None
    except OSError as error:
        return Finished(ended.number, _failed(ended, f"OSError: {error}"))
    if fetched:
        agent.drop(ended.number)
    return Finished(ended.number, settled(replace(ended.result, model_folder=str(model))))


def _failed(ended: TrialEnd, reason: str) -> TrialResult:
    return TrialResult(status=Status.FAILED, seconds=ended.result.seconds, error=reason)
