"""The driver of a Ray cluster and its talk with the controller; no cluster is started here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from ray.exceptions import ActorDiedError, AuthenticationError, RayTaskError

from automl.core.errors import ClusterError
from automl.core.nodes import NodeState
from automl.core.trial import Finished, Status, Ticket, TrialResult
from automl.executors.base import Allowance
from automl.executors.ray_cluster import cluster, transfers
from automl.executors.ray_cluster.cluster import Cluster, reason_of
from automl.executors.ray_cluster.driver import Driver
from automl.executors.ray_cluster.executor import RayExecutor
from automl.executors.ray_cluster.fleet import NodeInUse
from automl.executors.ray_cluster.messages import Begin, Connect, Connected, NodeReport, Submit, TrialEnd
from automl.executors.ray_cluster.parcels import Parcel, Unpacker, pack, read_part
from automl.executors.ray_cluster.speaker import Speaker
from automl.executors.ray_cluster.versions import plug_ins_here, refusal_of, versions_here
from automl.testing.executors import misbehaving_family, ticket

GIBIBYTE = 1 << 30


def connections() -> tuple[Connection, Connection]:
    ours, theirs = socket.socketpair()
    return Connection(ours.detach()), Connection(theirs.detach())


@dataclass
class StandIn:
    """An agent in this process: what it returns are calls that stand for references."""

    folder: Path
    model: Path | None = None
    fails: str = ""
    tickets: list[Ticket] = field(default_factory=list)
    slots: int = 0
    dropped: list[int] = field(default_factory=list)
    ended: bool = False
    arriving: dict[str, Unpacker] = field(default_factory=dict)

    def submit(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)

    def end(self, seconds: float) -> None:
        self.ended = True

    def receive(self, name: str, parcel: Parcel) -> Callable[[], None]:
        return self._reply(
            "receive", lambda: self.arriving.update({name: Unpacker(self.folder / name, parcel)})
        )

    def write(self, name: str, data: bytes) -> Callable[[], None]:
        return self._reply("write", lambda: self.arriving[name].write(data))

    def begin(self, slots: int, folders: Any) -> Callable[[], None]:
        self.slots = slots
        return self._reply("begin", lambda: None)

    def read(self, number: int, offset: int) -> Callable[[], bytes]:
        assert self.model is not None
        model = self.model
        return self._reply("read", lambda: read_part(model, pack(model), offset, 1 << 20))

    def drop(self, number: int) -> None:
        self.dropped.append(number)

    def _reply(self, call: str, reply: Callable[[], Any]) -> Callable[[], Any]:
        def answer() -> Any:
            try:
                if call == self.fails:
                    raise OSError(28, "No space left on device")
                return reply()
            except (OSError, KeyError) as cause:
                raise RayTaskError(call, f"Traceback\n{cause}", cause).as_instanceof_cause() from cause

        return answer


@pytest.fixture(autouse=True)
def replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers.ray, "get", lambda reply: reply())
    monkeypatch.setattr(transfers.ray, "put", lambda data: data)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"w" * 3000)
    return tmp_path / "model"


def driver_with(folder: Path, **agents: StandIn) -> tuple[Driver, Connection]:
    """A driver with nodes of one slot each that are ready, and the controller's end of its socket."""
    ours, theirs = connections()
    connect = Connect(address="host:1", allowance=Allowance(), folder=str(folder), import_path=())
    driver: Any = Driver(theirs, connect)
    driver._connected = True
    for name, agent in agents.items():
        driver._agents[name] = agent
        driver._reports[name] = NodeReport(name=name, cores=1, memory_bytes=GIBIBYTE, versions={})
        driver._fleet.members[name] = NodeInUse(name=name, cores=1, agent=agent, slots=1, ready=True)
    return driver, ours


def ends_in(connection: Connection) -> list[Finished]:
    messages = []
    while connection.poll(0.5):
        messages.append(connection.recv())
    return [message for message in messages if isinstance(message, Finished)]


