"""Images as numbers: principal components of frozen features, for families that read tables only."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.modality import FileNumbers
from automl.core.table import Strings, Table
from automl.data.cells.names import unique_name
from automl.data.images.pixels import pictures_of, stored_side

BACKBONE = "efficientnet_lite0"
PX = 160
MOST_COMPONENTS = 24
_ROWS = 4000
_LEAST_DEVIATION = 1e-3

Floats = npt.NDArray[np.float32]


def learn_image_numbers(
    table: Table, report: Callable[[float, str], None] = lambda fraction, message: None
) -> dict[str, Any] | None:
    """Learn to turn a table's images into a few numbers each: plain data, or None without a net for it.

    Components are learnt from all rows but from no target: a fold's held-out rows shape them no more than
    they shape the scale of a picture.
    """
    from automl.families.nets.images.backbones import missing_weights
    from automl.families.nets.images.features import view_of

    if missing_weights([BACKBONE]):
        return None
    side = stored_side(table.images[0])
    view = view_of(BACKBONE, PX, side, "square")
    columns = []
    for number, images in enumerate(table.images):
        report(number / len(table.images), "reading images for the tables' families")
        columns.append(_components(_features(images, asdict(view))))
    report(1.0, "reading images for the tables' families")
    taken = {*table.features.numbers, *table.features.categories}
    names = [
        unique_name(f"{name} [{place + 1}]", taken)
        for name, column in zip(table.features.images, columns, strict=True)
        for place in range(column[1].shape[1])
    ]
    packed = [{"mean": _packed(mean), "axes": _packed(axes), "rows": len(axes)} for mean, axes in columns]
    return {"view": asdict(view), "columns": packed, "names": names}


def with_image_numbers(table: Table, learnt: Mapping[str, Any]) -> Table:
    """The table with the numbers that :func:`learn_image_numbers` found for its images, after its own."""
    parts = [np.asarray(table.numbers)]
    for images, column in zip(table.images, learnt["columns"], strict=True):
        mean, axes = _unpacked(column["mean"]), _unpacked(column["axes"])
        features = _features(images, learnt["view"])
        parts.append(((features - mean) @ axes.reshape(int(column["rows"]), -1)).astype(np.float64))
    names = (*table.features.numbers, *learnt["names"])
    return replace(
        table, numbers=np.concatenate(parts, axis=1), features=replace(table.features, numbers=names)
    )


def _features(images: Strings, view: Mapping[str, Any]) -> Floats:
    from automl.families.nets.images.backbones import backbone_named
    from automl.families.nets.images.features import FeatureView, frozen_outputs
    from automl.families.nets.surroundings import Surroundings

    seen = FeatureView(**view)
    outputs = frozen_outputs(pictures_of(images, seen.side), seen, Surroundings())
    return outputs[:, : backbone_named(seen.backbone).channels].astype(np.float32)


def _components(features: Floats) -> tuple[Floats, Floats]:
    """Mean, and axes whose products with centred features are the standardised features' components."""
    count = int(np.clip(len(features) // 10, 2, MOST_COMPONENTS))
    step = max(1, len(features) // _ROWS)
    mean = features.mean(axis=0)
    width = np.maximum(features.std(axis=0), _LEAST_DEVIATION)
    _, _, directions = np.linalg.svd((features[::step] - mean) / width, full_matrices=False)
    # The sign of a direction is any: the largest entry made positive, so that machines agree.
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    axes = (directions * signs[:, None])[:count].T / width[:, None]
    return mean, axes.astype(np.float32)


def _packed(values: Floats) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def _unpacked(text: str) -> Floats:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


NUMBERS = FileNumbers(learn_image_numbers, with_image_numbers)
