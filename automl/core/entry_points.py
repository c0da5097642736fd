"""Offers of installed packages by entry points: looked up on first use; broken ones are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, NoReturn, TypeVar

from automl.core.errors import UsageError, did_you_mean

T = TypeVar("T")
# Code of others may fail to import in any way.
_FAILURES = (ImportError, AttributeError, TypeError, ValueError, SyntaxError, NameError, OSError)


@dataclass(frozen=True)
class BrokenPlugIn:
    """A plug-in that could not be used, and why."""

    name: str
    error: str


@dataclass(frozen=True)
class Offers(Generic[T]):
    """The available values of one kind.

    Attributes
    ----------
    by_name:
        The built-in ones first, then those of packages.
    broken:
        Plug-ins that could not be imported, hold something else, or take a name that is taken.
    requirements:
        ``DISTRIBUTION==VERSION`` of those that packages bring, by name.
    """

    by_name: Mapping[str, T]
    broken: tuple[BrokenPlugIn, ...]
    requirements: Mapping[str, str]

    def named(self, what: str, name: str, others: Iterable[str] = ()) -> T:
        """The value of this name.

        Parameters
        ----------
        what:
            Word for the kind of value, such as ``family``.
        others:
            Further names to suggest.

        Raises
        ------
        UsageError
            When there is none; with the cause if a plug-in of that name is broken.
        """
        if name not in self.by_name:
            self.refuse(what, name, (*others, *self.by_name))
        return self.by_name[name]

    def refuse(self, what: str, name: str, allowed: Iterable[str], ending: str = "") -> NoReturn:
        """Refuse a name that no ``what`` has, with the cause where its plug-in is broken.

        Parameters
        ----------
        allowed:
            Names to suggest.
        ending:
            Follows the name.

        Raises
        ------
        UsageError
            Always.
        """
        for plug_in in self.broken:
            if plug_in.name == name:
                raise UsageError(f"The plug-in for the {what} {name!r} is broken: {plug_in.error}")
        raise UsageError(f"There is no {what} {name!r}{ending}. {did_you_mean(name, allowed)}")


def offers(
    group: str, built_in: Mapping[str, T], read: Callable[[Any], T], name_of: Callable[[T], str]
) -> Offers[T]:
    """The built-in values and those that entry points lead to. Callers keep the answer.

    Parameters
    ----------
    group:
        Of the entry points, such as ``automl.families``.
    read:
        What an entry point leads to → the value; raises TypeError or ValueError for anything else.
    """
    values, broken, requirements = dict(built_in), list[BrokenPlugIn](), dict[str, str]()
    what = group.rpartition(".")[2]
    for point in sorted(entry_points(group=group), key=lambda item: item.name):
        try:
            value = read(point.load())
        except _FAILURES as error:
            broken.append(BrokenPlugIn(point.name, f"{type(error).__name__}: {error}"))
            continue
        name = name_of(value)
        if name in values:
            broken.append(BrokenPlugIn(point.name, f"{name!r} is among the {what} already."))
            continue
        values[name] = value
        if point.dist is not None:
            requirements[name] = f"{point.dist.name}=={point.dist.version}"
    return Offers(values, tuple(broken), requirements)


def held_by(loaded: Any, name: str, kind: type[T]) -> T:
    """The value that an entry point leads to: itself, or what its module calls ``name``.

    Raises
    ------
    TypeError
        For anything else.
    """
    candidate = loaded if isinstance(loaded, kind) else getattr(loaded, name, None)
    if not isinstance(candidate, kind):
        raise TypeError(f"{loaded!r} is not a {kind.__name__} and has no {name}.")
    return candidate
