"""Tables that a command writes: to a csv or parquet file that people name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl.core.errors import StorageError, UsageError

if TYPE_CHECKING:
    import pandas as pd


def refuse_place(path: Path, what: str, suffixes: Sequence[str] = (".csv", ".parquet")) -> None:
    """Refuse a folder, and a suffix of another format, before any work is done.

    Raises
    ------
    UsageError
        Saying where ``what``, such as ``predictions``, can be written.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it, such as {path / f'{what}.csv'}.")
    if path.suffix not in suffixes:
        raise UsageError(f"{path}: {what} are written as .csv or .parquet.")


def write_table(table: pd.DataFrame, path: Path, what: str) -> None:
    """Write parquet or, under any other suffix, csv; its folder is made.

    Raises
    ------
    StorageError
        Where that is impossible.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            table.columns = table.columns.map(str)
            table.to_parquet(path)
        else:
            table.to_csv(path, index=False)
    except OSError as error:
        raise StorageError(
            f"The {what} cannot be written to {path}: {error.strerror or error}. "
            "Next: name another file with -o."
        ) from error
