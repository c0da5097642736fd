"""What a training does when the GPU's memory is too small; there need not be one."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch

from automl.families.base import FitContext
from automl.training import image_fit
from automl.training.image_plan import NetTraining


def test_a_failed_attempt_is_let_go_before_a_smaller_one(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    attempts: list[tuple[int, str]] = []
    alive_when_emptied: list[bool] = []

    def attempt(plan: NetTraining, *rest: Any) -> str:
        attempts.append((plan.batch_size, rest[-1]))
        if rest[-1] == "cpu":
            return "fitted"
        activations = torch.zeros(10)
        held.append(weakref.ref(activations))
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    def empty_cache() -> None:
        alive_when_emptied.append(held[-1]() is not None)

    monkeypatch.setattr(image_fit, "_fit", attempt)
    monkeypatch.setattr(torch.cuda, "empty_cache", empty_cache)
    plan = NetTraining("", 16, "whole", 0.01, epochs=1, batch_size=16)
    nothing: Any = None
    context = FitContext(device="cuda")
    assert image_fit.fit_image_net(plan, nothing, nothing, nothing, context) == "fitted"
    assert attempts == [(16, "cuda"), (8, "cuda"), (8, "cpu")]
    assert alive_when_emptied == [False, False]
