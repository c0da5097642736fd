"""Image families keep the contract on small generated pictures: stripes that lean left, right or lie flat."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl.controller.strategy.space_files import load_space
from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.family import FitContext, TrialStopped
from automl.core.metrics import METRICS
from automl.core.table import Features, Kind, Table
from automl.core.tasks import Task
from automl.core.trial import TESTED_LOSS, TESTED_RATE
from automl.data.images.folder import scan_images
from automl.data.images.pixels import pictures_of, stored_side
from automl.data.images.store import store_pixels
from automl.families import families
from automl.families.nets.images.gradcam import class_maps

ROWS = 36
QUICK: dict[str, dict[str, Any]] = {
    "image_probe": {"px": 64, "view": "whole"},
    "image_tail": {"px": 64, "view": "whole", "stages": 2, "epochs": 4, "batch_size": 8},
    "image_finetune": {"px": 64, "view": "whole", "epochs": 2, "batch_size": 8, "frozen": 0.6},
    "image_scratch": {"px": 32, "width": 8, "epochs": 12, "batch_size": 8, "flip": False, "strength": 0.0},
}
TASKS: dict[str, Task] = {
    "binary": BinaryTask(METRICS["log_loss"], ("flat", "lean")),
    "multiclass": MulticlassTask(METRICS["log_loss"], ("flat", "left", "right")),
    "regression": RegressionTask(METRICS["rmse"]),
}
by_family = pytest.mark.parametrize("name", list(QUICK))


def stripes(kind: int, generator: np.random.Generator) -> Image.Image:
    down, across = np.mgrid[0:48, 0:64]
    wave = (down, across + down, across - down)[kind] / 4.0 + generator.uniform(0, 6)
    pixels = 120 + 60 * np.sin(wave)[..., None] + generator.normal(0, 12, (48, 64, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, np.ndarray, list[str]]:
    """A table of references into a store, the kinds of stripes, and the files."""
    root = tmp_path_factory.mktemp("stripes")
    generator = np.random.default_rng(0)
    kinds = np.arange(ROWS, dtype=np.int64) % 3
    for row, kind in enumerate(kinds):
        stripes(int(kind), generator).save(root / f"{row:02}.png")
    files = [str(root / file.path) for file in scan_images(root).files]
    stored = store_pixels([Path(file) for file in files], root / "cache")
    return table([stored.references[file] for file in files]), kinds, files


def table(images: list[Any]) -> Table:
    column = np.empty(len(images), dtype=object)
    for row, image in enumerate(images):
        column[row] = image
    nothing = np.empty((len(images), 0))
    return Table(
        Features(files={Kind.IMAGE: ("photo",)}),
        nothing,
        nothing.astype(np.int32),
        (),
        {Kind.IMAGE: (column,)},
    )


def target_of(task: Task, kinds: np.ndarray) -> np.ndarray:
    if task.n_outputs == 1:
        return kinds * 10.0 + 5
    return np.minimum(kinds, task.n_outputs - 1)


def fit(name: str, rows: Table, target: np.ndarray, task: Task, **how: Any) -> Any:
    family = families()[name]
    context = how.pop("context", None) or FitContext(seed=1)
    return family.fit(family.params(**{**QUICK[name], **how}), rows, target, task, context)


@pytest.fixture(scope="module")
def classifier(pictures: Any) -> Callable[[str], Any]:
    """A family's model of three classes by the seed 1; each is trained once."""
    rows, kinds, _ = pictures
    return functools.cache(lambda name: fit(name, rows, kinds, TASKS["multiclass"]))


@pytest.mark.parametrize(
    ("name", "task"),
    [("image_probe", "binary"), *((name, task) for name in QUICK for task in ("multiclass", "regression"))],
)
def test_it_learns_saves_and_loads(
    name: str, task: str, pictures: Any, classifier: Any, tmp_path: Path
) -> None:
    rows, kinds, files = pictures
    target = target_of(TASKS[task], kinds)
    model = classifier(name) if task == "multiclass" else fit(name, rows, target, TASKS[task])
    check_learned(model, rows, target, TASKS[task])
    predictions = model.predict(rows)
    model.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json"}
    loaded = families()[name].load(tmp_path)
    np.testing.assert_allclose(loaded.predict(rows), predictions, atol=1e-5 * np.abs(predictions).max())
    # from files and from memory as from the store
    some = np.array([3, 0, 7])
    for given in ([files[row] for row in some], [Image.open(files[row]) for row in some]):
        np.testing.assert_allclose(
            loaded.predict(table(given)), predictions[some], atol=0.02 * np.abs(predictions).max()
        )


def check_learned(model: Any, rows: Table, target: np.ndarray, task: Task) -> None:
    predictions = model.predict(rows)
    assert predictions.shape == (ROWS, task.n_outputs)
    blind = np.tile(task.constant_prediction(target), (ROWS, 1))
    assert task.row_losses(target, predictions).mean() < 0.9 * task.row_losses(target, blind).mean()


@by_family
def test_the_same_seed_gives_the_same_net(name: str, pictures: Any, classifier: Any) -> None:
    rows, kinds, _ = pictures
    again = fit(name, rows, kinds, TASKS["multiclass"])
    np.testing.assert_allclose(again.predict(rows), classifier(name).predict(rows), atol=1e-5)


