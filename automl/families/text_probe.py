"""Heads on the features of a frozen pretrained encoder of texts: the first stage of transfer learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from automl.core.family import Family, FitContext, Fitted, Outlook, Scope
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.core.typed_values import Value

if TYPE_CHECKING:
    from automl.families.nets.texts.features import TextView
    from automl.families.nets.texts.probe import TextProbePlan


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of a head on frozen features.

    Attributes
    ----------
    encoder:
        The frozen encoder: ``all-MiniLM-L6-v2``, which is installed, or ``own``, that of ``--weights-dir``.
    tokens:
        Tokens of a text that are read at a time.
    long:
        What is read of longer texts: ``head``, the beginning; ``ends``, beginning and end; ``windows``, up to
        eight parts, averaged.
    pooling:
        ``mean`` of the last layer's tokens; its ``first`` token; ``both`` and the largest values; means of
        several ``layers``; ``all`` of these.
    head:
        ``linear``: solved exactly; ``net``: trained in one cycle, with a hidden layer or none.
    c:
        Inverse strength of the linear head's L2 penalty.
    hidden, learning_rate, weight_decay, dropout, smoothing, epochs:
        Of the trained head.
    """

    encoder: str = "all-MiniLM-L6-v2"
    tokens: int = 128
    long: Literal["head", "ends", "windows"] = "head"
    pooling: Literal["mean", "first", "both", "layers", "all"] = "layers"
    head: Literal["linear", "net"] = "linear"
    c: float = 0.01
    hidden: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    smoothing: float = 0.05
    epochs: int = 30


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Fitted:
    """Fit one fold's head."""
    from automl.families.nets.texts.probe import fit_probe

    return fit_probe(_plan(params), inputs, target, task, context)


def prepare(params: Params, tables: Sequence[Table], context: FitContext) -> None:
    """Compute the features of all rows."""
    from automl.families.nets.texts.needs import prepare_view

    prepare_view(_view(params), tables, context)


def outlook(params: Params, tables: Sequence[Table], scope: Scope) -> Outlook:
    """Time of the features that are still to be computed; the heads take a moment."""
    from automl.families.nets.texts.needs import outlook

    return outlook(_view(params), tables, scope)


def missing_weights(parameter: str, values: Sequence[Value]) -> Mapping[Value, str]:
    """Encoders that are not on this machine."""
    from automl.families.nets.texts.encoders import missing_encoders

    return missing_encoders(parameter, values)


def _view(params: Params) -> TextView:
    from automl.families.nets.texts.needs import view_of

    return view_of(params.encoder, params.tokens, params.long)


def _plan(params: Params) -> TextProbePlan:
    from automl.families.nets.texts.probe import TextProbePlan

    solved = params.head == "linear"
    return TextProbePlan(
        encoder=params.encoder,
        tokens=params.tokens,
        long=params.long,
        pooling=params.pooling,
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
    from automl.families.nets.texts.probe import load_probe

    return load_probe(folder)


FAMILY = Family(
    name="text_probe",
    summary="Heads on the features of a frozen, pretrained encoder of texts (torch).",
    libraries=("torch",),
    params=Params,
    fit=fit,
    load=load,
    kinds=frozenset({Kind.TEXT}),
    missing_weights=missing_weights,
    prepare=prepare,
    outlook=outlook,
    shared_params=("encoder", "tokens", "long"),
    opening=(12, 22, 32, 42, 62, 82, 102),
    pretrained=True,
    sample_weights=True,
    refits=True,
)
