"""A small classification on bundled digits, as an objective for the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from automl.families.nets.batches import TensorBatches
from automl.families.nets.tables.batched import BatchedLinear, PooledDropout


@dataclass
class Digits:
    """Nets on digits; ``nets`` of them in one go, all on the same rows."""

    nets: int = 1
    dropout: float = 0.1
    model: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        data = load_digits()
        pixels = torch.from_numpy((data.data / 16).astype(np.float32)).expand(self.nets, -1, -1)
        labels = torch.from_numpy(data.target).expand(self.nets, -1)
        self.train = (pixels[:, :1200].contiguous(), labels[:, :1200].contiguous())
        self.valid = (pixels[:, 1200:].contiguous(), labels[:, 1200:].contiguous())
        self.model = nn.Sequential(
            BatchedLinear(self.nets, 64, 32),
            nn.ReLU(),
            PooledDropout(self.dropout),
            BatchedLinear(self.nets, 32, 10),
        )

    def source(self, seed: int = 0, batch_size: int = 64) -> TensorBatches:
        return TensorBatches(self.train, batch_size, torch.Generator().manual_seed(seed))

    def losses(self, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return self._losses(self.model(batch[0]), batch[1])

    def evaluate(self) -> list[float]:
        with torch.inference_mode():
            losses: list[float] = self._losses(self.model(self.valid[0]), self.valid[1]).tolist()
        return losses

    def accuracy(self) -> float:
        with torch.inference_mode():
            return float((self.model(self.valid[0]).argmax(-1) == self.valid[1]).float().mean())

    def _losses(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        rows = functional.cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="none")
        return rows.view(self.nets, -1).mean(dim=1)


@pytest.fixture
def digits() -> type[Digits]:
    return Digits
