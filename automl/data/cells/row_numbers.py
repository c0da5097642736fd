"""Names of rows in messages, as in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

LABELLED = "automl.rows have labels"
"""Attribute of a frame whose index is the user's own, not the order of rows in a file."""


def row_number(rows: pd.DataFrame | pd.Series[Any], place: int | np.integer[Any]) -> str:
    """The number of the row at this place, from 1 below the header; rows that were left out are counted.

    A frame with an index of its own gives the label of the row instead.
    """
    label = rows.index[int(place)]
    if rows.attrs.get(LABELLED) or not isinstance(label, int | np.integer):
        return str(label)
    return str(int(label) + 1)


def row_numbers(rows: pd.DataFrame) -> npt.NDArray[np.int64] | None:
    """The numbers of all rows as in :func:`row_number`; None for rows with labels of the user's own."""
    if rows.attrs.get(LABELLED) or rows.index.dtype.kind not in "iu":
        return None
    return rows.index.to_numpy(dtype=np.int64) + 1
