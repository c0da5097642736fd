"""The way from probabilities to answers in words: calibration, and what the answers are chosen by."""

from __future__ import annotations

import numpy as np

from automl.core.error_costs import costs_words, row_costs, with_costs
from automl.core.metrics import Metric
from automl.core.predictions import Predictions
from automl.core.text import label_text, range_text, score_text, share_text
from automl.core.weights import mean_of
from automl.model.calibration import heated
from automl.report.facts import prediction_quality as curves
from automl.report.facts.evidence import Evidence


def calibration_words(evidence: Evidence) -> str:
    """``Calibrated by temperature 1.31: log loss 0.412 to 0.405 …``; empty where nothing was measured."""
    losses, temperature = evidence.story.log_losses, evidence.story.temperature
    if not losses:
        return ""
    before, after = losses
    if temperature == 1.0:
        return (
            f"Already calibrated: no temperature lowers the log loss of held-out rows ({before:.4g}) by more "
            "than chance."
        )
    code = 1 if len(evidence.task.labels) == 2 else None
    errors = [
        curves.calibration_error(
            curves.calibration(evidence.target, probabilities, code, weights=evidence.weights)
        )
        for probabilities in (heated(evidence.raw, 1 / temperature), evidence.raw)
    ]
    held_out = f"log loss {range_text(before, after, 4)} on held-out rows that it was not fitted on"
    error = f"calibration error {share_text(errors[0], 1)} to {share_text(errors[1], 1)}"
    return f"Calibrated by temperature {temperature:.3g}: {held_out}, {error}."


def answer_words(evidence: Evidence) -> str:
    """The reason for the answers, and what it gains; empty for the most probable class."""
    decision, metric = evidence.decision, evidence.task.metric
    if not decision.class_weights and not decision.costs:
        return ""
    raw = np.asarray(evidence.raw, dtype=np.float64)
    names = [label_text(label) for label in evidence.task.labels]
    judge = with_costs(None, decision.costs) if decision.costs else metric
    chosen = judge.score(evidence.target, decision.weighted(raw), evidence.weights)
    plain = _plain_score(evidence, judge, raw)
    on = "at a threshold of 0.5" if len(names) == 2 else "for the most probable class"
    compared = f"{judge.name} {score_text(chosen, 4)} on held-out rows, {score_text(plain, 4)} {on}"
    if not decision.costs:
        return f"Chosen on held-out rows for {metric.name}: {compared}."
    how = "the costs, moved on held-out rows" if decision.class_weights else "the expected cost"
    return f"Chosen by {how} ({costs_words(decision.costs, names)}): mean {compared}."


def _plain_score(evidence: Evidence, metric: Metric, raw: Predictions) -> float:
    """The score where the most probable class is the answer."""
    if not metric.costs:
        return metric.score(evidence.target, raw, evidence.weights)
    paid = row_costs(evidence.target, raw.argmax(axis=1), metric.costs)
    return mean_of(paid, evidence.weights)
