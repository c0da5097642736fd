"""The model that looks at no column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.data.table import Table
from automl.preprocess.saved import Saved
from automl.tasks import Predictions


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
