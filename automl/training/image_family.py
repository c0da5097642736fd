"""What families of pretrained nets on images share: which backbones are missing, when a net is too slow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automl.families.base import Scope
from automl.fields import Value

_LEAST_EPOCHS = 3


def missing_backbones(parameter: str, values: Sequence[Value]) -> Mapping[Value, str]:
    """Backbones whose weights are not on this machine, with the files' names."""
    from automl.training.backbones import missing_weights

    return missing_weights(values) if parameter == "backbone" else {}


def too_slow(scope: Scope, per_second: float) -> str:
    """Why a net that trains on ``per_second`` images a second is left alone, or ``""``.

    One that could not see every image three times is.
    """
    needed = _LEAST_EPOCHS * scope.rows * scope.folds / per_second
    if needed <= scope.trial_seconds:
        return ""
    return f"three epochs take about {needed:.0f} s here, and a trial has {scope.trial_seconds:.0f} s"
