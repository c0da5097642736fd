"""The last stages of a pretrained net, trained on kept maps of the frozen ones before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from automl.core.family import Scope
from automl.families.nets.images.family import image_family, too_slow
from automl.families.nets.images.plan import NetTraining


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of a trained tail.

    Attributes
    ----------
    backbone, px, view:
        The pretrained net, and what it is shown.
    stages:
        How many of its last stages learn.
    views:
        Kept views of each image: 1, 2 (mirrored too) or 6 (the four corners too).
    c:
        Inverse L2 penalty of the linear head that training begins with.
    learning_rate:
        The highest of the cycle, at the last stage; a ninth of it at the first that learns.
    head:
        The head's rate, in shares of that.
    norms:
        ``eval``: as published; ``train``: they follow the batches.
    mix, mix_alpha:
        Pairs of maps are mixed by shares from Beta(mix_alpha, mix_alpha).
    cycles:
        Complete cycles that the epochs are cut into; the weights at their ends are averaged.
    """

    backbone: str = "efficientnet_lite0"
    px: int = 224
    view: Literal["whole", "square", "crop"] = "square"
    stages: int = 5
    views: int = 2
    c: float = 0.01
    learning_rate: float = 1e-3
    head: float = 0.1
    weight_decay: float = 0.02
    dropout: float = 0.2
    norms: Literal["eval", "train"] = "eval"
    mix: Literal["none", "mixup", "cutmix"] = "none"
    mix_alpha: float = 0.4
    smoothing: float = 0.05
    epochs: int = 8
    cycles: int = 2
    batch_size: int = 32


def _plan(params: Params) -> NetTraining:
    return NetTraining(
        backbone=params.backbone,
        px=params.px,
        view=params.view,
        learning_rate=params.learning_rate,
        epochs=params.epochs,
        trained=params.stages,
        from_maps=True,
        views=params.views,
        flip=params.views > 1,
        c=params.c,
        head=params.head,
        weight_decay=params.weight_decay,
        dropout=params.dropout,
        norms=params.norms,
        mix=params.mix,
        mix_alpha=params.mix_alpha,
        smoothing=params.smoothing,
        batch_size=params.batch_size,
        cycles=params.cycles,
    )


def _unsuited(scope: Scope) -> str:
    """Tails that could not see every image three times are better left alone."""
    per_second = (
        100 if scope.device == "cpu" else 2000
    )  # five stages at 224 px, six at 160; the GPU's is a guess
    return too_slow(scope, per_second)


FAMILY = image_family(
    name="image_tail",
    summary="Last stages of a pretrained net (torch), trained on images.",
    params=Params,
    plan=_plan,
    unsuited=_unsuited,
    opening=(50, 120),
)
