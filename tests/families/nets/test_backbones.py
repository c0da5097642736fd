"""Backbones: names and files as published, weights found or named, stages that add up to the whole net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file

from automl.core.environment import WEIGHTS_DIR
from automl.core.errors import MissingDependencyError, UsageError
from automl.data.images.pixels import pictures_of
from automl.families.nets.images import weights as image_weights
from automl.families.nets.images.backbones import (
    BACKBONES,
    PACKAGED,
    backbone_named,
    empty_trunk,
    find_weights,
    load_trunk,
    missing_weights,
    recognised_weights,
    weights_digest,
    weights_of,
)
from automl.families.nets.images.efficientnet_lite import EfficientNetLite
from automl.families.nets.images.features import frozen_outputs, view_of
from automl.families.nets.surroundings import Surroundings

LITE = "efficientnet_lite0"


@pytest.mark.parametrize("name", [name for name in BACKBONES if not name.startswith("efficientnet_lite")])
def test_files_are_those_that_torchvision_publishes(name: str) -> None:
    weights = torchvision.models.get_model_weights(name)
    assert backbone_named(name).file in {item.url.rpartition("/")[2] for item in weights}


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18", "regnet_y_400mf", "swin_v2_t"])
def test_a_trunk_is_the_published_net_without_its_head(name: str) -> None:
    torch.manual_seed(0)
    trunk = empty_trunk(name).eval()
    with torch.inference_mode():
        maps = trunk(torch.zeros(1, 3, 64, 64))
    assert maps.shape[1] == backbone_named(name).channels
    assert len(next(iter(trunk.children()))) > 3


@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_the_packaged_weights_load_and_see(name: str) -> None:
    assert missing_weights([name]) == {}
    trunk = load_trunk(name).eval()
    images = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    with torch.inference_mode():
        whole = trunk(images)
        tail = trunk.run(trunk.run(images, end=9), start=9)  # type: ignore[operator]
    assert whole.shape[1] == 1280
    torch.testing.assert_close(whole, tail)
    assert weights_of(name).name.endswith(weights_digest(weights_of(name))[:8] + ".pth")


@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_our_editions_of_timms_nets_are_the_same(name: str) -> None:
    import timm

    torch.manual_seed(0)
    theirs, ours = timm.create_model(f"tf_{name}").eval(), EfficientNetLite(name).eval()
    ours.load_state_dict(theirs.state_dict())
    for px in (33, 64):
        images = torch.rand(1, 3, px, px)
        with torch.inference_mode():
            torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=0)


def test_missing_weights_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv(WEIGHTS_DIR, raising=False)
    assert missing_weights(["resnet18", LITE]) == {"resnet18": "resnet18-f37072fd.pth"}
    with pytest.raises(MissingDependencyError, match=r"resnet18-f37072fd.pth.*--weights-dir"):
        weights_of("resnet18")
    with pytest.raises(UsageError, match="resnet18"):
        backbone_named("resnet_18")


def test_weights_of_a_folder_are_used_and_travel_with_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(WEIGHTS_DIR, str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    torch.manual_seed(0)
    net = torchvision.models.mobilenet_v3_small(weights=None)
    torch.save(net.state_dict(), tmp_path / "weights" / backbone_named("mobilenet_v3_small").file)
    assert find_weights(backbone_named("mobilenet_v3_small")) is not None
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    images = np.empty(1, dtype=object)
    images[0] = noise
    view = view_of("mobilenet_v3_small", 64, 40)
    pictures = pictures_of(images, 40)
    before = frozen_outputs(pictures, view, Surroundings())
    for fold in range(2):
        folder = tmp_path / "member" / f"fold_{fold}"
        folder.mkdir(parents=True)
        image_weights.share_frozen("mobilenet_v3_small", view.weights, folder)
    (kept,) = (tmp_path / "member").rglob("backbone-*.safetensors")
    assert kept.parent == tmp_path / "member"
    monkeypatch.setenv(WEIGHTS_DIR, str(tmp_path / "nothing"))
    image_weights.check_frozen("mobilenet_v3_small", view.weights, tmp_path / "member" / "fold_1")
    trunk = image_weights.frozen_trunk("mobilenet_v3_small", view.weights)
    torch.testing.assert_close(dict(trunk.named_parameters())["stages.0.0.weight"], net.features[0][0].weight)
    assert before.shape == (1, 2 * 576 + before.shape[1] - 1152)


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_ones_own_are_known_by_their_tensors(
    wrapped: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    net = torchvision.models.resnet18(weights=None, num_classes=4)
    state = {f"module.{key}": value for key, value in net.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 7} if wrapped else net.state_dict(), tmp_path / "mine.pth")
    (tmp_path / "notes.pt").write_text("no weights", encoding="utf-8")
    torch.save({"paths": [tmp_path], "net": net}, tmp_path / "objects.pt")
    monkeypatch.setenv(WEIGHTS_DIR, str(tmp_path))
    assert recognised_weights(tmp_path) == {"resnet18": tmp_path / "mine.pth"}
    assert list(missing_weights(["resnet18", "resnet50"])) == ["resnet50"]
    trunk = load_trunk("resnet18")
    torch.testing.assert_close(dict(trunk.named_parameters())["stages.0.0.weight"], net.conv1.weight)


def test_any_of_timms_nets_is_taken_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import timm

    monkeypatch.setenv(WEIGHTS_DIR, str(tmp_path))
    assert missing_weights(["timm/resnet10t"]) == {"timm/resnet10t": "resnet10t.safetensors"}
    save_file(timm.create_model("resnet10t").state_dict(), tmp_path / "resnet10t.safetensors")
    with torch.inference_mode():
        assert load_trunk("timm/resnet10t").eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 512, 2, 2)
