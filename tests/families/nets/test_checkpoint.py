from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from automl.core.errors import ModelFileError
from automl.families.nets.checkpoint import load_checkpoint, save_checkpoint
from automl.families.nets.loop import Control, Settings, Trainer
from automl.families.nets.runtime import seeded

SETTINGS = Settings(epochs=6, learning_rate=0.02, ema=0.5)


def build(digits: Any, **more: Any) -> Trainer:
    task = digits(nets=2)
    return Trainer(task, task.source(), SETTINGS, **more)


def test_a_resumed_training_ends_with_the_same_weights_bit_for_bit(digits: Any, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    with seeded(0):
        whole = build(digits)
        expected = whole.run()
    with seeded(0):
        cut = build(digits, on_epoch=lambda trainer: save_checkpoint(trainer, folder))
        calls = iter(range(10**9))
        cut.control = Control(should_stop=lambda: next(calls) > 70)
        assert cut.run().stopped
    with seeded(0):
        resumed = build(digits)
        assert load_checkpoint(resumed, folder)
        assert 0 < resumed.step < expected.steps
        outcome = resumed.run()
    assert outcome == expected
    state = resumed.objective.model.state_dict()
    for name, tensor in whole.objective.model.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_without_a_checkpoint_nothing_is_loaded(digits: Any, tmp_path: Path) -> None:
    assert not load_checkpoint(build(digits), tmp_path / "nothing")


def test_a_crash_between_the_two_moves_loses_nothing(digits: Any, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(build(digits), folder)
    folder.rename(tmp_path / "checkpoint.old")
    assert load_checkpoint(build(digits), folder)


def test_another_trainings_checkpoint_is_refused(digits: Any, tmp_path: Path) -> None:
    save_checkpoint(build(digits), tmp_path / "checkpoint")
    task = digits()
    other = Trainer(task, task.source(), Settings(epochs=1, learning_rate=0.5))
    with pytest.raises(ModelFileError, match="other settings"):
        load_checkpoint(other, tmp_path / "checkpoint")


def test_no_checkpoint_is_a_pickle(digits: Any, tmp_path: Path) -> None:
    save_checkpoint(build(digits), tmp_path / "checkpoint")
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["training.json", "training.safetensors"]
