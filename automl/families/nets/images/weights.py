"""Frozen nets inside model folders: by reference where a dependency brings them, else once for all folds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automl.core.errors import ModelFileError
from automl.core.sealed import FROZEN, FROZEN_FILE
from automl.families.nets.images.backbones import (
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

    Folds of one member are folders side by side: what they share lies once above them. A predictor keeps it
    once for all its members (:data:`automl.core.sealed.FROZEN`).
    """
    if backbone in PACKAGED:
        return
    place = (folder.parent if folder.name.startswith("fold_") else folder) / _name(digest)
    if place.is_file():
        return
    from safetensors.torch import save_file

    state = frozen_trunk(backbone, digest).state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, place)


def check_frozen(backbone: str, digest: str, folder: Path) -> None:
    """Note where a loaded model's frozen net lies.

    Raises
    ------
    MissingDependencyError
        When its weights are nowhere.
    ModelFileError
        When those on this machine are others.
    """
    # Beside the fold's model, as up to predictor format 1; above the folds of a trial; once in a predictor.
    for place in (folder, folder.parent, folder.parent.parent.parent / FROZEN):
        if (place / _name(digest)).is_file():
            _brought[digest] = place / _name(digest)
            return
    present = weights_digest(weights_of(backbone))
    if present != digest:
        raise ModelFileError(
            f"{folder} was trained on the weights {digest} of {backbone}; this machine has {present}. "
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
    if digest not in _brought or not _brought[digest].is_file():
        weights_of(backbone)  # says what is missing
        raise ModelFileError(
            f"The weights of {backbone} on this machine are not {digest}. Next: train again."
        )
    from safetensors.torch import load_file

    trunk = empty_trunk(backbone)
    trunk.load_state_dict(load_file(_brought[digest]))
    return trunk


def _name(digest: str) -> str:
    return f"{FROZEN_FILE}{digest}.safetensors"
