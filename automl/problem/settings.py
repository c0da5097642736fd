"""The settings of a search: every choice of the user, read and checked, in a few groups that make one value.

A field states its option beside it; the command line, ``automl check``, the command that repeats a search,
``search.json`` and the reference follow from these groups. What depends on two choices stands in
:meth:`Settings.from_choices`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Self

from automl.core.credentials import without_password
from automl.core.errors import UsageError
from automl.problem.options import (
    Form,
    column,
    duration,
    folder,
    option,
    options_of,
    path,
    share,
    size,
    whole,
    words,
)

LEAST_MEMORY = 256 * 1024**2
_FORBIDDEN = re.compile(r"[/:.%\"'\\\x00-\x1f]")


def _name(value: str, flag: str) -> str:
    """A name that a registered model can have."""
    if not value.strip() or _FORBIDDEN.search(value) or len(value) > 200:
        raise UsageError(
            f"{value!r} cannot name a search: 1 to 200 characters, none of / : . % \" ' or backslash."
        )
    return value.strip()


def _costs(value: Any, flag: str) -> str:
    """Costs of wrong answers as the one text that is recorded."""
    from automl.core.error_costs import costs_text  # imports numpy, which reading options does not need

    return costs_text(value, flag)


def _missing(value: Any, flag: str) -> tuple[str, ...]:
    """The words as they are recorded; an empty list is ``blank``."""
    return words(value, flag) or ("blank",)


@dataclass(frozen=True)
class Question:
    """The data, and the question about it."""

    source: Any
    target: str | None = option(
        read=column,
        short="-t",
        metavar="COLUMN",
        help="Column to predict.",
        checked="Column to predict; without it columns alone are checked.",
    )
    _: KW_ONLY
    name: str = option(
        unset="",
        read=_name,
        help="Name of the search and of its registered model.",
        otherwise="the file's name",
        incidental=True,
    )
    name_given: bool = False
    metric: str | Callable[..., float] | None = option(
        metavar="NAME", help="Metric to optimise.", otherwise="by task, the reason is printed", checked=True
    )
    cost: str | None = option(
        read=_costs,
        metavar="COSTS",
        help="What wrong answers cost: fn=5,fp=1, or cat>dog=5,..., or a CSV file of a matrix.",
        checked=True,
    )
    task: str | None = option(
        metavar="TASK",
        help="classification, regression, or another of `automl tasks`.",
        otherwise="from the target",
        checked=True,
    )


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The time, or the number of trials."""

    seconds: float | None = option(
        unset=60.0,
        keyword="time",
        read=duration,
        write=lambda seconds: f"{float(seconds):g}s",
        metavar="60s",
        help="Time budget, imports and reading included.",
        otherwise="60s",
    )
    trials: int | None = option(
        form=Form.WHOLE,
        read=whole(1, allowed="1 or more"),
        metavar="N",
        help="Number of trials instead of time: repeatable by --seed.",
    )


