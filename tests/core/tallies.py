"""A task of another package with its metric: whole numbers from 0 on, judged by Poisson's deviance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from automl.plugins import (
    DataError,
    Encoded,
    Link,
    Loss,
    Metric,
    NumberTask,
    Predictions,
    RawTarget,
    finite_predictions,
)


def deviances(target: npt.NDArray[np.generic], predictions: Predictions) -> npt.NDArray[np.float64]:
    truth, means = np.asarray(target, dtype=np.float64), np.maximum(predictions[:, 0], 1e-9)
    return 2 * (truth * np.log(np.where(truth > 0, truth, means) / means) - truth + means)


METRIC = Metric(
    name="tally_deviance",
    greater_is_better=False,
    reads="values",
    tasks=frozenset({"tallies"}),
    function=lambda target, predictions: float(np.mean(deviances(target, predictions))),
)


@dataclass(frozen=True)
class Tallies(NumberTask):
    """How often something happened.

    Attributes
    ----------
    largest:
        Of the training rows; predictions reach to ten times that.
    """

    name: ClassVar[str] = "tallies"
    usual_metric: ClassVar[str] = METRIC.name
    largest: int = 0

    @classmethod
    def of(cls, target: RawTarget, metric: Metric) -> Self:
        values = np.asarray(target.values, dtype=np.float64)
        odd = np.flatnonzero((values < 0) | (values != np.floor(values)))
        if len(odd):
            raise DataError(f"The target is not a tally in row {odd[0] + 1}: {values[odd[0]]:g}.")
        return cls(metric, largest=int(values.max()))

    @classmethod
    def default_metric(cls, target: RawTarget) -> tuple[str, str]:
        return METRIC.name, "default of tallies"

    @classmethod
    def recognised(cls, target: RawTarget) -> str:
        return ""

    @property
    def loss(self) -> str:
        return Loss.POISSON

    @property
    def link(self) -> Link:
        return Link.LOG

    def decode(self, predictions: Predictions) -> npt.NDArray[Any]:
        return np.clip(np.rint(predictions[:, 0]), 0, 10 * self.largest).astype(np.int64)

    def checked(self, predictions: npt.NDArray[Any], rows: int, what: str) -> Predictions:
        values = finite_predictions(predictions, (rows, 1), what)
        if (values < 0).any():
            raise ValueError(f"{what} are below 0")
        return predictions.astype(np.float64)

    def row_losses(self, target: Encoded, predictions: Predictions) -> npt.NDArray[np.float64]:
        return deviances(target, predictions)

    def constant_prediction(self, target: Encoded) -> npt.NDArray[np.float64]:
        return np.array([float(np.mean(target))])

    def is_worth_a_logarithm(self, target: Encoded) -> bool:
        return False


TASK = Tallies
