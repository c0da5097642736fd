"""Frozen nets inside model folders: by reference where a dependency brings them, else once for all folds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from automl.errors import ModelFileError
from automl.training.backbones import (
    PACKAGED,
    backbone_named,
    empty_trunk,
    find_weights,
    load_trunk,
    weights_digest,
    weights_of,
)

if TYPE_CHECKING:
    from torch import nn

# Trunks that models brought along, by their digest; they were checked by the model's manifest.
_brought: dict[str, Path] = {}


def share_frozen(backbone: str, digest: str, folder: Path) -> None:
    """Put a frozen net's weights beside a fold's model, unless a dependency of ours has them anyway.

    Folds of one member are folders side by side: the second links the first one's file.
    """
    if backbone in PACKAGED:
        return
    name = _name(digest)
    for other in sorted(folder.parent.glob(f"fold_*/{name}")):
        if other.parent != folder and folder.name.startswith("fold_"):
            try:
                os.link(other, folder / name)
            except OSError:  # a file system without links
                shutil.copyfile(other, folder / name)
            return
    from safetensors.torch import save_file

    state = frozen_trunk(backbone, digest).state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, folder / name)


def check_frozen(backbone: str, digest: str, folder: Path) -> None:
    """Note where a loaded model's frozen net lies.

    Raises
    ------
    MissingDependencyError
        When its weights are nowhere.
    ModelFileError
        When those on this machine are others.
    """
    beside = folder / _name(digest)
    if beside.is_file():
        _brought.setdefault(digest, beside)
        return
    found = weights_digest(weights_of(backbone))
    if found != digest:
        raise ModelFileError(
            f"{folder} was trained on the weights {digest} of {backbone}; this machine has {found}. "
            f"Next: bring the file {backbone_named(backbone).file} that it was trained with, or train again."
        )


def frozen_trunk(backbone: str, digest: str) -> nn.Module:
    """A new trunk with exactly these weights, from this machine or from a model that brought them.

    Raises
    ------
    MissingDependencyError, ModelFileError
        When there are none, or others.
    """
    path = find_weights(backbone_named(backbone))
    if path is not None and weights_digest(path) == digest:
        return load_trunk(backbone)
    if digest not in _brought:
        weights_of(backbone)  # says what is missing
        raise ModelFileError(
            f"The weights of {backbone} on this machine are not {digest}. Next: train again."
        )
    from safetensors.torch import load_file

    trunk = empty_trunk(backbone)
    trunk.load_state_dict(load_file(_brought[digest]))
    return trunk


def _name(digest: str) -> str:
    return f"backbone-{digest}.safetensors"
