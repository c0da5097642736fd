"""A whole pretrained net, trained on augmented pixels: first its head alone, then all of it in one cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from automl.core.family import Scope
from automl.families.nets.images.family import image_family, too_slow
from automl.families.nets.images.plan import NetTraining


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of fine-tuning.

    Attributes
    ----------
    backbone, px, view:
        The pretrained net, and what it is shown when it predicts.
    c:
        Inverse L2 penalty of the linear head that training begins with.
    learning_rate:
        The highest of the cycle, at the last stage; a ninth of it at the first that learns.
    head:
        The head's rate, in shares of that.
    frozen:
        Share of the stages, from the first on, that stay as published.
    norms:
        ``eval``: as published; ``train``: they follow the batches.
    smallest:
        Least share of the picture's area that a random view shows.
    strength:
        Of turning and of changes of colour, from 0 to 1.
    flip:
        Whether mirrored pictures mean the same.
    mix, mix_alpha:
        Pairs of pictures are mixed by shares from Beta(mix_alpha, mix_alpha).
    progressive:
        Begin with smaller pictures.
    cycles:
        Complete cycles that the epochs are cut into; the weights at their ends are averaged.
    """

    backbone: str = "efficientnet_lite0"
    px: int = 160
    view: Literal["whole", "square", "crop"] = "square"
    c: float = 0.01
    learning_rate: float = 3e-4
    head: float = 0.1
    frozen: float = 0.2
    weight_decay: float = 0.02
    dropout: float = 0.2
    norms: Literal["eval", "train"] = "eval"
    smallest: float = 0.35
    strength: float = 0.3
    flip: bool = True
    mix: Literal["none", "mixup", "cutmix"] = "none"
    mix_alpha: float = 0.4
    smoothing: float = 0.05
    progressive: bool = False
    epochs: int = 5
    cycles: int = 1
    batch_size: int = 32


def _plan(params: Params) -> NetTraining:
    return NetTraining(
        backbone=params.backbone,
        px=params.px,
        view=params.view,
        learning_rate=params.learning_rate,
        epochs=params.epochs,
        frozen=params.frozen,
        c=params.c,
        head=params.head,
        weight_decay=params.weight_decay,
        dropout=params.dropout,
        norms=params.norms,
        smallest=params.smallest,
        strength=params.strength,
        flip=params.flip,
        mix=params.mix,
        mix_alpha=params.mix_alpha,
        smoothing=params.smoothing,
        progressive=params.progressive,
        batch_size=params.batch_size,
        cycles=params.cycles,
    )


def _unsuited(scope: Scope) -> str:
    """Nets that could not see every image three times are better left alone."""
    per_second = 30 if scope.device == "cpu" else 600  # at 128 px; the GPU's is a guess
    return too_slow(scope, per_second)


FAMILY = image_family(
    name="image_finetune",
    summary="Whole pretrained nets (torch), trained on augmented images.",
    params=Params,
    plan=_plan,
    unsuited=_unsuited,
    opening=(70, 140),
)
