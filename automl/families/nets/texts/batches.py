"""Batches of texts of about equal length, in an order that differs by epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

if TYPE_CHECKING:
    from automl.families.nets.batches import Batch

_POOL = 50
"""Batches that are sorted by length together: enough for little padding, few enough for chance."""
_TYPICAL = 3


class LengthBatches:
    """Deals the places of rows in batches; implements :class:`automl.families.nets.batches.BatchSource`.

    The first batches of an epoch are of about average cost: by their time a training is planned.

    Parameters
    ----------
    lengths:
        Tokens per row, ``(rows,)``.
    batch_size:
        Rows of a batch.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], batch_size: int, generator: torch.Generator) -> None:
        self._lengths = torch.from_numpy(np.ascontiguousarray(lengths, dtype=np.int64))
        self._steps = max(1, round(len(lengths) / batch_size))
        self._generator = generator

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return self._steps

    @property
    def generator(self) -> torch.Generator:
        """The generator that decides the order of the rows."""
        return self._generator

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch: the places of their rows, ``(1, rows)``."""
        rows = torch.randperm(len(self._lengths), generator=self._generator)
        batches: list[torch.Tensor] = []
        pools = rows.tensor_split(max(1, round(self._steps / _POOL)))
        for place, pool in enumerate(pools):
            ordered = pool[self._lengths[pool].argsort(stable=True)]
            ends = [round(self._steps * count / len(pools)) for count in (place, place + 1)]
            batches += list(ordered.tensor_split(ends[1] - ends[0]))
        order = torch.randperm(len(batches), generator=self._generator).tolist()
        cost = torch.tensor([float(self._lengths[batches[place]].max()) for place in order])
        typical = (cost - cost.mean()).abs().argsort(stable=True)[:_TYPICAL].tolist()
        first = [order[place] for place in typical]
        for place in [*first, *(place for place in order if place not in first)]:
            yield (batches[place][None],)
