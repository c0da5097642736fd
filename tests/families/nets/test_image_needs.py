"""What frozen nets see is computed once, survives a kill, and is foreseen by what was measured."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from automl.core.family import FitContext, Outlook, Scope, TrialStopped
from automl.core.table import Features, Kind, Table
from automl.data.images.pixels import pictures_of
from automl.data.images.store import store_pixels
from automl.families import families
from automl.families.nets import runtime
from automl.families.nets.feature_shelf import Shelf
from automl.families.nets.images import features as image_features
from automl.families.nets.images.backbones import load_trunk
from automl.families.nets.images.features import keep_outputs, view_of
from automl.families.nets.images.fusion import fused
from automl.families.nets.images.needs import prepare_needs, probe_needs
from automl.families.nets.images.picture_times import Costs, NetCost
from automl.families.nets.surroundings import Surroundings

COUNT, SIDE = 48, 64
LITE = "efficientnet_lite0"
SCOPE = Scope(rows=40, folds=1, trial_seconds=1e9, device="cpu")


@pytest.fixture
def table(tmp_path: Path) -> Table:
    generator = np.random.default_rng(0)
    files = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for file in files:
        Image.fromarray(generator.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)).save(file)
    stored = store_pixels(files, tmp_path / "cache")
    column = np.array([stored.references[str(file)] for file in files], dtype=object)
    nothing = np.empty((COUNT, 0))
    return Table(
        Features(files={Kind.IMAGE: ("photo",)}),
        nothing,
        nothing.astype(np.int32),
        (),
        {Kind.IMAGE: (column,)},
    )


def test_a_stopped_pass_keeps_its_part_and_the_next_goes_on(table: Table) -> None:
    pictures, view = pictures_of(table.images[0], SIDE), view_of(LITE, 32, SIDE)
    told: list[tuple[int, int]] = []
    around = Surroundings(1, report=lambda done, images: told.append((done, images)))
    with pytest.raises(TrialStopped, match=f"of {COUNT} images"):
        keep_outputs(pictures, view, replace(around, should_stop=lambda: len(told) > 0))
    done = told[-1][0]
    assert 0 < done < COUNT
    keep_outputs(pictures, view, around)
    assert told[-1] == (COUNT - done, COUNT - done)
    assert pictures.cache is not None
    assert (Shelf(pictures.cache, view.name).find(pictures.hashes).places >= 0).all()


def test_a_killed_worker_leaves_the_features_it_had(table: Table) -> None:
    view, (column,) = view_of(LITE, 32, SIDE), table.images
    code = f"""
import os, signal, numpy as np
from automl.data.images.pixels import pictures_of
from automl.families.nets.images import features as f
f._SAVE_SECONDS = f._SAVE_SHARE = 0.0
def report(done, images):
    if done > {COUNT // 2}: os.kill(os.getpid(), signal.SIGKILL)
column = np.array({[str(image) for image in column]!r}, dtype=object)
f.keep_outputs(pictures_of(column, {SIDE}), f.view_of({LITE!r}, 32, {SIDE}), f.Surroundings(1, report=report))
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert ended.returncode == -9
    pictures = pictures_of(column, SIDE)
    assert pictures.cache is not None
    there = int((Shelf(pictures.cache, view.name).find(pictures.hashes).places >= 0).sum())
    assert 0 < there < COUNT
    told: list[int] = []
    keep_outputs(pictures, view, Surroundings(1, report=lambda done, images: told.append(images)))
    assert told[-1] == COUNT - there


def test_costs_are_measured_by_the_first_trial_and_foresee_the_others(table: Table) -> None:
    family = families()["image_probe"]
    look = family.outlook
    assert look is not None
    small, large = (family.params(px=px, view="whole", views=1) for px in (32, 224))
    assert look(small, [table], SCOPE) is None
    said: list[str] = []
    context = FitContext(nets=(LITE,), report=lambda fraction, message: said.append(message))
    prepare_needs(probe_needs(LITE, 32, "whole", 1, SIDE), [table], context)
    assert said[0] == f"measuring {LITE}"
    assert said[-1] == f"features {COUNT} of {COUNT}"
    assert look(small, [table], SCOPE) == Outlook()
    mirrored = look(family.params(px=224, view="whole"), [table], SCOPE)
    once = look(large, [table], SCOPE)
    assert once is not None
    assert mirrored is not None
    assert once.prepare > 0
    assert mirrored.prepare == pytest.approx(2 * once.prepare)


def test_training_is_foreseen_to_take_longer_than_seeing(table: Table) -> None:
    pictures = pictures_of(table.images[0], SIDE)
    assert pictures.cache is not None
    net = view_of(LITE, 32, SIDE).net
    Costs(pictures.cache).measure([(net, lambda: NetCost(18, 0.01, 0.04))], seconds=1.0)
    for name, least in (("image_tail", 1.0), ("image_finetune", 9.0)):
        family = families()[name]
        assert family.outlook is not None
        found = family.outlook(family.params(px=96), [table], SCOPE)
        assert found is not None
        assert found.fit > least * SCOPE.rows * 0.01
        assert found.prepare > 0


def test_a_pass_that_was_slower_than_measured_slows_what_is_foreseen(tmp_path: Path) -> None:
    costs = Costs(tmp_path)
    costs.measure([("net", lambda: NetCost(18, 0.01, 0.04))], seconds=1.0)
    costs.measure([("net", lambda: NetCost(18, 1.0, 1.0)), ("late", lambda: NetCost(1, 1, 1))], seconds=-1.0)
    assert costs.of("late") is None
    before = costs.of("net")
    assert before is not None
    assert (before.seconds(96), before.seconds(192)) == pytest.approx((0.01, 0.04))
    costs.learn("net", 96, images=100, seconds=4.0)
    after = costs.of("net")
    assert after is not None
    assert after.seconds(96) == pytest.approx(0.02)


def test_one_process_at_a_time_has_all_cores(tmp_path: Path) -> None:
    with image_features.all_cores(tmp_path) as mine, image_features.all_cores(tmp_path) as others:
        assert mine
        assert not others
    with image_features.all_cores(tmp_path) as again:
        assert again


def test_folded_norms_change_nothing_and_are_gone() -> None:
    trunk = load_trunk(LITE).eval()
    folded = fused(trunk)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), trunk(images), atol=1e-3, rtol=1e-3)


def test_a_net_whose_norms_follow_something_else_stays_as_it_is() -> None:
    class Crossed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 3, 1)
            self.norm = nn.BatchNorm2d(3)
            nn.init.constant_(self.norm.bias, 3.0)

        def forward(self, images: Any) -> Any:
            return self.convolution(torch.relu(self.norm(-images)))

    net = Crossed()
    assert fused(net) is net


@pytest.mark.parametrize(("allowed", "left"), [("AVX2", False), ("AVX512_CORE", False), ("", None)])
def test_bfloat16_can_be_taken_away(monkeypatch: pytest.MonkeyPatch, allowed: str, left: bool | None) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", allowed)
    runtime.cpu_computes_bfloat16.cache_clear()
    has_it = runtime.cpu_computes_bfloat16()
    runtime.cpu_computes_bfloat16.cache_clear()
    assert has_it == (torch.cpu._is_avx512_bf16_supported() if left is None else left)
