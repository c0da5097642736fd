"""How a text table is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automl.data.cells.missing import LabelColumn

TEXT = "text"  # of a known column: its cells are taken as they stand


@dataclass(frozen=True)
class Dialect:
    """How a text table is written; None where it is to be detected.

    Attributes
    ----------
    columns:
        How columns were written where a model learned from them (see
        :attr:`automl.data.layout.Layout.written`): what a few new rows leave open follows it.
    missing:
        Words that count as missing beside blanks; None for the usual ones.
    header:
        Number of the line that holds the column names, from 1.
    expected_encoding:
        What the file that a model learns from was detected as: it decides where several fit.
    labels:
        The column in which such words may be names of classes, where ``missing`` is None.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    skip_bad_rows: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] | None = None
    labels: LabelColumn | None = None
    header: int | None = None
    expected_encoding: str | None = None
