"""The nodes of a search and the trials on them: which node runs which, and what follows when one is lost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from automl.core.trial import Finished, Status, Ticket, TrialResult

MOST_LOSSES = 2
"""Times that a trial loses its node and runs again; the next time it fails. A worker alone is lost once."""
WORKER_BYTES = 1.5e9
"""Memory that a worker takes, by which the number of a node's workers is bounded."""
_LEAST_SECONDS = 0.5


class TrialAgent(Protocol):
    """The part of an agent that runs trials; calls return at once."""

    def submit(self, ticket: Ticket) -> None:
        """Run this trial."""
        ...

    def stop(self, number: int) -> None:
        """Ask it to stop."""
        ...

    def kill(self, number: int) -> None:
        """End it."""
        ...


@dataclass(kw_only=True)
class Job:
    """A trial that has not ended.

    Attributes
    ----------
    lost_with:
        The nodes that it was lost with.
    ending:
        Its end if it is lost once more: it was asked to stop, or is being killed.
    """

    ticket: Ticket
    began: float
    lost_with: list[str] = field(default_factory=list)
    ending: TrialResult | None = None

    def ticket_now(self) -> Ticket:
        """The ticket for a node: after a wait or a loss, with the time that the search has left for it."""
        left = self.ticket.seconds + self.ticket.spare - (time.monotonic() - self.began)
        seconds = max(_LEAST_SECONDS, min(self.ticket.seconds, left))
        return replace(self.ticket, seconds=seconds, spare=max(0.0, left - seconds))


@dataclass(kw_only=True)
class NodeInUse:
    """A node in use.

    Attributes
    ----------
    slots:
        Trials that it runs at once.
    room:
        Trials that it holds at once, by :func:`room_of`.
    ready:
        Whether it has the problem; before, none is handed to it.
    """

    name: str
    cores: int
    agent: TrialAgent
    room: int = 0
    slots: int = 0
    ready: bool = False
    running: dict[int, Job] = field(default_factory=dict)

    @property
    def free_share(self) -> float:
        """Share of the slots that wait for a trial."""
        return 1 - len(self.running) / self.slots if self.slots else 0.0


class Fleet:
    """Members by identity, and the jobs that wait or run on them; used by one thread at a time."""

    def __init__(self) -> None:
        self.members: dict[str, NodeInUse] = {}
        self._waiting: deque[Job] = deque()

    @property
    def slots(self) -> int:
        """Trials that all members together run at once."""
        return sum(member.slots for member in self.members.values())

    @property
    def cores(self) -> int:
        """Processors of the members that have slots."""
        return sum(member.cores for member in self.members.values() if member.slots)

    def slots_for(self, node: NodeInUse, *, wanted: int) -> int:
        """Slots for a node that joins: its room, or its share of the wanted slots that are missing."""
        if not wanted:
            return node.room
        others = [member.room for member in self.members.values()]
        return max(0, min(wanted - self.slots, divided(wanted, [*others, node.room])[-1]))

    def submit(self, ticket: Ticket) -> None:
        """Run a trial, as soon as a member has a slot for it."""
        self._waiting.append(Job(ticket=ticket, began=time.monotonic()))
        self.dispatch()

    def dispatch(self) -> None:
        """Hand waiting trials to members: to the least busy one that did not lose it before."""
        while self._waiting:
            free = [item for item in self.members.values() if item.ready and item.free_share > 0]
            if not free:
                return
            job = self._waiting.popleft()
            member = min(free, key=lambda item: (item.name in job.lost_with, -item.free_share))
            member.running[job.ticket.number] = job
            member.agent.submit(job.ticket_now())

    def stop(self, number: int) -> Finished | None:
        """Ask a trial to stop; one that waits ends here."""
        return self._leave(number, Status.PRUNED, "stopped early: clearly worse than the best of its family")

    def kill(self, number: int) -> Finished | None:
        """End a trial; one that waits ends here."""
        return self._leave(number, Status.TIMEOUT, "ended by the search")

    def take(self, member: NodeInUse, number: int) -> Job | None:
        """The job of a trial that ended on this member, which has room again; None if it was lost before."""
        job = member.running.pop(number, None)
        self.dispatch()
        return job

    def lose(self, identity: str) -> list[Finished]:
        """Remove a member: its trials run again elsewhere, first of all; the ends of those that do not.

        What it still says of them is not taken: they are no longer its trials.
        """
        member = self.members.pop(identity)
        lost, ended = list(member.running.values()), []
        member.running.clear()
        for job in reversed(lost):
            job.lost_with.append(member.name)
            if job.ending is None and len(job.lost_with) <= MOST_LOSSES:
                self._waiting.appendleft(job)
                continue
            result = job.ending or TrialResult(
                status=Status.FAILED, error=f"Its nodes were lost while it ran: {', '.join(job.lost_with)}"
            )
            ended.append(Finished(job.ticket.number, replace(result, seconds=time.monotonic() - job.began)))
        self.dispatch()
        return ended

    def _leave(self, number: int, status: Status, reason: str) -> Finished | None:
        ending = TrialResult(status=status, error=reason)
        for member in self.members.values():
            if number in member.running:
                member.running[number].ending = ending
                (member.agent.stop if status is Status.PRUNED else member.agent.kill)(number)
                return None
        for job in self._waiting:
            if job.ticket.number == number:
                self._waiting.remove(job)
                return Finished(number, ending)
        return None


def room_of(cores: int, memory_bytes: int, threads: int = 1) -> int:
    """Trials of so many threads that a node holds at once: none where it has fewer processors than that."""
    if cores < threads:
        return 0
    return max(1, min(cores // threads, int(memory_bytes / WORKER_BYTES)))


def divided(slots: int, rooms: Sequence[int]) -> list[int]:
    """Slots for each node: by its room, and evenly beyond that where more are wanted.

    Parameters
    ----------
    rooms:
        Of each node, by :func:`room_of`; a node without room gets no slot, unless none has any.
    """
    rooms = rooms if any(rooms) else [1] * len(rooms)
    counts = [0] * len(rooms)
    for _ in range(slots if rooms else 0):
        place = min((i for i, most in enumerate(rooms) if most), key=lambda i: (counts[i] + 1) / rooms[i])
        counts[place] += 1
    return counts


def trial_cores(cores: Sequence[int]) -> int:
    """The most processors for one trial: those of the smallest node among the large ones with half of all."""
    held = 0
    for count in sorted(cores, reverse=True):
        held += count
        if 2 * held >= sum(cores):
            return count
    return 1
