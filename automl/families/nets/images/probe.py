"""Heads on frozen features: seconds per trial, since the features of every image and view are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
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
from automl.core.trial import Curve
from automl.core.weights import Weights
from automl.data.images.pixels import Pictures, pictures_of, stored_side
from automl.families.nets import runtime
from automl.families.nets.images.backbones import backbone_named
from automl.families.nets.images.features import FeatureView, Surroundings, frozen_outputs, milliseconds
from automl.families.nets.images.needs import probe_needs
from automl.families.nets.images.weights import check_frozen, share_frozen
from automl.families.nets.outputs import OutputScale, linked, output_losses, relative_weights

if TYPE_CHECKING:
    import torch

    from automl.families.nets.batches import Batch
    from automl.families.nets.images.heads import Head

_WEIGHTS, _FACTS = "head.safetensors", "image_probe.json"
_TESTED = 60  # steps of a range test
_Rows = tuple[npt.NDArray[np.float32], npt.NDArray[Any], Weights | None]
"""Features ``(rows, features)``, the encoded target and the weights of rows."""


@dataclass(frozen=True, kw_only=True)
class ProbePlan:
    """The making of a head.

    Attributes
    ----------
    backbone, px, view:
        The frozen net, and what it is shown.
    pooling:
        ``avg``, ``both`` (averages and maxima) or ``all`` (earlier maps too).
    views:
        Views of each image that are learnt from: 1, 2 (mirrored too) or 6 (the four corners too).
    hidden:
        Units of a hidden layer; 0 for none.
    c:
        Of a linear head that is solved; 0 trains the head in the loop instead.
    """

    backbone: str
    px: int
    view: str
    pooling: str
    views: int
    c: float
    hidden: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    dropout: float = 0.0
    smoothing: float = 0.0
    epochs: int = 30


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
    def from_json(cls, body: dict[str, Any]) -> Reading:
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
        head = _head(plan, (features, encoded, weights), (scale.outputs, task.loss), context)
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


def _head(
    plan: ProbePlan,
    rows: _Rows,
    shape: tuple[int, str],
    context: FitContext,
) -> Head:
    """A head with so many outputs that minimises a loss."""
    from automl.families.nets.images.heads import Head, solve_linear

    (features, target, weights), (outputs, loss) = rows, shape
    head = Head(features.shape[1], outputs, hidden=plan.hidden, dropout=plan.dropout)
    if plan.c:
        solve_linear(head, features, target, loss, plan.c, context.should_stop, weights=weights)
        return head.eval()
    return _trained(head, plan, rows, loss, context)


def _trained(
    head: Head,
    plan: ProbePlan,
    rows: _Rows,
    loss: str,
    context: FitContext,
) -> Head:
    import torch

    from automl.families.nets.batches import TensorBatches
    from automl.families.nets.loop import Trainer, TrainingControl, TrainingSettings
    from automl.families.nets.lr_finder import lr_range_test, range_curves
    from automl.families.nets.tables.fit import batch_size_for

    features, target, weights = rows
    head.set_scale(features)
    tensors = [torch.from_numpy(features)[None], torch.from_numpy(target)[None]]
    relative = relative_weights(weights)
    if relative is not None:
        tensors.append(torch.from_numpy(relative)[None])
    generator = torch.Generator().manual_seed(context.seed)
    source = TensorBatches(
        [tensor.to(context.device) for tensor in tensors], batch_size_for(len(target)), generator
    )
    settings = TrainingSettings(
        epochs=max(2, plan.epochs),
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        # Without held-out rows, so that the fold's score is not that of the epoch which suited it best.
        device=context.device,
    )
    control = TrainingControl(context.should_stop, lambda: context.seconds_left, context.report)
    objective = _HeadObjective(head.to(context.device), plan.smoothing, loss)
    if context.fold == 0:  # for people to look at; it leaves no trace
        tested = lr_range_test(objective, source, settings, steps=_TESTED, should_stop=context.should_stop)
        context.curves.extend(range_curves(tested))
    outcome = Trainer(objective, source, settings, control).run()
    if not math.isfinite(outcome.best_losses[0] if outcome.best_losses else math.nan):
        raise TrialStopped("the time ran out before the first epoch")
    steps = tuple(math.ceil(epoch) for epoch in outcome.history.epochs)
    context.curves.append(Curve("train_loss", steps, tuple(outcome.history.train)))
    context.facts |= {"epochs": outcome.epochs, "learning_rate": plan.learning_rate}
    return head.eval().cpu()


class _HeadObjective:
    """A head on rows of features."""

    def __init__(self, head: Head, smoothing: float, loss: str) -> None:
        self.model = head
        self._loss = loss
        self._smoothing = smoothing

    def losses(self, batch: Batch) -> torch.Tensor:
        """The mean of a batch, ``(1,)``."""
        outputs, target = self.model(batch[0][0]), batch[1][0]
        losses = output_losses(self._loss, outputs, target, smoothing=self._smoothing)
        if len(batch) > 2:
            losses = losses * batch[2][0]
        return losses.mean()[None]

    def evaluate(self) -> None:
        """Nothing is held out."""
        return None


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
        from safetensors.torch import save_file

        save_file(
            {name: value.contiguous() for name, value in self.head.state_dict().items()}, folder / _WEIGHTS
        )
        hidden = 0 if self.head.hidden is None else self.head.hidden.out_features
        body = {
            "reading": self.reading.to_json(),
            "scale": asdict(self.scale),
            "hidden": hidden,
            "features": len(self.head.centre),
            "frozen_ms": self.frozen_ms,
        }
        (folder / _FACTS).write_text(json.dumps(body), encoding="utf-8")
        share_frozen(self.reading.views[0].backbone, self.reading.views[0].weights, folder)


def load_probe(folder: Path) -> ProbeModel:
    """The model that :meth:`ProbeModel.save` wrote.

    Raises
    ------
    ModelFileError
        When the frozen net's weights are not here, or others than at training.
    """
    from safetensors.torch import load_file

    from automl.families.nets.images.heads import Head

    body = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    reading, scale = Reading.from_json(body["reading"]), OutputScale.from_json(body["scale"])
    if not reading.views:
        raise ModelFileError(f"{folder} names no view of the images: the model is damaged.")
    check_frozen(reading.views[0].backbone, reading.views[0].weights, folder)
    head = Head(int(body["features"]), scale.outputs, hidden=int(body["hidden"]))
    head.load_state_dict(load_file(folder / _WEIGHTS))
    model = ProbeModel(reading, head.eval(), scale)
    model.frozen_ms = {str(name): float(value) for name, value in body.get("frozen_ms", {}).items()}
    return model
