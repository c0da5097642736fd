"""The model that ignores all columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Predictions
from automl.core.table import Table
from automl.families.preprocess.saved import Saved


@dataclass(frozen=True)
class Constant(Saved):
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
