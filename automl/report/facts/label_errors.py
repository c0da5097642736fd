"""Held-out predictions as a table by loss, with labels to check first.

Confident learning (Northcutt, Jiang & Chuang 2021): a row is counted if the model gives another class at
least the probability that it gives, on average, to the rows with that class's label.
"""

from __future__ import annotations

import csv
import io
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Answer
from automl.core.weights import Weights, mean_of, weights_of
from automl.report.facts.evidence import Evidence

HELD_OUT = "images/held_out.csv"
COLUMNS = (
    *("image", "label", "predicted", "probability_of_label", "probability_of_predicted", "loss"),
    *("label_probably_wrong", "same_image_as"),
)


def probably_wrong(
    target: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.floating],
    weights: Weights | None = None,
) -> npt.NDArray[np.bool_]:
    """Rows whose label may be wrong.

    Parameters
    ----------
    target:
        Codes of the given labels, ``(rows,)``.
    probabilities:
        Probabilities of all classes, ``(rows, classes)``, by models that were not trained on the row.
    weights:
        Of the rows in those averages, ``(rows,)``; None where each counts once.
    """
    classes = probabilities.shape[1]
    thresholds = np.full(classes, np.inf)
    for code in range(classes):
        own = target == code
        if own.any():
            thresholds[code] = mean_of(probabilities[own, code], weights_of(weights, own))
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    wrong: npt.NDArray[np.bool_] = (confident.max(axis=1) > 0) & (confident.argmax(axis=1) != target)
    return wrong


def held_out_files(evidence: Evidence) -> dict[str, bytes]:
    """The held-out images as a CSV, by its name on the search's run; empty for rows without images."""
    if evidence.sample is None or not evidence.sample.table.images:
        return {}
    listed = held_out_table(evidence)
    return {HELD_OUT: listed} if listed else {}


def held_out_table(evidence: Evidence) -> bytes:
    """The judged images as a CSV with :data:`COLUMNS`; empty without their paths."""
    if evidence.paths is None or evidence.task.answer is not Answer.CLASSES:
        return b""
    target = np.asarray(evidence.target).astype(np.int64)
    raw = np.asarray(evidence.raw, dtype=np.float64)
    predictions = evidence.predictions
    losses = evidence.task.row_losses(target, raw)
    wrong = probably_wrong(target, raw, evidence.weights)
    labels, predicted = evidence.task.labels, predictions.argmax(axis=1)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in np.lexsort((-losses, ~wrong)):
        writer.writerow(
            (
                evidence.paths[row],
                labels[target[row]],
                labels[predicted[row]],
                f"{raw[row, target[row]]:.4f}",
                f"{raw[row, predicted[row]]:.4f}",
                f"{losses[row]:.4f}",
                "yes" if wrong[row] else "",
                "" if evidence.same_as is None else evidence.same_as[row],
            )
        )
    return text.getvalue().encode("utf-8")


def short_path(path: str, most: int) -> str:
    """The end of a path, to be shown below a picture: its folder and its name, as far as they fit."""
    parts = PurePath(path).parts[-2:]
    text = "/".join(parts)
    return text if len(text) <= most else f"…{text[-most + 1 :]}"
