"""Loading modules: names when they are first used, libraries without a look for garbage meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: an import makes a million objects that stay, and a third of its
    time goes into looking through them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def lazy_names(module: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module whose public names are imported when they are first used.

    Parameters
    ----------
    module:
        The module's own name, for error messages.
    homes:
        The names of each inner module, between blanks: ``{"automl.core.table": "Kind Table"}``.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def attribute(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(home_of[name]), name)

    return attribute
