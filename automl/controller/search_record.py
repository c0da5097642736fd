"""The record of a search as it begins: its data, its configuration, the rows that judge it."""

from __future__ import annotations

import os

from automl.model.background import Background
from automl.problem.preparation import Prepared
from automl.problem.settings import Settings
from automl.tracker import DatasetRecord, SearchRecord
from automl.tracker.names import all_columns
from automl.tracker.people import user_name


def search_record(settings: Settings, prepared: Prepared, *, key: str, started: float) -> SearchRecord:
    """The record of a search that begins.

    Parameters
    ----------
    key:
        The search's own, by which it is found again.
    started:
        Seconds since 1970.
    """
    split = prepared.problem.split
    source = str(settings.source) if isinstance(settings.source, str | os.PathLike) else "frame"
    dataset = DatasetRecord(
        name=settings.name,
        source=source,
        digest=prepared.digest,
        rows=prepared.rows,
        columns={column.name: str(column.kind) for column in prepared.layout.columns},
        names=all_columns(prepared.layout),
    )
    return SearchRecord(
        name=settings.name,
        task=prepared.task,
        layout=prepared.layout,
        dataset=dataset,
        configuration=settings.plain(),
        split_digest=prepared.problem.judging_digest,
        split_reason=f"{split.reason}, {prepared.weighting}" if prepared.weighting else split.reason,
        seed=settings.seed,
        key=key,
        truth=prepared.problem.target[split.scored],
        started=started,
        test_digest=prepared.untouched_digest,
        promote=settings.promote,
        user=user_name(),
        background=Background.of(prepared.problem.table, prepared.layout),
    )
