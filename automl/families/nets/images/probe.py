"""Heads on frozen features: seconds per trial, since the features of every image and view are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import ModelFileError
from automl.core.family import FitContext, TrialStopped
from automl.core.predictions import Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.data.images.pixels import Pictures, pictures_of, stored_side
from automl.families.nets import runtime
from automl.families.nets.head_files import HeadFiles
from automl.families.nets.head_fit import HeadPlan, fit_head
from automl.families.nets.images.backbones import backbone_named
from automl.families.nets.images.features import FeatureView, frozen_outputs, milliseconds
from automl.families.nets.images.needs import probe_needs
from automl.families.nets.images.weights import check_frozen, share_frozen
from automl.families.nets.outputs import OutputScale, linked
from automl.families.nets.surroundings import Surroundings

if TYPE_CHECKING:
    from automl.families.nets.heads import Head

_FACTS = "image_probe.json"


@dataclass(frozen=True, kw_only=True)
class ProbePlan(HeadPlan):
    """The making of a head on features of images.

    Attributes
    ----------
    backbone, px, view:
        The frozen net, and what it is shown.
    pooling:
        ``avg``, ``both`` (averages and maxima) or ``all`` (earlier maps too).
    views:
        Views of each image that are learnt from: 1, 2 (mirrored too) or 6 (the four corners too).
    """

    backbone: str
    px: int
    view: str
    pooling: str
    views: int


@dataclass(frozen=True)
class Reading:
    """The features that are read off an image: plain data, kept with the model."""

    views: tuple[FeatureView, ...]
    pooling: str
    side: int

    def to_json(self) -> dict[str, Any]:
        """Plain data for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Reading:
        """The reading that :meth:`to_json` gave."""
        return cls(
            tuple(FeatureView(**view) for view in body["views"]), str(body["pooling"]), int(body["side"])
        )


def fit_probe(plan: ProbePlan, inputs: Table, target: Encoded, task: Task, context: FitContext) -> ProbeModel:
    """Fit one fold's head.

    Raises
    ------
    TrialStopped
        When asked to stop before there was one.
    """
    side = stored_side(inputs.images[0])
    needs = probe_needs(plan.backbone, plan.px, plan.view, plan.views, side)
    around = Surroundings(context.threads, context.device, context.should_stop, context.notes.append)
    scale = OutputScale.fit(task, target, context.weights)
    pictures = [pictures_of(column, side) for column in inputs.images]
    rows = [_features(pictures, view, plan.pooling, around) for view in needs.learnt]
    features = np.concatenate(rows)
    encoded = np.tile(scale.encode(target), len(needs.learnt))
    if context.should_stop():
        raise TrialStopped("the time ran out while the features were computed")
    with runtime.threads(context.threads), runtime.seeded(context.seed, context.device):
        weights = None if context.weights is None else np.tile(context.weights, len(needs.learnt))
        head = fit_head(plan, (features, encoded, weights), (scale.outputs, task.loss), context)
    reading = Reading(needs.shown, plan.pooling, side)
    model = ProbeModel(reading, head, scale, context.threads, context.device)
    model.frozen_ms = {view.name: milliseconds(pictures[0], view) * len(pictures) for view in needs.shown}
    return model


def _features(
    pictures: Sequence[Pictures], view: FeatureView, pooling: str, around: Surroundings
) -> npt.NDArray[np.float32]:
    """``(rows, features)`` of all image columns, side by side."""
    parts = []
    for column in pictures:
        outputs = frozen_outputs(column, view, around)
        channels = backbone_named(view.backbone).channels or outputs.shape[1] // 2
        width = {"avg": channels, "both": 2 * channels, "all": outputs.shape[1]}[pooling]
        parts.append(outputs[:, :width])
    return np.concatenate(parts, axis=1).astype(np.float32)


class ProbeModel:
    """A frozen net's features and a head; implements :class:`automl.core.family.Fitted`.

    Attributes
    ----------
    frozen_ms:
        Milliseconds that a frozen net takes for a row that the cache does not have, by the view's name:
        models that read the same view share them.
    """

    def __init__(
        self,
        reading: Reading,
        head: Head,
        scale: OutputScale,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.reading = reading
        self.head = head
        self.scale = scale
        self.frozen_ms: dict[str, float] = {}
        self._around = Surroundings(threads, device)

    def predict(self, inputs: Table) -> Predictions:
        """Probabilities per class, or values; the average over the views."""
        import torch

        pictures = [pictures_of(column, self.reading.side) for column in inputs.images]
        total: Any = 0.0
        with runtime.threads(self._around.threads), torch.inference_mode():
            for view in self.reading.views:
                features = _features(pictures, view, self.reading.pooling, self._around)
                total = total + linked(self.scale.link, self.head(torch.from_numpy(features)))
        return self.scale.decode(total / len(self.reading.views))

    def save(self, folder: Path) -> None:
        """The head as safetensors, the rest as JSON; the frozen net's weights once for all folds, or none."""
        files = HeadFiles(
            reading=self.reading.to_json(), head=self.head, scale=self.scale, frozen_ms=self.frozen_ms
        )
        files.save(folder, _FACTS)
        share_frozen(self.reading.views[0].backbone, self.reading.views[0].weights, folder)


def load_probe(folder: Path) -> ProbeModel:
    """The model that :meth:`ProbeModel.save` wrote.

    Raises
    ------
    ModelFileError
        When the frozen net's weights are not here, or others than at training.
    """
    files = HeadFiles.load(folder, _FACTS)
    reading = Reading.from_json(files.reading)
    if not reading.views:
        raise ModelFileError(f"{folder} names no view of the images: the model is damaged.")
    check_frozen(reading.views[0].backbone, reading.views[0].weights, folder)
    model = ProbeModel(reading, files.head, files.scale)
    model.frozen_ms = files.frozen_ms
    return model
