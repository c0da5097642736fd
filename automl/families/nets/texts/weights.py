"""Frozen encoders of models: by reference where a dependency brings them, else one file for all folds."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from automl.core.environment import cache_dir
from automl.core.errors import ModelFileError
from automl.core.sealed import FROZEN, FROZEN_FILE, ORIGIN
from automl.data.cache import FEATURES, room_for
from automl.families.nets.texts.encoders import (
    CONFIG,
    PACKAGED,
    TOKENIZER,
    digest_of,
    folder_of,
    weight_files,
    written,
)

# Encoders that models brought along, by their digest; they were checked by the model's manifest.
_brought: dict[str, Path] = {}
_SHARED = f"{FEATURES}encoder-"  # a folder of the cache that may go like those with features


def share_encoder(name: str, digest: str, folder: Path, origin: Mapping[str, str]) -> None:
    """Put a frozen encoder beside a fold's model, unless a dependency of ours has it anyway, and its origin.

    It is one file: the tensors, with configuration and tokenizer in its head. Folds of one member are folders
    side by side: what they share lies once above them, and once in a predictor
    (:data:`automl.core.sealed.FROZEN`). Trials link to one file in the cache where the file system can.
    """
    if origin:
        (folder / ORIGIN).write_text(json.dumps(dict(origin)), encoding="utf-8")
    if name == PACKAGED:
        return
    place = (folder.parent if folder.name.startswith("fold_") else folder) / _file(digest)
    if place.is_file():
        return
    cache = cache_dir()
    if cache is None:
        _write(name, digest, place)
        return
    shared = cache / "texts" / f"{_SHARED}{digest}" / _file(digest)
    if not shared.is_file():
        _keep(name, digest, shared)
    try:
        os.link(shared, place)
    except FileNotFoundError:  # the cache's bound leaves no room for it
        _write(name, digest, place)
    except OSError:  # another file system, or one without links
        shutil.copy2(shared, place)


def _keep(name: str, digest: str, shared: Path) -> None:
    """Write an encoder into the cache, if there is room for it."""
    source = place_of(name, digest)
    size = sum(file.stat().st_size for file in (weight_files(source) if source.is_dir() else [source]))
    shared.parent.parent.mkdir(parents=True, exist_ok=True)
    with room_for(shared.parent.parent, size, keep=shared.parent, starts=FEATURES) as enough:
        if enough:
            shared.parent.mkdir(exist_ok=True)
            partial = shared.with_suffix(f".{os.getpid()}")
            _write(name, digest, partial)
            os.replace(partial, shared)


def check_encoder(name: str, digest: str, folder: Path) -> None:
    """Note where a loaded model's frozen encoder lies.

    Raises
    ------
    MissingDependencyError
        When it is nowhere.
    ModelFileError
        When that on this machine is another one.
    """
    # Above the folds of a trial; once in a predictor; beside a model that was saved alone.
    for place in (folder.parent, folder.parent.parent.parent / FROZEN, folder):
        if (place / _file(digest)).is_file():
            _brought[digest] = place / _file(digest)
            return
    present = digest_of(folder_of(name))
    if present != digest:
        raise ModelFileError(
            f"{folder} was trained with the encoder {name} {digest}; this machine has {present}. "
            "Next: bring the encoder that it was trained with, or train again."
        )


def read_origin(folder: Path) -> dict[str, str]:
    """Name, licence and source of the published weights in a fold's model; empty where it does not say."""
    try:
        body: dict[str, str] = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
    except FileNotFoundError:  # a model of an earlier version
        return {}
    return body


def place_of(name: str, digest: str) -> Path:
    """A place with exactly this encoder; see :func:`automl.families.nets.texts.encoders.written`.

    Raises
    ------
    MissingDependencyError, ModelFileError
        When there is none.
    """
    if digest in _brought and _brought[digest].is_file():
        return _brought[digest]
    folder = folder_of(name)
    if digest_of(folder) != digest:
        raise ModelFileError(f"The encoder {name} on this machine is not {digest}. Next: train again.")
    return folder


def _write(name: str, digest: str, path: Path) -> None:
    from safetensors.torch import save_file

    from automl.families.nets.texts.transformer import load_encoder

    place = place_of(name, digest)
    state = load_encoder(place).state_dict()
    texts = {file: written(place, file) for file in (CONFIG, TOKENIZER)}
    save_file({key: value.contiguous() for key, value in state.items()}, path, metadata=texts)


def _file(digest: str) -> str:
    return f"{FROZEN_FILE}{digest}.safetensors"
