from __future__ import annotations

import pytest
import torch
from torch import nn

from automl.families.nets.tables.batched import BatchedEmbedding, BatchedLinear, BatchedNorm, PooledDropout


def test_each_net_of_a_batched_linear_is_a_linear() -> None:
    layer, rows = BatchedLinear(3, 4, 5), torch.randn(3, 7, 4)
    for net in range(3):
        expected = rows[net] @ layer.weight[net] + layer.bias[net]
        torch.testing.assert_close(layer(rows)[net], expected)


def test_batched_norm_is_torchs_norm_for_each_net() -> None:
    layer, rows = BatchedNorm(2, 5), torch.randn(2, 9, 5) * 3 + 1
    outputs = layer(rows)
    singles = [nn.BatchNorm1d(5) for _ in range(2)]
    for net, single in enumerate(singles):
        torch.testing.assert_close(outputs[net], single(rows[net]))
    layer.eval()
    for net, single in enumerate(singles):
        torch.testing.assert_close(layer(rows)[net], single.eval()(rows[net]))


def test_batched_norm_takes_a_single_row() -> None:
    assert BatchedNorm(2, 5)(torch.randn(2, 1, 5)).isfinite().all()


def test_embeddings_of_nets_are_apart_and_missing_starts_at_0() -> None:
    layer = BatchedEmbedding(2, [11, 12], [3, 4])
    vectors = layer(torch.tensor([[[0, 1]], [[5, 12]]]))
    assert vectors.shape == (2, 1, 7)
    assert (vectors[0, 0, :3] == 0).all()
    torch.testing.assert_close(vectors[1, 0, 3:], layer.weights[1][1, 12])


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_pooled_dropout_keeps_the_mean_and_drops_its_share(probability: float) -> None:
    layer = PooledDropout(probability)
    values = layer(torch.ones(400, 500))
    assert float((values == 0).float().mean()) == pytest.approx(probability, abs=0.005)
    assert float(values.mean()) == pytest.approx(1.0, abs=0.01)
    assert not torch.equal(values, layer(torch.ones(400, 500)))
    assert torch.equal(layer.eval()(torch.ones(3)), torch.ones(3))
