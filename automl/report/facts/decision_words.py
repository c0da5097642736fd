"""The way from probabilities to answers in words: calibration, and what the answers are chosen by."""

from __future__ import annotations

from automl.core.text import range_text, share_text
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
        curves.calibration_error(curves.calibration(evidence.target, probabilities, code))
        for probabilities in (heated(evidence.raw, 1 / temperature), evidence.raw)
    ]
    held_out = f"log loss {range_text(before, after, 4)} on held-out rows that it was not fitted on"
    error = f"calibration error {share_text(errors[0], 1)} to {share_text(errors[1], 1)}"
    return f"Calibrated by temperature {temperature:.3g}: {held_out}, {error}."
