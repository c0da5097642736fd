from __future__ import annotations

from typing import Any

import pytest
import tabm
import torch
from torch import nn

from automl.families.nets.tables.member_layers import MemberHeads, MemberLinear, MemberStart


def ours(nets: int, *, full: bool, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        MemberStart(nets, 4, [1] * 6, 8, full=full),
        nn.ReLU(),
        MemberLinear(nets, 4, 8, 8, full=full),
        nn.ReLU(),
        MemberHeads(nets, 4, 8, outputs),
    )


def authors(net: nn.Sequential, index: int, *, full: bool, outputs: int) -> Any:
    """The authors' model with the weights of one of our nets."""
    model = tabm.TabM(
        n_num_features=6,
        d_out=outputs,
        n_blocks=2,
        d_block=8,
        dropout=0.0,
        k=4,
        arch_type="tabm" if full else "tabm-mini",
        start_scaling_init="normal",
    )
    with torch.no_grad():
        for block, layer in enumerate((net[0], net[2])):
            theirs = model.backbone.blocks[block][0]
            theirs.weight.copy_(layer.weight[index].T)
            theirs.bias.copy_(layer.bias[index, 0] if full else layer.bias[index, 0, 0])
            if full:
                theirs.r.copy_(layer.inner[index].reshape(4, -1))
                theirs.s.copy_(layer.outer[index].reshape(4, -1))
        if not full:
            model.backbone.affine.weight.copy_(net[0].inner[index])
        model.output.weight.copy_(net[4].weight[index])
        model.output.bias.copy_(net[4].bias[index, 0])
    return model


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("outputs", [1, 5])
def test_outputs_are_those_of_the_authors_model(full: bool, outputs: int) -> None:
    net, rows = ours(2, full=full, outputs=outputs), torch.randn(2, 9, 6)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    for index in range(2):
        if not full:  # one common bias in TabM-mini
            net[0].bias.data[index] = net[0].bias.data[index, :, :1]
        expected = authors(net, index, full=full, outputs=outputs)(rows[index])
        torch.testing.assert_close(net(rows)[index], expected, rtol=1e-4, atol=1e-5)


def test_scalings_start_as_those_of_the_authors() -> None:
    torch.manual_seed(0)
    start = MemberStart(1, 4, [2, 1, 3], 5, full=True)
    torch.manual_seed(0)
    torch.empty(1, 6, 5).uniform_()  # the shared weights are drawn first
    theirs = tabm.init_scaling_(torch.empty(4, 6), "normal", [2, 1, 3])
    assert torch.equal(start.inner[0], theirs)


def test_columns_of_one_feature_start_with_one_scaling() -> None:
    scaling = MemberStart(1, 3, [4, 2], 5, full=False).inner[0]
    assert (scaling[:, :4] == scaling[:, :1]).all()
    assert (scaling[:, 4:] == scaling[:, 4:5]).all()
    assert scaling[:, 0].unique().numel() == 3


@pytest.mark.parametrize("full", [False, True])
def test_a_start_without_inputs_is_its_biases(full: bool) -> None:
    layer = MemberStart(1, 3, (), 4, full=full)
    outputs = layer(torch.empty(1, 5, 0))
    assert outputs.shape == (1, 5, 3, 4)
    assert torch.equal(outputs, layer.bias.expand(1, 5, 3, 4))
