"""Views of stored images: what a net sees of them, still or changing with every epoch.

Stored images are squares, ``(rows, side, side, 3)`` uint8, with the whole picture squeezed in; the aspect
says by how much. A view is a box in them, in shares of width and height.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

# The middle of the picture that published nets are scored on: 224 of 256 pixels.
_CENTRE = 0.875
_CORNER = 0.8
# Pixels of a picture per pixel of a view, in each direction, that sampling may skip between.
_GRAIN = 1.4

Boxes = npt.NDArray[np.float32]


def still_boxes(aspects: npt.NDArray[np.float32], view: str) -> Boxes:
    """``(rows, 4)`` left, top, width, height of a view that is always the same.

    ``whole`` is the squeezed picture; ``square`` the largest undistorted square in its middle and ``crop`` a
    somewhat smaller one; ``corner0`` … ``corner3`` are undistorted squares at the four corners.
    """
    boxes = np.zeros((len(aspects), 4), dtype=np.float32)
    boxes[:, 2:] = 1.0
    if view == "whole":
        return boxes
    width = np.minimum(1.0, 1.0 / aspects)
    height = np.minimum(1.0, aspects)
    share = {"square": 1.0, "crop": _CENTRE}.get(view, _CORNER)
    boxes[:, 2], boxes[:, 3] = width * share, height * share
    right, low = 0.5, 0.5
    if view.startswith("corner"):
        right, low = float(view[-1] in "13"), float(view[-1] in "23")
    boxes[:, 0] = (1 - boxes[:, 2]) * right
    boxes[:, 1] = (1 - boxes[:, 3]) * low
    return boxes


def show(pixels: npt.NDArray[np.uint8], boxes: Boxes, px: int, *, flip: bool = False) -> torch.Tensor:
    """Still views as ``(rows, 3, px, px)`` uint8 in channels-last order."""
    import torch
    from torch.nn import functional

    images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    if flip:
        images = images.flip(3)
        boxes = boxes.copy()
        boxes[:, 0] = 1 - boxes[:, 0] - boxes[:, 2]
    side = pixels.shape[1]

    def scaled(part: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(
            part, size=(px, px), mode="bilinear", antialias=True, align_corners=False
        )

    cut = np.round(boxes * side).astype(int)
    # Of very long pictures an undistorted square is less than a stored pixel across: one at least is shown.
    cut = np.column_stack([cut[:, :2].clip(max=side - 1), cut[:, 2:].clip(min=1)])
    if (cut == cut[0]).all():
        left, top, width, height = cut[0]
        if px == width == height:
            return images[:, :, top : top + height, left : left + width]
        return scaled(images[:, :, top : top + height, left : left + width])
    parts = [
        scaled(images[row : row + 1, :, top : top + height, left : left + width])
        for row, (left, top, width, height) in enumerate(cut)
    ]
    return torch.cat(parts)


def normalised(
    images: torch.Tensor, mean: tuple[float, ...], deviation: tuple[float, ...], dtype: torch.dtype
) -> torch.Tensor:
    """uint8 images as a net wants them, in channels-last order."""
    import torch

    scale = torch.tensor([1 / (255 * value) for value in deviation], device=images.device).view(1, 3, 1, 1)
    shift = torch.tensor(
        [-middle / value for middle, value in zip(mean, deviation, strict=True)], device=images.device
    ).view(1, 3, 1, 1)
    return (images.float() * scale + shift).to(dtype).contiguous(memory_format=torch.channels_last)


class Augmenter:
    """Random views of a batch of stored images, by one sampling of the whole batch.

    Parameters
    ----------
    px:
        Height and width of the views.
    smallest:
        Least share of the picture's area that a view shows (RandomResizedCrop of Szegedy et al. 2014);
        1 for no crops.
    strength:
        Of turning, shifting and colour, from 0 (none) to 1: angles up to 30°, brightness, contrast and
        saturation by up to a half.
    flip:
        Whether half of the views are mirrored.
    """

    def __init__(self, px: int, *, smallest: float, strength: float, flip: bool) -> None:
        self.px = px
        self.smallest = smallest
        self.strength = strength
        self.flip = flip

    def __call__(self, images: torch.Tensor, aspects: torch.Tensor, px: int = 0) -> torch.Tensor:
        """``(rows, 3, side, side)`` uint8 → ``(rows, 3, px, px)`` float32 from 0 to 255.

        Draws from torch's own random state, which the training loop keeps.
        """
        import torch
        from torch.nn import functional

        rows, px = len(images), px or self.px
        values = images.float()
        # Sampling takes single pixels: without averaging first, views of whole pictures would be grainy.
        if images.shape[-1] > _GRAIN * px:
            size = int(_GRAIN * px)
            values = functional.interpolate(values, size=(size, size), mode="bilinear", antialias=True)
        matrices = self._matrices(rows, aspects).to(images.device)
        grid = functional.affine_grid(matrices, [rows, 3, px, px], align_corners=False)
        seen = functional.grid_sample(
            values, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        if self.strength > 0:
            seen = self._coloured(seen)
        return seen.clamp_(0.0, 255.0).contiguous(memory_format=torch.channels_last)

    def _matrices(self, rows: int, aspects: torch.Tensor) -> torch.Tensor:
        """``(rows, 2, 3)``: from places in the view to places in the stored square, both from -1 to 1."""
        import torch

        def uniform(low: float, high: float) -> torch.Tensor:
            return torch.rand(rows) * (high - low) + low

        area = uniform(self.smallest, 1.0)
        spread = 0.0 if self.smallest >= 1.0 else math.log(4 / 3)
        shape = torch.exp(uniform(-spread, spread))
        # Half of the way between squeezed and undistorted: nets are fed both.
        relief = aspects.to(area.dtype).cpu().pow(uniform(0.0, 1.0))
        width = (area * shape / relief).sqrt().clamp(max=1.0)
        height = (area / shape * relief).sqrt().clamp(max=1.0)
        across, down = uniform(-1.0, 1.0) * (1 - width), uniform(-1.0, 1.0) * (1 - height)
        mirror = torch.ones(rows)
        if self.flip:
            mirror = torch.where(torch.rand(rows) < 0.5, -1.0, 1.0)
        angle = uniform(-1.0, 1.0) * self.strength * math.radians(30)
        # Two of three views stay upright, as in TrivialAugment, where most operations are others.
        angle = torch.where(torch.rand(rows) < 1 / 3, angle, torch.zeros(()))
        cosine, sine = angle.cos(), angle.sin()
        first = torch.stack([width * cosine * mirror, -width * sine, across], dim=1)
        second = torch.stack([height * sine * mirror, height * cosine, down], dim=1)
        return torch.stack([first, second], dim=1)

    def _coloured(self, images: torch.Tensor) -> torch.Tensor:
        import torch

        def factor() -> torch.Tensor:
            drawn = 1 + (torch.rand(len(images), 1, 1, 1) - 0.5) * self.strength
            return drawn.to(images.device)

        images = images * factor()
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = mean + (images - mean) * factor()
        grey = images.mean(dim=1, keepdim=True)
        return grey + (images - grey) * factor()
