"""What only a machine with an NVIDIA GPU can show: nets learn there, and their models serve anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl.core.built_in_tasks import BinaryTask
from automl.core.family import FitContext
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.families import families

pytestmark = pytest.mark.gpu
TASK = BinaryTask(METRICS["log_loss"], ("no", "yes"))


@pytest.fixture(autouse=True)
def _on_a_gpu() -> None:
    """Pass where torch finds a GPU; it is not imported where no driver is."""
    if not Path("/dev/nvidiactl").exists():
        pytest.skip("no NVIDIA driver here")
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch finds no NVIDIA GPU")


def rows(count: int = 600) -> tuple[Table, np.ndarray]:
    numbers = np.random.default_rng(0).normal(size=(count, 5))
    table = Table(Features(tuple("abcde")), numbers, np.zeros((count, 0), dtype=np.int32))
    return table, (numbers[:, 0] + numbers[:, 1] > 0).astype(np.int64)


@pytest.mark.parametrize("name", ["tabm", "tabular_net"])
def test_a_table_net_learns_there_and_is_read_on_the_cpu(name: str, tmp_path: Path) -> None:
    table, target = rows()
    family = families()[name]
    model = family.fit(family.params(), table, target, TASK, FitContext(device="cuda"))
    there = np.asarray(model.predict(table))
    assert (there.argmax(axis=1) == target).mean() > 0.9
    model.save(tmp_path)
    np.testing.assert_allclose(family.load(tmp_path).predict(table), there, atol=0.02)


@pytest.mark.parametrize("name", ["tabm", "tabular_net"])
def test_folds_in_one_batch_learn_as_much_there(name: str) -> None:
    table, target = rows()
    family = families()[name]
    assert family.fit_folds is not None
    parts = [np.arange(0, 400), np.arange(200, 600)]
    contexts = [FitContext(fold=number, device="cuda") for number in range(2)]
    models = family.fit_folds(family.params(), [(table.take(p), target[p]) for p in parts], TASK, contexts)
    for model in models:
        assert (np.asarray(model.predict(table)).argmax(axis=1) == target).mean() > 0.9


def test_an_image_net_learns_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    target = np.arange(64, dtype=np.int64) % 2
    images = np.empty(64, dtype=object)
    for place in range(64):
        images[place] = rng.integers(0, 100, (32, 32, 3), dtype=np.uint8) + np.uint8(120 * target[place])
    nothing = np.zeros((64, 0))
    features = Features(files={"image": ("image",)})
    table = Table(features, nothing, nothing.astype(np.int32), files={"image": (images,)})
    family = families()["image_scratch"]
    params = family.params(px=32, width=8, epochs=12, batch_size=8, flip=False, strength=0.0)
    model = family.fit(params, table, target, TASK, FitContext(device="cuda"))
    there = np.asarray(model.predict(table))
    assert (there.argmax(axis=1) == target).mean() > 0.9
    model.save(tmp_path)
    np.testing.assert_allclose(family.load(tmp_path).predict(table), there, atol=0.03)
