"""A metric of another package: the share of numbers that are predicted to within a tenth of themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl.plugins import Metric, Predictions


def near(target: npt.NDArray[np.generic], predictions: Predictions) -> npt.NDArray[np.bool_]:
    truth = np.asarray(target, dtype=np.float64)
    return np.abs(predictions[:, 0] - truth) <= 0.1 * np.abs(truth)


METRIC = Metric(
    name="near_enough",
    greater_is_better=True,
    reads="values",
    tasks=frozenset({"regression"}),
    function=lambda target, predictions: float(np.mean(near(target, predictions))),
    absolute=True,
    right=near,
)
