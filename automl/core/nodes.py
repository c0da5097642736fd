"""The machines that run trials: their workers, the trials on each, and the workers that were lost."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """A node, one of the machines on which trials run, at one moment.

    Attributes
    ----------
    name:
        The name of the machine, by which people find it.
    workers:
        Workers that run or start there now.
    running:
        Numbers of the trials there.
    lost:
        Workers that ended without being asked to, since the search began.
    returned:
        How many of these have a worker in their place that is up.
    away:
        True while the node itself cannot be reached.
    """

    name: str
    workers: int
    running: tuple[int, ...] = ()
    lost: int = 0
    returned: int = 0
    away: bool = False


@dataclass
class Nodes:
    """An executor's account of its nodes: it notes what happens, and answers :meth:`Executor.nodes`.

    A node is known from its first mention on, and stays in the account when it is gone.
    """

    _states: dict[str, NodeState] = field(default_factory=dict)
    _node_of: dict[int, str] = field(default_factory=dict)

    def worker_up(self, node: str) -> None:
        """Note a worker that is ready: a new one, or the replacement of a lost one."""
        state = self._state(node)
        returned = min(state.lost, state.returned + 1) if state.lost else 0
        self._states[node] = replace(state, workers=state.workers + 1, returned=returned, away=False)

    def worker_gone(self, node: str, *, lost: bool = True) -> None:
        """Note a worker that ended: ``lost`` where nobody had asked it to."""
        state = self._state(node)
        self._states[node] = replace(state, workers=max(0, state.workers - 1), lost=state.lost + lost)

    def node_gone(self, node: str) -> None:
        """Note a machine that can no longer be reached, with all its workers."""
        state = self._state(node)
        self._states[node] = replace(state, workers=0, lost=state.lost + state.workers, away=True)

    def began(self, number: int, node: str) -> None:
        """Note where a trial runs."""
        self._state(node)
        self._node_of[number] = node

    def ended(self, number: int) -> str:
        """Note that a trial no longer runs; returns its node, or an empty text if that is unknown."""
        return self._node_of.pop(number, "")

    def states(self) -> tuple[NodeState, ...]:
        """All nodes, in the order in which they were first mentioned."""
        running: dict[str, list[int]] = {}
        for number, node in self._node_of.items():
            running.setdefault(node, []).append(number)
        return tuple(
            replace(state, running=tuple(running.get(name, ()))) for name, state in self._states.items()
        )

    def _state(self, node: str) -> NodeState:
        return self._states.setdefault(node, NodeState(name=node, workers=0))


def this_node() -> str:
    """The name of this machine."""
    return socket.gethostname()