@dataclass(frozen=True, kw_only=True)
class Judging:
    """The rows that trials are judged on."""

    test: Any = option(
        metavar="FILE",
        help="Rows of your own to score once, at the end.",
        checked="Rows to compare with DATA: do both come from the same world?",
    )
    holdout: float | None = option(
        read=share,
        write=lambda part: f"{part:.3g}",
        metavar="10%",
        help="Share of DATA to keep apart and score once, at the end.",
        otherwise="none where folds judge; a tenth beside one holdout from 5,000 rows (20,000 texts, images)",
    )
    folds: int | None = option(
        form=Form.WHOLE, metavar="K", help="Folds of the cross-validation; 1 is a holdout."
    )
    group: str | None = option(
        read=column,
        metavar="COLUMN",
        help="Rows with equal values stay on one side of every fold.",
        checked=True,
    )
    time_column: str | None = option(
        read=column, metavar="COLUMN", help="Train on the past, judge on what follows.", checked=True
    )
    fold_column: str | None = option(read=column, metavar="COLUMN", help="Fold of each row.", checked=True)
    weight: str | None = option(
        read=column,
        metavar="COLUMN",
        help="How much each row counts, in training and in every score.",
        checked=True,
    )
    seed: int = option(
        0,
        form=Form.WHOLE,
        read=whole(0, 2**32 - 1, "between 0 and 4294967295"),
        help="Seed of folds, draws and models.",
    )

    @property
    def names_folds(self) -> bool:
        """True where a column decides which rows stand in which fold."""
        return any(name is not None for name in (self.group, self.time_column, self.fold_column))


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The inputs: which columns, and of which kind."""

    kinds: Mapping[str, str] = option(
        unset={},
        form=Form.PAIRS,
        flag="--kind",
        metavar="COLUMN=KIND",
        help="number, category, text, date, image or id.",
        checked=True,
    )
    image_root: Path | None = option(
        read=path, metavar="FOLDER", help="Folder of the images that a column of paths names."
    )
    drop: tuple[str, ...] = option(
        (), form=Form.EACH, metavar="COLUMN", help="Leave a column out.", checked=True
    )
    keep: tuple[str, ...] = option(
        (), form=Form.EACH, metavar="COLUMN", help="Keep a column that looks like an id.", checked=True
    )


@dataclass(frozen=True, kw_only=True)
class TextFormat:
    """The way a text file is written."""

    encoding: str | None = option(help="Encoding of a text file.", otherwise="detected", checked=True)
    delimiter: str | None = option(help="Delimiter of a text file.", otherwise="detected", checked=True)
    decimal: str | None = option(help="Decimal mark of a text file.", otherwise="detected", checked=True)
    header: int | None = option(
        form=Form.WHOLE,
        metavar="LINE",
        help="Line of a text file that names the columns, from 1.",
        checked=True,
    )
    skip_bad_rows: bool = option(
        False, form=Form.SWITCH, help="Leave out rows that cannot be read.", checked=True
    )
    missing: tuple[str, ...] | None = option(
        form=Form.LIST,
        read=_missing,
        metavar="A,B",
        help="Words that mean no value; 'usual' adds the usual ones.",
        otherwise="usual",
        checked=True,
    )


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The models to try, and which of them is wanted."""

    families: tuple[str, ...] = option((), form=Form.LIST, metavar="A,B", help="Only these families.")
    without: tuple[str, ...] = option((), form=Form.LIST, metavar="A,B", help="All families but these.")
    spaces: Path | None = option(read=path, metavar="PATH", help="Search-space file or folder of your own.")
    prefer: str = option("best", choices=("best", "fast", "small"), help="Kind of champion.")
    promote: str = option(
        "better",
        choices=("better", "always", "never"),
        help="When it takes over from the name's champion.",
        incidental=True,
    )


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The workers, and what they may use of the machine."""

    workers: int = option(
        unset=0,
        form=Form.WHOLE,
        read=whole(0, allowed="1 or more"),
        metavar="N",
        help="Trials at once.",
        otherwise="by cores and memory",
    )
    executor: str = option(
        "local", metavar="NAME", help="Where trials run: local, inline, ray, or one of `automl executors`."
    )
    address: str | None = option(
        metavar="HOST:PORT",
        help="Ray cluster of --executor ray: HOST:PORT, ray://HOST:PORT or auto.",
        otherwise="$RAY_ADDRESS, else a cluster on this machine that ends with the search",
        incidental=True,
        repeated=False,
    )
    memory_bytes: int = option(
        unset=0,
        keyword="memory",
        read=size,
        metavar="8GB",
        help="Memory of all workers.",
        otherwise="80 % of what is free",
        incidental=True,
        repeated=False,
    )
    device: str = option("auto", choices=("auto", "cpu", "cuda"), help="Device of the nets.")
    weights_dir: Path | None = option(
        read=folder, metavar="FOLDER", help="Published weights: image backbones, or a language model."
    )

    def __post_init__(self) -> None:
        if self.memory_bytes:
            check_memory(self.memory_bytes)


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """The record: where it lies, and how much of it is kept."""

    keep_models_bytes: int = option(
        "2GB",
        keyword="keep_models",
        read=size,
        metavar="SIZE",
        help="Keep all models up to this; then the best.",
        repeated=False,
    )
    cache_bytes: int = option(
        "10GB",
        keyword="cache_size",
        read=size,
        metavar="SIZE",
        help="Bound of decoded images and of frozen nets' outputs.",
        repeated=False,
    )
    tracking_uri: str | None = option(
        metavar="URI",
        help="MLflow server or store.",
        otherwise="$MLFLOW_TRACKING_URI, else --store",
        incidental=True,
        repeated=False,
    )
    store: Path = option(
        "mlruns",
        read=path,
        metavar="FOLDER",
        help="Folder of the local store.",
        incidental=True,
        repeated=False,
    )

    @property
    def cache_folder(self) -> Path:
        """The folder for what is kept between trials and searches."""
        return self.store.absolute() / "cache"


@dataclass(frozen=True)
class Settings(Keeping, Machine, Candidates, TextFormat, Columns, Judging, Budget, Question):
    """The user's choices; see :func:`automl.search` for what each means.

    A function that needs one group says so by its type, and takes the whole.
    """

    @classmethod
    def from_choices(cls, choices: Mapping[str, Any]) -> Self:
        """The settings that these choices mean.

        Parameters
        ----------
        choices:
            By the keywords of :func:`automl.search`, with ``data``; None leaves a choice at its default.
            Keywords of no option are not read.

        Raises
        ------
        UsageError
            For a choice that cannot be; the message names its flag and what is allowed.
        """
        values: dict[str, Any] = {"source": choices["data"]}
        for name, stated in options_of(cls).items():
            value = choices.get(stated.keyword)
            if value is not None:
                values[name] = stated.read(value, stated.flag)
        values["name_given"] = "name" in values
        values.setdefault("name", name_of(values["source"]))
        if "trials" in values:
            values.setdefault("seconds", None)
        return cls(**values)

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


def _described(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return getattr(value, "__name__", None) or str(value)


def check_memory(memory_bytes: int) -> None:
    """Check that one worker at least can have what it needs.

    Raises
    ------
    UsageError
        When it cannot.
    """
    if memory_bytes < LEAST_MEMORY:
        raise UsageError(
            f"--memory {memory_bytes} bytes is less than one worker needs: give it 512MB or more."
        )


def is_folder(source: Any) -> bool:
    """Tell whether a source is a folder, which can only be one of files."""
    return isinstance(source, str | os.PathLike) and Path(source).is_dir()


def name_of(source: Any) -> str:
    """The name of a search of this data: the file's name without its suffixes, or ``frame``."""
    if isinstance(source, str | os.PathLike):
        place = Path(os.fspath(source))
        stem = re.sub(r"(\.(csv|tsv|txt|parquet|xlsx|gz))+$", "", place.name, flags=re.IGNORECASE)
        cleaned = re.sub(r"[/:.%\"'\\\s\x00-\x1f]+", "_", stem or place.resolve().name).strip("_")
        return cleaned[:200] or "search"
    return "frame"
