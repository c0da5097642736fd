"""Training nets on images: the last stages on kept maps, whole nets on augmented pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from automl.core.family import FitContext
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights
from automl.data.images.pixels import Pictures, pictures_of, stored_side
from automl.families.nets import runtime
from automl.families.nets.heads import solve_linear
from automl.families.nets.images.backbones import backbone_named, empty_trunk
from automl.families.nets.images.features import FeatureView, frozen_outputs, view_of
from automl.families.nets.images.needs import net_needs, prepare_needs, views_of
from automl.families.nets.images.net import ImageNet, NetModel, NetShape, build_net
from automl.families.nets.images.objective import NetObjective
from automl.families.nets.images.plan import NetTraining
from automl.families.nets.images.train import train_image_net
from automl.families.nets.images.trunk import SmallNet, Trunk
from automl.families.nets.images.weights import frozen_trunk
from automl.families.nets.outputs import OutputScale, relative_weights
from automl.families.nets.surroundings import Surroundings


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
    room = runtime.Room(plan.batch_size, context.device, context.notes.append)
    return room.run(
        lambda batch, device: _fit(replace(plan, batch_size=batch), inputs, target, task, context, device)
    )


def prepare_net(plan: NetTraining, tables: Sequence[Table], context: FitContext) -> None:
    """Compute and keep what the folds of these tables need of frozen nets.

    Raises
    ------
    TrialStopped
        When the time was too short; what was computed is kept for the next trial.
    """
    side = stored_side(tables[0].images[0])
    stages = _stages(plan.backbone) if plan.from_maps else 0
    prepare_needs(net_needs(plan, stages, side), tables, context)


@lru_cache
def _stages(backbone: str) -> int:
    with runtime.seeded(0):
        trunk = empty_trunk(backbone)
    assert isinstance(trunk, Trunk)
    return len(trunk.stages)


def _fit(
    plan: NetTraining, inputs: Table, target: Encoded, task: Task, context: FitContext, device: str
) -> NetModel:
    side = stored_side(inputs.images[0])
    pictures = [pictures_of(column, side) for column in inputs.images]
    scale = OutputScale.fit(task, target, context.weights)
    around = Surroundings(context.threads, device, context.should_stop, context.notes.append)
    with runtime.threads(context.threads), runtime.seeded(context.seed, device):
        net, view = _built(plan, side, len(pictures), scale)
        learnt = views_of(view, plan.views)
        encoded = scale.encode(target)
        if plan.c and plan.backbone:
            _solve_head(net, plan, pictures, (encoded, context.weights, task.loss), (view, around))
        maps = None
        if plan.from_maps:
            maps = [[frozen_outputs(column, each, around) for column in pictures] for each in learnt]
        net.to(device)
        weights = relative_weights(context.weights)
        objective = NetObjective(net, plan, (pictures, maps), encoded, task.loss, weights)
        train_image_net(objective, plan, context, device)
    shown = views_of(view, min(plan.views, 2)) if plan.flip else (view,)
    return NetModel(net, shown, scale, threads=context.threads, device=device)


def _built(plan: NetTraining, side: int, columns: int, scale: OutputScale) -> tuple[ImageNet, FeatureView]:
    """The net with its first weights, and the plain view it sees."""
    if plan.backbone:
        view = view_of(plan.backbone, plan.px, side, plan.view)
        trunk = frozen_trunk(plan.backbone, view.weights)
        features = backbone_named(plan.backbone).channels
    else:
        view = FeatureView(backbone="", weights="", px=plan.px, side=side, view=plan.view)
        trunk, features = SmallNet(plan.width), 8 * plan.width
    assert isinstance(trunk, Trunk)
    if plan.from_maps:
        view = replace(view, cut=max(1, plan.first_stage(len(trunk.stages))))
    features = (features or _channels(trunk, plan.px)) * (2 if plan.pooling == "both" else 1)
    shape = NetShape(
        backbone=plan.backbone,
        cut=view.cut,
        pooling=plan.pooling,
        columns=columns,
        features=features,
        outputs=scale.outputs,
        dropout=plan.dropout,
        width=plan.width,
    )
    net = build_net(shape, trunk)
    net.norms_learn = plan.norms == "train"
    return net, view


def _channels(trunk: Trunk, px: int) -> int:
    with torch.inference_mode():
        return int(trunk.eval()(torch.zeros(1, 3, px, px)).shape[1])


def _solve_head(
    net: ImageNet,
    plan: NetTraining,
    pictures: Sequence[Pictures],
    learned: tuple[npt.NDArray[Any], Weights | None, str],
    seen: tuple[FeatureView, Surroundings],
) -> None:
    """Begin with the best linear head on the published net's features (Kumar et al. 2022, LP-FT)."""
    (target, weights, loss), (view, around) = learned, seen
    width = net.shape.features
    rows = []
    for each in views_of(replace(view, cut=0), 2 if plan.flip else 1):
        outputs = [frozen_outputs(column, each, around)[:, :width] for column in pictures]
        rows.append(np.concatenate(outputs, axis=1).astype(np.float32))
    features = np.concatenate(rows)
    solve_linear(
        net.head,
        features,
        np.tile(target, len(rows)),
        loss,
        plan.c,
        around.should_stop,
        weights=None if weights is None else np.tile(weights, len(rows)),
    )
