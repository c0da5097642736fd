"""The sign that a running search gives of itself: one tag of its run, which other processes follow it by.

It is renewed every few seconds and its size is bounded, whatever the number of trials: who follows a search
reads one run, and nothing of its trials.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self, TypeVar

from automl.core.nodes import NodeState
from automl.core.text import printable

T = TypeVar("T")
LEADERS = 8
NEWS = 4
_RUNNING, _NODES, _PER_NODE, _MEMBERS = 40, 40, 8, 8
_MESSAGE, _NODE_NAME, _NEWS = 40, 60, 160
_MOST = 7_800  # characters; MLflow accepts 8,000 in a tag
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Leader:
    """One of the best trials so far."""

    number: int
    family: str
    validation: float
    standard_error: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class LiveTrial:
    """A trial that runs: ``seconds`` is its age, ``fraction`` of its work is done."""

    number: int
    family: str
    seconds: float
    fraction: float = 0.0
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """A running search as far as others can follow it.

    Attributes
    ----------
    at:
        Unix seconds of the moment that this shows; who reads it compares it with the last one.
    elapsed:
        Seconds of the budget that were used then.
    seconds, trials:
        The budget; None for the one that was not given.
    ended:
        Number of trials by the way they ended.
    best, leader:
        The best validation score so far, and its family or ``ensemble``; None before the first.
    ensemble, weights:
        Score of the best ensemble, and the weights of its largest members by trial number.
    leaders:
        The best trials, the best first.
    running:
        The trials that run; ``more`` others are not listed.
    nodes:
        The machines on which they run.
    news:
        The last events that people should hear of, such as failed trials, each with a number that grows.
    """

    at: float = 0.0
    elapsed: float = 0.0
    seconds: float | None = None
    trials: int | None = None
    ended: Mapping[str, int] = field(default_factory=dict)
    best: float | None = None
    leader: str = ""
    ensemble: float | None = None
    weights: Mapping[int, float] = field(default_factory=dict)
    leaders: tuple[Leader, ...] = ()
    running: tuple[LiveTrial, ...] = ()
    more: int = 0
    nodes: tuple[NodeState, ...] = ()
    news: tuple[tuple[int, str], ...] = ()

    @property
    def finished(self) -> int:
        """Number of trials that ended."""
        return sum(self.ended.values())

    @property
    def at_work(self) -> int:
        """Number of trials that run."""
        return len(self.running) + self.more

    def to_text(self) -> str:
        """The content of the tag; what does not fit is left out, the messages of running trials first."""
        state = self._bounded()
        text = state._text()
        if len(text) > _MOST:
            state = replace(state, running=tuple(replace(one, message="") for one in state.running))
            text = state._text()
        while len(text) > _MOST and (state.running or state.nodes):
            kept, nodes = len(state.running) // 2, len(state.nodes) // 2
            state = replace(
                state,
                running=state.running[:kept],
                more=state.more + len(state.running) - kept,
                nodes=state.nodes[:nodes] if not kept else state.nodes,
            )
            text = state._text()
        return text

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """The state that :meth:`to_text` wrote; None for a text of another version, or of something else.

        Anybody with access to the record may have written it: it is shown on the terminals of others.
        """
        try:
            body: dict[str, Any] = json.loads(text)
            return _read(cls, body) if body.pop("format") == _FORMAT else None
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return None

    def _bounded(self) -> Self:
        """The same with bounded lists and texts."""
        members = sorted(self.weights.items(), key=lambda item: (-item[1], item[0]))[:_MEMBERS]
        return replace(
            self,
            at=round(self.at, 2),
            elapsed=round(self.elapsed, 1),
            weights={number: round(weight, 4) for number, weight in members},
            leaders=self.leaders[:LEADERS],
            running=tuple(_rounded(one) for one in self.running[:_RUNNING]),
            more=self.more + max(0, len(self.running) - _RUNNING),
            nodes=tuple(
                replace(node, name=node.name[:_NODE_NAME], running=node.running[:_PER_NODE])
                for node in self.nodes[:_NODES]
            ),
            news=tuple((number, line[:_NEWS]) for number, line in self.news[-NEWS:]),
        )

    def _text(self) -> str:
        return json.dumps({"format": _FORMAT, **asdict(self)}, separators=(",", ":"))


def _plain(value: Any) -> str:
    return printable(str(value), lines=False)


_READERS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": _plain,
    "int | None": lambda value: None if value is None else int(value),
    "float | None": lambda value: None if value is None else float(value),
    "tuple[int, ...]": lambda value: tuple(map(int, value)),
    "tuple[tuple[int, str], ...]": lambda value: tuple((int(number), _plain(line)) for number, line in value),
    "Mapping[str, int]": lambda value: {_plain(name): int(count) for name, count in value.items()},
    "Mapping[int, float]": lambda value: {int(number): float(weight) for number, weight in value.items()},
    "tuple[Leader, ...]": lambda value: tuple(_read(Leader, item) for item in value),
    "tuple[LiveTrial, ...]": lambda value: tuple(_read(LiveTrial, item) for item in value),
    "tuple[NodeState, ...]": lambda value: tuple(_read(NodeState, item) for item in value),
}
"""By a field's type, what makes its value from JSON."""


def _read(kind: type[T], body: dict[str, Any]) -> T:
    types = {item.name: str(item.type) for item in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _READERS[types[name]](value) for name, value in body.items()})


def _rounded(trial: LiveTrial) -> LiveTrial:
    return replace(
        trial,
        seconds=round(trial.seconds, 1),
        fraction=round(trial.fraction, 3),
        message=trial.message[:_MESSAGE],
    )
