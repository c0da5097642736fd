"""Heads on features of images: linear ones solved exactly, nets trained in the loop; and their losses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from automl.families.engines.solvers import (
    Logistic,
    Loss,
    Multinomial,
    RidgePath,
    Rotation,
    Squared,
    Weights,
    minimise_l2,
)
from automl.families.nets.tables.net import OutputScale

_LEAST_DEVIATION = 1e-3


class Head(nn.Module):
    """Standardised features → logits or values; linear, or with one hidden layer."""

    centre: torch.Tensor
    width: torch.Tensor

    def __init__(self, features: int, outputs: int, *, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("width", torch.ones(features))
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(features, hidden) if hidden else None
        self.norm = nn.BatchNorm1d(hidden) if hidden else None
        self.last = nn.Linear(hidden or features, outputs)

    def set_scale(self, features: npt.NDArray[np.floating]) -> None:
        """Standardise as these training rows ask for."""
        values = features.astype(np.float32)
        deviation = np.maximum(values.std(axis=0), _LEAST_DEVIATION)
        self.centre.copy_(torch.from_numpy(values.mean(axis=0)))
        self.width.copy_(torch.from_numpy(deviation))

    def set_weights(self, weights: Weights) -> None:
        """The solution of a linear head, for standardised features."""
        with torch.no_grad():
            self.last.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.coefficients.T)))
            self.last.bias.copy_(torch.from_numpy(np.asarray(weights.intercept)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``(rows, features)`` → ``(rows, outputs)``."""
        values = self.dropout((features.float() - self.centre) / self.width)
        if self.hidden is not None and self.norm is not None:
            values = self.dropout(functional.relu(self.norm(self.hidden(values))))
        found: torch.Tensor = self.last(values)
        return found


def solve_linear(
    head: Head,
    features: npt.NDArray[np.floating],
    target: npt.NDArray[np.generic],
    scale: OutputScale,
    c: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Set a linear head to the best weights with an L2 penalty of ``1 / c``.

    Parameters
    ----------
    target:
        As :meth:`automl.families.nets.tables.net.OutputScale.encode` gives it.
    """
    head.set_scale(features)
    matrix = (features.astype(np.float32) - head.centre.numpy()) / head.width.numpy()
    values = np.asarray(target, dtype=np.float64)
    if scale.kind == "regression" and RidgePath.affordable(matrix):
        head.set_weights(RidgePath(matrix, values).weights(c * 1.0))
        return
    loss: Loss
    if scale.kind == "regression":
        loss = Squared(values)
    elif scale.kind == "binary":
        loss = Logistic(values)
    else:
        loss = Multinomial(np.asarray(target, dtype=np.int64), scale.outputs)
    if Rotation.pays(matrix):
        rotated = Rotation.of(matrix)
        start = Weights(np.zeros((rotated.reduced.shape[1], scale.outputs)), loss.start())
        head.set_weights(rotated.back(minimise_l2(rotated.reduced, loss, c, start, should_stop)))
        return
    start = Weights(np.zeros((matrix.shape[1], scale.outputs)), loss.start())
    head.set_weights(minimise_l2(matrix, loss, c, start, should_stop))


def row_losses(
    outputs: torch.Tensor, target: torch.Tensor, kind: str, *, absolute: bool = False, smoothing: float = 0.0
) -> torch.Tensor:
    """Loss of each row of ``(rows, outputs)``; ``kind`` as in OutputScale."""
    if kind == "multiclass":
        return functional.cross_entropy(outputs, target, reduction="none", label_smoothing=smoothing)
    if kind == "binary":
        aimed = target * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(outputs[:, 0], aimed, reduction="none")
    errors = outputs[:, 0] - target
    return errors.abs() if absolute else errors.square()


def probabilities(kind: str, outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities (of class 1 alone in a binary task) or values of logits ``(rows, outputs)``."""
    if kind == "binary":
        return outputs.float().sigmoid()
    return outputs.float().softmax(dim=-1) if kind == "multiclass" else outputs.float()
