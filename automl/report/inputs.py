"""The searched rows again, from the data's own file: for what needs features, with the digest compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.digest import frame_digest
from automl.data.readers import read_table
from automl.data.target import clean_target
from automl.errors import DataError, UsageError
from automl.predictor import Predictor
from automl.report.evidence import Evidence, Sample
from automl.tracker.material import Material

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rows:
    """The judged rows of the data as they were read, in the order of the evidence; or why there are none."""

    frame: pd.DataFrame | None
    reason: str = ""


def read_rows(material: Material, evidence: Evidence, data: str | None = None) -> Rows:
    """Read the rows of ``data``, or of the file that the search names.

    Raises
    ------
    UsageError
        When ``data`` was given and is not what was searched.
    """
    if any(column["kind"] == "image" for column in evidence.story.columns):
        return Rows(None, "it is computed for tables; this data holds images")
    path = Path(data) if data is not None else _found(material)
    if path is None:
        return Rows(None, "the search had a DataFrame, or its file is gone; pass the file with --data")
    configuration = material.search.configuration
    try:
        read = read_table(path, **_reading(configuration))
        clean = clean_target(read.frame, material.search.target, task=configuration.get("task"))
    except DataError as error:
        if data is not None:
            raise
        return Rows(None, f"{path.name} cannot be read: {error}")
    if frame_digest(clean.frame) != evidence.story.data_digest:
        reason = f"{path.name} does not hold the rows that were searched: it was changed since"
        if data is not None:
            raise UsageError(f"--data: {reason}. Pass the file as it was.")
        return Rows(None, reason)
    return Rows(clean.frame.iloc[evidence.rows])


def with_features(evidence: Evidence, rows: Rows, predictor: Predictor) -> Evidence:
    """The evidence with the features of its sample, or as it was where the rows are not there."""
    if rows.frame is None or evidence.sample is not None:
        return evidence
    places = evidence.sample_places()
    return evidence.with_sample(Sample(places, predictor.encode(rows.frame.iloc[places])))


def _found(material: Material) -> Path | None:
    """The file as the search was given it, from here or from beside the store."""
    source = material.search.configuration.get("source")
    if not isinstance(source, str):
        return None
    for folder in (Path(), *material.folders):
        if (folder / source).exists():
            return folder / source
    return None


def _reading(configuration: dict[str, Any]) -> dict[str, Any]:
    names = ("encoding", "delimiter", "decimal", "skip_bad_rows")
    return {name: configuration[name] for name in names if name in configuration}
