"""What numpy computes of a saved net is what torch computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl.core.predictions import Link
from automl.families import families
from automl.families.nets.outputs import averaged
from automl.families.nets.tables.fit import NetPlan
from automl.families.nets.tables.forward import forward
from automl.families.nets.tables.net import InputShape, tensors_of
from automl.families.preprocess.net_matrix import NetInput
from automl.families.tabm import Params as TabmParams
from automl.families.tabm import _layers as tabm_layers
from automl.families.tabm import _plan as tabm_plan
from automl.families.tabular_net import Params, _layers, _plan

SHAPE = InputShape(
    numbers=3, bins=5, number_size=4, dense_sizes=(2, 1), levels=(12, 30), embedding_sizes=(3, 6)
)
PLAIN = InputShape(numbers=2, bins=0, number_size=4, dense_sizes=(3,), levels=(), embedding_sizes=())
NETS = {
    "relu": (_plan(Params(layers="16-8")), _layers),
    "silu, normed": (_plan(Params(layers="16", activation="silu", norm=True)), _layers),
    "mish": (_plan(Params(layers="8-8-8", activation="mish")), _layers),
    "mini": (tabm_plan(TabmParams(width=16, k=4, blocks=3)), tabm_layers),
    "full": (tabm_plan(TabmParams(width=16, k=4, variant="full")), tabm_layers),
}


def inputs_of(shape: InputShape, rows: int = 50) -> NetInput:
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(rows, shape.numbers)).astype(np.float32)
    dense = generator.normal(size=(rows, sum(shape.dense_sizes))).astype(np.float32)
    codes = [generator.integers(0, count + 1, rows) for count in shape.levels]
    return NetInput(numbers, dense, np.array(codes, dtype=np.int64).T.reshape(rows, len(shape.levels)))


def shaken(plan: NetPlan, shape: InputShape, outputs: int) -> torch.nn.Module:
    """A net whose parameters and buffers are all drawn."""
    model = plan.build(plan.architecture, shape, outputs, 1).eval()
    for value in model.state_dict().values():
        value.copy_(torch.rand_like(value) + 0.1)
        value.mul_(0.3)
    return model


@pytest.mark.parametrize("shape", [SHAPE, PLAIN], ids=["embedded", "plain"])
@pytest.mark.parametrize(
    ("link", "outputs"), [(Link.IDENTITY, 1), (Link.LOGISTIC, 1), (Link.SOFTMAX, 4)], ids=str
)
@pytest.mark.parametrize("net", NETS)
def test_numpy_computes_what_torch_does(net: str, link: Link, outputs: int, shape: InputShape) -> None:
    torch.manual_seed(1)
    plan, layers = NETS[net]
    model, inputs = shaken(plan, shape, outputs), inputs_of(shape)
    with torch.inference_mode():
        wanted = averaged(link, model([tensor[None] for tensor in tensors_of(inputs)]))[0].numpy()
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    got = forward(layers(plan.architecture), state, link, inputs)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=1e-7)


def test_extreme_outputs_are_probabilities_too() -> None:
    plan, layers = NETS["relu"]
    model, inputs = shaken(plan, PLAIN, 4), inputs_of(PLAIN)
    state = {name: value.numpy() * 1000 for name, value in model.state_dict().items()}
    for link in (Link.SOFTMAX, Link.LOGISTIC):
        got = forward(layers(plan.architecture), state, link, inputs)
        assert np.isfinite(got).all()
        assert ((got >= 0) & (got <= 1)).all()


_PREDICT = """
import sys
from pathlib import Path
import numpy as np
from automl.core.table import Features, Table
from automl.families import families
rows = np.load(sys.argv[2])
table = Table(Features(("a", "b"), (), ()), rows, np.zeros((len(rows), 0), dtype=np.int32))
print(families()[sys.argv[1]].load(Path(sys.argv[3])).predict(table).tolist())
print("torch" in sys.modules)
"""


@pytest.mark.parametrize("name", ["tabular_net", "tabm"])
def test_a_saved_net_predicts_without_torch(name: str, tmp_path: Path) -> None:
    from automl.core.built_in_tasks import RegressionTask
    from automl.core.family import FitContext
    from automl.core.metrics import METRICS
    from automl.core.table import Features, Table

    rows = np.random.default_rng(0).normal(size=(200, 2))
    table = Table(Features(("a", "b"), (), ()), rows, np.zeros((200, 0), dtype=np.int32))
    family: Any = families()[name]
    parameters = family.params(epochs=2)
    model = family.fit(parameters, table, rows[:, 0], RegressionTask(METRICS["rmse"]), FitContext(seed=1))
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model")
    np.save(tmp_path / "rows.npy", rows[:7])
    command = [sys.executable, "-c", _PREDICT, name, str(tmp_path / "rows.npy"), str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    predictions, loaded = done.stdout.splitlines()
    assert loaded == "False"
    np.testing.assert_allclose(np.array(eval(predictions)), model.predict(table)[:7], rtol=1e-5, atol=1e-6)