@by_family
def test_it_stops_when_asked(name: str, pictures: Any) -> None:
    rows, kinds, _ = pictures
    for context in (FitContext(deadline=time.monotonic() - 1), FitContext(stop_requested=lambda: True)):
        began = time.monotonic()
        with contextlib.suppress(TrialStopped):  # a linear head may be there at once
            fit(name, rows, kinds, TASKS["multiclass"], context=context)
        assert time.monotonic() - began < 60


@by_family
def test_a_class_that_is_absent_has_its_column(name: str, pictures: Any) -> None:
    rows, kinds, _ = pictures
    kept = np.flatnonzero(kinds != 1)
    model = fit(name, rows.take(kept), kinds[kept], TASKS["multiclass"])
    assert model.predict(rows).shape == (ROWS, 3)


@by_family
def test_two_images_per_row_stand_side_by_side(name: str, pictures: Any) -> None:
    rows, kinds, _ = pictures
    both = {Kind.IMAGE: (rows.images[0], rows.images[0][::-1])}
    pair = replace(rows, features=Features(files={Kind.IMAGE: ("a", "b")}), files=both)
    assert fit(name, pair, kinds, TASKS["multiclass"]).predict(pair).shape == (ROWS, 3)


@by_family
def test_every_setting_of_the_portfolio_binds(name: str) -> None:
    params = families()[name].params
    space = load_space(name, params)
    for entry in space.portfolio:
        assert isinstance(space.bind(entry.params), params)


@by_family
def test_the_place_of_a_class_in_a_picture_is_shown(name: str, pictures: Any, classifier: Any) -> None:
    rows, kinds, _ = pictures
    model = classifier(name)
    places = np.array([0, 5])
    seen = pictures_of(rows.images[0], stored_side(rows.images[0]))
    shown, heat = class_maps(model, seen, places, kinds[places])
    assert shown.shape == (*heat.shape, 3)
    assert heat.min() >= 0
    assert heat.max() <= 1


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixed_pictures_train(mix: str, pictures: Any) -> None:
    rows, kinds, _ = pictures
    how = {"mix": mix, "progressive": True, "norms": "train", "strength": 1.0}
    assert fit("image_finetune", rows, kinds, TASKS["multiclass"], **how).predict(rows).shape == (ROWS, 3)


def test_a_trained_head_beats_chance(pictures: Any) -> None:
    rows, kinds, _ = pictures
    model = fit(
        "image_probe", rows, kinds, TASKS["multiclass"], head="net", hidden=32, views=6, pooling="all"
    )
    assert (model.predict(rows).argmax(axis=1) == kinds).mean() > 0.6


def test_features_are_kept_for_the_next_trial(pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, kinds, _ = pictures
    fit("image_probe", rows, kinds, TASKS["multiclass"], px=96)

    def computed(*_: Any) -> None:
        raise AssertionError("the net is asked again")

    monkeypatch.setattr("automl.families.nets.images.features._run", computed)
    fit("image_probe", rows, kinds, TASKS["multiclass"], px=96, c=1.0)


def test_complete_cycles_follow_each_other_while_there_is_time(pictures: Any) -> None:
    rows, kinds, _ = pictures
    looks = []
    context = FitContext(seed=1, stop_requested=lambda: bool(looks.append(0)))
    fit("image_scratch", rows, kinds, TASKS["multiclass"], context=context, epochs=6, cycles=3)
    assert (context.facts["cycles"], context.facts["epochs"]) == (3, 6)
    (rates,) = (curve for curve in context.curves if curve.name == "learning_rate")
    assert rates.steps == (1, 2, 3, 4, 5, 6)
    assert [rates.values[epoch] < 1e-4 for epoch in range(6)] == [False, True] * 3
    later = iter(range(len(looks)))
    short = FitContext(seed=1, stop_requested=lambda: next(later) > 0.7 * len(looks))
    fit("image_scratch", rows, kinds, TASKS["multiclass"], context=short, epochs=6, cycles=3)
    assert short.facts["cycles"] < 3


@pytest.mark.slow
def test_a_long_training_records_a_range_test_of_its_first_fold_only(
    pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, kinds, _ = pictures
    monkeypatch.setattr("automl.families.nets.images.train._LEAST_TEST", 3)
    found = []
    for fold in (0, 1):
        context = FitContext(seed=1, fold=fold)
        model = fit("image_scratch", rows, kinds, TASKS["multiclass"], context=context, epochs=20)
        found.append(({curve.name for curve in context.curves}, model.predict(rows)))
    assert found[0][0] - found[1][0] == {TESTED_LOSS, TESTED_RATE}
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-5)  # it leaves no trace


@pytest.mark.slow
@by_family
def test_of_two_labels_for_the_same_picture_the_heavy_one_is_learned(name: str, pictures: Any) -> None:
    rows, kinds, _ = pictures
    twice = rows.take(np.tile(np.arange(ROWS), 2))
    labels = np.concatenate([kinds, (kinds + 1) % 3])
    for heavy in (0, 1):
        weights = np.where(np.repeat([0, 1], ROWS) == heavy, 1.9, 0.1)
        model = fit(name, twice, labels, TASKS["multiclass"], context=FitContext(seed=1, weights=weights))
        shares = model.predict(rows)
        of_label = [shares[np.arange(ROWS), labels[half * ROWS :][:ROWS]].mean() for half in (0, 1)]
        assert of_label[heavy] > of_label[1 - heavy]
