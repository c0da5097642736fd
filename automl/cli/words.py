"""Trials as people read them."""

from __future__ import annotations

from automl.trial import Status, Trial
from automl.wording import duration, score_text


def trial_line(trial: Trial, metric: str) -> str:
    """A trial in one line: number, family, outcome, time."""
    result = trial.result
    head = f"#{trial.number:<3d} {trial.candidate.family:14}"
    if result is None:
        return head
    if trial.scores is not None:
        scores = trial.scores
        text = f"{metric} {score_text(scores.validation)} ±{scores.standard_error:.2g}"
        return f"{head} {text:32} {duration(result.seconds)}"
    reason = f" ({result.error})" if result.error and result.status is not Status.PRUNED else ""
    return f"{head} {result.status.value}{reason} {duration(result.seconds)}"
