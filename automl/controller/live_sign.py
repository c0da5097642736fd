"""The account of a running search for those who follow it from elsewhere, made from its loop's events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import final

from automl.core.nodes import NodeState
from automl.core.text import counted
from automl.core.time_budget import Clock
from automl.core.trial import Progress, Status, Trial
from automl.tracker.live import LEADERS, NEWS, Leader, LiveState, LiveTrial
from automl.tracker.reading.leaderboard import ENSEMBLE


@final
class LiveSign:
    """The account of a search from which its sign is made; its size does not grow with the trials.

    Parameters
    ----------
    trials:
        The number of trials that were asked for; None for a budget of time.
    """

    def __init__(self, clock: Clock, *, greater_is_better: bool, trials: int | None) -> None:
        self._clock, self._trials = clock, trials
        self._sign = -1.0 if greater_is_better else 1.0
        self._ended: Counter[str] = Counter()
        self._leaders: list[Leader] = []
        self._running: dict[int, tuple[str, float]] = {}
        self._progress: dict[int, Progress] = {}
        self._ensemble: float | None = None
        self._weights: Mapping[int, float] = {}
        self._nodes: tuple[NodeState, ...] = ()
        self._news: list[tuple[int, str]] = []
        self._told = 0

    @property
    def idle(self) -> bool:
        """True while no trial runs."""
        return not self._running

    def started(self, trial: Trial) -> None:
        """Take in a trial that was handed to a worker."""
        self._running[trial.number] = (trial.candidate.family, time.monotonic())

    def progressed(self, progress: Progress) -> None:
        """Take in the progress of a running trial."""
        if progress.number in self._running:
            self._progress[progress.number] = progress

    def weighed(self, weights: Mapping[int, float]) -> None:
        """Take in the weights of the best ensemble."""
        self._weights = dict(weights)

    def finished(self, trial: Trial, best: float | None) -> None:
        """Take in a trial that ended."""
        self._running.pop(trial.number, None)
        self._progress.pop(trial.number, None)
        self._ensemble = best
        result = trial.result
        if result is None:
            return
        self._ended[result.status.value] += 1
        if result.status in (Status.FAILED, Status.OOM):
            self.tell(f"#{trial.number} {trial.candidate.family} {result.status.value}: {result.error}")
        if trial.scores is not None:
            self._leaders.append(
                Leader(
                    number=trial.number,
                    family=trial.candidate.family,
                    validation=trial.scores.validation,
                    standard_error=trial.scores.standard_error,
                    seconds=round(result.seconds, 2),
                )
            )
            self._leaders.sort(key=lambda leader: (self._sign * leader.validation, leader.number))
            del self._leaders[LEADERS:]

    def restored(self, trials: Sequence[Trial], best: float | None) -> None:
        """Take in the trials of an earlier process."""
        for trial in trials:
            self.finished(trial, best)
        self.tell(f"Resumed: {counted(len(trials), 'trial')} were finished before.")

    def located(self, nodes: tuple[NodeState, ...]) -> None:
        """Take in the nodes; what changed among them is news."""
        for line in node_news(self._nodes, nodes):
            self.tell(line)
        self._nodes = nodes

    def tell(self, line: str) -> None:
        """Add a line for people."""
        self._told += 1
        self._news = [*self._news[1 - NEWS :], (self._told, line)]

    def state(self) -> LiveState:
        """The search now."""
        best, leader = self._best()
        now = time.monotonic()
        return LiveState(
            at=time.time(),
            elapsed=self._clock.elapsed,
            seconds=self._clock.seconds,
            trials=self._trials,
            ended=dict(self._ended),
            best=best,
            leader=leader,
            ensemble=self._ensemble,
            weights=self._weights,
            leaders=tuple(self._leaders),
            running=tuple(self._live(number, now) for number in self._running),
            nodes=self._nodes,
            news=tuple(self._news),
        )

    def _best(self) -> tuple[float | None, str]:
        first = self._leaders[0] if self._leaders else None
        if self._ensemble is not None and (
            first is None or self._sign * self._ensemble < self._sign * first.validation
        ):
            return self._ensemble, ENSEMBLE
        return (None, "") if first is None else (first.validation, first.family)

    def _live(self, number: int, now: float) -> LiveTrial:
        family, began = self._running[number]
        progress = self._progress.get(number)
        return LiveTrial(
            number=number,
            family=family,
            seconds=now - began,
            fraction=0.0 if progress is None else progress.fraction,
            message="" if progress is None else progress.message,
        )


def node_news(before: Sequence[NodeState], now: Sequence[NodeState]) -> list[str]:
    """Sentences on nodes that joined or left, and on workers that were lost or came back."""
    earlier = {node.name: node for node in before}
    lines = []
    for node in now:
        old = earlier.get(node.name)
        if old is None:
            if before:
                lines.append(f"The node {node.name} joined.")
            old = NodeState(name=node.name, workers=0)
        if node.away and not old.away:
            lines.append(f"The node {node.name} is gone; its trials run again elsewhere.")
        elif old.away and not node.away:
            lines.append(f"The node {node.name} is back.")
        if node.lost > old.lost and not node.away:
            lines.append(f"{counted(node.lost - old.lost, 'worker')} of {node.name} ended unexpectedly.")
        if node.returned > old.returned:
            lines.append(f"{counted(node.returned - old.returned, 'worker')} of {node.name} replaced.")
    return lines
