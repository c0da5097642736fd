"""What a search was asked for: every choice of the user, checked, in one value."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.core.errors import UsageError, did_you_mean
from automl.core.machine import GIBIBYTE
from automl.core.memory import available_bytes
from automl.core.quantities import parse_bytes, parse_seconds
from automl.core.text import without_password

LEAST_MEMORY = 256 * 1024**2
PREFERENCES = ("best", "fast", "small")
PROMOTE = ("better", "always", "never")
_COLUMNS = ("target", "group", "time_column", "fold_column", "weight")
_WHOLE = ("trials", "folds", "workers", "seed", "header")


@dataclass(frozen=True)
class Settings:
    """The user's choices; see :func:`automl.search` for what each means."""

    source: Any
    target: str | None = None
    seconds: float | None = 60.0
    trials: int | None = None
    name: str = ""
    name_given: bool = False
    metric: str | Callable[..., float] | None = None
    task: str | None = None
    test: Any = None
    folds: int | None = None
    group: str | None = None
    time_column: str | None = None
    fold_column: str | None = None
    weight: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    image_root: Path | None = None
    cache_bytes: int = 10 * GIBIBYTE
    weights_dir: Path | None = None
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    spaces: Path | None = None
    workers: int = 0
    memory_bytes: int = 0
    executor: str = "local"
    device: str = "auto"
    prefer: str = "best"
    promote: str = "better"
    keep_models_bytes: int = 2 * GIBIBYTE
    seed: int = 0
    tracking_uri: str | None = None
    store: Path = Path("mlruns")
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    header: int | None = None
    skip_bad_rows: bool = False
    missing: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in _WHOLE:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _whole(name, value))
        for name in _COLUMNS:  # pandas numbers columns without names
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, str(value))
        for name in ("drop", "keep"):
            object.__setattr__(self, name, tuple(map(str, getattr(self, name))))
        object.__setattr__(self, "kinds", {str(column): kind for column, kind in self.kinds.items()})
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed must be between 0 and 4294967295, not {self.seed}.")
        if self.workers < 0:
            raise UsageError(f"--workers must be 1 or more, not {self.workers}.")
        if 0 < self.memory_bytes < LEAST_MEMORY:
            raise UsageError(
                f"--memory {self.memory_bytes} bytes is less than one worker needs: give it 512MB or more."
            )

    @property
    def names_folds(self) -> bool:
        """Whether a column decides which rows stand in which fold."""
        return any(column is not None for column in (self.group, self.time_column, self.fold_column))

    def plain(self) -> dict[str, Any]:
        """The choices as plain data, for the record; frames and callables by what they are."""
        unplain = ("source", "test", "name_given")
        body = {key: value for key, value in self.__dict__.items() if key not in unplain}
        body |= {
            key: value
            for key, value in (("source", self.source), ("test", self.test))
            if isinstance(value, str | os.PathLike)
        }
        if self.tracking_uri is not None:
            body["tracking_uri"] = without_password(self.tracking_uri)
        return {
            key: value if isinstance(value, bool | int | float | str) else _described(value)
            for key, value in body.items()
            if value is not None and value not in ((), {})
        }


def _whole(name: str, value: Any) -> int:
    """A number of NumPy's as Python's own, which JSON and SQLite take."""
    try:
        return operator.index(value)
    except TypeError:
        raise UsageError(f"--{name} must be a whole number, not {value!r}.") from None


def _described(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return getattr(value, "__name__", None) or str(value)


def search_name(source: Any, given: str | None) -> str:
    """The name of a search: as given, else the file's name without its suffixes, else ``frame``.

    Raises
    ------
    UsageError
        For a name that a registered model cannot have.
    """
    if given is not None:
        if not given.strip() or re.search(r"[/:.%\"'\\\x00-\x1f]", given) or len(given) > 200:
            raise UsageError(
                f"{given!r} cannot name a search: 1 to 200 characters, none of / : . % \" ' or backslash."
            )
        return given.strip()
    if isinstance(source, str | os.PathLike):
        path = Path(os.fspath(source))
        stem = re.sub(r"(\.(csv|tsv|txt|parquet|xlsx|gz))+$", "", path.name, flags=re.IGNORECASE)
        cleaned = re.sub(r"[/:.%\"'\\\s\x00-\x1f]+", "_", stem or path.resolve().name).strip("_")
        return cleaned[:200] or "search"
    return "frame"


def given_words(words: Sequence[str] | None) -> tuple[str, ...] | None:
    """The words that count as missing as they are recorded; an empty list is ``blank``.

    Raises
    ------
    UsageError
        For one text instead of a list of words.
    """
    if isinstance(words, str):
        raise UsageError(f"missing takes a list of words, not the text {words!r}: missing=[{words!r}].")
    return None if words is None else tuple(map(str, words)) or ("blank",)


def budget_of(time: str | float | None, trials: int | None) -> tuple[float | None, int | None]:
    """``(seconds, trials)``; 60 s when neither is given.

    Raises
    ------
    UsageError
        For fewer than one trial, or a duration that cannot be read.
    """
    if trials is not None and trials < 1:
        raise UsageError(f"--trials must be 1 or more, not {trials}.")
    if time is None:
        return (None if trials is not None else 60.0), trials
    return parse_seconds(time), trials


def memory_limit(given: str | float | None) -> int:
    """Bytes that the search may use: as given, else four fifths of what is free here or in the container."""
    return parse_bytes(given) if given is not None else int(available_bytes() * 0.8)


def weights_folder(given: str | os.PathLike[str] | None) -> Path | None:
    """The folder of ``--weights-dir``.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if given is None:
        return None
    path = Path(given).absolute()
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise UsageError(f"--weights-dir: {path} {what}. Next: name the folder that holds the weights.")
    return path


def check_choice(what: str, given: str, allowed: tuple[str, ...]) -> str:
    """``given`` when it is allowed.

    Raises
    ------
    UsageError
        Otherwise, with the nearest allowed one.
    """
    if given not in allowed:
        raise UsageError(f"There is no {what} {given!r}. {did_you_mean(given, allowed)}")
    return given
