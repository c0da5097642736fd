"""Training nets on images: the last stages on kept maps, whole nets on augmented pixels."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from automl.data.images_pixels import Pictures, pictures_of, stored_side
from automl.data.table import Table
from automl.families.base import FitContext, TrialStopped
from automl.tasks import Encoded, Task
from automl.training import runtime
from automl.training.backbones import backbone_named
from automl.training.batches import TensorBatches
from automl.training.groups import ParameterGroup, parameter_groups
from automl.training.image_features import (
    Halves,
    Surroundings,
    View,
    frozen_outputs,
    keep_outputs,
    view_of,
)
from automl.training.image_heads import ABSOLUTE_METRICS, row_losses, solve_linear
from automl.training.image_net import ImageNet, NetModel, NetShape, build_net, pixel_scale
from automl.training.image_views import Augmenter, normalised
from automl.training.image_weights import frozen_trunk
from automl.training.loop import Control, Outcome, Settings, Trainer
from automl.training.table_net import OutputScale
from automl.training.trunk import SmallNet, Trunk
from automl.trial import Curve

if TYPE_CHECKING:
    from automl.training.batches import Batch

_log = logging.getLogger(__name__)
_SMALLEST_BATCH = 8
# In a progressive training, this share of the steps sees pictures of this share of the size.
_EARLY, _EARLY_SIZE = 0.5, 0.7


@dataclass(frozen=True)
class NetTraining:
    """How a net for images is trained.

    Attributes
    ----------
    backbone:
        Its name; empty for a small net of ``width`` from nothing.
    trained:
        Stages that learn, counted from the end; 0 for all but the share ``frozen``.
    from_maps:
        Learn from kept maps of the last frozen stage instead of pixels.
    views:
        Kept views of each image to learn from (2: mirrored too, 6: the corners too).
    c:
        Of the linear head that is solved on frozen features to begin with; 0 for a random one.
    learning_rate:
        The last stage's highest; a ninth of it at the first that learns.
    head:
        The head's, in shares of that: it begins where it is best, and each of its many inputs adds to what
        a step changes.
    norms:
        ``eval``: norms stay as published; ``train``: they follow the batches.
    smallest, strength, flip:
        Of :class:`automl.training.image_views.Augmenter`.
    mix:
        ``none``, ``mixup`` or ``cutmix``, with a Beta distribution of ``mix_alpha``.
    progressive:
        Begin with smaller pictures.
    """

    backbone: str
    px: int
    view: str
    learning_rate: float
    epochs: int
    trained: int = 0
    frozen: float = 0.0
    from_maps: bool = False
    views: int = 2
    c: float = 0.1
    pooling: str = "avg"
    head: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.0
    norms: str = "eval"
    batch_size: int = 32
    smallest: float = 0.35
    strength: float = 0.0
    flip: bool = True
    mix: str = "none"
    mix_alpha: float = 0.4
    smoothing: float = 0.0
    progressive: bool = False
    width: int = 0
    ema: float = 0.0
    schedule: str = "body"


def fit_image_net(
    plan: NetTraining, inputs: Table, target: Encoded, task: Task, context: FitContext
) -> NetModel:
    """Train one fold's net.

    Raises
    ------
    TrialStopped
        When there was no time for a single epoch.
    """
    runtime.keep_large_blocks()
    device = context.device
    batch = plan.batch_size
    while True:
        try:
            return _fit(replace(plan, batch_size=batch), inputs, target, task, context, device)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            if batch > _SMALLEST_BATCH:
                batch //= 2
                _log.warning("The GPU's memory is too small: batches of %d images now.", batch)
            else:
                device = "cpu"
                _log.warning("The GPU's memory is too small for any batch: this net is trained on the CPU.")


def prepare_net(plan: NetTraining, tables: Sequence[Table], context: FitContext) -> None:
    """Compute and keep what the folds of these tables need of frozen nets.

    Raises
    ------
    TrialStopped
        When the time was too short; what was computed is kept for the next trial.
    """
    side = stored_side(tables[0].images[0])
    around = Surroundings(context.threads, context.device, context.should_stop)
    with runtime.seeded(context.seed, "cpu"):
        _, view = _built(plan, side, 1, OutputScale("regression", 1))
    plain = _views(replace(view, cut=0), 2 if plan.flip else 1) if plan.c else ()
    for table in tables:
        pictures = [pictures_of(column, side) for column in table.images]
        # Rows that are only predicted need the maps of the views they are predicted by.
        kept = _views(view, plan.views if table is tables[0] else min(plan.views, 2))
        for each in (*(plain if table is tables[0] else ()), *(kept if plan.from_maps else ())):
            for column in pictures:
                keep_outputs(column, each, around)


def _fit(
    plan: NetTraining, inputs: Table, target: Encoded, task: Task, context: FitContext, device: str
) -> NetModel:
    side = stored_side(inputs.images[0])
    pictures = [pictures_of(column, side) for column in inputs.images]
    scale = OutputScale.fit(task, target)
    around = Surroundings(context.threads, device, context.should_stop)
    with runtime.threads(context.threads), runtime.seeded(context.seed, device):
        net, view = _built(plan, side, len(pictures), scale)
        learnt = _views(view, plan.views)
        encoded = scale.encode(target)
        if plan.c and plan.backbone:
            _solve_head(net, plan, pictures, encoded, (view, scale, around))
        maps = None
        if plan.from_maps:
            maps = [[frozen_outputs(column, each, around) for column in pictures] for each in learnt]
        net.to(device)
        objective = _NetObjective(net, plan, (pictures, maps), encoded, (scale, task))
        outcome = _train(objective, plan, context, device)
    _record(outcome, plan, context)
    shown = _views(view, min(plan.views, 2)) if plan.flip else (view,)
    return NetModel(net, shown, scale, threads=context.threads, device=device)


def _built(plan: NetTraining, side: int, columns: int, scale: OutputScale) -> tuple[ImageNet, View]:
    """The net with its first weights, and the plain view it sees."""
    if plan.backbone:
        view = view_of(plan.backbone, plan.px, side, plan.view)
        trunk = frozen_trunk(plan.backbone, view.weights)
        features = backbone_named(plan.backbone).channels
    else:
        view = View("", "", plan.px, side, plan.view)
        trunk, features = SmallNet(plan.width), 8 * plan.width
    assert isinstance(trunk, Trunk)
    if plan.from_maps:
        view = replace(view, cut=max(1, _first(plan, len(trunk.stages))))
    features = (features or _channels(trunk, plan.px)) * (2 if plan.pooling == "both" else 1)
    shape = NetShape(
        plan.backbone,
        view.cut,
        plan.pooling,
        columns,
        features,
        scale.outputs,
        dropout=plan.dropout,
        width=plan.width,
    )
    net = build_net(shape, trunk)
    net.norms_learn = plan.norms == "train"
    return net, view


def _first(plan: NetTraining, stages: int) -> int:
    """The first stage that learns."""
    if plan.trained:
        return max(0, stages - plan.trained)
    return min(round(stages * plan.frozen), stages - 1)


def _channels(trunk: Trunk, px: int) -> int:
    with torch.inference_mode():
        return int(trunk.eval()(torch.zeros(1, 3, px, px)).shape[1])


def _views(view: View, count: int) -> tuple[View, ...]:
    if count == 1:
        return (view,)
    corners = [replace(view, view=f"corner{i}", flip=bool(i % 2)) for i in range(4)] if count > 2 else []
    return (view, replace(view, flip=True), *corners)


def _solve_head(
    net: ImageNet,
    plan: NetTraining,
    pictures: Sequence[Pictures],
    target: npt.NDArray[Any],
    what: tuple[View, OutputScale, Surroundings],
) -> None:
    """Begin with the best linear head on the published net's features (Kumar et al. 2022, LP-FT)."""
    view, scale, around = what
    width = net.shape.features
    rows = []
    for each in _views(replace(view, cut=0), 2 if plan.flip else 1):
        found = [frozen_outputs(column, each, around)[:, :width] for column in pictures]
        rows.append(np.concatenate(found, axis=1).astype(np.float32))
    features = np.concatenate(rows)
    solve_linear(net.head, features, np.tile(target, len(rows)), scale, plan.c, around.should_stop)


