"""Heads on the features of a frozen pretrained net: the first and cheapest stage of transfer learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from automl.core.family import Family, FitContext, Fitted, Outlook, Scope
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.families.nets.images.family import SHARED_PARAMS, missing_backbones

if TYPE_CHECKING:
    from automl.families.nets.images.needs import Needs
    from automl.families.nets.images.probe import ProbePlan


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of a head on frozen features.

    Attributes
    ----------
    backbone:
        The frozen net: a name of :data:`automl.families.nets.images.backbones.BACKBONES`, or ``timm/NAME``.
    px:
        Height and width that it is shown.
    view:
        ``whole``: the picture squeezed into a square; ``square``: the largest undistorted square in its
        middle; ``crop``: a somewhat smaller one.
    pooling:
        ``avg`` of the last map, ``both`` averages and maxima, ``all`` also averages of earlier maps.
    views:
        Views of each image that are learnt from: 1, 2 (mirrored too) or 6 (the four corners too).
    head:
        ``linear``: solved exactly; ``net``: trained in one cycle, with a hidden layer or none.
    c:
        Inverse strength of the linear head's L2 penalty.
    hidden, learning_rate, weight_decay, dropout, smoothing, epochs:
        Of the trained head.
    """

    backbone: str = "efficientnet_lite0"
    px: int = 224
    view: Literal["whole", "square", "crop"] = "crop"
    pooling: Literal["avg", "both", "all"] = "avg"
    views: int = 2
    head: Literal["linear", "net"] = "linear"
    c: float = 0.1
    hidden: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    smoothing: float = 0.05
    epochs: int = 30


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Fitted:
    """Fit one fold's head."""
    from automl.families.nets.images.probe import fit_probe

    return fit_probe(_plan(params), inputs, target, task, context)


def prepare(params: Params, tables: Sequence[Table], context: FitContext) -> None:
    """Compute the features of all rows."""
    from automl.families.nets.images.needs import prepare_needs

    prepare_needs(_needs(params, tables), tables, context)


def outlook(params: Params, tables: Sequence[Table], scope: Scope) -> Outlook | None:
    """Time of the features that are still to be computed; the heads take a moment."""
    from automl.families.nets.images.needs import outlook

    return outlook(_needs(params, tables), tables, scope)


def _needs(params: Params, tables: Sequence[Table]) -> Needs:
    from automl.data.images.pixels import stored_side
    from automl.families.nets.images.needs import probe_needs

    side = stored_side(tables[0].images[0])
    return probe_needs(params.backbone, params.px, params.view, params.views, side)


def _plan(params: Params) -> ProbePlan:
    from automl.families.nets.images.probe import ProbePlan

    solved = params.head == "linear"
    return ProbePlan(
        backbone=params.backbone,
        px=params.px,
        view=params.view,
        pooling=params.pooling,
        views=params.views,
        c=params.c if solved else 0.0,
        hidden=0 if solved else params.hidden,
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        dropout=0.0 if solved else params.dropout,
        smoothing=params.smoothing,
        epochs=params.epochs,
    )


def load(folder: Path) -> Fitted:
    """The model that ``save`` wrote."""
    from automl.families.nets.images.probe import load_probe

    return load_probe(folder)


FAMILY = Family(
    name="image_probe",
    summary="Heads on the image features of a frozen, pretrained net (torch).",
    libraries=("torch",),
    params=Params,
    fit=fit,
    load=load,
    kinds=frozenset({Kind.IMAGE}),
    missing_weights=missing_backbones,
    prepare=prepare,
    outlook=outlook,
    shared_params=SHARED_PARAMS,
    opening=(10, 20, 30, 40, 60, 80, 90, 100, 110),
    pretrained=True,
    sample_weights=True,
    refits=True,
)
