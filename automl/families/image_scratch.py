"""A small residual net trained from scratch, for many small images or those unlike photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from automl.core.family import Scope
from automl.families.nets.images.family import image_family
from automl.families.nets.images.plan import NetTraining

_LEAST_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of a small net.

    Attributes
    ----------
    px, view:
        What it is shown when it predicts.
    width:
        Channels of its first layer; the last one has eight times as many.
    learning_rate:
        The highest of the cycle.
    smallest, strength, flip:
        Of the random views that it learns from.
    mix, mix_alpha:
        Pairs of pictures are mixed by shares from Beta(mix_alpha, mix_alpha).
    cycles:
        Complete cycles that the epochs are cut into; the weights at their ends are averaged.
    """

    px: int = 32
    view: Literal["whole", "square", "crop"] = "whole"
    width: int = 32
    learning_rate: float = 0.01
    weight_decay: float = 0.02
    dropout: float = 0.1
    smallest: float = 0.5
    strength: float = 0.2
    flip: bool = True
    mix: Literal["none", "mixup", "cutmix"] = "none"
    mix_alpha: float = 0.4
    smoothing: float = 0.1
    epochs: int = 20
    cycles: int = 1
    batch_size: int = 64


def _plan(params: Params) -> NetTraining:
    return NetTraining(
        backbone="",
        px=params.px,
        view=params.view,
        learning_rate=params.learning_rate,
        epochs=params.epochs,
        c=0.0,
        weight_decay=params.weight_decay,
        dropout=params.dropout,
        norms="train",
        smallest=params.smallest,
        strength=params.strength,
        flip=params.flip,
        mix=params.mix,
        mix_alpha=params.mix_alpha,
        smoothing=params.smoothing,
        batch_size=params.batch_size,
        cycles=params.cycles,
        width=params.width,
        ema=0.95,
        schedule="one_cycle",
    )


def _unsuited(scope: Scope) -> str:
    """The reason to leave the net out, or ``""``: on 160 flowers it reached .35, frozen features .89."""
    return (
        "" if scope.rows >= _LEAST_ROWS else f"{scope.rows:,} images are too few to train a net from scratch"
    )


FAMILY = image_family(
    name="image_scratch",
    summary="Small residual net on images (torch), trained from scratch.",
    params=Params,
    plan=_plan,
    unsuited=_unsuited,
    pretrained=False,
    opening=(130,),
)
