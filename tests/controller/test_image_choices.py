"""What a search on images leaves out, what it tries first, and how long a trial may take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl.controller.strategy.allocator import Allocator
from automl.controller.strategy.space_files import load_space
from automl.controller.strategy.trial_times import TimeModel, trial_seconds
from automl.core.built_in_tasks import BinaryTask
from automl.core.family import Scope
from automl.core.metrics import METRICS
from automl.data.images.modality import MODALITY
from automl.data.images.pixels import mostly_elongated
from automl.data.images.store import store_pixels
from automl.families import families
from automl.problem.fold_rules import SplitPlan, hold_out_test, make_split


def opening(*names: str) -> list[str]:
    allocator = Allocator(names, TimeModel(), timed=False)
    return [str(allocator.choose(1e9)) for _ in range(6)]


def test_image_families_and_those_of_tables_open_in_turn() -> None:
    images = ("dummy", "image_probe", "image_tail")
    assert opening(*images) == ["dummy", *["image_probe"] * 4, "image_tail"]
    both = opening(*images, "linear", "lightgbm")
    assert both == ["dummy", "linear", "image_probe", "lightgbm", "image_probe", "lightgbm"]
    assert "image_probe" not in opening("dummy", "linear", "lightgbm")


def test_backbones_without_weights_leave_the_space_and_its_portfolio() -> None:
    space = load_space("image_probe", families()["image_probe"].params)
    backbone = next(param for param in space.params if param.name == "backbone")
    others = {name for name in backbone.choices if name != "resnet18"}
    left = space.without("backbone", others)
    assert left is not None
    assert left.bind(left.complete({})).backbone == "resnet18"
    assert space.without("backbone", set(backbone.choices)) is None
    assert space.without("backbone", set()) is space


@pytest.mark.parametrize(("name", "few"), [("image_finetune", 60.0), ("image_tail", 10.0)])
def test_nets_that_cannot_see_their_images_thrice_are_left_out(name: str, few: float) -> None:
    unsuited = families()[name].unsuited
    assert "three epochs" in unsuited(Scope(1000, 5, few, "cpu"))
    assert not unsuited(Scope(1000, 5, 1e6, "cpu"))


def test_a_net_from_nothing_needs_a_thousand_images() -> None:
    assert families()["image_scratch"].unsuited(Scope(200, 5, 1e6, "cpu"))
    assert not families()["image_scratch"].unsuited(Scope(5000, 5, 1e6, "cpu"))


def test_a_trial_on_images_may_take_a_third_of_the_budget() -> None:
    assert trial_seconds(180, 200, MODALITY) == 60
    assert trial_seconds(180, 200) == 30
    assert trial_seconds(10, 200) == 8


def test_the_datas_own_split_judges_with_the_rows_it_names() -> None:
    target = np.arange(6_000) % 2
    plan = SplitPlan(judged=np.arange(6_000) >= 4_000)
    task = BinaryTask(METRICS["accuracy"], ("a", "b"))
    assert hold_out_test(target, task, plan) is None
    (fold,) = make_split(target, task, plan).folds
    assert len(fold.train) == 4_000
    assert fold.valid.min() == 4_000
    (fold,) = make_split(target[3_990:], task, plan.take(np.arange(3_990, 6_000))).folds
    assert len(fold.train) == 10


@pytest.mark.parametrize(("size", "whole"), [((90, 60), True), ((40, 90), True), ((80, 60), False)])
def test_whole_pictures_come_early_where_most_are_tall_or_wide(
    tmp_path: Path, size: tuple[int, int], whole: bool
) -> None:
    files = [tmp_path / f"{number}.png" for number in range(5)]
    for number, file in enumerate(files):
        Image.new("RGB", size if number < 4 else (60, 60), (50 * number, 9, 9)).save(file)
    stored = store_pixels(files, tmp_path / "cache")
    elongated = mostly_elongated([np.array(list(stored.references.values()), dtype=object)])
    assert elongated == whole
    space = load_space("image_probe", families()["image_probe"].params).where(
        {"elongated"} if elongated else set()
    )
    assert ("P160-whole" in [entry.name for entry in space.portfolio[:3]]) == whole
    assert not mostly_elongated(())
