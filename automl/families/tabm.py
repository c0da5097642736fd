"""TabM: many members in one net that share its weights except for cheap scalings; the strongest single net.

Gorishniy, Kotelnikov, Babenko 2024 (arXiv 2410.24210), with piecewise-linear embeddings of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from automl.families.nets.tables.family import net_family

if TYPE_CHECKING:
    from torch import nn

    from automl.families.nets.tables.fit import NetPlan
    from automl.families.nets.tables.net import InputShape


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of a TabM.

    Attributes
    ----------
    learning_rate:
        The highest of the one-cycle schedule; 0 for the suggestion of a range test.
    variant:
        ``mini`` scales the features once per member, ``full`` scales every layer's inputs and outputs.
    k:
        Members.
    width, blocks:
        Of the hidden layers.
    bins, d_embedding:
        Of the piecewise-linear embedding of numbers; 0 bins for plain numbers.
    batch_size:
        0 for the rule by rows.
    epochs:
        Up to 10,000 rows, fewer beyond.
    """

    learning_rate: float = 0.015
    variant: Literal["mini", "full"] = "mini"
    k: int = 8
    width: int = 128
    blocks: int = 2
    dropout: float = 0.1
    weight_decay: float = 0.01
    bins: int = 32
    d_embedding: int = 8
    scaling: Literal["squash", "quantile"] = "squash"
    batch_size: int = 0
    epochs: int = 20
    texts: Literal["terms", "embedding", "both"] = "terms"


def _plan(params: Params) -> NetPlan:
    from automl.families.nets.tables.fit import NetPlan

    return NetPlan(
        architecture={
            "full": params.variant == "full",
            "k": params.k,
            "width": params.width,
            "blocks": params.blocks,
            "dropout": params.dropout,
        },
        build=_build,
        learning_rate=params.learning_rate,
        epochs=params.epochs,
        batch_size=params.batch_size,
        weight_decay=params.weight_decay,
        bins=params.bins,
        number_size=params.d_embedding,
        scaling=params.scaling,
    )


def _build(architecture: dict[str, Any], shape: InputShape, outputs: int, nets: int) -> nn.Module:
    from torch import nn

    from automl.families.nets.tables.batched import PooledDropout
    from automl.families.nets.tables.layers import TableInput
    from automl.families.nets.tables.member_layers import MemberHeads, MemberLinear, MemberStart

    members, width, full = architecture["k"], architecture["width"], architecture["full"]
    layers: list[nn.Module] = [TableInput(shape, nets)]
    for block in range(architecture["blocks"]):
        layers += [
            MemberLinear(nets, members, width, width, full=full)
            if block
            else MemberStart(nets, members, shape.feature_sizes, width, full=full),
            nn.ReLU(),
            PooledDropout(architecture["dropout"]),
        ]
    return nn.Sequential(*layers, MemberHeads(nets, members, width, outputs))


def _layers(architecture: dict[str, Any]) -> tuple[str, ...]:
    blocks = [("member_linear" if block else "member_start") for block in range(architecture["blocks"])]
    return ("input", *(kind for block in blocks for kind in (block, "relu", "dropout")), "member_heads")


def _fits_folds_together(params: Params, rows: int) -> bool:
    """Five folds on one thread: 1.2 (width 128) to 1.5 times (64) as fast up to 2,000 rows, 1.1 at 4,000.

    Beyond, it is worth more to see the first fold's score before the others are fitted.
    """
    return rows <= (4000 if params.width <= 64 else 2500)


FAMILY = net_family(
    name="tabm",
    summary="TabM net (torch): members that share weights, piecewise-linear numbers.",
    params=Params,
    plan=_plan,
    build=_build,
    layers=_layers,
    fits_folds_together=_fits_folds_together,
    opening=(50, 120, 160),
)
