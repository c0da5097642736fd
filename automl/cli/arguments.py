"""Arguments as people type them: lists of names, pairs of column and kind, how a text file is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from automl.errors import UsageError

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


def names(given: str | None) -> tuple[str, ...]:
    """``a,b`` as ``("a", "b")``."""
    return tuple(name.strip() for name in (given or "").split(",") if name.strip())


def dialect_options(command: F) -> F:
    """The options that say how a text file is written."""
    for option in (
        click.option("--skip-bad-rows", is_flag=True, help="Leave rows out that have too many fields."),
        click.option("--decimal", help="Decimal mark of a text file. [default: detected]"),
        click.option("--delimiter", help="Delimiter of a text file. [default: detected]"),
        click.option("--encoding", help="Encoding of a text file. [default: detected]"),
    ):
        command = option(command)
    return command
