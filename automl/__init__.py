"""AutoML with every trial on record: search, compare and load models for tables and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from automl.doctor import CheckReport, check
    from automl.errors import AutoMLError
    from automl.history import load
    from automl.outcome import SearchResult
    from automl.predictor import Predictor
    from automl.public import resume, search

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
    "check": "automl.doctor",
    "CheckReport": "automl.doctor",
    "search": "automl.public",
    "resume": "automl.public",
    "SearchResult": "automl.outcome",
    "load": "automl.history",
    "Predictor": "automl.predictor",
    "AutoMLError": "automl.errors",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that ``import automl`` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'automl' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
