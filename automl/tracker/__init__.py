"""What happened, on record: the only home of MLflow. Importing this package loads none of it."""

from __future__ import annotations

from automl.tracker.keep import KeepModels
from automl.tracker.record import (
    DatasetRecord,
    LeaderboardRow,
    SearchIds,
    SearchRecord,
    SearchSummary,
)
from automl.tracker.store import StoreLocation, default_uri, load_mlflow, locate_store, open_store
from automl.tracker.writer import Tracker

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
