"""Plug-ins of installed packages, found by their entry points; a broken one is named with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Generic, Protocol, TypeVar

FAMILY_GROUP = "automl.families"
"""The group of entry points by which packages offer model families."""
EXECUTOR_GROUP = "automl.executors"
"""The group of entry points by which packages offer executors."""


class Named(Protocol):
    """Anything that is chosen by its name."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...


T = TypeVar("T", bound=Named)


@dataclass(frozen=True)
class BrokenPlugIn:
    """A plug-in that could not be used, and why."""

    name: str
    error: str


@dataclass(frozen=True)
class PlugIns(Generic[T]):
    """What there is to choose from.

    Attributes
    ----------
    usable:
        By name: the built-in ones, then those of other packages in alphabetical order.
    broken:
        Those that could not be imported, hold something else, or take a name that is taken.
    requirements:
        ``DISTRIBUTION==VERSION`` of the package that offers each of the others, by name.
    """

    usable: dict[str, T]
    broken: tuple[BrokenPlugIn, ...] = ()
    requirements: dict[str, str] = field(default_factory=dict)


def discover(group: str, kind: type[T], attribute: str, built_in: Mapping[str, T]) -> PlugIns[T]:
    """The built-in values, and what the entry points of installed packages lead to.

    Parameters
    ----------
    group:
        Of the entry points.
    kind:
        The class of the values.
    attribute:
        The name of the value in a module, for entry points that lead to a module.
    built_in:
        The values of this package, by name.
    """
    usable, broken, requirements = dict(built_in), [], {}
    for point in sorted(entry_points(group=group), key=lambda item: item.name):
        try:
            value = _value(point.load(), kind, attribute)
        # Code of others may fail to import in any way; what failed is named where the choices are listed.
        except (ImportError, AttributeError, TypeError, ValueError, SyntaxError, NameError, OSError) as error:
            broken.append(BrokenPlugIn(point.name, f"{type(error).__name__}: {error}"))
            continue
        if value.name in usable:
            broken.append(BrokenPlugIn(point.name, f"There is one of the name {value.name!r} already."))
            continue
        usable[value.name] = value
        if point.dist is not None:
            requirements[value.name] = f"{point.dist.name}=={point.dist.version}"
    return PlugIns(usable, tuple(broken), requirements)


def _value(loaded: Any, kind: type[T], attribute: str) -> T:
    value = loaded if isinstance(loaded, kind) else getattr(loaded, attribute, None)
    if not isinstance(value, kind):
        raise TypeError(f"{loaded!r} is not of the type {kind.__name__} and has no {attribute}.")
    return value
