"""The driver: the process of a search that is connected to Ray.

Ray ends a process that lost its cluster. The controller, which must outlive that, sees the end of a socket.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import ray
from ray.exceptions import RayError

from automl.core.errors import AutoMLError, ClusterError, MissingDependencyError
from automl.core.nodes import NodeState
from automl.core.text import counted
from automl.core.trial import Finished, Progress
from automl.executors.ray_cluster.cluster import CUT_OFF, Cluster, Free, Node, RemoteAgent, reason_of
from automl.executors.ray_cluster.fleet import Fleet, NodeInUse, divided, room_of
from automl.executors.ray_cluster.messages import (
    Begin,
    Connect,
    Connected,
    FleetChange,
    KillTrial,
    News,
    NodeReport,
    NodeStates,
    Order,
    Pulse,
    Refused,
    StopTrial,
    Submit,
    TrialEnd,
    Warm,
)
from automl.executors.ray_cluster.speaker import Speaker
from automl.executors.ray_cluster.transfers import collect, furnish
from automl.executors.ray_cluster.versions import refusal_of

_LOOK_SECONDS = 2.0  # between looks for nodes that joined
_TURN_SECONDS = 0.5
_NEWS_SECONDS = 1.0
_FREE_SECONDS = 60.0  # for a processor that nobody uses
_START_SECONDS = 90.0  # longer where the first agent is about to start
_OTHERS_SECONDS = 15.0  # for further agents, once the first one runs; later ones join later
_ALONE_SECONDS = 120.0  # without any node
_CLOSE_SECONDS = 1.5
_MOST_FAILURES = 3
_PARALLEL = 4


def main(argument: str) -> NoReturn:
    """Serve the controller at the other end of a socket; ``argument`` is JSON with its ``fd``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(json.loads(argument)["fd"])
    connect: Connect = connection.recv()
    os.chdir(connect.folder)  # Ray puts the working directory on the import path of workers
    driver = Driver(connection, connect)
    try:
        driver.run()
    finally:
        _leave()


def _leave() -> NoReturn:
    """End the process without waiting for its threads; the controller reads what is printed."""
    if sys.exc_info()[0] is not None:
        sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    os._exit(0)


@dataclass(frozen=True)
class _Recruit:
    """A node whose agent is starting."""

    node: Node
    agent: RemoteAgent


