"""AdamW for many small batches: the fused kernel of torch, without what ``torch.optim`` loads for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn
from torch.optim.adamw import adamw

from automl.families.nets.groups import ParameterGroup

_EPSILON = 1e-8


@dataclass(frozen=True)
class _State:
    """Moving averages of a parameter's gradient and of its square, and the number of steps."""

    mean: torch.Tensor
    square: torch.Tensor
    steps: torch.Tensor


@final
class FusedAdamW:
    """Decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101), computed by torch itself.

    ``torch.optim.Optimizer`` imports ``torch._dynamo`` when the first one is made, with sympy, triton and all
    of the compiler: 3 s of CPU time and 0.2 GB in every process that trains a net. The functional form of
    the same algorithm does not, and its results are equal to the last bit.

    Parameters
    ----------
    groups:
        Parameters with a weight decay each; ``rate`` times their share is their learning rate.

    Attributes
    ----------
    param_groups:
        For each group ``params``, ``lr``, ``betas`` and ``weight_decay``, which may be changed between steps.
    """

    def __init__(self, groups: Sequence[ParameterGroup], *, rate: float, betas: tuple[float, float]) -> None:
        self.param_groups: list[dict[str, Any]] = [
            {
                "params": list(group.parameters),
                "lr": rate * group.rate_share,
                "betas": betas,
                "weight_decay": group.weight_decay,
            }
            for group in groups
        ]
        self._states: dict[nn.Parameter, _State] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            trained = [parameter for parameter in group["params"] if parameter.grad is not None]
            states = [self._state(parameter) for parameter in trained]
            beta1, beta2 = group["betas"]
            adamw(
                trained,
                [parameter.grad for parameter in trained],
                [state.mean for state in states],
                [state.square for state in states],
                [],
                [state.steps for state in states],
                fused=True,
                amsgrad=False,
                beta1=beta1,
                beta2=beta2,
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=_EPSILON,
                maximize=False,
            )

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _state(self, parameter: nn.Parameter) -> _State:
        if parameter not in self._states:
            zeros = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            steps = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self._states[parameter] = _State(zeros, zeros.clone(), steps)
        return self._states[parameter]
