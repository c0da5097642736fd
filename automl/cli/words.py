"""Numbers and trials as people read them."""

from __future__ import annotations

from automl.trial import Status, Trial


def duration(seconds: float) -> str:
    """``0.4s``, ``12s``, ``3m05s``, ``2h10m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 120:
        return f"{seconds:.0f}s"
    if seconds < 7200:
        return f"{int(seconds // 60)}m{int(seconds % 60):02d}s"
    return f"{int(seconds // 3600)}h{int(seconds % 3600 // 60):02d}m"


def score_text(value: float) -> str:
    """Five significant digits."""
    return f"{value:.5g}"


def size_text(size: float) -> str:
    """``812 B``, ``3.4 MB``."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


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
