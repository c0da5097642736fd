"""Trials that can begin now: those that fit in the time, and one at a time that computes for others."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from automl.controller.saved_setup import Outset
from automl.controller.strategy.optimizer import Terms
from automl.controller.strategy.search_space import SearchSpace
from automl.core.family import Family, Outlook, Scope
from automl.core.table import Kind
from automl.core.trial import Candidate, Trial
from automl.families import families
from automl.problem.problem import Problem

Suited = Callable[[Mapping[str, Any]], bool]
MARGIN = 1.3
"""Factor by which a trial may take longer than measured and still end in time."""
_NET = "backbone"
_LOOK_SECONDS = 1.0
_LEAST_LIMIT = 5.0
COMPUTING_SHARE, FITTING_SHARE = 0.6, 0.8
"""Of the time that is left, what a trial that computes for others, or measures, may take, and any other."""


@dataclass(kw_only=True)
class Readiness:
    """Outlooks of candidates on one problem, and the trials that compute for others now.

    Attributes
    ----------
    scope:
        Of the search.
    families:
        Those whose trials are begun by their outlook, by name; trials of all others begin at once.
    """

    problem: Problem
    scope: Scope
    families: Mapping[str, Family] = field(default_factory=dict)
    _measured: bool = False
    _seen: dict[str, tuple[float, Outlook | None]] = field(default_factory=dict)
    _computing: set[int] = field(default_factory=set)

    def foresees(self, family: str) -> bool:
        """Tell whether trials of a family are begun by their outlook."""
        return family in self.families

    def outlook(self, family: str, params: Mapping[str, Any]) -> Outlook | None:
        """Time that a trial will take; None while nothing was measured."""
        look = self.families[family].outlook
        assert look is not None
        key = json.dumps([family, dict(params)], sort_keys=True, default=str)
        at, outlook = self._seen.get(key, (-1e9, None))
        now = time.monotonic()
        if now - at > _LOOK_SECONDS:
            tables = [self.problem.table, *([self.problem.untouched] if self.problem.untouched else [])]
            outlook = look(self.families[family].params(**params), tables, self.scope)
            self._seen[key] = now, outlook
        return outlook

    def computes(self, candidate: Candidate) -> bool:
        """Tell whether a trial that begins now has to compute what folds share, on all cores."""
        if not self.foresees(candidate.family):
            return False
        outlook = self.outlook(candidate.family, candidate.params)
        return outlook is None or outlook.prepare > 0

    def terms(self, family: str, *, usual: float, left: float) -> Terms | None:
        """Terms on which a trial of a family can begin now; None where all can.

        Parameters
        ----------
        usual:
            Seconds that a trial may take.
        left:
            Seconds that are left for all trials.
        """
        if not self.foresees(family):
            return None
        computing = bool(self._computing)
        # While one computes, the other workers fit heads on what is there: the next that computes goes first.
        first = self.scope.workers > 1 and not computing
        return Terms(
            self.suits(family, usual=usual, left=left, computing=computing),
            prefers=lambda values: first and self.computes(Candidate(family=family, params=dict(values))),
            shared=self.families[family].shared_params,
            may_compute=not computing,
        )

    def suits(self, family: str, *, usual: float, left: float, computing: bool) -> Suited:
        """Tell whether a trial with given parameters can begin now.

        Parameters
        ----------
        usual, left:
            As in :meth:`terms`.
        computing:
            Whether another trial computes: this one must find all it needs.
        """

        def suited(params: Mapping[str, Any]) -> bool:
            outlook = self.outlook(family, params)
            if outlook is None or outlook.prepare > 0:
                if computing:
                    return False
                if outlook is None:  # the very first one measures, and is always tried
                    return not self._measured
            share = COMPUTING_SHARE if outlook.prepare > 0 else FITTING_SHARE
            return MARGIN * (outlook.prepare + outlook.fit) <= min(left, max(usual, share * left))

        return suited

    def whole(self, family: str, terms: Terms) -> Terms:
        """Of what can begin on these terms, only trials whose fits are foreseen too, to their end."""

        def suited(params: Mapping[str, Any]) -> bool:
            outlook = self.outlook(family, params)
            return outlook is not None and outlook.fit > 0 and terms.suits(params)

        return replace(terms, suits=suited)

    def limit(self, candidate: Candidate, *, usual: float, left: float) -> float:
        """Seconds for a trial: more than usual where what it computes may be slower than foreseen."""
        if not self.foresees(candidate.family):
            return usual
        outlook = self.outlook(candidate.family, candidate.params)
        if outlook is None:
            return max(usual, COMPUTING_SHARE * left)
        return min(left, max(usual, _LEAST_LIMIT + 2 * (outlook.prepare + outlook.fit)))

    def began(self, trial: Trial) -> None:
        """Note that a trial is about to run: if it computes, no second one does at the same time."""
        if self.computes(trial.candidate):
            self._computing.add(trial.number)

    def computed(self, number: int) -> bool:
        """Tell whether a trial that has not been called ended yet computes for others."""
        return number in self._computing

    def ended(self, trial: Trial) -> None:
        """Note that a trial ended: more is computed now."""
        self._computing.discard(trial.number)
        self._seen.clear()
        self._measured = self._measured or self.foresees(trial.candidate.family)


def readiness_for(problem: Problem, outset: Outset, *, timed: bool) -> Readiness:
    """Rules for the trials of a problem: all begin at once, except those of families with an outlook."""
    folds = problem.split.folds
    scope = Scope(len(folds[0].train), len(folds), math.inf, outset.device, outset.slots)
    if not timed:
        return Readiness(problem=problem, scope=scope)
    costly = problem.table.features.kinds - {Kind.NUMBER, Kind.CATEGORY}
    with_outlook = {
        name: family
        for name, family in families().items()
        if family.outlook is not None and family.kinds & costly
    }
    return Readiness(problem=problem, scope=scope, families=with_outlook)


def nets_of(spaces: Iterable[SearchSpace]) -> tuple[str, ...]:
    """Frozen nets that search spaces name, each once."""
    choices = (param.choices for space in spaces for param in space.params if param.name == _NET)
    return tuple(dict.fromkeys(str(name) for names in choices for name in names))
