"""A person's choice of the champion, with what gives way to it."""

from __future__ import annotations

import os

from automl.tracker.models.champion_page import Promotion, promote
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import resolve_run
from automl.tracker.store.location import DEFAULT_ROOT, locate_store


def promotion(
    name: str,
    run: str,
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Promotion:
    """Do what :func:`automl.promote` does, and say what was replaced.

    Raises
    ------
    UsageError
        If the run is of another search, or has no model.
    """
    record = Record(locate_store(tracking_uri, store))
    return promote(record, name, resolve_run(record, run))
