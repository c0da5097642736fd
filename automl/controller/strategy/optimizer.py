"""Suggests parameters: one Optuna study per family, driven by ask and tell."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.controller.strategy.space_files import Param, SearchSpace
from automl.core.trial import Candidate, ParamValue

if TYPE_CHECKING:
    import optuna

_LOG_TARGET = "log_target"
MOST_TRIALS = 500
"""Trials of a study: the sampler looks at all of them for every draw."""
_REPEATS = 2
"""Draws in a row that were tried before, by which a family's choices count as exhausted."""
KEPT_BEST, KEPT_LATEST = 100, 200
"""Trials that a study begins again with once it has the most."""


@dataclass(frozen=True)
class Suggestion:
    """A candidate with the number by which its outcome is told."""

    candidate: Candidate
    ticket: int


@dataclass(frozen=True)
class _Asked:
    """A trial of a study whose outcome is open: its number there, and what was drawn for it."""

    number: int
    params: dict[str, Any]
    distributions: dict[str, Any]


@dataclass(frozen=True)
class Terms:
    """Conditions on the candidates that can begin now.

    Attributes
    ----------
    suits:
        Whether a trial with these parameters can.
    prefers:
        Whether it goes before others that can.
    shared:
        Names of the parameters that decide what is computed for all folds.
    may_compute:
        Whether a trial may ask for something that is not computed yet.
    """

    suits: Callable[[Mapping[str, Any]], bool]
    prefers: Callable[[Mapping[str, Any]], bool] = lambda values: False
    shared: tuple[str, ...] = ()
    may_compute: bool = True


