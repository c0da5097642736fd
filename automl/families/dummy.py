"""Dummy: the best constant prediction, which every other model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from automl.core.family import BASELINE, Family, FitContext
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task, constant_of
from automl.families.preprocess.constant import Constant


@dataclass(frozen=True)
class Params:
    """Parameters of the baseline: none."""


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Constant:
    """Look at the target alone."""
    return Constant(constant_of(task, target, context.weights))


def load(folder: Path) -> Constant:
    """The model that ``save`` wrote."""
    return Constant.load(folder)


FAMILY = Family(
    name=BASELINE,
    summary="The best constant prediction, which every other model must beat.",
    params=Params,
    fit=fit,
    load=load,
    losses=None,
    kinds=frozenset(Kind),
    opening=(0,),
    quick=True,
    sample_weights=True,
)
