"""Format of a text table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automl.data.cells.missing import LabelColumn

TEXT = "text"  # for a known column: its cells stay text


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The format of a text table; None where it is to be detected.

    Attributes
    ----------
    columns:
        The format of columns in training (see :attr:`automl.data.layout.Layout.written`), which decides where
        a few new rows are ambiguous.
    missing:
        Words that count as missing besides blanks; None for the usual ones.
    header:
        Number of the line with the column names, from 1.
    expected_encoding:
        The detected encoding of the training file, which decides where several fit.
    labels:
        The column in which such words may be names of classes, if ``missing`` is None.
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
