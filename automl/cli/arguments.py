"""Options that several commands share, and arguments as people type them: lists of names, pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from automl.core.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def pairs(given: tuple[str, ...]) -> dict[str, str]:
    """``--kind zip=category`` as ``{"zip": "category"}``."""
    found = {}
    for item in given:
        column, mark, kind = item.rpartition("=")
        if not mark or not column:
            raise UsageError(f"--kind {item!r} must read COLUMN=KIND, e.g. --kind zip=category.")
        found[column] = kind
    return found


def _words(context: click.Context, option: click.Parameter, given: str | None) -> tuple[str, ...] | None:
    """``NA,n/d`` as ``("NA", "n/d")``, nothing as ``()``; None where the option was not given."""
    return None if given is None else names(given)


def names(given: str | None) -> tuple[str, ...]:
    """``a,b`` as ``("a", "b")``."""
    return tuple(name.strip() for name in (given or "").split(",") if name.strip())


def dialect_options(command: F) -> F:
    """The options that say how a text file is written."""
    for option in (
        click.option(
            "--missing",
            metavar="A,B",
            callback=_words,
            help="Words that mean no value; 'usual' adds the usual ones. [default: usual]",
        ),
        click.option("--skip-bad-rows", is_flag=True, help="Leave out rows that cannot be read."),
        click.option(
            "--header", type=int, metavar="LINE", help="Line of a text file that names the columns, from 1."
        ),
        click.option("--decimal", help="Decimal mark of a text file. [default: detected]"),
        click.option("--delimiter", help="Delimiter of a text file. [default: detected]"),
        click.option("--encoding", help="Encoding of a text file. [default: detected]"),
    ):
        command = option(command)
    return command


def page_options(command: F) -> F:
    """The options of the pages that are made of a search and its data."""
    data = click.option("--data", metavar="FILE", help="The file that was searched, where it has moved.")
    slices = click.option(
        "--slice", "slices", multiple=True, metavar="COLUMN", help="Score the groups of a column."
    )
    return data(slices(command))


def store_options(command: F) -> F:
    """The options that say where the record is."""
    uri = click.option(
        "--tracking-uri",
        metavar="URI",
        help="MLflow server or store. [default: $MLFLOW_TRACKING_URI, else --store]",
    )
    store = click.option(
        "--store", default="mlruns", show_default=True, metavar="FOLDER", help="Folder of the local store."
    )
    return uri(store(command))


def process_start() -> float:
    """Seconds since this process began: imports count, as the user's clock does."""
    import time

    import psutil

    return max(0.0, time.time() - psutil.Process().create_time())
