"""An option of a search, stated once: its keyword, its flag, its words, its default and its check."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from automl.core.errors import UsageError, did_you_mean
from automl.core.quantities import parse_bytes, parse_seconds

_OPTION = "option"
Reader = Callable[[Any, str], Any]
"""From what people give, and the flag for the message, to the value of the field; raises UsageError."""


class Form(Enum):
    """The way an option is typed on the command line."""

    ONE = "--metric rmse"
    WHOLE = "--folds 5"
    SWITCH = "--skip-bad-rows"
    LIST = "--families linear,tabm"
    EACH = "--drop a --drop b"
    PAIRS = "--kind zip=category --kind note=text"


@dataclass(frozen=True, kw_only=True)
class Option:
    """The way people give one field of the settings.

    Attributes
    ----------
    field:
        Its name in the settings, in ``search.json`` and in ``configuration.json``.
    keyword, flag, short:
        Its names in :func:`automl.search` and on the command line.
    default:
        As people would write it; None where it depends on the data or the machine.
    otherwise:
        The default in words, where ``default`` cannot say it.
    choices:
        Every value that is allowed; empty where plug-ins can add some, or any value will do.
    checked:
        An option of :func:`automl.check` too; a text is its help there.
    incidental:
        Another value of it does not make another search.
    repeated:
        Part of the command that repeats a search.
    hidden:
        Left out of the help.
    """

    field: str
    keyword: str
    flag: str
    short: str = ""
    form: Form = Form.ONE
    help: str = ""
    metavar: str | None = None
    default: Any = None
    otherwise: str = ""
    choices: tuple[str, ...] = ()
    read: Reader
    write: Callable[[Any], str] = str
    checked: bool | str = False
    incidental: bool = False
    repeated: bool = True
    hidden: bool = False

    @property
    def full_help(self) -> str:
        """The help with the default in words."""
        return f"{self.help} [default: {self.otherwise}]" if self.otherwise else self.help

    def typed(self, value: Any) -> list[str]:
        """The words of a command line that give this value; what JSON made of it will do."""
        if self.form is Form.SWITCH:
            return [self.flag] if value else []
        if self.form is Form.PAIRS:
            return [word for key, item in value.items() for word in (self.flag, f"{key}={item}")]
        if self.form is Form.EACH:
            return [word for item in value for word in (self.flag, str(item))]
        return [self.flag, ",".join(map(str, value)) if self.form is Form.LIST else self.write(value)]


_SAME = object()


def option(
    default: Any = None, *, help: str, unset: Any = _SAME, read: Reader | None = None, **more: Any
) -> Any:
    """A field of a group of settings, with the option that gives it.

    Parameters
    ----------
    default:
        As people would write it; the field's own default is what ``read`` makes of it.
    help:
        One line for ``--help``.
    unset:
        The field's own default, where the option has none.
    read:
        The value of the field from what people give; by default what the form or the choices ask for.
    more:
        Further attributes of :class:`Option`; ``keyword`` and ``flag`` follow from the field's name unless
        they differ from it.
    """
    reader = read or (one_of(more["choices"]) if "choices" in more else _READERS[more.get("form", Form.ONE)])
    stated = {"default": default, "help": help, "read": reader, **more}
    if unset is _SAME:
        unset = None if default is None else reader(default, "the default")
    if isinstance(unset, dict):
        return field(default_factory=dict, metadata={_OPTION: stated})
    return field(default=unset, metadata={_OPTION: stated})


def options_of(group: type) -> dict[str, Option]:
    """Field → option, in the order of the fields; fields without an option are left out."""
    stated = {item.name: item.metadata[_OPTION] for item in fields(group) if _OPTION in item.metadata}
    return {name: _option(name, more) for name, more in stated.items()}


def _option(name: str, stated: Mapping[str, Any]) -> Option:
    keyword = stated.get("keyword", name)
    flag = stated.get("flag", "--" + keyword.replace("_", "-"))
    return Option(**{**stated, "field": name, "keyword": keyword, "flag": flag})


def given(value: Any, flag: str) -> Any:
    """The value as it was given."""
    return value


def column(value: Any, flag: str) -> str:
    """The name of a column, which pandas may have made a number."""
    return str(value)


def path(value: Any, flag: str) -> Path:
    """A path that is looked at later."""
    return Path(value)


def folder(value: Any, flag: str) -> Path:
    """A folder that exists, as an absolute path."""
    place = Path(value).absolute()
    if not place.is_dir():
        problem = "is a file" if place.exists() else "does not exist"
        raise UsageError(f"{flag}: {place} {problem}. Next: name the folder that holds the weights.")
    return place


def words(value: Any, flag: str) -> tuple[str, ...]:
    """Several words; one text would be taken apart into letters."""
    if isinstance(value, str):
        raise UsageError(f"{flag} takes a list of words in Python, not the text {value!r}: [{value!r}].")
    return tuple(map(str, value))


def pairs(value: Mapping[Any, str], flag: str) -> dict[str, str]:
    """Column → word."""
    return {str(key): item for key, item in value.items()}


def switch(value: Any, flag: str) -> bool:
    """On or off."""
    return bool(value)


def whole(least: int | None = None, most: int | None = None, allowed: str = "") -> Reader:
    """A whole number of Python's own, which JSON and SQLite take, between two bounds."""

    def read(value: Any, flag: str) -> int:
        try:
            number = operator.index(value)
        except TypeError:
            raise UsageError(f"{flag} must be a whole number, not {value!r}.") from None
        if (least is not None and number < least) or (most is not None and number > most):
            raise UsageError(f"{flag} must be {allowed}, not {number}.")
        return number

    return read


def one_of(choices: Iterable[str]) -> Reader:
    """One of these words."""
    allowed = tuple(choices)

    def read(value: Any, flag: str) -> str:
        if value not in allowed:
            raise UsageError(f"{flag} cannot be {value!r}. {did_you_mean(str(value), allowed)}")
        return str(value)

    return read


def duration(value: str | float, flag: str) -> float:
    """Seconds of ``10m``."""
    try:
        return parse_seconds(value)
    except UsageError as error:
        raise UsageError(f"{flag}: {error}") from None


def size(value: str | float, flag: str) -> int:
    """Bytes of ``4GB``."""
    try:
        return parse_bytes(value)
    except UsageError as error:
        raise UsageError(f"{flag}: {error}") from None


def share(value: str | float, flag: str) -> float:
    """A share of ``10%`` or ``0.1``."""
    text = str(value).strip()
    try:
        part = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        part = math.nan
    if not 0.01 <= part <= 0.5:
        raise UsageError(f"{flag} must be a share from 1% to 50%, such as 10% or 0.1, not {value!r}.")
    return part


_READERS: dict[Form, Reader] = {
    Form.ONE: given,
    Form.WHOLE: whole(),
    Form.SWITCH: switch,
    Form.LIST: words,
    Form.EACH: words,
    Form.PAIRS: pairs,
}