class Optimizer:
    """Ask and tell over the families of a search; portfolio entries come first, then TPE.

    Parameters
    ----------
    spaces:
        Search space by family.
    seed:
        A suggestion depends on the seed, on the outcomes told, and on the trial's number alone: a process
        that recalls the trials of an earlier one suggests what that one would have.
    allow_log_target:
        Whether the target may be fitted on a log scale; the sampler then chooses.
    """

    def __init__(
        self,
        spaces: Mapping[str, SearchSpace],
        *,
        seed: int = 0,
        allow_log_target: bool = False,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("optuna").setLevel(logging.WARNING)
        self._spaces = dict(spaces)
        self._seed = seed
        self._allow_log_target = allow_log_target
        self._portfolio: dict[str, list[dict[str, Any]]] = {}
        self._tried: dict[str, dict[str, dict[str, ParamValue]]] = {}  # each once, by its text
        self._repeated: dict[str, int] = {}
        self._tickets = itertools.count()
        self._running: dict[str, dict[int, _Asked]] = {}
        self._studies: dict[str, optuna.Study] = {}
        for family, space in self._spaces.items():
            self._studies[family] = optuna.create_study(direction="minimize")
            self._running[family] = {}
            self._portfolio[family] = [
                {**entry.params, **({_LOG_TARGET: True} if entry.log_target else {})}
                for entry in space.portfolio
                if allow_log_target or not entry.log_target
            ]

    @property
    def spaces(self) -> Mapping[str, SearchSpace]:
        """The search spaces by family."""
        return self._spaces

    @property
    def families(self) -> tuple[str, ...]:
        """The families that can be asked for."""
        return tuple(self._spaces)

    def ask(self, family: str, *, number: int, seed: int, terms: Terms | None = None) -> Suggestion | None:
        """The next candidate of ``family``: the next portfolio entry while there is one, else TPE's.

        Parameters
        ----------
        number:
            Of the trial in the search.
        seed:
            Of everything random in the trial.
        terms:
            What can begin now, in searches by time; then None is possible: nothing can.
        """
        portfolio = self._portfolio[family]
        place = 0 if portfolio else None
        if terms is not None:
            place = self._suited_entry(family, terms)
            if place is None and not self._may_draw(family, terms):
                return None
        if place is None:
            return self._drawn(family, number, seed, terms)
        fixed = portfolio.pop(place)
        ticket, _, _ = self._asked(family, number, fixed)
        values, log_target = self._entry_values(family, fixed), bool(fixed.get(_LOG_TARGET, False))
        candidate = Candidate(
            family=family, params=values, seed=seed, log_target=log_target, origin="portfolio"
        )
        return self._suggestion(ticket, candidate)

    def can_ask(self, family: str, terms: Terms) -> bool:
        """Tell whether a candidate of the family can begin now."""
        return self.has_entry(family, terms) or self._may_draw(family, terms)

    def has_entry(self, family: str, terms: Terms) -> bool:
        """Tell whether an entry of the family's portfolio can begin now."""
        return self._suited_entry(family, terms) is not None

    def exhausted(self, family: str) -> bool:
        """Tell whether the sampler draws nothing for a family but what was tried: it has few choices."""
        return self._repeated.get(family, 0) >= _REPEATS

    def _suited_entry(self, family: str, terms: Terms) -> int | None:
        """The place of the portfolio entry to try now: a preferred one that can begin, or the first."""
        entries = [self._entry_values(family, fixed) for fixed in self._portfolio[family]]
        suited = [(place, values) for place, values in enumerate(entries) if terms.suits(values)]
        first = [place for place, values in suited if terms.prefers(values)]
        return next(iter([*first, *(place for place, _ in suited)]), None)

    def _may_draw(self, family: str, terms: Terms) -> bool:
        """Tell whether the sampler has anything to vary on what is computed already, or may ask for more."""
        if any(terms.suits(values) for values in self._shared_seen(family, terms)):
            return True
        return not self._portfolio[family] and terms.may_compute

    def _shared_seen(self, family: str, terms: Terms) -> list[dict[str, ParamValue]]:
        """The values of shared parameters that were tried, each once."""
        distinct: dict[str, dict[str, ParamValue]] = {}
        for values in self._tried.get(family, {}).values():
            shared = {name: values[name] for name in terms.shared if name in values}
            distinct.setdefault(repr(sorted(shared.items())), shared)
        return list(distinct.values())

    def _drawn(self, family: str, number: int, seed: int, terms: Terms | None) -> Suggestion | None:
        """A draw of the sampler; where it cannot begin now, one on what is computed already."""
        ticket, values, log_target = self._asked(family, number, None)
        if terms is not None and not terms.suits(values):
            self._withdraw(family, ticket)
            ready = [shared for shared in self._shared_seen(family, terms) if terms.suits(shared)]
            if not ready:
                return None
            fixed = ready[int(np.random.default_rng([abs(self._seed), number]).integers(len(ready)))]
            ticket, values, log_target = self._asked(family, number, fixed, partly=True)
        candidate = Candidate(
            family=family, params=values, seed=seed, log_target=log_target, origin="sampler"
        )
        return self._suggestion(ticket, candidate)

    def _suggestion(self, ticket: int, candidate: Candidate) -> Suggestion:
        family, tried = candidate.family, self._tried.setdefault(candidate.family, {})
        key = repr((sorted(candidate.params.items()), candidate.log_target))
        self._repeated[family] = self._repeated.get(family, 0) + 1 if key in tried else 0
        tried[key] = dict(candidate.params)
        return Suggestion(candidate, ticket)

    def _withdraw(self, family: str, ticket: int) -> None:
        """A draw that is not tried."""
        import optuna

        pending = self._running[family].pop(ticket)
        self._studies[family].tell(pending.number, state=optuna.trial.TrialState.FAIL)

    def _entry_values(self, family: str, fixed: Mapping[str, Any]) -> dict[str, ParamValue]:
        """Of a portfolio entry: what it leaves open takes the family's default, not a draw."""
        space = self._spaces[family]
        entry = {key: value for key, value in fixed.items() if key != _LOG_TARGET}
        bound = asdict(space.bind(entry))
        return {key: bound[key] for key in (*(param.name for param in space.params), *entry)}

    def recall(self, candidate: Candidate, *, number: int) -> Suggestion:
        """Continue as if ``candidate`` had been asked for here, as an earlier process did at this point."""
        family = candidate.family
        portfolio = self._portfolio[family]
        if candidate.origin == "portfolio" and portfolio:
            places = [i for i, e in enumerate(portfolio) if self._entry_values(family, e) == candidate.params]
            portfolio.pop(places[0] if places else 0)
        ticket, _, _ = self._asked(family, number, {**candidate.params, _LOG_TARGET: candidate.log_target})
        return self._suggestion(ticket, candidate)

    def _asked(
        self, family: str, number: int, fixed: Mapping[str, Any] | None, *, partly: bool = False
    ) -> tuple[int, dict[str, ParamValue], bool]:
        """The ticket of a new trial of the family's study with its values, those of ``fixed`` where given.

        Where it is given ``partly``, the sampler draws what it leaves open.
        """
        import optuna

        study, space = self._studies[family], self._spaces[family]
        seed = np.random.SeedSequence([abs(self._seed), number]).generate_state(1)[0]
        study.sampler = optuna.samplers.TPESampler(
            seed=int(seed), multivariate=True, constant_liar=True, n_startup_trials=6
        )
        if fixed is not None:
            entry = _within(space, fixed)
            study.enqueue_trial({name: entry[name] for name in fixed if name in entry} if partly else entry)
        trial = study.ask()
        values = _suggest(trial, space.params)
        log_target = self._allow_log_target and bool(trial.suggest_categorical(_LOG_TARGET, [False, True]))
        ticket = next(self._tickets)
        self._running[family][ticket] = _Asked(trial.number, trial.params, trial.distributions)
        return ticket, values, log_target

    def tell(
        self, suggestion: Suggestion, loss: float | None, facts: Mapping[str, float] | None = None
    ) -> None:
        """The outcome of a suggestion.

        Parameters
        ----------
        loss:
            Less is better; None when there is none.
        facts:
            Measurements of the trial (:attr:`automl.core.trial.TrialResult.facts`). A parameter that a
            portfolio entry left to be measured, such as a rate of 0, is learnt with the value that was used.
        """
        import optuna

        family = suggestion.candidate.family
        study = self._studies[family]
        pending = self._running[family].pop(suggestion.ticket)
        used = self._measured(suggestion.candidate, pending.params, facts or {})
        if loss is None or used:
            study.tell(pending.number, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(pending.number, loss)
        if loss is not None and used:
            study.add_trial(
                optuna.trial.create_trial(
                    params={**pending.params, **used}, distributions=pending.distributions, value=loss
                )
            )
        if len(study.get_trials(deepcopy=False)) - len(self._running[family]) >= MOST_TRIALS:
            self._shorten(family)

    def _shorten(self, family: str) -> None:
        """Go on with a study of the best trials, the latest, and those whose outcome is open.

        The sampler tells the best few from the rest, in which the latest weigh most.
        """
        import optuna

        state = optuna.trial.TrialState
        trials = self._studies[family].get_trials(deepcopy=False, states=(state.COMPLETE, state.RUNNING))
        complete = [trial for trial in trials if trial.state is state.COMPLETE]
        best = sorted(complete, key=lambda trial: (trial.value, trial.number))[:KEPT_BEST]
        kept = {trial.number for trial in (*best, *complete[-KEPT_LATEST:])}
        study, numbers = optuna.create_study(direction="minimize"), dict[int, int]()
        for trial in trials:
            if trial.state is state.RUNNING or trial.number in kept:
                numbers[trial.number] = len(numbers)
                study.add_trial(trial)
        self._studies[family] = study
        running = self._running[family]
        self._running[family] = {
            ticket: replace(pending, number=numbers[pending.number]) for ticket, pending in running.items()
        }

    def _measured(
        self, candidate: Candidate, values: Mapping[str, Any], facts: Mapping[str, float]
    ) -> dict[str, float]:
        """Parameters that the study has at the edge of their range and the trial measured within it."""
        return {
            param.name: min(max(facts[param.name], param.low), param.high)
            for param in self._spaces[candidate.family].params
            if param.kind == "float"
            and param.name in facts
            and param.name in values
            and candidate.params.get(param.name, values[param.name]) != values[param.name]
        }


def _suggest(trial: optuna.trial.Trial, params: tuple[Param, ...]) -> dict[str, ParamValue]:
    values: dict[str, ParamValue] = {}
    for param in params:
        if param.active(values):
            values[param.name] = _draw(trial, param)
    return values


def _draw(trial: optuna.trial.Trial, param: Param) -> ParamValue:
    if param.kind == "choice":
        chosen: ParamValue = trial.suggest_categorical(param.name, list(param.choices))
        return chosen
    if param.kind == "int":
        step = 1 if param.log or param.step is None else int(param.step)
        return trial.suggest_int(param.name, int(param.low), int(param.high), step=step, log=param.log)
    return trial.suggest_float(
        param.name, param.low, param.high, step=None if param.log else param.step, log=param.log
    )


def _within(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a portfolio entry for the sampler: every searched one, inside its range."""
    bound = asdict(space.bind({key: value for key, value in values.items() if key != _LOG_TARGET}))
    kept: dict[str, Any] = {_LOG_TARGET: bool(values.get(_LOG_TARGET, False))}
    for param in space.params:
        value = bound[param.name]
        if param.kind != "choice":
            bounded = min(max(float(value), param.low), param.high)
            kept[param.name] = round(bounded) if param.kind == "int" else bounded
        elif value in param.choices:
            kept[param.name] = value
    return kept
