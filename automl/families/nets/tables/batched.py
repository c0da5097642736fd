"""Layers that hold several nets of one shape: parameters and activations have a leading dimension ``nets``.

On rows of its own each net learns what it would learn alone, but all of them together cost one call per
operation. A small net spends most of its time between calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

_SMALLEST_POOL = 1 << 18
_ALIGNMENT = 16


class BatchedLinear(nn.Module):
    """``(nets, rows, inputs)`` → ``(nets, rows, outputs)``; initial values as in ``torch.nn.Linear``."""

    def __init__(self, nets: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = max(inputs, 1) ** -0.5
        self.weight = nn.Parameter(torch.empty(nets, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(nets, 1, outputs).uniform_(-bound, bound))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The products."""
        return torch.baddbmm(self.bias, rows, self.weight)


class BatchedNorm(nn.Module):
    """Batch normalisation of each net's features over the rows of the batch."""

    running_mean: torch.Tensor
    running_variance: torch.Tensor

    def __init__(self, nets: int, features: int, *, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(nets, features))
        self.bias = nn.Parameter(torch.zeros(nets, features))
        self.register_buffer("running_mean", torch.zeros(nets, features))
        self.register_buffer("running_variance", torch.ones(nets, features))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """``(nets, rows, features)``, normalised."""
        nets, count, features = rows.shape
        # torch's fused kernel sees the features of all nets as its channels.
        flat = rows.transpose(0, 1).reshape(count, nets * features)
        normed = functional.batch_norm(
            flat,
            self.running_mean.view(-1),
            self.running_variance.view(-1),
            self.weight.view(-1),
            self.bias.view(-1),
            training=self.training and count > 1,
            momentum=self.momentum,
        )
        return normed.view(count, nets, features).transpose(0, 1)


class BatchedEmbedding(nn.Module):
    """Vectors of category codes: ``(nets, rows, columns)`` int64 → ``(nets, rows, sum of sizes)``.

    Code 0 stands for missing; its vector starts at 0 and so stays there if training rows miss nothing.
    """

    def __init__(self, nets: int, levels: Sequence[int], sizes: Sequence[int]) -> None:
        super().__init__()
        self.weights = nn.ParameterList()
        for count, size in zip(levels, sizes, strict=True):
            weight = torch.empty(nets, count + 1, size)
            # fastai's range for embeddings: a truncated normal of deviation .01 (layers.py, Embedding).
            nn.init.trunc_normal_(weight, std=0.01, a=-0.02, b=0.02)
            weight[:, 0] = 0.0
            self.weights.append(nn.Parameter(weight))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """The vectors of all columns, side by side."""
        nets = codes.shape[0]
        offset = torch.arange(nets, device=codes.device)[:, None]
        parts = [
            functional.embedding(codes[..., j] + offset * weight.shape[1], weight.flatten(0, 1))
            for j, weight in enumerate(self.weights)
        ]
        return torch.cat(parts, dim=-1)


class PooledDropout(nn.Module):
    """Dropout whose masks are cut at random places out of one pool of random shares.

    torch draws a mask from its serial generator: 1.6 ms for 2048 × 128 on a CPU, more than the matrix
    product beside it; a cut takes .03 ms. Probabilities are rounded to 1/256. GPUs use torch's own.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        # Drawn when the net is built, so that a resumed training has the same pool.
        self._seed = int(torch.randint(1 << 62, (1,)))
        self._pool = torch.empty(0)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """``values`` with some of them 0 and the others enlarged to keep the mean, in training."""
        if not self.training or self.probability <= 0:
            return values
        if values.is_cuda:
            return functional.dropout(values, self.probability)
        count = values.numel()
        if len(self._pool) < 2 * count or self._pool.dtype != values.dtype:
            self._pool = self._fill(max(_SMALLEST_POOL, 4 * count)).to(values.dtype)
        places = (len(self._pool) - count) // _ALIGNMENT
        start = int(torch.randint(places + 1, (1,))) * _ALIGNMENT
        return values * self._pool[start : start + count].view(values.shape)

    def _fill(self, count: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self._seed)
        dropped = min(max(round(self.probability * 256), 1), 255)
        bits = torch.empty(-(-count // 8), dtype=torch.int64)
        # The full range of int64: every byte is then uniform.
        bits.random_(-(1 << 63), None, generator=generator)
        kept = bits.view(torch.uint8)[:count] >= dropped
        return kept.to(torch.float32) * (256 / (256 - dropped))
