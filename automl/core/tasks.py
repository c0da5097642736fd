"""The contract of tasks: the meaning of a target, with everything that differs by it.

A task says how a target is read and answered, what is minimised while models are fitted, and how predictions
are checked and compared. Families, the controller and the report ask it and know none of its names.

Another package offers a task by an entry point in the group ``automl.tasks`` that leads to a subclass of
:class:`Task`, or to a module with a ``TASK``; :mod:`automl.core.built_in_tasks` has base classes that answer
most of it for classes and for numbers. What fits it in a search is decided by :attr:`Task.loss`: the families
that declare that loss take part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from automl.core.labels import Label, RawTarget
from automl.core.metrics import Metric
from automl.core.predictions import Answer, Link, Predictions
from automl.core.weights import Weights, takes_weights

Encoded = npt.NDArray[np.int64] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task(ABC):
    """The meaning of the target.

    Class attributes, which a subclass states:

    ``name``
        As people type it after ``--task``.
    ``kin``
        The built-in task that it is closest to: the metrics of that one may judge it, too, and what search
        spaces try first for that one is tried.
    ``answer``
        What a prediction is: figures, checks of the data and parts of the report are chosen by it.
    ``usual_metric``
        Name of the metric that a saved model has where its own is not installed: such a model only predicts.

    Attributes
    ----------
    metric:
        What trials are judged by.
    labels:
        The classes, in the order of their codes and of the columns of predictions; empty for numbers.
    """

    name: ClassVar[str]
    kin: ClassVar[str]
    answer: ClassVar[Answer]
    usual_metric: ClassVar[str]
    metric: Metric
    labels: tuple[Label, ...] = ()

    @classmethod
    @abstractmethod
    def of(cls, target: RawTarget, metric: Metric) -> Self:
        """The task for a target of labels or numbers.

        Raises
        ------
        DataError
            When the target does not fit the task.
        """

    @classmethod
    @abstractmethod
    def default_metric(cls, target: RawTarget) -> tuple[str, str]:
        """The name of the metric where none was asked for, and the reason."""

    @classmethod
    @abstractmethod
    def recognised(cls, target: RawTarget) -> str:
        """Reason to take a target for this task where none was asked for; empty for none.

        Tasks of other packages are asked first, in the order of their names.
        """

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Columns of predictions: one per class, or one."""

    @property
    @abstractmethod
    def dtype(self) -> type[np.floating]:
        """The type in which predictions are kept."""

    @property
    @abstractmethod
    def loss(self) -> str:
        """The loss that is minimised while models are fitted.

        One of :class:`~automl.core.predictions.Loss`, or a text that families of other packages declare.
        """

    @property
    @abstractmethod
    def link(self) -> Link:
        """The way from scores to predictions, by the usual choice for the loss."""

    @abstractmethod
    def encode(self, target: npt.NDArray[Any]) -> Encoded:
        """Labels or values as ``(rows,)`` int64 codes or float64 values.

        Raises
        ------
        DataError
            For a label that training did not have, or a value that is not a number.
        """

    @abstractmethod
    def decode(self, predictions: Predictions) -> npt.NDArray[Any]:
        """Predictions ``(rows, n_outputs)`` as the target's own labels or values, ``(rows,)``."""

    @abstractmethod
    def as_predictions(self, target: Encoded) -> npt.NDArray[np.float64]:
        """The truth ``(rows,)`` as predictions without an error, ``(rows, n_outputs)``."""

    @abstractmethod
    def averaged_columns(self, target: Encoded, most: int) -> npt.NDArray[np.float64]:
        """``(rows, k)`` columns whose means say what a group of rows is like.

        The value, class 1 of two, or an indicator for each of the ``most`` most frequent classes.
        """

    @abstractmethod
    def checked(self, predictions: npt.NDArray[Any], rows: int, what: str) -> Predictions:
        """A model's predictions once they are valid, in the type in which they are kept.

        Parameters
        ----------
        what:
            Names them in an error, as ``predictions of fold 0``.

        Raises
        ------
        ValueError
            Saying what is wrong: their shape, values that are NaN or infinite, or that the task rules out.
        """

    @abstractmethod
    def strata(self, target: Encoded) -> npt.NDArray[np.int64]:
        """Group codes ``(rows,)`` that every fold should hold in equal shares."""

    @abstractmethod
    def needed_codes(self, target: Encoded) -> npt.NDArray[np.int64] | None:
        """Codes ``(rows,)`` below ``n_outputs``, all of which every training part must hold.

        None where any rows will do.
        """

    @abstractmethod
    def row_losses(self, target: Encoded, predictions: Predictions) -> npt.NDArray[np.float64]:
        """A proper loss per row, ``(rows,)``, for paired comparisons between trials."""

    @abstractmethod
    def constant_prediction(self, target: Encoded, weights: Weights | None = None) -> npt.NDArray[np.float64]:
        """The best prediction that looks at no feature, ``(n_outputs,)``.

        A task whose method has no argument ``weights`` cannot be searched with ``--weight``.
        """

    @abstractmethod
    def is_worth_a_logarithm(self, target: Encoded) -> bool:
        """True where models may gain by fitting ``log1p(target)`` and predicting ``expm1``."""

    @classmethod
    def takes_weights(cls) -> bool:
        """True where rows may have weights."""
        return takes_weights(cls.constant_prediction)

    @classmethod
    def takes(cls, metric: Metric) -> bool:
        """True for a metric that can judge the task."""
        return bool({cls.name, cls.kin} & metric.tasks)

    def to_json(self) -> dict[str, Any]:
        """Plain data from which :func:`automl.core.task_choice.task_from_json` makes the same task.

        Fields that a subclass adds stand under ``further``; they must be plain values.
        """
        own = {item.name for item in fields(Task)}
        further = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in own}
        return {
            "name": self.name,
            "metric": self.metric.name,
            "labels": [[type(label).__name__, label] for label in self.labels],
            **({"costs": [list(row) for row in self.metric.costs]} if self.metric.costs else {}),
            **({"further": further} if further else {}),
        }


def constant_of(task: Task, target: Encoded, weights: Weights | None) -> npt.NDArray[np.float64]:
    """The best prediction that looks at no feature, also of a task that cannot weigh rows."""
    if weights is None:
        return task.constant_prediction(target)
    return task.constant_prediction(target, weights)
