"""The input layer of nets on tables: numbers as piecewise-linear vectors, categories as embeddings."""

from __future__ import annotations

import torch
from torch import nn

from automl.families.nets.tables.batched import BatchedEmbedding, PooledDropout
from automl.families.nets.tables.net import InputShape

TableBatch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class TableInput(nn.Module):
    """``(numbers, dense, codes)``, each ``(nets, rows, …)``, side by side: ``(nets, rows, features)``."""

    def __init__(self, shape: InputShape, nets: int, *, embedding_dropout: float = 0.0) -> None:
        super().__init__()
        self.pieces = PiecewiseLinear(nets, shape) if shape.bins and shape.numbers else None
        self.embedding = None
        if shape.levels:
            self.embedding = BatchedEmbedding(nets, shape.levels, shape.embedding_sizes)
        self.dropout = PooledDropout(embedding_dropout)

    def forward(self, batch: TableBatch) -> torch.Tensor:
        """All features."""
        numbers, dense, codes = batch
        parts = [numbers if self.pieces is None else self.pieces(numbers), dense]
        if self.embedding is not None:
            parts.append(self.dropout(self.embedding(codes)))
        return torch.cat(parts, dim=-1)


class PiecewiseLinear(nn.Module):
    """Numbers as vectors that change piecewise linearly between the bins' edges.

    At the start the vector is a linear function of its number; the pieces are learnt on top of it (version
    "B" of the authors' rtdl_num_embeddings, as TabM uses it). Bins are buffers, set by :meth:`set_bins`.
    """

    left: torch.Tensor
    inverse_width: torch.Tensor

    def __init__(self, nets: int, shape: InputShape) -> None:
        super().__init__()
        size = (nets, shape.numbers, shape.bins)
        self.register_buffer("left", torch.zeros(size))
        self.register_buffer("inverse_width", torch.zeros(size))
        # Rows: one per bin, then the linear term and the constant.
        weight = torch.zeros(nets, shape.numbers, shape.bins + 2, shape.number_size)
        bound = shape.number_size**-0.5
        weight[:, :, shape.bins :].uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)

    def set_bins(self, net: int, left: torch.Tensor, inverse_width: torch.Tensor) -> None:
        """The bins of one net, ``(numbers, bins)``, of no more bins than there is room for."""
        self.left[net, :, : left.shape[1]] = left
        self.inverse_width[net, :, : left.shape[1]] = inverse_width

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """``(nets, rows, numbers)`` → ``(nets, rows, numbers · size)``."""
        nets, rows, count = numbers.shape
        values = numbers.transpose(1, 2)[..., None]
        pieces = ((values - self.left[:, :, None]) * self.inverse_width[:, :, None]).clamp_(0.0, 1.0)
        encoded = torch.cat([pieces, values, torch.ones_like(values)], dim=-1)
        # In full precision also under autocast: eight bits would blur the place within a bin.
        with torch.autocast(numbers.device.type, enabled=False):
            vectors = torch.bmm(encoded.flatten(0, 1), self.weight.flatten(0, 1))
        return vectors.view(nets, count, rows, -1).transpose(1, 2).reshape(nets, rows, -1)


class OneMember(nn.Module):
    """Outputs ``(nets, rows, outputs)`` as those of one member: ``(nets, rows, 1, outputs)``."""

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        """The same numbers."""
        return outputs[:, :, None]
