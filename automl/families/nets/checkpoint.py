"""A training on disk: weights, optimizer, progress and random states, so that it can go on after a crash."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.errors import ModelFileError
from automl.families.nets.loop import History, Trainer
from automl.families.nets.runtime import random_states, restore_random_states

if TYPE_CHECKING:
    import torch

_TENSORS = "training.safetensors"
_PLAIN = "training.json"
_FORMAT = 1


def save_checkpoint(trainer: Trainer, folder: Path) -> None:
    """Write the training's state; a crash while writing leaves the checkpoint before it intact.

    Meant for ``Trainer(on_epoch=...)``: between epochs the state is complete.
    """
    from safetensors.torch import save_file

    partial, old = folder.with_name(f"{folder.name}.partial"), folder.with_name(f"{folder.name}.old")
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(_tensors(trainer), partial / _TENSORS)
    body = {
        "format": _FORMAT,
        "settings": asdict(trainer.settings),
        "step": trainer.step,
        "planned_steps": trainer.planned_steps,
        "best_losses": trainer.best_losses,
        "best_epochs": trainer.best_epochs,
        "history": asdict(trainer.history),
    }
    (partial / _PLAIN).write_text(json.dumps(body), encoding="utf-8")
    # A folder cannot replace a full one in one move; load_checkpoint knows both names.
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(trainer: Trainer, folder: Path) -> bool:
    """Put the state in ``folder`` into a freshly built trainer of the same net, data and settings.

    Call it inside the block of :func:`automl.families.nets.runtime.seeded` in which the training will run:
    the random states are restored there. False when there is no checkpoint.

    Raises
    ------
    ModelFileError
        When the checkpoint belongs to another training.
    """
    from safetensors.torch import load_file

    place = next(
        (path for path in (folder, folder.with_name(f"{folder.name}.old")) if (path / _PLAIN).is_file()), None
    )
    if place is None:
        return False
    body = json.loads((place / _PLAIN).read_text(encoding="utf-8"))
    if body["format"] != _FORMAT or body["settings"] != asdict(trainer.settings):
        raise ModelFileError(
            f"The checkpoint in {place} was written by a training with other settings. "
            "Remove the folder to start anew."
        )
    trainer.step, trainer.planned_steps = body["step"], body["planned_steps"]
    trainer.best_losses, trainer.best_epochs = body["best_losses"], body["best_epochs"]
    trainer.history = History(**body["history"])
    _restore(trainer, load_file(place / _TENSORS))
    return True


def _tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Everything that is a tensor, by name; copies, since safetensors refuses shared memory."""
    named: dict[str, torch.Tensor] = {}
    for name, tensor in trainer.objective.model.state_dict().items():
        named[f"model/{name}"] = tensor
    named |= {f"best/{name}": tensor for name, tensor in trainer.best.items()}
    named |= {f"average/{i}": tensor for i, tensor in enumerate(trainer.average)}
    for i, state in trainer.optimizer.state_dict()["state"].items():
        named |= {f"optimizer/{i}/{key}": tensor for key, tensor in state.items()}
    for name, tensor in random_states(trainer.settings.device).items():
        named[f"random/{name}"] = tensor
    named["random/order"] = trainer.source.generator.get_state()
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in named.items()}


def _restore(trainer: Trainer, named: dict[str, torch.Tensor]) -> None:
    device = trainer.settings.device
    trainer.objective.model.load_state_dict(_part(named, "model/"))
    trainer.best = {name: tensor.to(device) for name, tensor in _part(named, "best/").items()}
    averages = _part(named, "average/")
    trainer.average = [averages[str(i)].to(device) for i in range(len(averages))]
    states: dict[int, dict[str, Any]] = {}
    for name, tensor in _part(named, "optimizer/").items():
        index, key = name.split("/")
        states.setdefault(int(index), {})[key] = tensor
    trainer.optimizer.load_state_dict({**trainer.optimizer.state_dict(), "state": states})
    random = _part(named, "random/")
    trainer.source.generator.set_state(random.pop("order"))
    restore_random_states(random, device)


def _part(named: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in named.items() if name.startswith(prefix)}
