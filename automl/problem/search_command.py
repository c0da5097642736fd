"""The command that repeats a search."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from automl.problem.options import options_of
from automl.problem.settings import Settings

_ALWAYS = ("target", "seconds", "seed")


def search_command(configuration: Mapping[str, Any], kind: type[Settings] = Settings) -> str:
    """The search again, as a command; most options that have their defaults are left out.

    Parameters
    ----------
    configuration:
        Field → plain value, from :meth:`automl.problem.settings.Settings.plain` or its JSON.
    kind:
        The settings whose options are typed.
    """
    words = ["automl", "search", str(configuration.get("source", "DATA"))]
    unset = kind(source=None).plain()
    for name, option in options_of(kind).items():
        if option.repeated and name in configuration:
            value = configuration[name]
            words += option.typed(value) if name in _ALWAYS or value != unset.get(name) else []
    return shlex.join(words)


def spoken(configuration: Mapping[str, Any], kind: type[Settings] = Settings) -> dict[str, Any]:
    """The configuration by the keywords of :func:`automl.search`, as people know its options."""
    options = options_of(kind)
    return {
        options[name].keyword if name in options else name: value for name, value in configuration.items()
    }