class Driver:
    """Carries orders from the controller to agents, and what happens there back.

    Orders are taken by a thread of their own; the main thread waits for the agents' news. Both use the fleet
    under a lock, which nobody holds while waiting for the controller or for a node.
    """

    def __init__(self, connection: Connection, connect: Connect) -> None:
        self._connection = connection
        self._connect = connect
        self._closing = threading.Event()
        self._send = Speaker(connection, self._closing.set).send  # once the controller is gone, it is over
        self._lock = threading.RLock()
        # Results that are here already do not wait for large models, nor these for a problem on its way.
        self._arriving, self._fetching, self._moving = (ThreadPoolExecutor(_PARALLEL) for _ in range(3))
        self._work: list[Future[None]] = []
        self._fleet = Fleet()
        self._agents: dict[str, RemoteAgent] = {}
        self._reports: dict[str, NodeReport] = {}
        self._states: dict[str, NodeState] = {}
        self._gone: dict[str, NodeState] = {}
        self._loading: dict[str, frozenset[str]] = {}
        self._recruits: dict[str, _Recruit] = {}
        self._expected: dict[Any, str] = {}
        self._failures: dict[str, int] = {}
        self._unused: set[str] = set()
        self._warm: Warm | None = None
        self._begin: Begin | None = None
        self._connected = False
        self._looked = 0.0
        self._reason = ""
        self._peopled = time.monotonic()

    def run(self) -> None:
        """Connect, then serve until the controller closes the socket."""
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._cluster = Cluster(self._connect)
            self._gather()
        except AutoMLError as error:
            self._send(Refused(type(error).__name__, str(error)))
            self._closing.wait()
            return
        self._connected = True
        self._send(Connected(nodes=tuple(self._reports.values())))
        while not self._closing.is_set():
            self._turn(_TURN_SECONDS)
            self._look()
            for future in [item for item in self._work if item.done()]:
                self._work.remove(future)
                future.result()
        self._close()

    def _gather(self) -> None:
        """Wait for the agents of the nodes that are there: all of them, or some and a moment longer."""
        until = time.monotonic() + _FREE_SECONDS
        while not self._closing.is_set():
            self._look()
            self._turn(_TURN_SECONDS)
            if self._reports and not self._recruits:
                return
            if self._reports:
                until = min(until, time.monotonic() + _OTHERS_SECONDS)
            if time.monotonic() > until + (_START_SECONDS if self._recruits and not self._reports else 0):
                break
        if self._reports:
            return
        place = f"The Ray cluster at {self._connect.address or 'this machine'}"
        if self._recruits:
            raise ClusterError(f"{place} started no process within {_FREE_SECONDS + _START_SECONDS:.0f} s.")
        raise ClusterError(
            f"{place} has no free processor: other work has them. Next: wait for it to end, or add a node."
        )

    def _listen(self) -> None:
        """Take orders until the controller is gone; a driver that is stuck then ends all the same."""
        try:
            while True:
                try:
                    order: Order = self._connection.recv()
                except (EOFError, OSError):
                    break
                with self._lock:
                    self._obey(order)
            self._closing.set()
            time.sleep(3 * _CLOSE_SECONDS)
        finally:
            _leave()

    def _obey(self, order: Order) -> None:
        if isinstance(order, Submit):
            self._fleet.submit(order.ticket)
        elif isinstance(order, StopTrial | KillTrial):
            leave = self._fleet.stop if isinstance(order, StopTrial) else self._fleet.kill
            finished = leave(order.number)
            if finished is not None:
                self._send(finished)
        elif isinstance(order, Warm):
            self._warm = order
            for agent in self._agents.values():
                agent.warm(order.libraries, order.patience)
        else:
            self._start(order)

    def _start(self, begin: Begin) -> None:
        """Divide the slots among the nodes, and take the problem to those that have some."""
        self._begin = begin
        members = self._fleet.members
        for identity, member in members.items():
            member.room = self._room(self._reports[identity], begin)
        useful = [item for item in members if begin.device != "cuda" or self._reports[item].gpus]
        counts = divided(begin.slots, [members[item].room for item in useful])
        slots = dict(zip(useful, counts, strict=True))
        for identity in list(members):
            members[identity].slots = slots.get(identity, 0)
            if not members[identity].slots:
                self._dismiss(identity)
        self._furnish(members)
        self._announce()

    def _dismiss(self, identity: str) -> None:
        """Give a node back that is of no use now."""
        self._unused.add(identity)
        self._fleet.lose(identity)
        self._forget(identity, self._agents.pop(identity))
        if self._states.pop(identity, None) is not None:
            self._send(NodeStates(tuple(self._states.values())))

    def _forget(self, identity: str, agent: RemoteAgent) -> None:
        """Expect nothing of an agent any more, and end it."""
        self._expected = {ref: name for ref, name in self._expected.items() if name != identity}
        if identity in self._loading:
            idle = Pulse(node=self._reports[identity].name, ran=0.0, waited=0.0, loading=frozenset())
            self._note_pulse(identity, idle)
        threading.Thread(target=agent.end, args=(_CLOSE_SECONDS,), daemon=True).start()

    def _room(self, report: NodeReport, begin: Begin) -> int:
        """Trials that a node holds at once: memory does not bound a number that the user gave."""
        memory = sys.maxsize if self._connect.allowance.workers else report.memory_bytes
        return room_of(report.cores, memory, begin.threads)

    def _furnish(self, identities: Iterable[str]) -> None:
        self._work.append(self._moving.submit(self._supply, tuple(identities)))

    def _supply(self, identities: tuple[str, ...]) -> None:
        """Take the problem to these nodes, and hand them trials."""
        begin = self._begin
        assert begin is not None
        with self._lock:
            agents = {name: self._agents[name] for name in identities if name in self._agents}
            slots = {name: self._fleet.members[name].slots for name in agents}
        failed = furnish(agents, slots, begin)
        with self._lock:
            for identity, agent in agents.items():
                if self._agents.get(identity) is not agent:
                    continue
                if identity in failed:
                    self._lose(identity, failed[identity])
                else:
                    self._fleet.members[identity].ready = True
            self._fleet.dispatch()

    def _turn(self, seconds: float) -> None:
        """Wait for the next report or news, and take in whatever has come."""
        with self._lock:
            expected = list(self._expected)
        if not expected:
            time.sleep(seconds / 5)
            return
        ready, rest = ray.wait(expected, num_returns=1, timeout=seconds)
        if ready and rest:
            ready += ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for ref in ready:
            with self._lock:
                identity = self._expected.pop(ref, None)
            if identity is None:
                continue
            try:
                value = ray.get(ref)
            except RayError as error:
                self._lose(identity, error)
                continue
            with self._lock:
                self._take(identity, value)

    def _take(self, identity: str, value: NodeReport | News) -> None:
        if isinstance(value, NodeReport):
            self._enlist(identity, value)
            return
        member = self._fleet.members.get(identity)
        agent = self._agents.get(identity)
        if member is None or agent is None:
            return
        self._expected[agent.news(_NEWS_SECONDS)] = identity
        self._note_state(identity, value.state.after(self._gone.get(identity)))  # as new as the events
        self._note_pulse(identity, value.pulse)
        for event in value.events:
            if isinstance(event, Progress):
                if event.number in member.running:
                    self._send(event)
            elif event.model is None:
                self._ended(member, Finished(event.number, event.result))
            else:
                self._failures.pop(identity, None)
                pool = self._arriving if event.model.whole else self._fetching
                self._work.append(pool.submit(self._fetch, agent, member, event))

    def _note_pulse(self, identity: str, pulse: Pulse) -> None:
        if pulse.ran or pulse.waited or pulse.loading != self._loading.get(identity, frozenset()):
            self._loading[identity] = pulse.loading
            self._send(pulse)

    def _note_state(self, identity: str, state: NodeState) -> None:
        if self._states.get(identity) != state:
            self._states[identity] = state
            self._send(NodeStates(tuple(self._states.values())))

    def _fetch(self, agent: RemoteAgent, member: NodeInUse, event: TrialEnd) -> None:
        """Bring a trial's model here; a node that is lost meanwhile is noticed by its silence."""
        with self._lock:
            job = member.running.get(event.number)
        arrival = None if job is None else collect(agent, event, job.ticket.folder)
        if job is None or arrival is None:
            return
        with self._lock:
            if member.running.get(event.number) is job:
                self._ended(member, arrival.taken(job.ticket.folder))
                return
        arrival.discard()  # its node was lost meanwhile, and another one has the trial

    def _ended(self, member: NodeInUse, finished: Finished) -> None:
        if self._fleet.take(member, finished.number) is not None:
            self._send(Finished(finished.number, replace(finished.result, node=member.name)))

    def _look(self) -> None:
        """Recruit nodes that are not in use, every now and then."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        nodes = self._cluster.nodes()
        if self._cluster.cut_off:
            self._send(Refused("ClusterError", CUT_OFF))
        if self._cluster.cut_off or self._wanted_slots() <= 0:
            return
        new = [node for node in nodes if self._is_new(node)]
        free = self._cluster.free() if new else {}
        gpus = self._wants_gpus(nodes)
        for node in new:
            grant = free.get(node.identity, Free(0, 0))
            if grant.cores < 1 or (gpus and not grant.gpus and self._begin is not None):
                continue
            share = self._connect.allowance.memory_bytes // len(nodes)
            grant = grant if gpus else Free(grant.cores, 0)
            agent = self._cluster.agent_on(node, grant, memory_bytes=share)
            with self._lock:
                self._recruits[node.identity] = _Recruit(node, agent)
                self._expected[agent.report()] = node.identity
        self._notice_loneliness(nodes, now)

    def _is_new(self, node: Node) -> bool:
        """Tell whether a node is not in use, and may be."""
        in_use = node.identity in self._agents or node.identity in self._recruits
        failed = self._failures.get(node.identity, 0) >= _MOST_FAILURES
        return not (in_use or failed or node.identity in self._unused)

    def _wants_gpus(self, nodes: Sequence[Node]) -> bool:
        """Tell whether trials will use GPUs: if one was asked for, or if every node has one."""
        if self._begin is not None:
            return self._begin.device == "cuda"
        wanted = self._connect.allowance.device
        return wanted == "cuda" or (wanted == "auto" and all(node.gpus for node in nodes))

    def _notice_loneliness(self, nodes: Sequence[Node], now: float) -> None:
        """Give up where no node runs trials: after a while, or where none of them can."""
        if self._fleet.members or self._begin is None:
            self._peopled = now
            return
        if nodes and all(self._failures.get(node.identity, 0) >= _MOST_FAILURES for node in nodes):
            self._send(Refused("ClusterError", f"No node can run trials. {self._reason}"))
        elif now - self._peopled > _ALONE_SECONDS:
            waited = f"All nodes were lost, and none came for {_ALONE_SECONDS:.0f} s."
            self._send(Refused("ClusterError", f"{waited} {self._reason}"))

    def _wanted_slots(self) -> float:
        """Trials at once for which there are no nodes yet; without a wish, as many as can be had."""
        workers = self._connect.allowance.workers
        if self._begin is None or not workers:
            return float("inf")
        return workers - self._fleet.slots

    def _enlist(self, identity: str, report: NodeReport) -> None:
        """Take a node whose agent runs, or refuse it."""
        recruit = self._recruits.pop(identity)
        refusal = refusal_of(report.name, report.versions, report.plug_ins)
        if refusal:
            self._failures[identity] = _MOST_FAILURES
            self._forget(identity, recruit.agent)
            if not self._connected:
                raise MissingDependencyError(refusal)
            self._announce(f"{refusal} The node is not used.")
            return
        member = NodeInUse(name=report.name, cores=report.cores, agent=recruit.agent)
        if self._begin is not None:
            member.room = self._room(report, self._begin)
            member.slots = self._fleet.slots_for(member, wanted=self._connect.allowance.workers)
        self._fleet.members[identity] = member
        self._agents[identity], self._reports[identity] = recruit.agent, report
        self._expected[recruit.agent.news(_NEWS_SECONDS)] = identity
        if self._warm is not None:
            recruit.agent.warm(self._warm.libraries, self._warm.patience)
        if self._begin is not None:
            if member.slots < 1:
                self._dismiss(identity)
                return
            self._furnish([identity])
            self._announce(f"Node {report.name} joined with {counted(member.slots, 'slot')}.")

    def _lose(self, identity: str, error: Exception) -> None:
        """Go on without an agent that failed or was lost with its node."""
        with self._lock:
            self._reason = f"The last reason: {reason_of(error)}."
            self._failures[identity] = self._failures.get(identity, 0) + 1
            recruit = self._recruits.pop(identity, None)
            if recruit is not None:
                reason = f"Node {recruit.node.name} cannot run trials: {reason_of(error)}"
                if not self._connected:
                    raise ClusterError(
                        f"{reason}. Next: see that everything is installed there as it is here."
                    )
                self._announce(f"{reason}.")
                return
            agent = self._agents.pop(identity, None)
            if agent is None:
                return
            member = self._fleet.members[identity]
            running = counted(len(member.running), "running trial")
            self._unused.clear()
            for finished in self._fleet.lose(identity):
                self._send(finished)
            self._forget(identity, agent)
            state = self._states.get(identity, NodeState(name=member.name, workers=0))
            lost = state.lost + state.workers
            self._gone[identity] = replace(state, workers=0, running=(), lost=lost, away=True)
            self._note_state(identity, self._gone[identity])
            self._announce(f"Node {member.name} was lost with {running}: {reason_of(error)}.")

    def _announce(self, *notes: str) -> None:
        self._send(FleetChange(slots=self._fleet.slots, cores=self._fleet.cores, notes=notes))

    def _close(self) -> None:
        """End the agents, which clean up behind them, and leave the cluster."""
        with self._lock:
            agents = [*self._agents.values(), *(recruit.agent for recruit in self._recruits.values())]
        closing = [agent.close() for agent in agents]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_SECONDS)
        self._cluster.close()
        shutil.rmtree(self._connect.folder, ignore_errors=True)  # a killed controller could not
