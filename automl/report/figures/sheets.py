"""Sheets of files: pictures of the judged rows, made by their modality, with the results on them."""

from __future__ import annotations

from automl.core.modality import named
from automl.data.modalities import modalities
from automl.model.predictor import Predictor
from automl.report.facts.evidence import Evidence


def sheets_of(evidence: Evidence, predictor: Predictor) -> dict[str, bytes]:
    """Sheets by their file names on the search's run; empty where the evidence has no files of its rows."""
    if evidence.sample is None:
        return {}
    sheets: dict[str, bytes] = {}
    for kind, columns in evidence.sample.table.files.items():
        if columns and (reference := modalities()[kind].sheets):
            sheets |= named(reference)(evidence, predictor)
    return sheets
