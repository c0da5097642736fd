"""A plain net on tables: category embeddings, piecewise-linear numbers, hidden layers, one cycle."""

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
    """Parameters of a net.

    Attributes
    ----------
    layers:
        Widths of the hidden layers, as ``200-100``.
    learning_rate:
        The highest of the one-cycle schedule; 0 for the suggestion of a range test.
    norm:
        Whether hidden layers are batch-normalised.
    bins, d_embedding:
        Of the piecewise-linear embedding of numbers; 0 bins for plain numbers.
    batch_size:
        0 for the rule by rows.
    epochs:
        Up to 10,000 rows, fewer beyond.
    """

    layers: str = "200-100"
    learning_rate: float = 0.005
    dropout: float = 0.1
    embedding_dropout: float = 0.1
    weight_decay: float = 0.01
    norm: bool = False
    activation: Literal["relu", "silu", "mish"] = "relu"
    bins: int = 16
    d_embedding: int = 8
    scaling: Literal["squash", "quantile"] = "squash"
    batch_size: int = 0
    epochs: int = 24
    texts: Literal["terms", "embedding", "both"] = "terms"


def _plan(params: Params) -> NetPlan:
    from automl.families.nets.tables.fit import NetPlan

    return NetPlan(
        architecture={
            "widths": [int(width) for width in params.layers.split("-")],
            "dropout": params.dropout,
            "embedding_dropout": params.embedding_dropout,
            "norm": params.norm,
            "activation": params.activation,
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

    from automl.families.nets.tables.batched import BatchedLinear, BatchedNorm, PooledDropout
    from automl.families.nets.tables.layers import OneMember, TableInput

    activations = {"relu": nn.ReLU, "silu": nn.SiLU, "mish": nn.Mish}
    layers: list[nn.Module] = [TableInput(shape, nets, embedding_dropout=architecture["embedding_dropout"])]
    before = sum(shape.feature_sizes)
    for width in architecture["widths"]:
        layers += [BatchedLinear(nets, before, width), activations[architecture["activation"]]()]
        if architecture["norm"]:
            layers.append(BatchedNorm(nets, width))
        layers.append(PooledDropout(architecture["dropout"]))
        before = width
    return nn.Sequential(*layers, BatchedLinear(nets, before, outputs), OneMember())


def _layers(architecture: dict[str, Any]) -> tuple[str, ...]:
    hidden = ["linear", architecture["activation"], *["norm"] * architecture["norm"], "dropout"]
    return ("input", *hidden * len(architecture["widths"]), "linear", "one_member")


def _fits_folds_together(params: Params, rows: int) -> bool:
    """Five folds on one thread: 2 times as fast up to 1,000 rows, 1.45 at 8,000; wide nets 1.4 and 1.1.

    Beyond, it is worth more to see the first fold's score before the others are fitted.
    """
    widest = max(int(width) for width in params.layers.split("-"))
    return rows <= (10_000 if widest <= 200 else 4000)


FAMILY = net_family(
    name="tabular_net",
    summary="Net (torch) with embeddings of categories and numbers.",
    params=Params,
    plan=_plan,
    build=_build,
    layers=_layers,
    fits_folds_together=_fits_folds_together,
    opening=(80, 190),
)
