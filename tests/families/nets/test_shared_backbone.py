"""A frozen net that a model brings along lies there once, runs once per picture, and is found in old ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl.core.built_in_tasks import BinaryTask
from automl.core.family import FitContext
from automl.core.metrics import METRICS
from automl.core.sealed import MANIFEST, seal
from automl.core.table import Features, Kind, Table
from automl.data.images.store import store_pixels
from automl.data.layout import Layout
from automl.families import families
from automl.families.nets.images import backbones
from automl.families.nets.images import features as image_features
from automl.families.nets.images import weights as image_weights
from automl.model.predictor import FORMAT, Predictor, PredictorSource, build_predictor

COUNT = 16
TASK = BinaryTask(METRICS["log_loss"], ("dark", "light"))


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Predictor, list[str]]:
    """Two heads of two folds each on a net that no dependency brings, and the pictures' files."""
    monkeypatch.setattr(image_weights, "PACKAGED", frozenset())
    generator = np.random.default_rng(0)
    files = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for number, file in enumerate(files):
        pixels = generator.integers(0, 120, (32, 32, 3)) + 120 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(file)
    stored = store_pixels(files, tmp_path / "cache")
    column = np.array([stored.references[str(file)] for file in files], dtype=object)
    nothing = np.empty((COUNT, 0))
    table = Table(
        Features(files={Kind.IMAGE: ("photo",)}),
        nothing,
        nothing.astype(np.int32),
        (),
        {Kind.IMAGE: (column,)},
    )
    family = families()["image_probe"]
    members = []
    for number, c in enumerate((0.1, 1.0)):
        folder = tmp_path / f"trial_{number}"
        for fold in range(2):
            params = family.params(px=32, view="whole", views=1, c=c)
            model = family.fit(params, table, np.arange(COUNT) % 2, TASK, FitContext(seed=fold))
            (folder / f"fold_{fold}").mkdir(parents=True)
            model.save(folder / f"fold_{fold}")
        body = {"format": 1, "family": "image_probe", "folds": [0, 1], "log_target": False, "log_ranges": []}
        (folder / "member.json").write_text(json.dumps(body), encoding="utf-8")
        members.append((folder, 0.5))
    frame = pd.DataFrame({"photo": [str(file) for file in files], "label": ["dark", "light"] * (COUNT // 2)})
    layout = Layout.infer(frame, target="label", kinds={"photo": Kind.IMAGE})
    source = PredictorSource(
        name="shades", task=TASK, layout=layout, members=tuple(members), folds=((0, 1), (0,))
    )
    return build_predictor(tmp_path / "predictor", source), [str(file) for file in files]


def test_it_is_stored_once_and_loads_where_its_weights_are_not(
    built: tuple[Predictor, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    predictor, files = built
    (kept,) = predictor.folder.rglob("backbone-*")
    assert kept.parent.name == "frozen"
    expected = predictor.predict_proba(files)
    shutil.copytree(predictor.folder, tmp_path / "elsewhere")
    shutil.rmtree(predictor.folder)
    monkeypatch.setattr(backbones, "find_weights", lambda backbone: None)
    monkeypatch.setattr(image_weights, "find_weights", lambda backbone: None)
    image_features._frozen.cache_clear()
    image_features._memory.clear()
    there = Predictor.load(tmp_path / "elsewhere").predict_proba(files)
    pd.testing.assert_frame_equal(there, expected, atol=1e-3)


def test_a_changed_net_is_refused(built: tuple[Predictor, list[str]]) -> None:
    predictor, files = built
    loaded = Predictor.load(predictor.folder)
    (kept,) = predictor.folder.rglob("backbone-*")
    content = kept.read_bytes()
    kept.unlink()
    kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Exception, match="SHA-256"):
        loaded.predict(files)


def test_models_of_the_first_format_load(built: tuple[Predictor, list[str]], tmp_path: Path) -> None:
    predictor, files = built
    (kept,) = predictor.folder.rglob("backbone-*")
    for fold in predictor.folder.glob("members/*/fold_*"):
        shutil.copyfile(kept, fold / kept.name)
    shutil.rmtree(kept.parent)
    body = json.loads((predictor.folder / "predictor.json").read_text(encoding="utf-8"))
    assert body["format"] == FORMAT
    (predictor.folder / "predictor.json").write_text(json.dumps(body | {"format": 1}), encoding="utf-8")
    (predictor.folder / MANIFEST).unlink()
    seal(predictor.folder, kind="predictor")
    assert len(Predictor.load(predictor.folder).predict(files)) == COUNT


def test_members_and_folds_run_it_once_per_picture(
    built: tuple[Predictor, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, files = built
    run, seen = image_features._run, []

    def counted(pixels: Any, *rest: Any) -> Any:
        seen.append(len(pixels))
        return run(pixels, *rest)

    monkeypatch.setattr(image_features, "_run", counted)
    image_features._memory.clear()
    predictor.predict(files)
    assert sum(seen) == COUNT
