"""A trained net for images: from pictures to predictions, and to files and back without pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from automl.core.predictions import Predictions
from automl.core.table import Table
from automl.data.images.pixels import Pictures, pictures_of
from automl.families.nets import runtime
from automl.families.nets.heads import Head
from automl.families.nets.images.backbones import backbone_named, empty_trunk
from automl.families.nets.images.features import FeatureView, frozen_outputs
from automl.families.nets.images.trunk import Pooling, SmallNet, Trunk
from automl.families.nets.images.views import normalised, show, still_boxes
from automl.families.nets.images.weights import check_frozen, share_frozen
from automl.families.nets.outputs import OutputScale, linked
from automl.families.nets.surroundings import Surroundings

_WEIGHTS, _FACTS = "net.safetensors", "image_net.json"
_BATCH = 64
_LARGEST_HALF = 60_000.0


@dataclass(frozen=True, kw_only=True)
class NetShape:
    """A net as plain data.

    Attributes
    ----------
    backbone:
        Its name; empty for a small net of ``width``.
    cut:
        Stages that stay as they were published and are not part of the net; 0 for none.
    columns:
        Images per row; their features stand side by side before the head.
    features:
        Of one image.
    """

    backbone: str
    cut: int
    pooling: str
    columns: int
    features: int
    outputs: int
    hidden: int = 0
    dropout: float = 0.0
    width: int = 0


class ImageNet(nn.Module):
    """Stages, pooling and head."""

    def __init__(self, shape: NetShape, trunk: Trunk) -> None:
        super().__init__()
        self.shape = shape
        self.trunk = trunk if not shape.cut else Trunk(list(trunk.stages[shape.cut :]))
        self.pooling = Pooling(shape.pooling)
        self.head = Head(
            shape.features * shape.columns, shape.outputs, hidden=shape.hidden, dropout=shape.dropout
        )
        self.norms_learn = True

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(columns · rows, …)``, one image column after another → ``(rows, outputs)``."""
        pooled = self.pooling(self.trunk(images)).float()
        rows = len(pooled) // self.shape.columns
        side_by_side = torch.cat(pooled.split(rows), dim=1) if self.shape.columns > 1 else pooled
        logits: torch.Tensor = self.head(side_by_side)
        return logits

    def train(self, mode: bool = True) -> ImageNet:
        """Norms stay as they were published where ``norms_learn`` is False: few images would upset them."""
        super().train(mode)
        if mode and not self.norms_learn:
            for module in self.trunk.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def build_net(shape: NetShape, trunk: Trunk | None = None) -> ImageNet:
    """The net of this shape; with random weights unless a trunk is given."""
    if trunk is None:
        trunk = _as_trunk(SmallNet(shape.width) if not shape.backbone else empty_trunk(shape.backbone))
    net = ImageNet(shape, trunk)
    net.to(memory_format=torch.channels_last)
    return net


def _as_trunk(module: nn.Module) -> Trunk:
    assert isinstance(module, Trunk)
    return module


def pixel_scale(shape: NetShape) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the pixels that the net takes."""
    if not shape.backbone:
        return (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    backbone = backbone_named(shape.backbone)
    return backbone.pixels.mean, backbone.pixels.deviation


class NetModel:
    """A trained net; implements :class:`automl.core.family.Fitted`.

    Parameters
    ----------
    views:
        What it is shown of each image when it predicts; predictions are averaged over them.
    """

    def __init__(
        self,
        net: ImageNet,
        views: Sequence[FeatureView],
        scale: OutputScale,
        *,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.net = _rounded(net).eval().to(device)
        self.views = tuple(views)
        self.scale = scale
        self._around = Surroundings(threads, device)
        self._runner: ImageNet | None = None

    def predict(self, inputs: Table) -> Predictions:
        """Probabilities per class, or values."""
        pictures = [pictures_of(column, self.views[0].side) for column in inputs.images]
        parts = []
        with runtime.threads(self._around.threads), torch.inference_mode():
            for start in range(0, inputs.rows, _BATCH):
                place = slice(start, start + _BATCH)
                total: Any = 0.0
                for view in self.views:
                    outputs = self._run(self._inputs(pictures, view, place))
                    total = total + linked(self.scale.link, outputs)
                parts.append(self.scale.decode(total / len(self.views)))
        return np.concatenate(parts)

    def outputs(self, images: torch.Tensor) -> torch.Tensor:
        """Logits or values of normalised images, in full precision; for explanations."""
        logits: torch.Tensor = self.net(images)
        return logits

    def _inputs(self, pictures: Sequence[Pictures], view: FeatureView, place: slice) -> torch.Tensor:
        device, dtype = self._around.device, runtime.frozen_type(self._around.device)
        parts = []
        for column in pictures:
            if view.cut:
                maps = frozen_outputs(_part(column, place), view, self._around)
                parts.append(torch.from_numpy(maps).permute(0, 3, 1, 2).to(device, dtype))
                continue
            pixels, aspects = column.take(place)
            shown = show(pixels, still_boxes(aspects, view.view), view.px, flip=view.flip).to(device)
            parts.append(normalised(shown, *pixel_scale(self.net.shape), dtype))
        return torch.cat(parts)

    def _run(self, images: torch.Tensor) -> torch.Tensor:
        """In the number format of frozen nets, which the head is too exact for."""
        if self._runner is None:
            runtime.keep_large_blocks()
            runner = build_net(self.net.shape)
            runner.load_state_dict(self.net.state_dict())
            runner.eval().to(self._around.device)
            runner.trunk.to(runtime.frozen_type(self._around.device))
            self._runner = runner
        logits: torch.Tensor = self._runner(images)
        return logits

    def save(self, folder: Path) -> None:
        """Weights in half precision as safetensors, facts as JSON."""
        state = {
            name: (value.half() if _halved(name, value) else value).contiguous().cpu()
            for name, value in self.net.state_dict().items()
        }
        save_file(state, folder / _WEIGHTS)
        body = {
            "shape": asdict(self.net.shape),
            "scale": asdict(self.scale),
            "views": [asdict(view) for view in self.views],
        }
        (folder / _FACTS).write_text(json.dumps(body), encoding="utf-8")
        if self.net.shape.cut:
            share_frozen(self.net.shape.backbone, self.views[0].weights, folder)


def load_net(folder: Path) -> NetModel:
    """The model that :meth:`NetModel.save` wrote.

    Raises
    ------
    ModelFileError
        When a frozen part's weights are others than at training.
    """
    body = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    shape, scale = NetShape(**body["shape"]), OutputScale.from_json(body["scale"])
    views = [FeatureView(**view) for view in body["views"]]
    if shape.cut:
        check_frozen(shape.backbone, views[0].weights, folder)
    with runtime.seeded(0):
        net = build_net(shape)
    state = load_file(folder / _WEIGHTS)
    net.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    )
    return NetModel(net, views, scale)


def _rounded(net: ImageNet) -> ImageNet:
    """The weights as they will be saved, so that the model that was judged is the one that is kept."""
    state = net.state_dict()
    net.load_state_dict(
        {name: value.half().float() if _halved(name, value) else value for name, value in state.items()}
    )
    return net


def _halved(name: str, value: torch.Tensor) -> bool:
    """Tell whether a weight is kept in half precision: those of stages are, unless too large for it."""
    kept = name.startswith("trunk.") and value.is_floating_point()
    return kept and bool(value.abs().max() < _LARGEST_HALF if value.numel() else False)


def _part(pictures: Pictures, place: slice) -> Pictures:
    return Pictures(
        pictures.hashes[place], pictures.pixels, pictures.aspects, pictures.rows[place], pictures.cache
    )
