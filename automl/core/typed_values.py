"""Values from files and flags as the types that a dataclass of parameters states."""

from __future__ import annotations

import math
import types
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from automl.core.errors import SpaceError

Value = str | int | float | bool | None


@dataclass(frozen=True)
class FieldType:
    """Types that one field may hold: plain types, or the values of a ``Literal``."""

    plain: frozenset[type]
    literals: tuple[Value, ...] = ()

    def coerce(self, value: Any, where: str) -> Value:
        """``value`` as one of the field's types.

        Whole floats count as integers, integers as floats, and text that is a number as that number:
        YAML 1.1 reads ``1e-4`` as text.

        Raises
        ------
        SpaceError
            Starting with ``where``, when no type fits.
        """
        if any(value == literal and type(value) is type(literal) for literal in self.literals):
            return value  # type: ignore[no-any-return]
        if value is None and types.NoneType in self.plain:
            return None
        if isinstance(value, bool):
            return self._boolean(value, where)
        if isinstance(value, str) and str in self.plain:
            return value
        number = _number(value)
        if number is not None and float in self.plain:
            return float(number)
        if number is not None and int in self.plain and float(number).is_integer():
            return int(number)
        raise SpaceError(f"{where}: {value!r} is not {self}.{_quote_hint(self, value)}")

    def _boolean(self, value: bool, where: str) -> Value:
        if bool in self.plain:
            return value
        hint = ""
        if str in self.plain or any(isinstance(literal, str) for literal in self.literals):
            hint = " YAML reads yes, no, on, off, true and false as booleans: put the word in quotes."
        raise SpaceError(f"{where}: {value!r} is not {self}.{hint}")

    def __str__(self) -> str:
        words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        named = [words[kind] for kind in (float, int, bool, str) if kind in self.plain]
        if "a number" in named and "a whole number" in named:
            named.remove("a whole number")
        shown = [repr(literal) for literal in self.literals] + named
        return " or ".join(shown + (["null"] if types.NoneType in self.plain else []))


def field_types(params_type: type[Any]) -> dict[str, FieldType]:
    """The type of every field of a dataclass, by name.

    Raises
    ------
    TypeError
        When a field has a type that no file can state: a mistake in the family.
    """
    hints = get_type_hints(params_type)
    return {item.name: _field_type(item.name, hints[item.name]) for item in fields(params_type)}


def field_defaults(params_type: type[Any]) -> dict[str, Value]:
    """The default of every field of a dataclass, by name."""
    defaults: dict[str, Value] = {}
    for item in fields(params_type):
        if item.default is MISSING:
            raise TypeError(f"{params_type.__name__}.{item.name} needs a default.")
        defaults[item.name] = item.default
    return defaults


def _field_type(name: str, hint: Any) -> FieldType:
    plain: set[type] = set()
    literals: list[Value] = []
    for part in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        if get_origin(part) is Literal:
            literals.extend(get_args(part))
        elif part in (str, int, float, bool, types.NoneType):
            plain.add(part)
        else:
            raise TypeError(
                f"Field {name!r} has type {part!r}; a space file can state text and numbers only."
            )
    return FieldType(frozenset(plain), tuple(literals))


def _number(value: Any) -> int | float | None:
    """A finite number, also when it is written as text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    with suppress(OverflowError):  # a whole number of hundreds of digits
        if isinstance(value, int | float) and math.isfinite(value):
            return value
    return None


def _quote_hint(kind: FieldType, value: Any) -> str:
    textual = str in kind.plain or any(isinstance(literal, str) for literal in kind.literals)
    return " Put it in quotes." if textual and not isinstance(value, str) else ""
