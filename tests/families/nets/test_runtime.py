"""The number format of a device; GPUs are described, none is needed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from automl.families.nets.runtime import autocast, computes_bfloat16


@pytest.mark.parametrize(("generation", "native"), [(7, False), (8, True), (9, True)])
def test_bfloat16_is_used_where_a_gpu_computes_it_and_not_where_it_is_emulated(
    generation: int, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(major=generation))
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)
    assert torch.cuda.is_bf16_supported()
    assert computes_bfloat16.__wrapped__() is native


def test_cpus_train_in_float32() -> None:
    with autocast("cpu"):
        assert torch.ones(2, 2).matmul(torch.ones(2, 2)).dtype is torch.float32
