"""Heat maps of the parts of a picture that speak for a class (Grad-CAM, Selvaraju et al. 2017)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.data.images.pixels import Pictures
from automl.families.nets import runtime
from automl.families.nets.images.features import FeatureView
from automl.families.nets.images.probe import ProbeModel

if TYPE_CHECKING:
    import torch

Heat = npt.NDArray[np.float32]
Shown = npt.NDArray[np.uint8]


def class_maps(
    model: Any, pictures: Pictures, places: npt.NDArray[np.int64], classes: npt.NDArray[np.int64]
) -> tuple[Shown, Heat] | None:
    """Images as a fitted net sees them, and heat maps of the parts that speak for the given classes.

    Parameters
    ----------
    model:
        A model of tables with one column of images.

    Returns
    -------
    ``(rows, px, px, 3)`` uint8 and ``(rows, px, px)`` from 0 to 1; None for models of other kinds.
    """
    import torch
    from torch.nn import functional

    from automl.families.nets.images.net import NetModel
    from automl.families.nets.images.views import show, still_boxes

    if not isinstance(model, ProbeModel | NetModel):
        return None
    view = replace(model.reading.views[0] if isinstance(model, ProbeModel) else model.views[0], cut=0)
    pixels, aspects = pictures.take(places)
    shown = show(pixels, still_boxes(aspects, view.view), view.px)
    with runtime.threads(None), torch.enable_grad():
        maps, outputs = _forward(model, view, shown)
        chosen = torch.from_numpy(np.asarray(classes))
        if outputs.shape[1] == 1:
            scores = torch.where(chosen == 1, outputs[:, 0], -outputs[:, 0])
        else:
            scores = outputs.gather(1, chosen[:, None])[:, 0]
        (gradient,) = torch.autograd.grad(scores.sum(), maps)
        heat = functional.relu((gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True))
        heat = functional.interpolate(heat, size=shown.shape[-2:], mode="bilinear", align_corners=False)
        heat = heat / heat.amax(dim=(2, 3), keepdim=True).clamp_min(1e-12)
    seen: Shown = shown.permute(0, 2, 3, 1).contiguous().numpy()
    return seen, heat[:, 0].detach().float().numpy()


def _forward(model: Any, view: FeatureView, shown: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The last map, and the outputs computed from it."""
    import torch

    from automl.families.nets.images.backbones import backbone_named
    from automl.families.nets.images.net import pixel_scale
    from automl.families.nets.images.views import normalised
    from automl.families.nets.images.weights import frozen_trunk

    kept: list[torch.Tensor] = []

    def keep(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    if isinstance(model, ProbeModel):
        backbone = backbone_named(view.backbone)
        trunk: Any = frozen_trunk(view.backbone, view.weights).eval().requires_grad_(False)
        handle = trunk.stages[-1].register_forward_hook(keep)
        images = normalised(shown, backbone.pixels.mean, backbone.pixels.deviation, torch.float32)
        average, maximum, levels = trunk.summaries(images)
        handle.remove()
        parts = {"avg": [average], "both": [average, maximum], "all": [average, maximum, levels]}
        return kept[0], model.head(torch.cat(parts[model.reading.pooling], dim=1))
    net = model.net
    images = normalised(shown, *pixel_scale(net.shape), torch.float32)
    if net.shape.cut:
        frozen: Any = frozen_trunk(net.shape.backbone, view.weights).eval().requires_grad_(False)
        images = frozen.run(images, end=net.shape.cut)
    handle = net.trunk.stages[-1].register_forward_hook(keep)
    outputs = net(images)
    handle.remove()
    return kept[0], outputs
