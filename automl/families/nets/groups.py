"""Parameter groups: which weights decay, which layers learn slower, which stand still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a weight decay and a share of the learning rate."""

    parameters: tuple[nn.Parameter, ...]
    weight_decay: float
    rate_share: float = 1.0


def parameter_groups(
    layers: Sequence[nn.Module], *, weight_decay: float, shares: Sequence[float] | None = None
) -> list[ParameterGroup]:
    """Groups for an optimizer.

    Parameters
    ----------
    layers:
        Layer groups from the input to the head; often the whole model as one.
    weight_decay:
        For everything but biases, norms and the parameters that a module names in its attribute
        ``undecayed`` (Loshchilov & Hutter decay only shrinks what multiplies an input).
    shares:
        Share of the learning rate per layer group; 1 everywhere by default. A share of 0 freezes.
    """
    groups: list[ParameterGroup] = []
    seen: set[int] = set()
    for layer, share in zip(layers, shares or [1.0] * len(layers), strict=True):
        if share == 0:
            freeze(layer)
            continue
        decayed: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for module in layer.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.requires_grad and id(parameter) not in seen:
                    seen.add(id(parameter))
                    (decayed if _decays(module, name) else plain).append(parameter)
        if decayed:
            groups.append(ParameterGroup(tuple(decayed), weight_decay, share))
        if plain:
            groups.append(ParameterGroup(tuple(plain), 0.0, share))
    return groups


def freeze(layer: nn.Module) -> None:
    """Keep the parameters of ``layer`` as they are; norms keep their own mode."""
    for parameter in layer.parameters():
        parameter.requires_grad_(False)


def _decays(module: nn.Module, name: str) -> bool:
    if name.endswith("bias") or "Norm" in type(module).__name__:
        return False
    undecayed: tuple[str, ...] = getattr(module, "undecayed", ())
    return name not in undecayed
