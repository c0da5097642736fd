from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from automl.families.nets.adamw import FusedAdamW
from automl.families.nets.groups import ParameterGroup, parameter_groups

BETAS = (0.9, 0.95)


def small_net() -> tuple[nn.Module, list[ParameterGroup]]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(7, 33), nn.ReLU(), nn.Linear(33, 3))
    return net, parameter_groups([net], weight_decay=0.05)


def trained(net: nn.Module, optimizer: FusedAdamW | torch.optim.Optimizer) -> list[torch.Tensor]:
    torch.manual_seed(1)
    for step in range(20):
        net(torch.randn(16, 7)).square().sum().backward()
        for group in optimizer.param_groups:
            group["lr"], group["betas"] = 0.01 * (step + 1), (0.8 + step / 200, 0.95)
        optimizer.step()
        optimizer.zero_grad()
    return [parameter.detach() for parameter in net.parameters()]


def test_its_steps_are_those_of_torchs_own_adamw() -> None:
    net, groups = small_net()
    ours = trained(net, FusedAdamW(groups, rate=0.01, betas=BETAS))
    net, groups = small_net()
    plain = [{"params": list(group.parameters), "weight_decay": group.weight_decay} for group in groups]
    theirs = trained(net, torch.optim.AdamW(plain, lr=0.01, betas=BETAS, fused=True))
    assert all(torch.equal(left, right) for left, right in zip(ours, theirs, strict=True))


def test_parameters_without_a_gradient_stay_as_they_are() -> None:
    net, groups = small_net()
    optimizer = FusedAdamW(groups, rate=0.1, betas=BETAS)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimizer.step()
    assert all(torch.equal(*pair) for pair in zip(before, net.parameters(), strict=True))


@pytest.mark.slow
def test_training_a_net_does_not_load_torchs_compiler() -> None:
    code = """
import sys
import numpy as np
from automl.core.family import FitContext
from automl.core.table import Features, Table
from automl.core.task_choice import choose_task
from automl.families import families

rng = np.random.default_rng(0)
values = rng.normal(size=(80, 3))
task = choose_task(np.where(values[:, 0] > 0, "yes", "no").astype(object)).task
table = Table(Features(("a", "b", "c")), values, np.empty((80, 0), np.int32))
target = task.encode(np.where(values[:, 0] > 0, "yes", "no").astype(object))
for name in ("tabular_net", "tabm"):
    family = families()[name]
    context = FitContext(valid=(table.take(np.arange(20)), target[:20]))
    family.fit(family.params(epochs=2), table, target, task, context).predict(table)
assert "torch" in sys.modules
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
