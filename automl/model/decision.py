"""From the averaged predictions of models to answers: all that is fitted on held-out predictions for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from automl.core.error_costs import COST, Costs, expected_costs, row_costs
from automl.core.metrics import Metric
from automl.core.predictions import Answer, Predictions
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights
from automl.model.calibration import CLEAR_Z, fit_temperature, heated
from automl.model.class_weights import apply_weights, tune_weights


@final
@dataclass(frozen=True, kw_only=True)
class Decision:
    """The way from a champion's averaged predictions to its answers, as plain data.

    Without anything fitted it changes nothing: predictions of numbers stay as they are, and of classes the
    most probable one is the answer. There are two steps: :meth:`probabilities` are what people are given, and
    the known targets of repeated rows are joined to; :meth:`weighted` follows.

    Attributes
    ----------
    class_weights:
        Multipliers of the class probabilities before the most probable class is taken; empty for none.
    temperature:
        Of the probabilities, see :mod:`automl.model.calibration`; 1 leaves them as they are.
    log_losses:
        Log loss of the held-out rows before and after, cross-fitted; empty where it was not measured.
    costs:
        What wrong answers cost, by true class and answer: then the answer is the class that is expected to
        cost least. Empty where every mistake is one.
    """

    class_weights: tuple[float, ...] = ()
    temperature: float = 1.0
    log_losses: tuple[float, ...] = ()
    costs: Costs = ()

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
        temperature, log_losses = _calibrated(task.metric, target, predictions, weights)
        costs = task.metric.costs
        if costs:
            given = heated(predictions, temperature)
            tuned = _cost_weights(task.metric, target, given, weights) if len(costs) == 2 else ()
            return cls(class_weights=tuned, temperature=temperature, log_losses=log_losses, costs=costs)
        tuned = tune_weights(task.metric, target, predictions, weights)
        # Tuned on the predictions as they are; with these the answers are the same at any temperature.
        raised = np.asarray(tuned) ** (1 / temperature)
        if temperature != 1.0 and tuned:
            tuned = tuple(float(weight) for weight in raised / raised.sum() * len(raised))
        return cls(class_weights=tuned, temperature=temperature, log_losses=log_losses)

    def apply(self, predictions: Predictions) -> Predictions:
        """Predictions ``(rows, n_outputs)`` as the task's metric judges them."""
        return self.weighted(self.probabilities(predictions))

    def probabilities(self, predictions: Predictions) -> Predictions:
        """Predictions ``(rows, n_outputs)`` with the temperature: probabilities that come true, or values."""
        return heated(predictions, self.temperature)

    def weighted(self, probabilities: Predictions) -> Predictions:
        """Probabilities with the class weights on them, summing to 1 again."""
        return apply_weights(probabilities, self.class_weights)

    def answers(self, probabilities: Predictions) -> Predictions:
        """``(rows, classes)`` that are greatest for the class that is the answer; of numbers, the values.

        With costs that is each answer's part in what the worst one would cost beyond it, else
        :meth:`weighted`.
        """
        weighted = self.weighted(probabilities)
        if not self.costs:
            return weighted
        expected = expected_costs(weighted, self.costs)
        saved = expected.max(axis=1, keepdims=True) - expected
        return np.asarray(saved / np.maximum(saved.sum(axis=1, keepdims=True), 1e-300))

    @property
    def threshold(self) -> float:
        """The smallest probability of class 1 of two at which it is the answer."""
        (_, false_alarm), (miss, _) = self.costs or ((0.0, 1.0), (1.0, 0.0))
        negative, positive = self.class_weights or (1.0, 1.0)
        return negative * false_alarm / (negative * false_alarm + positive * miss)

    def to_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The decision that :meth:`to_json` wrote."""
        return cls(
            class_weights=tuple(float(weight) for weight in data["class_weights"]),
            temperature=float(data.get("temperature", 1.0)),
            log_losses=tuple(float(loss) for loss in data.get("log_losses", ())),
            costs=tuple(tuple(float(cost) for cost in row) for row in data.get("costs", ())),
        )


def _cost_weights(
    metric: Metric, target: Encoded, probabilities: Predictions, weights: Weights | None
) -> tuple[float, ...]:
    """Weights of two classes beside the costs; empty unless they lower the mean cost by more than noise.

    With probabilities that come true the costs alone say which answer is best.
    """
    if metric.name != COST:
        return ()
    tuned = tune_weights(metric, target, probabilities, weights)
    if not tuned:
        return ()
    plain, moved = (
        row_costs(target, expected_costs(made, metric.costs).argmin(axis=1), metric.costs)
        for made in (probabilities, apply_weights(probabilities, tuned))
    )
    saved = plain - moved
    shares = np.ones(len(saved)) if weights is None else weights
    gain = float(shares @ saved) / float(shares.sum())
    error = float(np.sqrt((shares**2) @ (saved - gain) ** 2)) / float(shares.sum())
    return tuned if gain > CLEAR_Z * error else ()


def _calibrated(
    metric: Metric, target: Encoded, predictions: Predictions, weights: Weights | None
) -> tuple[float, tuple[float, ...]]:
    """The temperature and the log losses before and after it; 1 where it would worsen the metric itself."""
    fit = fit_temperature(target, predictions, weights)
    if fit is None:
        return 1.0, ()
    temperature = fit.temperature
    if temperature != 1.0 and metric.reads == "probabilities":
        after = metric.loss(target, heated(predictions, temperature), weights)
        if not after <= metric.loss(target, predictions, weights) + 1e-12:
            temperature = 1.0
    return temperature, (fit.before, fit.after)
