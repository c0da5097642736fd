"""Dummy: the best constant prediction; what every other model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl.data.table import Kind, Table
from automl.families.base import Family, FitContext
from automl.preprocess.saved import Saved
from automl.tasks import Encoded, Predictions, Task


@dataclass(frozen=True)
class Params:
    """There is nothing to set."""


@dataclass(frozen=True)
class FittedDummy(Saved):
    """One prediction for every row.

    Attributes
    ----------
    constant:
        ``(n_outputs,)``.
    """

    constant: npt.NDArray[np.float64]

    def predict(self, inputs: Table) -> Predictions:
        """The constant, ``(rows, n_outputs)``."""
        return np.tile(self.constant, (inputs.rows, 1))


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedDummy:
    """Look at the target alone."""
    return FittedDummy(task.constant_prediction(target))


def load(folder: Path) -> FittedDummy:
    """The model that ``save`` wrote."""
    return FittedDummy.load(folder)


FAMILY = Family(
    name="dummy",
    summary="The best constant prediction; what every other model must beat.",
    params=Params,
    fit=fit,
    load=load,
    kinds=frozenset(Kind),
)
