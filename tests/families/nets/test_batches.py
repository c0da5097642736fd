from __future__ import annotations

import pytest
import torch

from automl.families.nets.batches import TensorBatches


def source(rows: list[int], batch_size: int, seed: int = 0) -> TensorBatches:
    longest = max(rows)
    numbers = torch.arange(len(rows) * longest).view(len(rows), longest)
    return TensorBatches([numbers], batch_size, torch.Generator().manual_seed(seed), rows)


def test_an_epoch_deals_each_row_at_most_once_in_equal_batches() -> None:
    batches = [batch for (batch,) in source([100], 16).epoch()]
    assert {tuple(batch.shape) for batch in batches} == {(1, 16)}
    dealt = torch.cat(batches, dim=1)[0].tolist()
    assert len(dealt) == len(set(dealt)) == 96


def test_epochs_differ_and_seeds_repeat_them() -> None:
    first, second = source([50], 10), source([50], 10)
    one, again = torch.cat([b for (b,) in first.epoch()], 1), torch.cat([b for (b,) in second.epoch()], 1)
    assert torch.equal(one, again)
    assert not torch.equal(one, torch.cat([b for (b,) in first.epoch()], 1))


def test_each_net_gets_rows_of_its_own() -> None:
    batches = torch.cat([batch for (batch,) in source([40, 37], 8).epoch()], dim=1)
    assert batches[0].max() < 40
    assert batches[1].min() >= 40
    assert batches[1].max() < 40 + 37


def test_fewer_rows_than_a_batch_make_one_batch() -> None:
    (batch,) = [b for (b,) in source([3], 64).epoch()]
    assert batch.shape == (1, 3)


def test_an_epoch_in_blocks_deals_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [batch for (batch,) in source([100, 90], 16).epoch()]
    monkeypatch.setattr("automl.families.nets.batches._BLOCK_BYTES", 1000)
    blocks = [batch for (batch,) in source([100, 90], 16).epoch()]
    assert all(torch.equal(one, other) for one, other in zip(whole, blocks, strict=True))
