"""The machines that run trials: their workers, the trials on each, and the workers that were lost."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace


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

    def after(self, earlier: NodeState | None) -> NodeState:
        """This state with the workers that a node lost before it came back; those it has now replace them."""
        if earlier is None:
            return self
        returned = earlier.lost if self.workers else earlier.returned
        return replace(self, lost=self.lost + earlier.lost, returned=self.returned + returned)


def this_node() -> str:
    """The name of this machine."""
    return socket.gethostname()