def test_a_trial_whose_node_is_lost_while_its_model_arrives_ends_once(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = {name: StandIn(tmp_path / name, model) for name in ("a", "b")}
    driver, controller = driver_with(tmp_path, **agents)
    talk: Any = driver
    driver._obey(Submit(ticket(tmp_path, 0, "dummy")))
    first, other = ("a", "b") if agents["a"].tickets else ("b", "a")
    end = TrialEnd(0, TrialResult(status=Status.DONE, model_folder="there"), pack(model, 100))
    member, collect = talk._fleet.members[first], transfers.collect

    def collect_slowly(*given: Any) -> Any:
        arrival = collect(*given)
        driver._lose(first, ActorDiedError())
        return arrival

    monkeypatch.setattr("automl.executors.ray_cluster.driver.collect", collect_slowly)
    talk._fetch(agents[first], member, end)
    assert [item.number for item in agents[other].tickets] == [0]
    assert not list((tmp_path / "trial-0").iterdir()), "what arrived is gone"
    monkeypatch.undo()
    monkeypatch.setattr(transfers.ray, "get", lambda reply: reply())
    talk._fetch(agents[other], talk._fleet.members[other], end)
    (finished,) = ends_in(controller)
    assert (finished.number, finished.result.node) == (0, other)
    assert (Path(finished.result.model_folder) / "weights").read_bytes() == b"w" * 3000


def test_a_model_that_finds_no_room_here_is_a_failed_trial_and_is_dropped_there(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Unpacker, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    agent = StandIn(tmp_path / "node", model)
    end = TrialEnd(7, TrialResult(status=Status.DONE), pack(model, 100))
    monkeypatch.setattr(Unpacker, "write", full)
    arrival = transfers.collect(agent, end, str(tmp_path / "trial-7"))  # type: ignore[arg-type]
    assert arrival is not None
    result = arrival.taken(str(tmp_path / "trial-7")).result
    assert (result.status, "[Errno 28]" in result.error) == (Status.FAILED, True)
    assert agent.dropped == [7]
    assert not list((tmp_path / "trial-7").iterdir())


@pytest.mark.parametrize("call", ["receive", "write", "begin"])
def test_a_node_that_cannot_take_the_problem_is_named_with_the_reason(tmp_path: Path, call: str) -> None:
    (tmp_path / "problem").mkdir()
    (tmp_path / "problem" / "table").write_bytes(b"rows")
    begin = Begin(problem_folder=str(tmp_path / "problem"), slots=2, threads=1, device="cpu")
    agents: Any = {"good": StandIn(tmp_path / "good"), "full": StandIn(tmp_path / "full", fails=call)}
    failed = transfers.furnish(agents, {"good": 1, "full": 1}, begin)
    assert list(failed) == ["full"]
    assert "No space left" in str(failed["full"])
    assert agents["good"].slots == 1
    assert (tmp_path / "good" / "problem" / "table").read_bytes() == b"rows"


def test_nobody_waits_for_a_controller_that_does_not_read() -> None:
    """It hands over hundreds of trials meanwhile: the driver would take none of them, and both would wait."""
    ours, theirs = connections()
    gone = threading.Event()
    speaker = Speaker(theirs, gone.set)
    for number in range(3000):
        speaker.send((number, b"x" * 1000))
    assert [ours.recv()[0] for _ in range(3000)] == list(range(3000))
    ours.close()
    speaker.send("too late")
    assert gone.wait(10)


def test_what_came_before_the_loss_of_the_cluster_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(executor: Any) -> None:
        executor._connection, driver = connections()
        report = NodeReport(name="a", cores=2, memory_bytes=4 * GIBIBYTE, versions={})
        driver.send(Connected(nodes=(report,)))
        driver.send(Finished(0, TrialResult(status=Status.DONE)))
        driver.close()

    monkeypatch.setattr(RayExecutor, "_start_driver", start)
    with RayExecutor(Allowance(address="auto")) as executor:
        executor.submit(ticket(tmp_path, 0, "dummy"))
        executor.submit(ticket(tmp_path, 1, "dummy"))
        (end,) = executor.wait(10)
        assert (end.number, executor.idle) == (0, 1)
        for _ in range(2):
            with pytest.raises(ClusterError, match="The Ray cluster was lost"):
                executor.wait(10)


@contextmanager
def running(code: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A process of this code with its temporary files in a folder, and what it prints."""
    command, environment = [sys.executable, "-c", code], {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process, process.stdout


def test_what_a_process_leaves_on_a_node_goes_when_it_is_killed(tmp_path: Path) -> None:
    """As Ray does with the processes of a search whose driver it lost."""
    code = (
        "import os; many = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]; "
        "from automl.executors.ray_cluster.scratch import Scratch; scratch = Scratch(); "
        "(scratch.folder / 'rows').write_bytes(b'secret'); print(scratch.folder, flush=True); input()"
    )
    with running(code, tmp_path) as (process, says):
        folder = Path(says.readline().decode().strip())
        time.sleep(3.0)
        assert (folder / "rows").is_file(), "it stays while the process lives"
        process.kill()
    while folder.exists():  # a test that waits for ever has a time limit
        time.sleep(0.1)


def test_an_agent_that_nobody_asks_ends_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "from automl.executors.ray_cluster import agent; agent.SILENT_SECONDS = 2.0; "
        "one = agent.Agent(agent.AgentSetup(name='a', cores=1, gpus=0, memory_bytes=0, import_path=())); "
        "one.news(0.1); print('there', flush=True); input()"
    )
    with running(code, tmp_path) as (process, says):
        assert says.readline() == b"there\n"
        assert process.wait(100) == 1
    assert not list(tmp_path.glob("automl-node-*"))


def test_a_machine_that_lost_its_own_node_gives_up_at_once(tmp_path: Path) -> None:
    driver, controller = driver_with(tmp_path, a=StandIn(tmp_path))
    talk: Any = driver
    talk._cluster = SimpleNamespace(nodes=list, cut_off=True)
    talk._look()
    refused = controller.recv()
    assert (refused.kind, "lost to the Ray cluster" in refused.reason) == ("ClusterError", True)


def test_a_process_that_cannot_begin_is_named_with_its_own_error() -> None:
    reason = "ModuleNotFoundError: No module named 'skops'"
    text = f"\x1b[36mray::Agent.__init__()\x1b[39m (pid=1)\n  File x\n{reason}"
    error = ActorDiedError(RayTaskError("__init__", text, ModuleNotFoundError("no")))
    assert "creation task" in str(error).splitlines()[0]
    assert reason_of(error) == reason
    assert reason_of(ActorDiedError()) == str(ActorDiedError()).splitlines()[0].rstrip(".")


def test_a_cluster_that_asks_for_a_token_says_how_to_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**given: Any) -> None:
        raise ConnectionError("Failed to connect to Ray cluster at host:1") from AuthenticationError(
            "no token"
        )

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(ClusterError, match=r"asks for its token. Next: set RAY_AUTH_MODE=token"):
        Cluster(Connect(address="host:1", allowance=Allowance(), folder="", import_path=()))


def test_a_node_that_comes_back_still_has_lost_the_workers_of_before() -> None:
    lost = NodeState(name="a", workers=0, lost=3, returned=1, away=True)
    starting, back = NodeState(name="a", workers=0), NodeState(name="a", workers=2, lost=1)
    assert starting.after(None) == starting
    assert starting.after(lost) == replace(starting, lost=3, returned=1)
    assert back.after(lost) == replace(back, lost=4, returned=3)


def test_a_node_without_a_plug_in_is_refused_by_its_package(tmp_path: Path) -> None:
    assert refusal_of("a", versions_here(), plug_ins_here()) == ""
    with misbehaving_family(tmp_path):
        there = tuple(name for name in plug_ins_here() if "misbehaving" not in name)
        assert "Node a lacks the plug-ins automl-misbehaving==1" in refusal_of("a", versions_here(), there)
        assert "other versions: numpy 1.0" in refusal_of("a", {**versions_here(), "numpy": "1.0"}, ())


@pytest.mark.parametrize(
    ("failures", "message", "attempts"),
    [
        (2, "Starting Ray client server failed. See ray_client_server_23000.err for detailed logs.", 3),
        (9, "Starting Ray client server failed. See ray_client_server_23000.err for detailed logs.", 3),
        (9, "Version mismatch: the cluster was started with another one", 1),
    ],
)
def test_a_head_that_is_slow_to_start_a_clients_process_is_asked_again(
    failures: int, message: str, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_PAUSES", (0.0, 0.0))
    asked: list[int] = []

    def connect() -> str:
        asked.append(1)
        if len(asked) <= failures:
            raise RuntimeError(f"Initialization failure from server: {message}")
        return "connected"

    if failures < attempts:
        assert cluster.patiently(connect) == "connected"
    else:
        with pytest.raises(RuntimeError, match=message[:20]):
            cluster.patiently(connect)
    assert len(asked) == attempts
