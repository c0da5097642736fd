"""The words between controller, driver and agents: plain data."""

from __future__ import annotations

from dataclasses import dataclass

from automl.core.nodes import NodeState
from automl.core.trial import Progress, Ticket, TrialResult
from automl.executors.base import Allowance
from automl.executors.ray_cluster.parcels import Parcel

# From the controller to the driver.


@dataclass(frozen=True, kw_only=True)
class Connect:
    """First message: the cluster that is wanted.

    Attributes
    ----------
    address:
        ``HOST:PORT``, ``auto`` or ``ray://HOST:PORT``; empty for a cluster of our own on this machine.
    folder:
        A scratch folder of the driver, which is its working directory.
    import_path:
        Folders that the controller imports from: those that a node has too lead its workers to plug-ins.
    """

    address: str
    allowance: Allowance
    folder: str
    import_path: tuple[str, ...]


@dataclass(frozen=True)
class Warm:
    """Load these libraries, all for None; within ``patience`` seconds what not every model needs."""

    libraries: tuple[str, ...] | None
    patience: float | None


@dataclass(frozen=True, kw_only=True)
class Begin:
    """The problem is on the controller's disk: take it to the nodes.

    Attributes
    ----------
    slots:
        Trials at once, of all nodes that are there now.
    device:
        ``cuda`` where only nodes with a GPU are of use.
    folders:
        Folders beside the problem's that its table refers to.
    weights_dir:
        Folder with published weights; empty for none.
    """

    problem_folder: str
    slots: int
    threads: int
    device: str
    folders: tuple[str, ...] = ()
    weights_dir: str = ""


@dataclass(frozen=True)
class Submit:
    """Run this trial."""

    ticket: Ticket


@dataclass(frozen=True)
class StopTrial:
    """Ask the running trial of this number to stop."""

    number: int


@dataclass(frozen=True)
class KillTrial:
    """End the running trial of this number."""

    number: int


Order = Warm | Begin | Submit | StopTrial | KillTrial

# From the driver to the controller, beside the events of trials.


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """Facts about a node, as its agent finds them.

    Attributes
    ----------
    name:
        The node's address, with the first digits of its identity.
    cores:
        Processors that Ray granted.
    memory_bytes:
        What its trials may hold together.
    gpus:
        GPUs that Ray granted, by their names for CUDA.
    versions:
        Of Python and of the libraries, by name; empty for what is not installed.
    plug_ins:
        Packages that bring families, tasks, metrics or modalities, as ``NAME==VERSION``.
    """

    name: str
    cores: int
    memory_bytes: int
    gpus: tuple[str, ...] = ()
    versions: dict[str, str]
    plug_ins: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Connected:
    """The cluster is there, with these nodes."""

    nodes: tuple[NodeReport, ...]


@dataclass(frozen=True)
class Refused:
    """Nothing can run.

    Attributes
    ----------
    kind:
        Name of the error in ``automl.core.errors``.
    """

    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class FleetChange:
    """Nodes came or went.

    Attributes
    ----------
    slots:
        Trials that can run at once now.
    cores:
        Processors of all nodes in use.
    notes:
        What the person who searches should be told, each sentence once.
    """

    slots: int
    cores: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeStates:
    """All nodes that were in use, with their workers and trials now."""

    states: tuple[NodeState, ...]


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """Seconds that trials of a node ran and waited for a processor, and libraries that are being loaded."""

    node: str
    ran: float
    waited: float
    loading: frozenset[str]


# From an agent to the driver.


@dataclass(frozen=True)
class TrialEnd:
    """A trial ended on a node; its model folder, if it has one, is in the parcel."""

    number: int
    result: TrialResult
    model: Parcel | None


@dataclass(frozen=True, kw_only=True)
class News:
    """Events on a node since the last time."""

    events: tuple[Progress | TrialEnd, ...]
    pulse: Pulse
    state: NodeState
