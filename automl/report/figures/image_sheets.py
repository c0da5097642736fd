"""Sheets of images for the record: the champion's worst mistakes with class maps, and examples per class."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Answer
from automl.data.images.pixels import Pictures, pictures_of, stored_side
from automl.model.predictor import Predictor
from automl.report.facts.evidence import Evidence
from automl.report.facts.label_errors import short_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP_LOSSES, CLASSES = "images/top_losses.png", "images/classes.png"
_WORST = 12
_MOST_CLASSES = 10
_EXAMPLES = 6
_INCHES = 1.7
_NARROW, _WIDE = 30, 62  # letters of a path that fit below one cell, and below two


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
    columns = 4
    figure, axes = _grid(-(-len(worst) // columns), columns * (2 if maps else 1))
    stored = pictures.take(worst)
    for place, row in enumerate(worst):
        cell = axes[place // columns][place % columns * (2 if maps else 1)]
        cell.imshow(maps[0][place] if maps else stored[0][place])
        prediction = f"{names[predicted[place]]} {predictions[row].max():.2f}"
        cell.set_title(f"{names[target[row]]}\n→ {prediction}", fontsize=7, loc="left")
        _name_below(cell, evidence, int(row), most=_WIDE if maps else _NARROW)
        if maps:
            beside = axes[place // columns][place % columns * 2 + 1]
            beside.imshow(maps[0][place].mean(axis=2), cmap="gray", vmin=0, vmax=255)
            beside.imshow(maps[1][place], cmap="inferno", alpha=0.55, vmin=0, vmax=1)
    return _png(figure)


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
    figure, axes = _grid(len(names), _EXAMPLES)
    for code, name in enumerate(names):
        places = np.flatnonzero(target == code)[:_EXAMPLES]
        axes[code][0].set_title(name, fontsize=8, loc="left")
        for column, pixels in enumerate(pictures.take(places)[0]):
            axes[code][column].imshow(pixels)
            _name_below(axes[code][column], evidence, int(places[column]), most=_NARROW)
    return _png(figure)


def _name_below(cell: Any, evidence: Evidence, row: int, *, most: int) -> None:
    """The path of a row of the sample, below its picture."""
    if evidence.paths is None or evidence.sample is None:
        return
    name = short_path(str(evidence.paths[evidence.sample.places[row]]), most).replace("$", r"\$")
    cell.text(0.0, -0.03, name, transform=cell.transAxes, fontsize=5.5, va="top", color="#555555")


def _grid(rows: int, columns: int) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(columns * _INCHES, rows * (_INCHES + 0.5)))
    # Space for two lines above each picture and its path below, which automatic layouts do not account for.
    figure.set_layout_engine("constrained", h_pad=0.1)
    axes = figure.subplots(rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    return figure, axes


def _png(figure: Figure) -> bytes:
    from automl.report.figures.style import drawing

    content = io.BytesIO()
    with drawing():
        figure.savefig(content, format="png", dpi=90)
    return content.getvalue()


def _plain(label: object) -> str:
    """The name of a class with escaped dollar signs, which would start a formula."""
    return str(label)[:30].replace("$", r"\$")
