"""Dummy: the best constant prediction; what every other model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from automl.data.table import Kind, Table
from automl.families.base import Family, FitContext
from automl.preprocess.constant import Constant
from automl.tasks import Encoded, Task


@dataclass(frozen=True)
class Params:
    """There is nothing to set."""


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Constant:
    """Look at the target alone."""
    return Constant(task.constant_prediction(target))


def load(folder: Path) -> Constant:
    """The model that ``save`` wrote."""
    return Constant.load(folder)


FAMILY = Family(
    name="dummy",
    summary="The best constant prediction; what every other model must beat.",
    params=Params,
    fit=fit,
    load=load,
    kinds=frozenset(Kind),
)
