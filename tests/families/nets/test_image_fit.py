"""What a training does when the GPU's memory is too small; there need not be one."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
import torch

from automl.core.family import FitContext
from automl.families.nets import runtime
from automl.families.nets.images import features as image_features
from automl.families.nets.images import fit as image_fit
from automl.families.nets.images.features import view_of
from automl.families.nets.images.plan import NetTraining


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
    plan = NetTraining(backbone="", px=16, view="whole", learning_rate=0.01, epochs=1, batch_size=16)
    nothing: Any = None
    context = FitContext(device="cuda")
    assert image_fit.fit_image_net(plan, nothing, nothing, nothing, context) == "fitted"
    assert attempts == [(16, "cuda"), (8, "cuda"), (8, "cpu")]
    assert alive_when_emptied == [False, False]
    assert [note.rpartition(": ")[2] for note in context.notes] == [
        "batches of 8 images from here on.",
        "the CPU computes from here on.",
    ]


def test_features_are_the_same_in_the_batches_that_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    images = (
        np.random.default_rng(0).integers(0, 255, (20, 32, 32, 3), dtype=np.uint8),
        np.ones(20, np.float32),
    )
    view = view_of("efficientnet_lite0", 32, 32)
    said: list[str] = []
    whole = image_features._outputs(images, view, 1, runtime.Room(32, "cpu", said.append))
    assert not said
    run = image_features._run

    def with_little_memory(pixels: Any, aspects: Any, view: Any, device: str) -> Any:
        if device != "cpu":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return run(pixels, aspects, view, device)

    monkeypatch.setattr(image_features, "_run", with_little_memory)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    room = runtime.Room(32, "cuda", said.append)
    np.testing.assert_allclose(image_features._outputs(images, view, 1, room), whole, rtol=2e-2, atol=2e-2)
    assert (room.batch, room.device) == (8, "cpu")
    assert len(said) == 3


def test_what_does_not_fit_the_cpu_either_is_an_error() -> None:
    def never(batch: int, device: str) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        runtime.Room(8, "cpu", print).run(never)
