"""Heads on features of frozen nets: linear ones solved exactly, nets trained in the loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from automl.core.weights import Weights as RowWeights
from automl.families.engines.solvers import RidgePath, Rotation, Squared, Weights, loss_of, minimise_l2

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
        outputs: torch.Tensor = self.last(values)
        return outputs


def solve_linear(
    head: Head,
    features: npt.NDArray[np.floating],
    target: npt.NDArray[np.generic],
    loss_name: str,
    c: float,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    weights: RowWeights | None = None,
) -> None:
    """Set a linear head to the best weights with an L2 penalty of ``1 / c``.

    Parameters
    ----------
    target:
        As :meth:`automl.families.nets.outputs.OutputScale.encode` gives it.
    loss_name:
        Of the task.
    weights:
        Of the rows, ``(rows,)``; None where each counts once.
    """
    head.set_scale(features)
    matrix = (features.astype(np.float32) - head.centre.numpy()) / head.width.numpy()
    outputs = head.last.out_features
    loss = loss_of(loss_name, target, outputs, weights)
    if isinstance(loss, Squared) and RidgePath.affordable(matrix):
        head.set_weights(RidgePath(matrix, loss.target, loss.weights).weights(c * 1.0))
        return
    if Rotation.pays(matrix):
        rotated = Rotation.of(matrix)
        start = Weights(np.zeros((rotated.reduced.shape[1], outputs)), loss.start())
        head.set_weights(rotated.back(minimise_l2(rotated.reduced, loss, c, start, should_stop)))
        return
    start = Weights(np.zeros((matrix.shape[1], outputs)), loss.start())
    head.set_weights(minimise_l2(matrix, loss, c, start, should_stop))
