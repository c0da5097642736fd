"""Objectives of nets for images: the loss on a batch of pixels or kept maps, changed and mixed at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from automl.data.images.pixels import Pictures
from automl.families.nets.images.features import Halves
from automl.families.nets.images.net import ImageNet, pixel_scale
from automl.families.nets.images.plan import NetTraining
from automl.families.nets.images.views import Augmenter, normalised
from automl.families.nets.outputs import output_losses

if TYPE_CHECKING:
    from automl.families.nets.batches import Batch

# In a progressive training, this share of the steps sees pictures of this share of the size.
_EARLY, _EARLY_SIZE = 0.5, 0.7


class NetObjective:
    """A net on rows of images; batches are row numbers."""

    def __init__(
        self,
        net: ImageNet,
        plan: NetTraining,
        images: tuple[Sequence[Pictures], list[list[Halves]] | None],
        target: npt.NDArray[Any],
        loss: str,
        weights: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.model = net
        self.progress: Callable[[], float] = lambda: 1.0
        self._plan = plan
        self._pictures, self._maps = images
        self.target = torch.from_numpy(np.ascontiguousarray(target))
        self._loss = loss
        self._weights = None if weights is None else torch.from_numpy(weights)
        self._augment = Augmenter(plan.px, smallest=plan.smallest, strength=plan.strength, flip=plan.flip)

    @property
    def rows(self) -> int:
        """Rows to learn from."""
        return len(self.target)

    def losses(self, batch: Batch) -> torch.Tensor:
        """The mean of a batch, ``(1,)``."""
        rows = batch[0][0].cpu().numpy()
        device = next(self.model.parameters()).device
        images = self._kept(rows, device) if self._maps is not None else self._seen(rows, device)
        target = self.target[rows].to(device)
        weights = None if self._weights is None else self._weights[rows].to(device)
        if self._plan.mix == "none":
            return self._losses(self.model(images), target, weights).mean()[None]
        images, other, share = self._mixed(images)
        outputs, others = self.model(images), None if weights is None else weights[other]
        first = self._losses(outputs, target, weights)
        second = self._losses(outputs, target[other], others)
        return (share * first + (1 - share) * second).mean()[None]

    def evaluate(self) -> None:
        """Nothing is held out: the end of the cycle is kept, whichever epoch would suit the fold best."""
        return None

    def _losses(
        self, outputs: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None
    ) -> torch.Tensor:
        losses = output_losses(self._loss, outputs.float(), target, smoothing=self._plan.smoothing)
        return losses if weights is None else losses * weights

    def _kept(self, rows: npt.NDArray[np.int64], device: torch.device) -> torch.Tensor:
        """Kept maps, of one of the views for each row."""
        assert self._maps is not None
        choice = torch.randint(len(self._maps), (len(rows),)).numpy()
        parts = []
        for column in range(len(self._pictures)):
            taken = np.stack([self._maps[view][column][row] for view, row in zip(choice, rows, strict=True)])
            maps = torch.from_numpy(taken).permute(0, 3, 1, 2).to(device).float()
            parts.append(maps.contiguous(memory_format=torch.channels_last))
        return torch.cat(parts)

    def _seen(self, rows: npt.NDArray[np.int64], device: torch.device) -> torch.Tensor:
        """Augmented pixels, made where the net is."""
        px = self._plan.px
        if self._plan.progressive and self.progress() < _EARLY:
            px = max(32, int(px * _EARLY_SIZE) // 32 * 32)
        parts = []
        for column in self._pictures:
            pixels, aspects = column.take(rows)
            images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)
            seen = self._augment(images, torch.from_numpy(aspects), px)
            parts.append(normalised(seen, *pixel_scale(self.model.shape), torch.float32))
        return torch.cat(parts)

    def _mixed(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Images mixed in pairs: ``(images, partner of each row, share of the row's own)``."""
        alpha = self._plan.mix_alpha
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        rows = len(images) // len(self._pictures)
        other = torch.randperm(rows)
        partner = torch.cat([other + rows * column for column in range(len(self._pictures))])
        if self._plan.mix == "mixup":
            return share * images + (1 - share) * images[partner], other, share
        height, width = images.shape[2:]
        cut = math.sqrt(1 - share)
        tall, wide = round(height * cut), round(width * cut)
        top = int(torch.randint(height - tall + 1, (1,)))
        left = int(torch.randint(width - wide + 1, (1,)))
        images = images.clone()
        images[:, :, top : top + tall, left : left + wide] = images[
            partner, :, top : top + tall, left : left + wide
        ]
        return images, other, 1 - tall * wide / (height * width)
