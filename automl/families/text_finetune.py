"""A whole pretrained encoder of texts, trained: its head first, then upper layers, then all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from automl.core.family import Family, FitContext, Fitted, Outlook, Scope
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.core.typed_values import Value

if TYPE_CHECKING:
    from automl.families.nets.texts.features import TextView
    from automl.families.nets.texts.plan import TextTraining


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of fine-tuning.

    Attributes
    ----------
    encoder:
        The published encoder: the installed ``all-MiniLM-L6-v2``, or ``own``, that of ``--weights-dir``.
    tokens:
        Tokens of a text that are read.
    long:
        What is read of longer texts: ``head``, the beginning; ``ends``, beginning and end.
    pooling:
        ``mean`` of the last layer's tokens, or its ``first`` token.
    c:
        Inverse L2 penalty of the linear head that training begins with.
    learning_rate:
        The highest of the cycle, at the last layer.
    decay:
        Each lower layer's rate, in shares of the one above.
    head:
        The head's rate, in shares of the last layer's.
    frozen:
        Share of the layers, from the first on, that stay as published; the embeddings always do.
    gradual:
        Whether the upper half of what learns goes first, for one epoch.
    dropout:
        After each half of a layer, and before the head.
    """

    encoder: str = "all-MiniLM-L6-v2"
    tokens: int = 128
    long: Literal["head", "ends"] = "head"
    pooling: Literal["mean", "first"] = "mean"
    c: float = 0.01
    learning_rate: float = 2e-4
    decay: float = 0.85
    head: float = 1.0
    frozen: float = 0.0
    gradual: bool = False
    epochs: int = 3
    batch_size: int = 32
    weight_decay: float = 0.01
    dropout: float = 0.1
    smoothing: float = 0.0


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Fitted:
    """Train one fold's encoder."""
    from automl.families.nets.texts.training import fit_text_net

    return fit_text_net(_plan(params), inputs, target, task, context)


def prepare(params: Params, tables: Sequence[Table], context: FitContext) -> None:
    """Compute the features that the first head is solved on."""
    from automl.families.nets.texts.needs import prepare_view

    prepare_view(_view(params), tables[:1], context)


def outlook(params: Params, tables: Sequence[Table], scope: Scope) -> Outlook:
    """Time of the features that are still to be computed, and of the least number of epochs."""
    from automl.families.nets.texts.needs import training_outlook

    return training_outlook(_plan(params), _view(params), tables, scope)


def missing_weights(parameter: str, values: Sequence[Value]) -> Mapping[Value, str]:
    """Encoders that are not on this machine."""
    from automl.families.nets.texts.encoders import missing_encoders

    return missing_encoders(parameter, values)


def _view(params: Params) -> TextView:
    from automl.families.nets.texts.needs import view_of

    return view_of(params.encoder, params.tokens, params.long)


def _plan(params: Params) -> TextTraining:
    from automl.families.nets.texts.plan import TextTraining

    return TextTraining(**{field.name: getattr(params, field.name) for field in fields(params)})


def load(folder: Path) -> Fitted:
    """The model that ``save`` wrote."""
    from automl.families.nets.texts.net import load_net

    return load_net(folder)


FAMILY = Family(
    name="text_finetune",
    summary="Whole pretrained encoders of texts (torch), trained.",
    libraries=("torch",),
    params=Params,
    fit=fit,
    load=load,
    kinds=frozenset({Kind.TEXT}),
    missing_weights=missing_weights,
    prepare=prepare,
    outlook=outlook,
    shared_params=("encoder", "tokens", "long"),
    opening=(52, 115),
    pretrained=True,
    sample_weights=True,
)
