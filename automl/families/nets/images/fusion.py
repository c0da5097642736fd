"""Frozen nets made quicker without changing what they see: norms folded into the convolutions before them."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

_PX = 64
_ALLOWED = 1e-3  # of the largest value; rounding in another order changes a hundredth of that


def fused(net: nn.Module) -> nn.Module:
    """The net with every norm that follows a convolution folded into it; the net itself where that differs.

    A norm of a frozen net is a factor and a summand per channel, and takes a pass through memory of its own.
    What counts as following is read off the order in which modules were made; a random picture must come out
    the same.
    """
    import torch

    folded = copy.deepcopy(net).eval()
    _fold(folded)
    picture = torch.rand(1, 3, _PX, _PX, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return folded if _same(net.eval()(picture), folded(picture)) else net


def _fold(net: nn.Module) -> None:
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in list(net.modules()):
        names = list(module._modules)
        for first, second in pairwise(names):
            convolution, norm = module._modules[first], module._modules[second]
            if (
                isinstance(convolution, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and convolution.out_channels == norm.num_features
            ):
                module._modules[first] = fuse_conv_bn_eval(convolution, norm)
                # timm's norms bring their activation along.
                module._modules[second] = getattr(norm, "act", None) or nn.Identity()


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    most = float(first.abs().max())
    return first.shape == second.shape and float((first - second).abs().max()) <= _ALLOWED * max(most, 1e-6)
