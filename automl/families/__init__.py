"""The model families: the modules of this package, then the plug-ins that are installed.

A plug-in is a package with an entry point in the group ``automl.families`` that leads to a
:class:`~automl.core.family.Family` or to a module with a ``FAMILY``.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from automl.core.entry_points import BrokenPlugIn, Offers, held_by, offers
from automl.core.family import FAMILY_GROUP, Family


def families() -> dict[str, Family]:
    """Every usable family by name: the built-in ones in alphabetical order, then plug-ins."""
    return dict(family_offers().by_name)


def quick_families() -> frozenset[str]:
    """Names of those that a budget of a few seconds is enough for."""
    return frozenset(name for name, item in families().items() if item.quick)


def broken_families() -> tuple[BrokenPlugIn, ...]:
    """Plug-ins that could not be imported, hold no family, or take another family's name."""
    return family_offers().broken


def family(name: str) -> Family:
    """The family of this name.

    Raises
    ------
    UsageError
        When there is none; with the cause if a plug-in of that name is broken.
    """
    return family_offers().named("family", name)


def plug_in_requirement(name: str) -> str | None:
    """``DISTRIBUTION==VERSION`` of the package that offers a family; None where it is a built-in one."""
    return family_offers().requirements.get(name)


def refresh_families() -> None:
    """Look again, where a plug-in was installed or removed while this process runs."""
    family_offers.cache_clear()


@cache
def family_offers() -> Offers[Family]:
    """The families of this package and of installed ones."""
    return offers(
        FAMILY_GROUP, _built_in(), lambda loaded: held_by(loaded, "FAMILY", Family), lambda item: item.name
    )


def _built_in() -> dict[str, Family]:
    """The families of this package. One that cannot be imported stops the program: it is a bug here."""
    modules = [import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__)]
    built_in = [module.FAMILY for module in modules if "FAMILY" in vars(module)]
    return {item.name: item for item in built_in}
