"""A net for images as a row of stages that can be cut anywhere, and what is read off its maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Trunk(nn.Module):
    """Stages one after another; every one but the first can be the first of a tail."""

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(rows, channels, height, width)`` of the last stage."""
        return self.run(images)

    def run(self, maps: torch.Tensor, *, start: int = 0, end: int | None = None) -> torch.Tensor:
        """Maps after the stages ``start`` to ``end`` (excluded)."""
        for stage in self.stages[start:end]:
            maps = stage(maps)
        return maps

    def summaries(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The last map's averages and maxima, and averages of the last map of each earlier resolution."""
        levels: list[torch.Tensor] = []
        maps = images
        for number, stage in enumerate(self.stages):
            before, maps = maps, stage(maps)
            # The map before a change of resolution is the most worked one of its size.
            if number > 1 and maps.ndim == 4 and maps.shape[-1] < before.shape[-1]:
                levels.append(before.float().mean(dim=(2, 3)))
        if len(self.stages) > 2:
            levels.append(before.float().mean(dim=(2, 3)))
        maps = maps.float()
        return maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3)), torch.cat(levels or [maps[:, :0, 0, 0]], dim=1)


class ChannelsFirst(nn.Module):
    """``(rows, height, width, channels)`` → ``(rows, channels, height, width)``."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The same numbers."""
        return maps.permute(0, 3, 1, 2)


class Whole(nn.Module):
    """One of timm's nets as a single stage; rows of tokens become a map of height 1."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The features before pooling."""
        maps: torch.Tensor = self.net.forward_features(images)
        return maps if maps.ndim == 4 else maps.transpose(1, 2)[:, :, None]


class SmallNet(Trunk):
    """A residual net of nine layers for images unlike photos, trained from scratch.

    Page's ResNet-9 (2018, "How to train your ResNet"), the fastest published way to 94 % on CIFAR-10.
    """

    def __init__(self, width: int) -> None:
        super().__init__(
            [
                _convolution(3, width),
                _convolution(width, 2 * width, pool=True),
                _Residual(2 * width),
                _convolution(2 * width, 4 * width, pool=True),
                _convolution(4 * width, 8 * width, pool=True),
                _Residual(8 * width),
            ]
        )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        inner: torch.Tensor = self.inner(maps)
        return maps + inner


def _convolution(inputs: int, outputs: int, *, pool: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class Pooling(nn.Module):
    """Maps to one row of features each: ``avg``, ``max``, or both side by side (``both``)."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """``(rows, features)``."""
        parts = []
        if self.kind in ("avg", "both"):
            parts.append(functional.adaptive_avg_pool2d(maps, 1).flatten(1))
        if self.kind in ("max", "both"):
            parts.append(functional.adaptive_max_pool2d(maps, 1).flatten(1))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
