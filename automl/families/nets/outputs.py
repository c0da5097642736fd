"""The meaning of a net's outputs: their losses and the way to predictions, in tables by loss and link.

All take tensors whose last axis is the outputs. Of two classes there is one, the log-odds of class 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Link, Loss, Predictions
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights, deviation_of, mean_of

if TYPE_CHECKING:
    import torch

_LEAST_PROBABILITY = 1e-7
_LINKS_BEFORE = {"binary": Link.LOGISTIC, "multiclass": Link.SOFTMAX, "regression": Link.IDENTITY}
"""Of models that were saved when this was the name of a task."""


@dataclass(frozen=True, kw_only=True)
class OutputScale:
    """The way from a net's outputs to predictions.

    Attributes
    ----------
    link:
        ``logistic`` (one output), ``softmax`` (one per class) or ``identity``.
    outputs:
        Columns of the net.
    mean, deviation:
        Of the training target, where the link is the identity.
    low, high:
        Bounds of predicted values: half the training range beyond its ends.
    """

    link: Link
    outputs: int
    mean: float = 0.0
    deviation: float = 1.0
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def fit(cls, task: Task, target: Encoded, weights: Weights | None = None) -> OutputScale:
        """Learn from training rows and their weights."""
        if task.link is not Link.IDENTITY:
            return cls(link=task.link, outputs=task.n_outputs - (task.link is Link.LOGISTIC))
        values = np.asarray(target, dtype=np.float64)
        low, high = float(values.min()), float(values.max())
        spread = (high - low) / 2
        return cls(
            link=task.link,
            outputs=1,
            mean=mean_of(values, weights),
            deviation=deviation_of(values, weights) or 1.0,
            low=low - spread,
            high=high + spread,
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> OutputScale:
        """The scale that ``dataclasses.asdict`` turned into plain data."""
        values = dict(data)
        link = _LINKS_BEFORE[values.pop("kind")] if "kind" in values else Link(values.pop("link"))
        return cls(link=link, **values)

    @property
    def n_outputs(self) -> int:
        """Columns of predictions."""
        return self.outputs + (self.link is Link.LOGISTIC)

    def encode(self, target: Encoded) -> npt.NDArray[Any]:
        """The target as the loss reads it: int64 classes, or (standardised) float32."""
        return _ENCODED[self.link](self, target)

    def decode(self, outputs: torch.Tensor) -> Predictions:
        """Predictions ``(rows, n_outputs)`` of :func:`averaged` outputs ``(rows, outputs)``."""
        return self.decode_values(outputs.double().cpu().numpy())

    def decode_values(self, values: npt.NDArray[np.float64]) -> Predictions:
        """The same of outputs that numpy has."""
        return _DECODED[self.link](self, values)


def _standardised(scale: OutputScale, target: Encoded) -> npt.NDArray[np.float32]:
    return ((np.asarray(target, dtype=np.float64) - scale.mean) / scale.deviation).astype(np.float32)


def _bounded(scale: OutputScale, values: npt.NDArray[np.float64]) -> Predictions:
    return np.clip(values * scale.deviation + scale.mean, scale.low, scale.high)


_ENCODED: dict[Link, Callable[[OutputScale, Encoded], npt.NDArray[Any]]] = {
    Link.IDENTITY: _standardised,
    Link.LOGISTIC: lambda scale, target: np.asarray(target, dtype=np.float32),
    Link.SOFTMAX: lambda scale, target: np.asarray(target, dtype=np.int64),
}
_DECODED: dict[Link, Callable[[OutputScale, npt.NDArray[np.float64]], Predictions]] = {
    Link.IDENTITY: _bounded,
    Link.LOGISTIC: lambda scale, values: np.concatenate([1.0 - values, values], axis=1),
    Link.SOFTMAX: lambda scale, values: np.asarray(values / values.sum(axis=1, keepdims=True)),
}
_LINKED: dict[Link, Callable[[torch.Tensor], torch.Tensor]] = {
    Link.IDENTITY: lambda outputs: outputs,
    Link.LOGISTIC: lambda outputs: outputs.sigmoid(),
    Link.SOFTMAX: lambda outputs: outputs.softmax(dim=-1),
}


def linked(link: Link, outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities (of class 1 alone of two classes) or standardised values of outputs ``(…, outputs)``."""
    return _LINKED[link](outputs.float())


def averaged(link: Link, outputs: torch.Tensor) -> torch.Tensor:
    """Members' outputs ``(..., members, outputs)`` as their mean probability or value ``(..., outputs)``."""
    return linked(link, outputs).float().mean(dim=-2)


def output_losses(
    loss: str, outputs: torch.Tensor, target: torch.Tensor, *, smoothing: float = 0.0
) -> torch.Tensor:
    """Losses ``(…)`` of outputs ``(…, outputs)`` for targets ``(…)``, see :meth:`OutputScale.encode`.

    Parameters
    ----------
    smoothing:
        Of labels: the share of the truth that goes to all classes alike.
    """
    return _OUTPUT_LOSSES[loss](outputs, target, smoothing)


def _softmax_losses(outputs: torch.Tensor, target: torch.Tensor, smoothing: float) -> torch.Tensor:
    from torch.nn import functional

    flat = functional.cross_entropy(
        outputs.reshape(-1, outputs.shape[-1]),
        target.reshape(-1),
        reduction="none",
        label_smoothing=smoothing,
    )
    return flat.view(target.shape)


def _logistic_losses(outputs: torch.Tensor, target: torch.Tensor, smoothing: float) -> torch.Tensor:
    from torch.nn import functional

    aimed = target * (1 - smoothing) + smoothing / 2 if smoothing else target
    return functional.binary_cross_entropy_with_logits(outputs[..., 0], aimed, reduction="none")


_OUTPUT_LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {
    Loss.SQUARED: lambda outputs, target, smoothing: (outputs[..., 0] - target).square(),
    Loss.ABSOLUTE: lambda outputs, target, smoothing: (outputs[..., 0] - target).abs(),
    Loss.LOGISTIC: _logistic_losses,
    Loss.SOFTMAX: _softmax_losses,
}


def prediction_losses(loss: str, values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Losses ``(…)`` of :func:`averaged` outputs ``(…, outputs)`` for encoded targets ``(…)``."""
    return _PREDICTION_LOSSES[loss](values, target)


def _two_class_losses(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    chosen = target * values[..., 0] + (1 - target) * (1 - values[..., 0])
    return -chosen.clamp_min(_LEAST_PROBABILITY).log()


def _class_losses(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return -values.gather(-1, target[..., None])[..., 0].clamp_min(_LEAST_PROBABILITY).log()


_PREDICTION_LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    Loss.SQUARED: lambda values, target: (values[..., 0] - target).square(),
    Loss.ABSOLUTE: lambda values, target: (values[..., 0] - target).abs(),
    Loss.LOGISTIC: _two_class_losses,
    Loss.SOFTMAX: _class_losses,
}


def relative_weights(weights: Weights | None) -> npt.NDArray[np.float32] | None:
    """Weights of rows with a mean of 1, so that the learning rate keeps its meaning; None for None."""
    return None if weights is None else (weights / weights.mean()).astype(np.float32)
