"""The nodes of a Ray cluster as numbers and names: no process is started here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from automl.core.trial import Status, Ticket
from automl.executors.ray_cluster.fleet import MOST_LOSSES, Fleet, NodeInUse, divided, room_of, trial_cores
from automl.testing.executors import ticket


@dataclass
class Recorded:
    """An agent that writes down what it is told."""

    orders: list[tuple[str, int]] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)

    def submit(self, ticket: Ticket) -> None:
        self.orders.append(("run", ticket.number))
        self.tickets.append(ticket)

    def stop(self, number: int) -> None:
        self.orders.append(("stop", number))

    def kill(self, number: int) -> None:
        self.orders.append(("kill", number))


def fleet_of(**slots: int) -> tuple[Fleet, dict[str, Recorded]]:
    fleet, agents = Fleet(), {name: Recorded() for name in slots}
    for name, count in slots.items():
        fleet.members[name] = NodeInUse(name=name, cores=4, agent=agents[name], slots=count, ready=True)
    return fleet, agents


def submit(fleet: Fleet, *numbers: int, seconds: float = 60.0) -> None:
    for number in numbers:
        fleet.submit(ticket(Path("nowhere"), number, "dummy", seconds=seconds))


def test_trials_go_to_the_least_busy_node_and_wait_where_all_are_busy() -> None:
    fleet, agents = fleet_of(small=1, large=3)
    submit(fleet, 0, 1, 2, 3, 4)
    assert len(agents["small"].orders) == 1
    assert len(agents["large"].orders) == 3
    assert fleet.take(fleet.members["small"], agents["small"].tickets[0].number) is not None
    assert agents["small"].orders[-1] == ("run", 4)


def test_trials_of_a_lost_node_run_first_and_elsewhere() -> None:
    fleet, agents = fleet_of(a=1, b=1)
    submit(fleet, 0, 1, 2)
    lost = agents["a"].tickets[0].number
    assert fleet.lose("a") == []
    fleet.take(fleet.members["b"], 1 - lost)
    assert agents["b"].orders[-1] == ("run", lost)
    assert fleet.take(fleet.members["b"], lost) is not None
    assert agents["b"].orders[-1] == ("run", 2)


def test_a_result_of_a_trial_that_was_lost_is_not_taken_twice() -> None:
    fleet, _ = fleet_of(a=1, b=1)
    submit(fleet, 0)
    (member,) = (item for item in fleet.members.values() if item.running)
    assert fleet.take(member, 0) is not None
    assert fleet.take(member, 0) is None


def test_a_trial_that_loses_every_node_fails_with_their_names() -> None:
    fleet, _ = fleet_of(**{f"node-{i}": 1 for i in range(MOST_LOSSES + 1)})
    submit(fleet, 0)
    failed = []
    for _ in range(MOST_LOSSES + 1):
        failed += fleet.lose(next(name for name, item in fleet.members.items() if item.running))
    (end,) = failed
    assert end.result.status is Status.FAILED
    assert "node-0, node-1, node-2" in end.result.error


def test_a_trial_that_runs_again_gets_no_more_time_than_is_left() -> None:
    fleet, agents = fleet_of(a=1, b=1)
    submit(fleet, 0, seconds=60.0)
    first = next(name for name, item in fleet.members.items() if item.running)
    fleet.members[first].running[0].began -= 50.0
    fleet.lose(first)
    (again,) = agents["b" if first == "a" else "a"].tickets
    assert again.seconds == pytest.approx(10.0, abs=1.0)


def test_a_trial_that_waits_is_stopped_and_killed_at_once() -> None:
    fleet, agents = fleet_of(a=1)
    submit(fleet, 0, 1, 2)
    assert fleet.stop(0) is None
    assert agents["a"].orders[-1] == ("stop", 0)
    stopped, killed = fleet.stop(1), fleet.kill(2)
    assert stopped is not None
    assert killed is not None
    assert (stopped.result.status, killed.result.status) == (Status.PRUNED, Status.TIMEOUT)


def test_a_node_that_is_not_ready_gets_nothing() -> None:
    fleet, agents = fleet_of(a=1)
    fleet.members["a"].ready = False
    submit(fleet, 0)
    assert agents["a"].orders == []


def test_what_a_lost_node_still_says_of_a_trial_is_not_taken() -> None:
    """Its result may be on the way while the trial already runs elsewhere: it would end twice."""
    fleet, agents = fleet_of(a=1, b=1)
    submit(fleet, 0)
    name = next(name for name, item in fleet.members.items() if item.running)
    member = fleet.members[name]
    fleet.lose(name)
    assert agents["b" if name == "a" else "a"].orders == [("run", 0)]
    assert fleet.take(member, 0) is None


@pytest.mark.parametrize(("order", "status"), [("stop", Status.PRUNED), ("kill", Status.TIMEOUT)])
def test_a_trial_that_was_told_to_end_does_not_run_again(order: str, status: Status) -> None:
    fleet, agents = fleet_of(a=1, b=1)
    submit(fleet, 0)
    name = next(name for name, item in fleet.members.items() if item.running)
    getattr(fleet, order)(0)
    (end,) = fleet.lose(name)
    assert end.result.status is status
    assert agents["b" if name == "a" else "a"].orders == []


def test_a_trial_that_waited_for_a_slot_has_the_time_that_is_left_for_it() -> None:
    fleet, agents = fleet_of(a=1)
    fleet.submit(replace(ticket(Path("nowhere"), 0, "dummy", seconds=60.0), spare=30.0))
    fleet.submit(replace(ticket(Path("nowhere"), 1, "dummy", seconds=60.0), spare=30.0))
    fleet._waiting[0].began -= 50.0
    fleet.take(fleet.members["a"], 0)
    first, second = agents["a"].tickets
    assert (first.seconds, second.seconds) == (60.0, pytest.approx(40.0, abs=1.0))
    assert (round(first.spare), round(second.spare)) == (30, 0)


def test_a_node_that_joins_gets_the_slots_that_are_missing_as_far_as_it_has_room() -> None:
    fleet, agents = fleet_of(a=2)
    fleet.members["a"].room = 1
    joined = NodeInUse(name="b", cores=1, agent=agents["a"], room=1)
    assert fleet.slots_for(joined, wanted=4) == 2, "as many as each had at the start"
    assert fleet.slots_for(joined, wanted=2) == 0
    assert fleet.slots_for(joined, wanted=0) == 1


@pytest.mark.parametrize(
    ("cores", "memory", "threads", "room"), [(8, 64e9, 1, 8), (8, 4e9, 1, 2), (8, 1e9, 1, 1), (2, 64e9, 4, 0)]
)
def test_a_node_has_room_by_its_processors_and_its_memory(
    cores: int, memory: float, threads: int, room: int
) -> None:
    assert room_of(cores, int(memory), threads) == room


def test_without_nodes_there_are_no_slots_to_divide() -> None:
    assert divided(4, []) == []


@pytest.mark.parametrize(
    ("slots", "cores", "threads", "counts"),
    [
        (4, [4, 4], 1, [2, 2]),
        (12, [4, 8], 1, [4, 8]),
        (3, [8, 2], 4, [3, 0]),
        (4, [1, 1], 1, [2, 2]),
        (2, [2, 2, 2], 4, [1, 1, 0]),
    ],
)
def test_slots_are_divided_by_processors(
    slots: int, cores: list[int], threads: int, counts: list[int]
) -> None:
    assert divided(slots, [room_of(count, 64 << 30, threads) for count in cores]) == counts


@pytest.mark.parametrize(("cores", "most"), [([8], 8), ([8, 8, 2], 8), ([64, 2, 2], 64), ([4, 4, 4, 6], 4)])
def test_a_trial_may_have_the_processors_of_a_usual_node(cores: list[int], most: int) -> None:
    assert trial_cores(cores) == most
