"""AutoML with every trial on record: search, compare and load models for tables, texts and images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.core.lazy_imports import lazy_names
from automl.core.version import __version__

if TYPE_CHECKING:
    from automl.controller.result import SearchResult
    from automl.controller.start import resume, search
    from automl.core.errors import AutoMLError
    from automl.model.predictor import Predictor
    from automl.problem.check import CheckReport, check
    from automl.tracker.library import describe, leaderboard, load, promote, searches

__all__ = [
    "AutoMLError",
    "CheckReport",
    "Predictor",
    "SearchResult",
    "__version__",
    "check",
    "describe",
    "leaderboard",
    "load",
    "promote",
    "resume",
    "search",
    "searches",
]

__getattr__ = lazy_names(
    __name__,
    {
        "automl.problem.check": "check CheckReport",
        "automl.controller.start": "search resume",
        "automl.controller.result": "SearchResult",
        "automl.tracker.library": "describe leaderboard load promote searches",
        "automl.model.predictor": "Predictor",
        "automl.core.errors": "AutoMLError",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
