"""The champion: the trials that are deployed, their weights, and their score on held-out rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from automl.core.predictions import Predictions
from automl.model.decision import Decision


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The model that is deployed.

    Attributes
    ----------
    kind:
        ``ensemble`` or ``trial``.
    weights:
        Trial number → weight, summing to 1, largest first.
    folds:
        Trial number → positions of the folds whose models are deployed.
    held_out:
        Their weighted held-out predictions ``(rows scored, n_outputs)``: probabilities as they are given,
        with the temperature and without class weights.
    validation, standard_error:
        Held-out score in the metric's own unit, by the decision.
    decision:
        From the predictions to answers, fitted on the held-out ones.
    predict_ms_per_1000_rows, model_bytes:
        Sums over its members' deployed folds.
    """

    kind: str
    weights: dict[int, float]
    folds: dict[int, tuple[int, ...]]
    held_out: Predictions = field(repr=False)
    validation: float
    standard_error: float
    decision: Decision
    predict_ms_per_1000_rows: float
    model_bytes: int
