"""Executors run the trials: in this process, in workers on this machine, or wherever a plug-in takes them.

A plug-in is a package with an entry point in the group ``automl.executors`` that leads to an
:class:`~automl.executors.base.ExecutorType` or to a module with an ``EXECUTOR``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from automl.core.entry_points import BrokenPlugIn, Offers, held_by, offers
from automl.executors.base import EXECUTOR_GROUP, ExecutorType

_BUILT_IN = ("local", "inline", "ray_cluster.executor")


def executor_types() -> dict[str, ExecutorType]:
    """Every usable kind of executor by name: the built-in ones, then plug-ins."""
    return dict(_discovered().by_name)


def broken_executors() -> tuple[BrokenPlugIn, ...]:
    """Plug-ins that could not be imported, hold no executor type, or take another one's name."""
    return _discovered().broken


def executor_type(name: str) -> ExecutorType:
    """The kind of executor of this name.

    Raises
    ------
    UsageError
        When there is none; with the cause if a plug-in of that name is broken.
    """
    return _discovered().named("executor", name)


def refresh_executors() -> None:
    """Look again, where a plug-in was installed or removed while this process runs."""
    _discovered.cache_clear()


@cache
def _discovered() -> Offers[ExecutorType]:
    modules = [import_module(f"{__name__}.{name}") for name in _BUILT_IN]
    built_in = {module.EXECUTOR.name: module.EXECUTOR for module in modules}
    return offers(
        EXECUTOR_GROUP,
        built_in,
        lambda loaded: held_by(loaded, "EXECUTOR", ExecutorType),
        lambda item: item.name,
    )
