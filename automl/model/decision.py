"""From the averaged predictions of models to answers: all that is fitted on held-out predictions for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

from automl.core.predictions import Answer, Predictions
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights
from automl.model.class_weights import apply_weights, tune_weights


@final
@dataclass(frozen=True, kw_only=True)
class Decision:
    """The way from a champion's averaged predictions to its answers, as plain data.

    Without anything fitted it changes nothing: predictions of numbers stay as they are, and of classes the
    most probable one is the answer.

    Attributes
    ----------
    class_weights:
        Multipliers of the class probabilities before the most probable class is taken; empty for none.
    """

    class_weights: tuple[float, ...] = ()

    @classmethod
    def fitted(
        cls, task: Task, target: Encoded, predictions: Predictions, weights: Weights | None = None
    ) -> Self:
        """The decision that suits the task's metric best on held-out predictions.

        Parameters
        ----------
        target:
            Encoded truth ``(rows,)``.
        predictions:
            Held-out predictions ``(rows, n_outputs)``, as models or their average give them.
        weights:
            Of the rows, ``(rows,)``; None where each counts once.
        """
        if task.answer is not Answer.CLASSES:
            return cls()
        return cls(class_weights=tune_weights(task.metric, target, predictions, weights))

    def apply(self, predictions: Predictions) -> Predictions:
        """Predictions ``(rows, n_outputs)`` as the task's metric judges them."""
        return self.weighted(predictions)

    def weighted(self, probabilities: Predictions) -> Predictions:
        """Probabilities with the class weights on them, summing to 1 again."""
        return apply_weights(probabilities, self.class_weights)

    @property
    def threshold(self) -> float:
        """The smallest probability of class 1 of two at which it is the answer."""
        if not self.class_weights:
            return 0.5
        return self.class_weights[0] / (self.class_weights[0] + self.class_weights[1])

    def to_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads."""
        return {"class_weights": list(self.class_weights)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The decision that :meth:`to_json` wrote."""
        return cls(class_weights=tuple(float(weight) for weight in data["class_weights"]))
