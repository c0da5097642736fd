"""Which model families there are: the modules of this package, then the plug-ins that are installed.

A plug-in is a package with an entry point in the group ``automl.families`` that leads to a
:class:`~automl.core.family.Family` or to a module with a ``FAMILY``.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from automl.core.errors import UsageError, did_you_mean
from automl.core.family import PLUG_INS, Family


@dataclass(frozen=True)
class BrokenFamily:
    """A plug-in that could not be used, and why."""

    name: str
    error: str


def families() -> dict[str, Family]:
    """Every usable family by name: the built-in ones in alphabetical order, then plug-ins."""
    return dict(_discovered()[0])


def quick_families() -> frozenset[str]:
    """Names of those that a budget of a few seconds is enough for."""
    return frozenset(name for name, item in families().items() if item.quick)


def broken_families() -> tuple[BrokenFamily, ...]:
    """Plug-ins that could not be imported, hold no family, or take another family's name."""
    return _discovered()[1]


def family(name: str) -> Family:
    """The family of this name.

    Raises
    ------
    UsageError
        When there is none; with the cause if a plug-in of that name is broken.
    """
    known, broken, _ = _discovered()
    if name in known:
        return known[name]
    for plug_in in broken:
        if plug_in.name == name:
            raise UsageError(f"The plug-in for the family {name!r} is broken: {plug_in.error}")
    raise UsageError(f"There is no model family {name!r}. {did_you_mean(name, known)}")


def plug_in_requirement(name: str) -> str | None:
    """``DISTRIBUTION==VERSION`` of the package that offers a family; None where it is a built-in one."""
    return _discovered()[2].get(name)


@cache
def _discovered() -> tuple[dict[str, Family], tuple[BrokenFamily, ...], dict[str, str]]:
    """The families, the plug-ins that are broken, and what to install for the others, by family."""
    found = _built_in()
    broken: list[BrokenFamily] = []
    offered: dict[str, str] = {}
    for point in sorted(entry_points(group=PLUG_INS), key=lambda item: item.name):
        try:
            plug_in = _family_of(point.load())
        # Code of others may fail to import in any way; what failed is listed by `automl families`.
        except (ImportError, AttributeError, TypeError, ValueError, SyntaxError, NameError, OSError) as error:
            broken.append(BrokenFamily(point.name, f"{type(error).__name__}: {error}"))
            continue
        if plug_in.name in found:
            broken.append(BrokenFamily(point.name, f"There is a family {plug_in.name!r} already."))
        else:
            found[plug_in.name] = plug_in
            if point.dist is not None:
                offered[plug_in.name] = f"{point.dist.name}=={point.dist.version}"
    return found, tuple(broken), offered


def _built_in() -> dict[str, Family]:
    """The families of this package. One that cannot be imported stops the program: it is a bug here."""
    modules = [import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__)]
    built_in = [module.FAMILY for module in modules if "FAMILY" in vars(module)]
    return {item.name: item for item in built_in}


def _family_of(loaded: Any) -> Family:
    candidate = vars(loaded).get("FAMILY") if not isinstance(loaded, Family) else loaded
    if not isinstance(candidate, Family):
        raise TypeError(f"{loaded!r} is no Family and holds no FAMILY.")
    return candidate
