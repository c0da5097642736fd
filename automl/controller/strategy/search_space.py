"""The search space of a family: ranges, settings to try first, and the binding of values to parameters."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from automl.core.errors import SpaceError, did_you_mean
from automl.core.predictions import Answer
from automl.core.task_choice import TASKS, task_class
from automl.core.typed_values import Value, field_defaults, field_types


@dataclass(frozen=True, kw_only=True)
class Param:
    """One parameter that is searched.

    Attributes
    ----------
    kind:
        ``float``, ``int`` or ``choice``.
    low, high, log, step:
        Range of a number, both ends included; ``step`` is None or the distance between its values.
    choices:
        Values of a choice.
    default:
        Its value when nothing chose one.
    tasks:
        Tasks in which it is searched.
    when:
        Conditions, all of which must hold: another parameter's name → its values.
    kinds:
        Kinds of columns one of which the table must have: without, the parameter would change nothing.
        Empty for any.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Value, ...] = ()
    default: Value = None
    tasks: tuple[str, ...] = tuple(TASKS)
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()

    def active(self, values: Mapping[str, Any]) -> bool:
        """Tell whether its conditions hold for these values of the other parameters."""
        return all(values.get(name) in allowed for name, allowed in self.when.items())

    def problem_with(self, value: Value) -> str:
        """The reason why ``value`` lies outside the range, or ``""``."""
        if self.kind == "choice":
            return "" if value in self.choices else f"{value!r} is not one of {list(self.choices)!r}"
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return f"{value!r} is outside {self.low:g} … {self.high:g}"
        if self.step and abs((value - self.low) / self.step - round((value - self.low) / self.step)) > 1e-9:
            return f"{value!r} is not {self.low:g} plus a multiple of {self.step:g}"
        return ""

    def draw(self, generator: np.random.Generator) -> Value:
        """A random value of the range."""
        if self.kind == "choice":
            return self.choices[int(generator.integers(len(self.choices)))]
        if self.step:
            steps = math.floor((self.high - self.low) / self.step + 1e-9)
            value = self.low + self.step * int(generator.integers(steps + 1))
        elif self.log:
            value = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = generator.uniform(self.low, self.high)
        value = min(max(value, self.low), self.high)
        return round(value) if self.kind == "int" else float(value)


@dataclass(frozen=True, kw_only=True)
class PortfolioEntry:
    """A setting that is tried before any search.

    Attributes
    ----------
    params:
        Values of parameters; absent ones take their defaults.
    stated:
        Names of those that the file states; the others of ``params`` are defaults of the space.
    tasks:
        Tasks for which it is tried.
    log_target:
        Regression only: fit on the logarithm of the target.
    rows:
        It is tried for tables of ``rows[0]`` to ``rows[1]`` rows.
    elongated:
        It is tried only where most pictures are tall or wide, so that squares in them leave out a good part.
    """

    name: str
    params: dict[str, Value]
    stated: frozenset[str] = field(default=frozenset(), repr=False)
    tasks: tuple[str, ...] = tuple(TASKS)
    log_target: bool = False
    rows: tuple[float, float] = (0, math.inf)
    elongated: bool = False


