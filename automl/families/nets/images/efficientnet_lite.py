"""EfficientNet-Lite (Tan & Le 2019, in TensorFlow's edition for small devices), whose weights we bring along.

The same numbers and names as timm's ``tf_efficientnet_lite*`` (test_backbones.py holds them against
each other) without importing timm, which takes two and a half processor seconds in every worker.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

# Per group of blocks: kernel, stride, expansion, channels, blocks.
_GROUPS = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite2": (1.1, 1.2)}  # of width and depth
_STEM, _HEAD = 32, 1280
_EPSILON = 1e-3


class EfficientNetLite(nn.Module):
    """Stem, groups of blocks and head, as attributes named as in timm."""

    def __init__(self, name: str) -> None:
        super().__init__()
        width, depth = _SCALES[name]
        self.conv_stem = _Convolution(3, _STEM, 3, stride=2)
        self.bn1 = _Norm(_STEM, clipped=True)
        self.blocks = nn.ModuleList()
        inputs = _STEM
        for number, (kernel, stride, expansion, channels, count) in enumerate(_GROUPS):
            # The first and the last group keep their depth.
            ends = number in (0, len(_GROUPS) - 1)
            outputs = _rounded(channels * width)
            group = nn.ModuleList()
            for place in range(count if ends else math.ceil(count * depth)):
                step = stride if place == 0 else 1
                group.append(
                    _Plain(inputs, outputs, kernel, step)
                    if expansion == 1
                    else _Inverted(inputs, outputs, kernel, step, expansion)
                )
                inputs = outputs
            self.blocks.append(group)
        self.conv_head = _Convolution(inputs, _HEAD, 1)
        self.bn2 = _Norm(_HEAD, clipped=True)
        self.classifier = nn.Linear(_HEAD, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(rows, 1000)`` logits of ImageNet's classes."""
        maps = self.bn1(self.conv_stem(images))
        for group in self.blocks:
            assert isinstance(group, nn.ModuleList)
            for block in group:
                maps = block(maps)
        result: torch.Tensor = self.classifier(self.bn2(self.conv_head(maps)).mean(dim=(2, 3)))
        return result


class _Convolution(nn.Conv2d):
    """Padded as TensorFlow does: what is odd goes to the right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        padding = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Maps of a stride-th of the size, rounded up."""
        if self.stride[0] > 1:
            down, across = (self._missing(size) for size in input.shape[-2:])
            input = functional.pad(input, (across // 2, across - across // 2, down // 2, down - down // 2))
        return super().forward(input)

    def _missing(self, size: int) -> int:
        stride, kernel = self.stride[0], self.kernel_size[0]
        return max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)


class _Norm(nn.BatchNorm2d):
    """A norm and, in most places, ReLU6."""

    def __init__(self, channels: int, *, clipped: bool) -> None:
        super().__init__(channels, eps=_EPSILON)
        self.act = nn.ReLU6(inplace=True) if clipped else nn.Identity()

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Maps of the same shape."""
        result: torch.Tensor = self.act(super().forward(input))
        return result


class _Plain(nn.Module):
    """A depthwise convolution and one of single pixels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _Convolution(inputs, inputs, kernel, stride=stride, groups=inputs)
        self.bn1 = _Norm(inputs, clipped=True)
        self.conv_pw = _Convolution(inputs, outputs, 1)
        self.bn2 = _Norm(outputs, clipped=False)
        self.beside = stride == 1 and inputs == outputs

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of ``outputs`` channels."""
        result: torch.Tensor = self.bn2(self.conv_pw(self.bn1(self.conv_dw(maps))))
        return result + maps if self.beside else result


class _Inverted(nn.Module):
    """The same between a widening and a narrowing one (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = _rounded(inputs * expansion)
        self.conv_pw = _Convolution(inputs, wide, 1)
        self.bn1 = _Norm(wide, clipped=True)
        self.conv_dw = _Convolution(wide, wide, kernel, stride=stride, groups=wide)
        self.bn2 = _Norm(wide, clipped=True)
        self.conv_pwl = _Convolution(wide, outputs, 1)
        self.bn3 = _Norm(outputs, clipped=False)
        self.beside = stride == 1 and inputs == outputs

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of ``outputs`` channels."""
        wide = self.bn2(self.conv_dw(self.bn1(self.conv_pw(maps))))
        result: torch.Tensor = self.bn3(self.conv_pwl(wide))
        return result + maps if self.beside else result


def _rounded(channels: float) -> int:
    """To a multiple of 8, not below nine tenths of it."""
    width = max(8, int(channels + 4) // 8 * 8)
    return width + 8 if width < 0.9 * channels else width
