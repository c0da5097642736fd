"""One trial inside a predictor: the bag of its folds' models, read from its folder when first needed."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

from automl.core.errors import AutoMLError, ModelFileError
from automl.core.family import Fitted
from automl.core.sealed import confirm
from automl.model.log_target import LogTarget

# What numpy, zipfile and the families' readers raise for bytes that are not what they should be.
_UNREADABLE = (
    *(LookupError, TypeError, ValueError, AttributeError, OSError, EOFError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
# Errors of libraries that derive from Exception alone.
_FOREIGN = (
    ("lightgbm.basic", "LightGBMError"),
    ("catboost", "CatBoostError"),
    ("safetensors", "SafetensorError"),
)
_FORMAT = 1
_BODY = "member.json"


@final
@dataclass(frozen=True, kw_only=True)
class Member:
    """One trial inside a predictor: the bag of its folds' models, with its weight.

    Attributes
    ----------
    family:
        A family's name.
    weight:
        Its share in the average, in (0, 1].
    folder:
        Holds ``member.json`` and ``fold_<j>/``, as a worker wrote them.
    numbers:
        Numbers of its folds.
    log_targets:
        Per fold the way back from the logarithmic scale, or None where the target was fitted as it is.
    hashes:
        SHA-256 of the files below ``folder``, which is checked again right before the models are opened;
        empty where this process wrote them itself.
    """

    family: str
    weight: float
    folder: Path
    numbers: tuple[int, ...]
    log_targets: tuple[LogTarget | None, ...]
    hashes: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def open(cls, folder: Path, weight: float, hashes: Mapping[str, str] | None = None) -> Member:
        """The member in ``folder``; its models are loaded when they are first asked for.

        Raises
        ------
        ModelFileError
            When its description is damaged, or of a later version.
        """
        path = folder / _BODY
        body = read_json(path)
        if body.get("format") != _FORMAT:
            raise ModelFileError(
                f"{path} has format {body.get('format')}; this version of automl reads {_FORMAT}. "
                "Install the version that wrote it, or train again."
            )
        try:
            numbers = tuple(int(number) for number in body["folds"])
            ranges = body["log_ranges"] if body["log_target"] else [None] * len(numbers)
            targets = tuple(None if bounds is None else LogTarget(*bounds) for bounds in ranges)
            family = str(body["family"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path} is damaged ({error}): train again.") from error
        if not numbers or len(targets) != len(numbers):
            raise ModelFileError(f"{path} is damaged (its folds do not match): train again.")
        return cls(
            family=family,
            weight=float(weight),
            folder=folder,
            numbers=numbers,
            log_targets=targets,
            hashes=hashes or {},
        )

    def some_of(self, positions: Sequence[int]) -> Member:
        """This member with the models of some of its folds alone (positions, from 0)."""
        return replace(
            self,
            numbers=tuple(self.numbers[i] for i in positions),
            log_targets=tuple(self.log_targets[i] for i in positions),
        )

    def describe(self, folder: Path) -> None:
        """Rewrite the folds in ``member.json`` of ``folder``, a copy of this member's folder."""
        path = folder / _BODY
        body = read_json(path)
        body["folds"] = list(self.numbers)
        body["log_ranges"] = [[log.low, log.high] for log in self.log_targets if log is not None]
        path.unlink()  # a hard link to the trial's own file, which stays as it is
        path.write_text(json.dumps(body, indent=1), encoding="utf-8")

    @cached_property
    def folds(self) -> tuple[Fitted, ...]:
        """The fitted models, one per fold."""
        from automl.families import families

        by_name = families()
        if self.family not in by_name:
            raise ModelFileError(
                f"The model needs the family {self.family!r}, which is not installed here. "
                "Install the package that brings it; `automl families` lists what is there."
            )
        load = by_name[self.family].load
        confirm(self.folder, self.hashes)
        try:
            return tuple(load(self.folder / f"fold_{number}") for number in self.numbers)
        except AutoMLError:
            raise
        except _unreadable() as error:
            # Its hashes were right, so another version of automl or of the library wrote it.
            raise ModelFileError(
                f"{self.folder} holds a {self.family} model that this installation cannot read "
                f"({type(error).__name__}: {error}). The versions it was made with are in predictor.json; "
                "install those, or train again."
            ) from error


def _unreadable() -> tuple[type[BaseException], ...]:
    """Exceptions of reading a damaged model; only of loaded libraries: none is imported for its errors."""
    loaded = ((sys.modules.get(module), name) for module, name in _FOREIGN)
    return (*_UNREADABLE, *(getattr(module, name) for module, name in loaded if module is not None))


def read_json(path: Path) -> dict[str, Any]:
    """A model's JSON object.

    Raises
    ------
    ModelFileError
        When the file is not there or holds something else.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} cannot be read ({error}): the model is damaged.") from error
    if not isinstance(body, dict):
        raise ModelFileError(f"{path} does not hold a JSON object: the model is damaged.")
    return body