@dataclass(frozen=True)
class SearchSpace:
    """The search space of one family.

    Attributes
    ----------
    source:
        The file it was read from.
    params_type:
        The family's frozen dataclass of parameters.
    params:
        What is searched; a parameter stands after those that its ``when`` names.
    portfolio:
        Settings that are tried first, in order.
    """

    family: str
    source: str
    params_type: type[Any]
    params: tuple[Param, ...]
    portfolio: tuple[PortfolioEntry, ...]

    def for_task(self, task_name: str, rows: int) -> SearchSpace:
        """The part for this task, or for the built-in one that it is kin to, and number of training rows."""
        task = task_class(task_name)
        names = {task.name, task.kin}
        return replace(
            self,
            params=tuple(param for param in self.params if names & set(param.tasks)),
            portfolio=tuple(
                entry
                for entry in self.portfolio
                if names & set(entry.tasks)
                and entry.rows[0] <= rows <= entry.rows[1]
                and (task.answer is Answer.NUMBERS or not entry.log_target)
            ),
        )

    def where(self, hold: Collection[str]) -> SearchSpace:
        """The part that is tried in these :class:`~automl.core.modality.Circumstances`, by their names."""
        kept = tuple(entry for entry in self.portfolio if "elongated" in hold or not entry.elongated)
        return replace(self, portfolio=kept)

    def for_kinds(self, present: Collection[str]) -> SearchSpace:
        """The part that makes a difference for a table with these kinds of columns.

        Entries that differed only in what is left out count once.
        """
        idle = {param.name for param in self.params if param.kinds and not set(param.kinds) & set(present)}
        if not idle:
            return self
        entries: dict[tuple[object, ...], PortfolioEntry] = {}
        for entry in self.portfolio:
            params = {name: value for name, value in entry.params.items() if name not in idle}
            entries.setdefault((*sorted(params.items()), entry.log_target), replace(entry, params=params))
        return replace(
            self,
            params=tuple(param for param in self.params if param.name not in idle),
            portfolio=tuple(entries.values()),
        )

    def without(self, name: str, refused: Collection[Value]) -> SearchSpace | None:
        """The space without some values of a choice, and without the entries that state them.

        Entries that had one as the default get the default that is left. None when none of the choice's
        values is left.
        """
        param = next((param for param in self.params if param.name == name), None)
        if param is None or not refused:
            return self
        left = tuple(value for value in param.choices if value not in refused)
        if not left:
            return None
        default = param.default if param.default in left else left[0]
        kept = replace(param, choices=left, default=default)
        space = replace(self, params=tuple(kept if param.name == name else param for param in self.params))
        entries = []
        for entry in self.portfolio:
            if entry.params.get(name) not in refused:
                entries.append(entry)
            elif name not in entry.stated:
                others = {other: value for other, value in entry.params.items() if other != name}
                entries.append(replace(entry, params=space.complete(others)))
        return replace(space, portfolio=tuple(entries))

    def bind(self, values: Mapping[str, Any]) -> Any:
        """The family's parameters with these values; absent ones take their defaults.

        Numbers may lie outside the searched range, as those of a portfolio may.

        Raises
        ------
        SpaceError
            For an unknown name, a value of a wrong type, or one that is not among a parameter's choices.
        """
        return self.params_type(**self.complete(values))

    def complete(self, values: Mapping[str, Any], *, where: str = "") -> dict[str, Value]:
        """``values`` checked as in :meth:`bind`, plus the defaults that this space states for itself.

        The family's own defaults are left out: these are the values that a candidate carries.
        """
        chosen = self._checked(values, where or self.source)
        current = {**field_defaults(self.params_type), **chosen}
        for param in self.params:
            if param.name not in chosen and param.default != current[param.name] and param.active(current):
                chosen[param.name] = current[param.name] = param.default
        return chosen

    def defaults(self) -> dict[str, Value]:
        """The default of every searched parameter whose conditions hold."""
        values: dict[str, Value] = {}
        for param in self.params:
            if param.active(values):
                values[param.name] = param.default
        return values

    def draw(self, generator: np.random.Generator) -> dict[str, Value]:
        """Random values of every searched parameter whose conditions hold."""
        values: dict[str, Value] = {}
        for param in self.params:
            if param.active(values):
                values[param.name] = param.draw(generator)
        return values

    def _checked(self, values: Mapping[str, Any], where: str) -> dict[str, Value]:
        types = field_types(self.params_type)
        choices = {param.name: param for param in self.params if param.kind == "choice"}
        checked: dict[str, Value] = {}
        for name, value in values.items():
            if name not in types:
                hint = did_you_mean(name, types)
                raise SpaceError(f"{where}: {self.family} has no parameter {name!r}. {hint}")
            checked[name] = types[name].coerce(value, f"{where}.{name}")
            if name in choices and (problem := choices[name].problem_with(checked[name])):
                raise SpaceError(f"{where}.{name}: {problem}.")
        return checked
