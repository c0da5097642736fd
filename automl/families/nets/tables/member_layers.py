"""Layers of TabM: many members that share their weights except for cheap scalings, for several nets at once.

Gorishniy, Kotelnikov, Babenko 2024, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling" (arXiv 2410.24210). The authors' package ``tabm`` has layers that hold one net only, and imports
scikit-learn; ``test_member_layers.py`` compares initial scalings and outputs with its own.
Activations are ``(nets, rows, members, features)``. Under autocast they stay in the reduced type between
products: parameters that are added to them or multiplied with them are cast to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

# Products of few columns are quicker as sums than as many small matrix products (measured: 6 times for one).
_SUMMED_OUTPUTS = 3


class MemberStart(nn.Module):
    """The first layer: each member scales the features in its own way before the shared weights.

    ``(nets, rows, inputs)`` → ``(nets, rows, members, outputs)``. The scalings are multiplied into the
    weights, not into the rows: one matrix product of all members then needs no copy of the rows for each.

    Parameters
    ----------
    feature_sizes:
        Width of each feature; its columns start with one common scaling.
    full:
        Whether outputs are scaled too and biases are each member's own (TabM), or not (TabM-mini).
    """

    undecayed = ("inner", "outer")

    def __init__(
        self, nets: int, members: int, feature_sizes: Sequence[int], outputs: int, *, full: bool
    ) -> None:
        super().__init__()
        inputs = sum(feature_sizes)
        bound = max(inputs, 1) ** -0.5
        self.weight = nn.Parameter(torch.empty(nets, inputs, outputs).uniform_(-bound, bound))
        self.inner = nn.Parameter(torch.empty(nets, members, inputs))
        for net in range(nets):
            _scale_at_random(self.inner.data[net], feature_sizes)
        self.outer = nn.Parameter(torch.ones(nets, members, outputs)) if full else None
        # One common start for the biases of all members, as in the authors' layers.
        bias = torch.empty(nets, 1, 1, outputs).uniform_(-bound, bound)
        self.bias = nn.Parameter(bias.repeat(1, 1, members, 1) if full else bias)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Every member's features."""
        nets, members, inputs = self.inner.shape
        outputs = self.weight.shape[-1]  # no -1 below: a fold whose columns are all constant has no inputs
        weight = self.inner.transpose(1, 2).contiguous()[..., None] * self.weight[:, :, None]
        if self.outer is not None:
            weight = weight * self.outer[:, None]
        products = torch.bmm(rows, weight.view(nets, inputs, members * outputs))
        return products.view(nets, rows.shape[1], members, outputs) + self.bias.to(products.dtype)


class MemberLinear(nn.Module):
    """A later layer: shared weights; with ``full``, members scale its inputs and outputs."""

    undecayed = ("inner", "outer")

    def __init__(self, nets: int, members: int, inputs: int, outputs: int, *, full: bool) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(nets, inputs, outputs).uniform_(-bound, bound))
        self.inner = nn.Parameter(torch.ones(nets, 1, members, inputs)) if full else None
        self.outer = nn.Parameter(torch.ones(nets, 1, members, outputs)) if full else None
        bias = torch.empty(nets, 1, 1, outputs).uniform_(-bound, bound)
        self.bias = nn.Parameter(bias.repeat(1, 1, members, 1) if full else bias)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The products, ``(nets, rows, members, outputs)``."""
        nets, count, members, _ = rows.shape
        if self.inner is None or self.outer is None:
            flat = rows.reshape(nets, count * members, -1)
            return torch.baddbmm(self.bias[:, 0], flat, self.weight).view(nets, count, members, -1)
        flat = (rows * self.inner.to(rows.dtype)).reshape(nets, count * members, -1)
        products = torch.bmm(flat, self.weight).view(nets, count, members, -1)
        return torch.addcmul(self.bias.to(products.dtype), products, self.outer.to(products.dtype))


class MemberHeads(nn.Module):
    """The output of each member: ``(nets, rows, members, inputs)`` → ``(nets, rows, members, outputs)``."""

    def __init__(self, nets: int, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(nets, members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(nets, 1, members, outputs).uniform_(-bound, bound))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The products."""
        weight, bias = self.weight.to(rows.dtype), self.bias.to(rows.dtype)
        outputs = weight.shape[-1]
        if outputs <= _SUMMED_OUTPUTS:
            columns = [(rows * weight[:, None, :, :, j]).sum(dim=-1) for j in range(outputs)]
            return torch.stack(columns, dim=-1) + bias
        return torch.matmul(rows.transpose(1, 2), weight).transpose(1, 2) + bias


def _scale_at_random(scalings: torch.Tensor, feature_sizes: Sequence[int]) -> None:
    """Fill ``(members, inputs)``: of each member the columns of one feature share a draw of a normal
    distribution, as ``init_scaling_`` of ``tabm`` 0.0.3 draws them."""
    start = 0
    for size in feature_sizes:
        scalings[..., start : start + size] = nn.init.normal_(torch.empty(*scalings.shape[:-1], 1))
        start += size
