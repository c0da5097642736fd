"""Sheets of images for the record: the champion's worst mistakes with class maps, and examples per class."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Answer
from automl.data.images.pixels import Pictures, pictures_of, stored_side
from automl.model.predictor import Predictor
from automl.report.facts.evidence import Evidence
from automl.report.facts.label_errors import short_path

TOP_LOSSES, CLASSES = "images/top_losses.png", "images/classes.png"
_WORST = 12
_MOST_CLASSES = 10
_EXAMPLES = 6
_SIDE, _TITLE, _NAME, _MARGIN = 1.65, 0.32, 0.2, 0.04  # inches
_ROW, _COLUMN = _TITLE + _SIDE + _NAME, _SIDE + 2 * _MARGIN
_NARROW, _WIDE = 36, 66  # letters of a path that fit below one cell, and below two


def image_sheets(evidence: Evidence, predictor: Predictor) -> dict[str, bytes]:
    """Files (PNG) by their names on the search's run; empty for tables without images."""
    sample = evidence.sample
    if sample is None or not sample.table.images or evidence.task.answer is not Answer.CLASSES:
        return {}
    column = sample.table.images[0]
    pictures = pictures_of(column, stored_side(column))
    target = np.asarray(evidence.target)[sample.places].astype(np.int64)
    predictions = evidence.predictions[sample.places]
    return {
        TOP_LOSSES: _top_losses(evidence, predictor, pictures, (target, predictions)),
        CLASSES: _classes(evidence, pictures, target),
    }


def _top_losses(
    evidence: Evidence,
    predictor: Predictor,
    pictures: Pictures,
    rows: tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]],
) -> bytes:
    """The held-out images with the greatest losses, and maps of the evidence for the predicted class."""
    target, predictions = rows
    losses = evidence.task.row_losses(target, predictions)
    worst = np.argsort(-losses, kind="stable")[:_WORST]
    predicted = predictions[worst].argmax(axis=1).astype(np.int64)
    alone = evidence.sample is not None and len(evidence.sample.table.images) == 1
    maps = _maps(predictor, pictures, worst, predicted) if alone else None
    names = [_plain(label) for label in evidence.task.labels]
    across, beside = 4, 2 if maps else 1
    sheet = _Sheet(-(-len(worst) // across), across * beside)
    stored = pictures.take(worst)
    for place, row in enumerate(worst):
        cell = (place // across, place % across * beside)
        prediction = f"{names[predicted[place]]} {predictions[row].max():.2f}"
        sheet.picture(cell, maps[0][place] if maps else stored[0][place])
        sheet.title(cell, f"{names[target[row]]}\n→ {prediction}")
        sheet.name(cell, _path(evidence, int(row), most=_WIDE if maps else _NARROW))
        if maps:
            right = (cell[0], cell[1] + 1)
            sheet.picture(right, maps[0][place].mean(axis=2), cmap="gray", vmin=0, vmax=255)
            sheet.picture(right, maps[1][place], cmap="inferno", alpha=0.55, vmin=0, vmax=1)
    return sheet.png()


def _maps(
    predictor: Predictor,
    pictures: Pictures,
    places: npt.NDArray[np.int64],
    classes: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]] | None:
    """Class maps of the first model of the member with the largest weight that is a net for single images."""
    from automl.families.nets.images.gradcam import class_maps

    for member in sorted(predictor.members, key=lambda member: -member.weight):
        maps = class_maps(member.folds[0], pictures, places, classes)
        if maps is not None:
            return maps
    return None


def _classes(evidence: Evidence, pictures: Pictures, target: npt.NDArray[np.int64]) -> bytes:
    """A row of examples per class."""
    names = [_plain(label) for label in evidence.task.labels][:_MOST_CLASSES]
    sheet = _Sheet(len(names), _EXAMPLES)
    for code, name in enumerate(names):
        places = np.flatnonzero(target == code)[:_EXAMPLES]
        sheet.title((code, 0), name)
        for column, pixels in enumerate(pictures.take(places)[0]):
            sheet.picture((code, column), pixels)
            sheet.name((code, column), _path(evidence, int(places[column]), most=_NARROW))
    return sheet.png()


def _path(evidence: Evidence, row: int, *, most: int) -> str:
    """The end of the path of a row of the sample."""
    if evidence.paths is None or evidence.sample is None:
        return ""
    return short_path(str(evidence.paths[evidence.sample.places[row]]), most)


class _Sheet:
    """A grid of square pictures, each with a title of two lines above it and a name below.

    All are drawn on one axes in inches: an axes for each takes three times as long.
    """

    def __init__(self, rows: int, columns: int) -> None:
        from matplotlib.figure import Figure

        self._height, width = rows * _ROW, columns * _COLUMN
        self._figure = Figure(figsize=(width, self._height))
        self._axes: Any = self._figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, self._height))
        self._axes.axis("off")

    def picture(self, cell: tuple[int, int], pixels: npt.NDArray[Any], **shown: Any) -> None:
        """Show pixels in a cell ``(row, column)``, over what it shows already."""
        left, bottom = self._corner(cell)
        edges = (left, left + _SIDE, bottom, bottom + _SIDE)
        self._axes.imshow(pixels, extent=edges, aspect="auto", **shown)

    def title(self, cell: tuple[int, int], text: str) -> None:
        """Write above a picture."""
        left, bottom = self._corner(cell)
        self._axes.text(left, bottom + _SIDE + 0.04, text, fontsize=7, va="bottom")

    def name(self, cell: tuple[int, int], text: str) -> None:
        """Write below a picture."""
        left, bottom = self._corner(cell)
        text = text.replace("$", r"\$")
        self._axes.text(left, bottom - 0.03, text, fontsize=5.5, va="top", color="#555555")

    def png(self) -> bytes:
        """The sheet as a file."""
        from automl.report.figures.style import drawing

        content = io.BytesIO()
        with drawing():
            self._figure.savefig(content, format="png", dpi=90, pil_kwargs={"compress_level": 1})
        return content.getvalue()

    def _corner(self, cell: tuple[int, int]) -> tuple[float, float]:
        """The left and lower edges of a picture."""
        row, column = cell
        return column * _COLUMN + _MARGIN, self._height - row * _ROW - _TITLE - _SIDE


def _plain(label: object) -> str:
    """The name of a class with escaped dollar signs, which would start a formula."""
    return str(label)[:30].replace("$", r"\$")