class _NetObjective:
    """A net on rows of images; batches are row numbers."""

    def __init__(
        self,
        net: ImageNet,
        plan: NetTraining,
        images: tuple[Sequence[Pictures], list[list[Halves]] | None],
        target: npt.NDArray[Any],
        what: tuple[OutputScale, Task],
    ) -> None:
        self.model = net
        self.progress: Callable[[], float] = lambda: 1.0
        self._plan = plan
        self._pictures, self._maps = images
        self.target = torch.from_numpy(np.ascontiguousarray(target))
        self._scale, task = what
        self._absolute = task.metric.name in ABSOLUTE_METRICS
        self._augment = Augmenter(plan.px, smallest=plan.smallest, strength=plan.strength, flip=plan.flip)

    @property
    def rows(self) -> int:
        """Rows to learn from."""
        return len(self.target)

    def losses(self, batch: Batch) -> torch.Tensor:
        """The mean of a batch, ``(1,)``."""
        rows = batch[0][0].cpu().numpy()
        device = next(self.model.parameters()).device
        images = self._kept(rows, device) if self._maps is not None else self._seen(rows, device)
        target = self.target[rows].to(device)
        if self._plan.mix == "none":
            return self._losses(self.model(images), target).mean()[None]
        images, other, share = self._mixed(images)
        outputs = self.model(images)
        first, second = self._losses(outputs, target), self._losses(outputs, target[other])
        return (share * first + (1 - share) * second).mean()[None]

    def evaluate(self) -> None:
        """Nothing is held out: the end of the cycle is kept, whichever epoch would suit the fold best."""
        return None

    def _losses(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return row_losses(
            outputs.float(),
            target,
            self._scale.kind,
            absolute=self._absolute,
            smoothing=self._plan.smoothing,
        )

    def _kept(self, rows: npt.NDArray[np.int64], device: torch.device) -> torch.Tensor:
        """Kept maps, of one of the views for each row."""
        assert self._maps is not None
        choice = torch.randint(len(self._maps), (len(rows),)).numpy()
        parts = []
        for column in range(len(self._pictures)):
            taken = np.stack([self._maps[view][column][row] for view, row in zip(choice, rows, strict=True)])
            maps = torch.from_numpy(taken).permute(0, 3, 1, 2).to(device).float()
            parts.append(maps.contiguous(memory_format=torch.channels_last))
        return torch.cat(parts)

    def _seen(self, rows: npt.NDArray[np.int64], device: torch.device) -> torch.Tensor:
        """Augmented pixels, made where the net is."""
        px = self._plan.px
        if self._plan.progressive and self.progress() < _EARLY:
            px = max(32, int(px * _EARLY_SIZE) // 32 * 32)
        parts = []
        for column in self._pictures:
            pixels, aspects = column.take(rows)
            images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)
            seen = self._augment(images, torch.from_numpy(aspects), px)
            parts.append(normalised(seen, *pixel_scale(self.model.shape), torch.float32))
        return torch.cat(parts)

    def _mixed(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Images mixed in pairs: ``(images, partner of each row, share of the row's own)``."""
        alpha = self._plan.mix_alpha
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        rows = len(images) // len(self._pictures)
        other = torch.randperm(rows)
        partner = torch.cat([other + rows * column for column in range(len(self._pictures))])
        if self._plan.mix == "mixup":
            return share * images + (1 - share) * images[partner], other, share
        height, width = images.shape[2:]
        cut = math.sqrt(1 - share)
        tall, wide = round(height * cut), round(width * cut)
        top = int(torch.randint(height - tall + 1, (1,)))
        left = int(torch.randint(width - wide + 1, (1,)))
        images = images.clone()
        images[:, :, top : top + tall, left : left + wide] = images[
            partner, :, top : top + tall, left : left + wide
        ]
        return images, other, 1 - tall * wide / (height * width)


def _groups(net: ImageNet, plan: NetTraining) -> list[ParameterGroup]:
    """Frozen stages, three groups of those that learn with growing rates, and the head."""
    stages = list(net.trunk.stages)
    first = 0 if net.shape.cut else _first(plan, len(stages))
    if not plan.backbone:
        return parameter_groups([net], weight_decay=plan.weight_decay)
    learning = len(stages) - first
    shares = [0.0] * first
    for place in range(learning):
        shares.append(3.0 ** (place * 3 // learning - 2))
    return parameter_groups([*stages, net.head], weight_decay=plan.weight_decay, shares=[*shares, plan.head])


def _train(objective: _NetObjective, plan: NetTraining, context: FitContext, device: str) -> Outcome:
    generator = torch.Generator().manual_seed(context.seed)
    source = TensorBatches([torch.arange(objective.rows)[None]], plan.batch_size, generator)
    settings = Settings(
        epochs=max(1, round(plan.epochs * context.fidelity)),
        learning_rate=plan.learning_rate,
        schedule=plan.schedule,
        weight_decay=plan.weight_decay,
        ema=plan.ema,
        device=device,
    )
    control = Control(context.should_stop, lambda: context.seconds_left, context.report)
    groups = _groups(objective.model, plan)
    trainer = Trainer(objective, source, settings, control, groups=groups)
    objective.progress = lambda: trainer.step / max(trainer.planned_steps, 1)
    outcome = trainer.run()
    if not outcome.best_losses:
        raise TrialStopped("the time limit passed before the first epoch")
    return outcome


def _record(outcome: Outcome, plan: NetTraining, context: FitContext) -> None:
    steps = tuple(math.ceil(epoch) for epoch in outcome.history.epochs)
    for name, values in (("train_loss", outcome.history.train), ("learning_rate", outcome.history.rates)):
        context.curves.append(Curve(name, steps, tuple(values)))
    context.facts |= {
        "epochs": outcome.epochs,
        "steps": float(outcome.steps),
        "batch_size": float(plan.batch_size),
        "learning_rate": plan.learning_rate,
    }
