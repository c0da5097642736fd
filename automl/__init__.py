"""AutoML with every trial on record: search, compare and load models for tables and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl.core.version import __version__

if TYPE_CHECKING:
    from automl.controller.result import SearchResult
    from automl.controller.start import resume, search
    from automl.core.errors import AutoMLError
    from automl.model.predictor import Predictor
    from automl.problem.check import CheckReport, check
    from automl.tracker.library import load

__all__ = [
    "AutoMLError",
    "CheckReport",
    "Predictor",
    "SearchResult",
    "__version__",
    "check",
    "load",
    "resume",
    "search",
]

_HOMES = {
    "check": "automl.problem.check",
    "CheckReport": "automl.problem.check",
    "search": "automl.controller.start",
    "resume": "automl.controller.start",
    "SearchResult": "automl.controller.result",
    "load": "automl.tracker.library",
    "Predictor": "automl.model.predictor",
    "AutoMLError": "automl.core.errors",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that ``import automl`` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'automl' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
