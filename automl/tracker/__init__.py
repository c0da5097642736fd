"""The record of searches, the only user of MLflow. Importing this package loads neither it nor pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.tracker.record import DatasetRecord, LeaderboardRow, SearchIds, SearchRecord, SearchSummary
    from automl.tracker.store.location import (
        StoreLocation,
        default_uri,
        load_mlflow,
        locate_store,
        open_store,
    )
    from automl.tracker.writing.model_retention import KeepModels
    from automl.tracker.writing.writer import Tracker

__all__ = [
    "DatasetRecord",
    "KeepModels",
    "LeaderboardRow",
    "SearchIds",
    "SearchRecord",
    "SearchSummary",
    "StoreLocation",
    "Tracker",
    "default_uri",
    "load_mlflow",
    "locate_store",
    "open_store",
]

_HOMES = {
    "KeepModels": "writing.model_retention",
    "DatasetRecord": "record",
    "LeaderboardRow": "record",
    "SearchIds": "record",
    "SearchRecord": "record",
    "SearchSummary": "record",
    "StoreLocation": "store.location",
    "default_uri": "store.location",
    "load_mlflow": "store.location",
    "locate_store": "store.location",
    "open_store": "store.location",
    "Tracker": "writing.writer",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: reading a record does not load what writes one."""
    if name not in _HOMES:
        raise AttributeError(f"module 'automl.tracker' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"automl.tracker.{_HOMES[name]}"), name)
