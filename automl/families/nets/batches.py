"""Sources of a training's batches: tensors in memory, or anything else that can deal epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    Batch = tuple[torch.Tensor, ...]

_BLOCK_BYTES = 32 << 20


class BatchSource(Protocol):
    """Deals the batches of one epoch after another."""

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        ...

    @property
    def generator(self) -> torch.Generator:
        """The generator that decides the order of the rows."""
        ...

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        ...


def first_batches(source: BatchSource, count: int) -> Iterator[Batch]:
    """The next ``count`` batches, of as many epochs as that takes."""
    done = 0
    while True:
        for batch in source.epoch():
            yield batch
            done += 1
            if done == count:
                return


def batch_size_for(rows: int) -> int:
    """Rows per batch: small tables need the steps, large ones the speed."""
    for limit, size in ((300, 32), (1_000, 64), (4_000, 128), (50_000, 256), (150_000, 512)):
        if rows < limit:
            return size
    return 1024


class TensorBatches:
    """Rows of tensors in memory, permuted once per epoch and cut into equal batches.

    Several nets may be trained in one go on rows of their own: tensors are ``(nets, rows, …)``, and so are
    batches. A single net has ``nets`` 1.

    Parameters
    ----------
    tensors:
        Inputs and targets; rows beyond a net's own number are ignored.
    batch_size:
        Wanted rows per batch. The epoch is cut into equal batches of about this size; the few rows that
        remain (others in each epoch) are left out of it.
    rows:
        Rows of each net; by default all.
    """

    def __init__(
        self,
        tensors: Sequence[torch.Tensor],
        batch_size: int,
        generator: torch.Generator,
        rows: Sequence[int] | None = None,
    ) -> None:
        nets, longest = tensors[0].shape[:2]
        self._flat = tuple(tensor.flatten(0, 1) for tensor in tensors)
        self._rows = list(rows or [longest] * nets)
        self._stride = longest
        self._generator = generator
        self._steps = max(1, round(max(self._rows) / batch_size))
        self._size = max(1, max(self._rows) // self._steps)
        row_bytes = sum(tensor[0].numel() * tensor.element_size() for tensor in self._flat)
        # Steps whose rows are gathered at once: few calls, and no second copy of a large table.
        self._block = max(1, _BLOCK_BYTES // max(row_bytes * nets * self._size, 1))

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return self._steps

    @property
    def batch_size(self) -> int:
        """Rows per batch and net."""
        return self._size

    @property
    def generator(self) -> torch.Generator:
        """The generator that decides the order."""
        return self._generator

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch, each tensor ``(nets, batch, …)``."""
        import torch

        count, nets = self._steps * self._size, len(self._rows)
        order = torch.stack([self._order(net, count) for net in range(nets)])
        # Ordered by step, then net: every batch is then a contiguous run of the permuted rows.
        index = order.view(nets, self._steps, self._size).transpose(0, 1).reshape(self._steps, -1)
        index = index.to(self._flat[0].device)
        for block in torch.split(index, self._block):
            shape = (len(block), nets, self._size)
            rows = block.reshape(-1)
            dealt = [tensor.index_select(0, rows).view(*shape, *tensor.shape[1:]) for tensor in self._flat]
            for step in range(len(block)):
                yield tuple(tensor[step] for tensor in dealt)

    def _order(self, net: int, count: int) -> torch.Tensor:
        """``count`` rows of one net in random order; a few come twice when it has fewer than the others."""
        import torch

        rows = self._rows[net]
        order = torch.randperm(rows, generator=self._generator)
        if rows < count:
            order = order.repeat(-(-count // rows))
        return order[:count] + net * self._stride
