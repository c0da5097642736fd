"""Which trials can begin now: what fits in the time, and one at a time that computes what others share."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from automl.controller.saved_setup import Outset
from automl.controller.strategy.space import SearchSpace
from automl.core.family import Outlook, Scope
from automl.core.trial import Candidate
from automl.core.typed_values import Value
from automl.families import families
from automl.problem.problem import Problem

Suited = Callable[[Mapping[str, Any]], bool]
MARGIN = 1.3
"""By how much a trial may take longer than what was measured, and still end in time."""
_NET = "backbone"
_LOOK_SECONDS = 1.0
_LEAST_LIMIT = 5.0
COMPUTING_SHARE = 0.6
"""Of the time that is left, what a trial that computes for others, or measures, may take."""


@dataclass
class Readiness:
    """Outlooks of candidates on one problem.

    Attributes
    ----------
    scope:
        Of the search.
    """

    problem: Problem
    scope: Scope
    _measured: bool = False
    _seen: dict[str, tuple[float, Outlook | None]] = field(default_factory=dict)

    def foresees(self, family: str) -> bool:
        """Whether trials of a family are begun by their outlook."""
        return families()[family].outlook is not None

    def shared_params(self, family: str) -> tuple[str, ...]:
        """Names of the parameters that decide what is computed for all folds."""
        return families()[family].shared_params

    def outlook(self, family: str, params: Mapping[str, Any]) -> Outlook | None:
        """What a trial will take; None while nothing is known."""
        look = families()[family].outlook
        assert look is not None
        key = json.dumps([family, dict(params)], sort_keys=True, default=str)
        at, found = self._seen.get(key, (-1e9, None))
        now = time.monotonic()
        if now - at > _LOOK_SECONDS:
            tables = [self.problem.table, *([self.problem.untouched] if self.problem.untouched else [])]
            found = look(families()[family].params(**params), tables, self.scope)
            self._seen[key] = now, found
        return found

    def computes(self, candidate: Candidate) -> bool:
        """Whether a trial that begins now has to compute what folds share, on all cores."""
        if not self.foresees(candidate.family):
            return False
        found = self.outlook(candidate.family, candidate.params)
        return found is None or found.prepare > 0

    def suits(self, family: str, *, seconds: float, computing: bool) -> Suited:
        """Whether a trial with given parameters can begin now.

        Parameters
        ----------
        seconds:
            What it may take.
        computing:
            Whether another trial computes: this one must find all it needs.
        """

        def suited(params: Mapping[str, Any]) -> bool:
            found = self.outlook(family, params)
            if found is None or found.prepare > 0:
                if computing:
                    return False
                if found is None:  # the first one of all measures, and is tried in any case
                    return not self._measured
            return MARGIN * (found.prepare + found.fit) <= seconds

        return suited

    def limit(self, candidate: Candidate, *, usual: float, left: float) -> float:
        """Seconds for a trial: more than usual where what it computes may be slower than foreseen."""
        if not self.foresees(candidate.family):
            return usual
        found = self.outlook(candidate.family, candidate.params)
        if found is None:
            return max(usual, COMPUTING_SHARE * left)
        return min(left, max(usual, _LEAST_LIMIT + 2 * (found.prepare + found.fit)))

    def ended(self, family: str) -> None:
        """A trial ended: more is kept now."""
        self._seen.clear()
        self._measured = self._measured or self.foresees(family)


def readiness_for(problem: Problem, outset: Outset) -> Readiness | None:
    """Which trials can begin, in a search by time on images; None for tables without them."""
    if not problem.table.images:
        return None
    folds = problem.split.folds
    return Readiness(problem, Scope(len(folds[0].train), len(folds), math.inf, outset.device, outset.slots))


def nets_of(spaces: Iterable[SearchSpace]) -> tuple[str, ...]:
    """Frozen nets that search spaces name, each once."""
    choices = (param.choices for space in spaces for param in space.params if param.name == _NET)
    return tuple(dict.fromkeys(str(name) for names in choices for name in names))


def absent_nets(missing: Mapping[Value, str]) -> str:
    """Nets whose weights are not on this machine, in one line."""
    (net, file), count = next(iter(missing.items())), len(missing)
    which = f"{count} nets, such as {net}, are" if count > 1 else f"{net} is"
    return f"{which} left out: no file of weights such as {file} is here. --weights-dir FOLDER brings one."
