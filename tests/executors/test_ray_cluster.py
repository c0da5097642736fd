"""Trials on a real Ray cluster of this machine; all tests of a process share it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from command_line import automl
from processes import still_running
from raylets import Raylets, raylet_of, raylets, served_head

from automl import search
from automl.cli.examples import write_example
from automl.core.errors import ClusterError, MissingDependencyError, UsageError
from automl.core.trial import Event, Finished, Progress, Status
from automl.executors.base import Allowance
from automl.executors.ray_cluster.executor import ADDRESS, RayExecutor
from automl.executors.ray_cluster.versions import differences, versions_here
from automl.testing import check_executor
from automl.testing.executors import finish, misbehaving_family, small_problem, ticket

GIBIBYTE = 1 << 30


@pytest.fixture(scope="module")
def cluster() -> Iterator[Raylets]:
    """Two nodes of one processor each."""
    with raylets(2) as made:
        yield made


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    small_problem().save(tmp_path / "problem")
    return tmp_path / "problem"


@pytest.fixture
def misbehaving(tmp_path: Path) -> Iterator[None]:
    with misbehaving_family(tmp_path / "plug-in"):
        yield


def on(cluster: Raylets, **given: Any) -> RayExecutor:
    return RayExecutor(Allowance(address=cluster.address, memory_bytes=2 * GIBIBYTE, **given))


def ends_of(events: list[Event]) -> dict[int, Status]:
    ends = [event for event in events if isinstance(event, Finished)]
    assert len({end.number for end in ends}) == len(ends), "no trial ends twice"
    return {end.number: end.result.status for end in ends}


def own_folders(cluster: Raylets) -> list[Path]:
    """Scratch folders of agents, on all nodes."""
    return [path for scratch in cluster.scratch.values() for path in scratch.glob("automl-node-*")]


def wait_for_life(executor: RayExecutor, *numbers: int) -> list[Event]:
    """Until these trials have said how far they are; a test that waits for ever has a time limit."""
    silent, events = set(numbers), list[Event]()
    while silent:
        events += executor.wait(30)
        silent -= {event.number for event in events if isinstance(event, Progress)}
    return events


def wait_for_an_error(executor: RayExecutor) -> NoReturn:
    """Take events until the executor raises."""
    while True:
        executor.wait(1.0)


def agents_of(node: Any) -> list[psutil.Process]:
    """The agents on a node."""
    return [child for child in raylet_of(node).children() if "ray::Agent" in " ".join(child.cmdline())]


def agent_of(cluster: Raylets, words: str) -> psutil.Process:
    """The agent on the node where a worker has printed these words; logs of killed agents stay."""
    for node in cluster.nodes:
        logs = [log for log in cluster.scratch[node].rglob("worker-*.log") if words in log.read_text()]
        for agent in agents_of(node) if logs else []:
            if any(log.stat().st_mtime >= agent.create_time() for log in logs):
                return agent
    raise LookupError(words)


@pytest.mark.slow
def test_contract(cluster: Raylets) -> None:
    check_executor(lambda: on(cluster, workers=2))


def test_trials_run_on_all_nodes_and_models_come_back(
    cluster: Raylets, tmp_path: Path, problem: Path
) -> None:
    with on(cluster) as executor:
        executor.warm(())
        executor.start(problem)
        assert executor.slots == executor.idle == 2
        for number in range(2):
            executor.submit(ticket(tmp_path, number, "linear"))
        events = finish(executor)
        assert ends_of(events) == {0: Status.DONE, 1: Status.DONE}
        for end in events:
            if isinstance(end, Finished):
                assert end.result.model_folder == str(tmp_path / f"trial-{end.number}" / "model")
                assert (Path(end.result.model_folder) / "member.json").is_file()
        assert len(own_folders(cluster)) == 2
    assert not own_folders(cluster)


def test_a_trial_of_a_killed_agent_runs_again(
    cluster: Raylets, tmp_path: Path, problem: Path, misbehaving: None
) -> None:
    with on(cluster) as executor:
        executor.warm(())
        executor.start(problem)
        executor.submit(ticket(tmp_path, 0, "misbehaving", mode="obey"))
        wait_for_life(executor, 0)
        os.kill(agent_of(cluster, "about to obey").pid, signal.SIGKILL)
        wait_for_life(executor, 0)
        executor.stop(0)
        assert ends_of(finish(executor)) == {0: Status.PRUNED}


@pytest.mark.slow
def test_a_trial_of_a_killed_node_runs_elsewhere_and_a_node_that_joins_gets_work(
    cluster: Raylets, tmp_path: Path, problem: Path, misbehaving: None
) -> None:
    with on(cluster) as executor:
        executor.warm(())
        executor.start(problem)
        for number in range(2):
            executor.submit(ticket(tmp_path, number, "misbehaving", mode="obey"))
        wait_for_life(executor, 0, 1)
        cluster.kill(cluster.nodes[1])
        while executor.slots == 2:
            executor.wait(1.0)
        cluster.add()
        while executor.slots == 1:
            executor.wait(1.0)
        wait_for_life(executor, 0, 1)
        for number in range(2):
            executor.stop(number)
        assert ends_of(finish(executor)) == {0: Status.PRUNED, 1: Status.PRUNED}


@pytest.mark.slow
def test_the_loss_of_this_machines_node_is_said_and_nothing_stays(
    tmp_path: Path, problem: Path, misbehaving: None
) -> None:
    """Ray then kills the agents on all nodes: nothing would ever run again."""
    with raylets(1) as lost, on(lost) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 0, "misbehaving", mode="obey"))
        wait_for_life(executor, 0)
        raylet_of(lost.nodes[0]).kill()
        with pytest.raises(ClusterError, match="The node of this machine was lost to the Ray cluster"):
            wait_for_an_error(executor)  # the trial's worker may be seen to die before the node


@pytest.mark.slow
def test_through_a_client_trials_run_and_large_models_come_back(
    tmp_path: Path, problem: Path, misbehaving: None
) -> None:
    with (
        served_head() as address,
        RayExecutor(Allowance(address=address, memory_bytes=GIBIBYTE)) as executor,
    ):
        executor.start(problem)
        for number, mode in enumerate(("constant", "bulky")):
            executor.submit(ticket(tmp_path, number, "misbehaving", mode=mode))
            assert ends_of(finish(executor)) == {number: Status.DONE}


@pytest.mark.slow
def test_a_cluster_of_our_own_listens_to_this_machine_alone_and_ends_with_the_executor(
    tmp_path: Path, problem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    others = set(psutil.Process().children(recursive=True))  # the nodes that the other tests share
    with RayExecutor(Allowance(memory_bytes=2 * GIBIBYTE, workers=1)) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 0, "dummy"))
        assert ends_of(finish(executor)) == {0: Status.DONE}
        started = [child for child in psutil.Process().children(recursive=True) if child not in others]
        assert any("raylet" in process.name() for process in started)
        listening = {
            end.laddr.ip
            for process in started
            for end in process.net_connections()
            if end.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert not list((tmp_path / "home").rglob("*")), "Ray keeps a token of its own making there"
    assert not still_running(started, seconds=10)


def test_an_address_where_nothing_answers_is_said_at_once(tmp_path: Path) -> None:
    write_example("wine", tmp_path)
    words = ("wine.csv", "--target", "class", "--executor", "ray", "--address", "127.0.0.1:1")
    done = automl("search", *words, "--trials", "2", folder=tmp_path)
    assert done.returncode == ClusterError.exit_code == 7
    assert "Error E7: No Ray cluster answers at 127.0.0.1:1" in done.stderr
    assert not (tmp_path / "mlruns" / "searches").exists()


@pytest.mark.parametrize("address", ["somewhere", "ray://host", "http://host:1"])
def test_what_is_not_an_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        RayExecutor(Allowance(address=address))


def test_an_address_is_for_executors_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose --executor ray"):
        search(tmp_path / "nothing.csv", target="y", address="host:6379")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl.executors.ray_cluster.executor.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'automl-on-record\[ray\]'"):
        RayExecutor(Allowance())


def test_a_node_with_other_versions_is_refused_by_name() -> None:
    here = versions_here()
    there = {**here, "numpy": "1.0", "torch": ""}
    assert differences(there, here) == [
        f"numpy 1.0 (here {here['numpy']})",
        f"torch is missing (here {here['torch']})",
    ]
    assert differences(here, here) == []
