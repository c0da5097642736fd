"""Rows for a model that was trained: read from a file or a folder, with remarks on stderr."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from automl.data.layout import Layout


@dataclass(frozen=True)
class NewRows:
    """Rows to predict.

    Attributes
    ----------
    source, frame:
        As they were read, and as the model takes them.
    left_out:
        Number of those that could not be read.
    """

    source: pd.DataFrame
    frame: pd.DataFrame
    left_out: int


def read_rows(data: str, image_root: str | None, layout: Layout, dialect: dict[str, Any]) -> NewRows:
    """Read rows from a file or a folder as a model takes them; ``dialect`` has the options of text files.

    With ``skip_bad_rows`` those that cannot be read are listed on stderr and left out.
    """
    from automl.data.files.readers import read_table
    from automl.model.file_input import file_columns, frame_of_files, with_full_paths

    skip = bool(dialect["skip_bad_rows"])
    pictures, lost = frame_of_files(data, layout), 0
    if pictures is None:
        missing = layout.missing if dialect["missing"] is None else dialect["missing"]
        given = {**dialect, "missing": missing}
        read = read_table(data, minimum_rows=0, written=layout.written, **given)
        for note in read.notes:
            click.echo(f"note: {note}", err=True)
        start = Path(data).parent if image_root is None else Path(image_root)
        source, lost = read.frame, len(read.left_out)
        frame = with_full_paths(source, layout, start, inside=True)
    else:
        source = frame = pictures
    bad = _unreadable(frame, file_columns(layout)) if skip else {}
    for reason in bad.values():
        click.echo(f"left out: {reason}", err=True)
    if bad and len(bad) == len(frame):
        raise DataError(
            f"None of the {len(frame):,} pictures of {data} can be read. "
            "Next: check the paths and --image-root."
        )
    if bad:
        good = [place for place in range(len(frame)) if place not in bad]
        source, frame = source.iloc[good], frame.iloc[good]
    if skip:
        rows = len(frame)
        frame, reasons = layout.without_bad_cells(frame)
        for reason in reasons:
            click.echo(f"left out: {reason}", err=True)
        if rows and not len(frame):
            raise DataError(f"None of the {rows:,} rows of {data} can be read. Next: repair them.")
        source, lost = source.loc[source.index.isin(frame.index)], lost + rows - len(frame)
    return NewRows(source, frame, lost + len(bad))


def _unreadable(frame: pd.DataFrame, columns: Mapping[str, str]) -> dict[int, str]:
    """Rows whose files cannot be read, by their place, with name and reason."""
    from automl.model.file_input import unreadable

    reasons: dict[int, str] = {}
    for name, kind in columns.items():
        if name in frame.columns:
            cells = list(frame[name])
            for place, why in unreadable(cells, kind).items():
                shown = cells[place] if isinstance(cells[place], str) and cells[place] else f"row {place + 1}"
                reasons.setdefault(place, f"{shown} ({why})")
    return dict(sorted(reasons.items()))


class _Remarks(logging.Formatter):
    """``note: …`` and ``warning: …``."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{'note' if record.levelno < logging.WARNING else 'warning'}: {record.getMessage()}"


@contextmanager
def remarks_to_stderr() -> Iterator[None]:
    """Print what the model finds unusual about the rows."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Remarks())
    logger = logging.getLogger("automl.model.predictor")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
