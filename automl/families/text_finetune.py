"""A whole pretrained encoder of texts, trained: its head first, then upper layers, then all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl.core.family import Family, FitContext, Fitted, Outlook, Scope
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.core.typed_values import Value
from automl.families.nets.texts.plan import TextTraining

if TYPE_CHECKING:
    from automl.families.nets.texts.features import TextView


@dataclass(frozen=True, kw_only=True)
class Params(TextTraining):
    """Parameters of fine-tuning: those of its plan."""


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Fitted:
    """Train one fold's encoder."""
    from automl.families.nets.texts.training import fit_text_net

    return fit_text_net(params, inputs, target, task, context)


def prepare(params: Params, tables: Sequence[Table], context: FitContext) -> None:
    """Compute the features that the first head is solved on."""
    from automl.families.nets.texts.needs import prepare_view

    prepare_view(_view(params), tables[:1], context)


def outlook(params: Params, tables: Sequence[Table], scope: Scope) -> Outlook:
    """Time of the features that are still to be computed, and of the least number of epochs."""
    from automl.families.nets.texts.needs import training_outlook

    return training_outlook(params, _view(params), tables, scope)


def missing_weights(parameter: str, values: Sequence[Value]) -> Mapping[Value, str]:
    """Encoders that are not on this machine."""
    from automl.families.nets.texts.encoders import missing_encoders

    return missing_encoders(parameter, values)


def _view(params: Params) -> TextView:
    from automl.families.nets.texts.needs import view_of

    return view_of(params.encoder, params.tokens, params.long)


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
    refits=True,
)
