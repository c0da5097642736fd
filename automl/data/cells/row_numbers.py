"""How a row is named in messages: as the file has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LABELLED = "automl.rows have labels"
"""A frame's attribute: its index is its owner's, and not the rows' order in a file."""


def row_number(rows: pd.DataFrame | pd.Series[Any], place: int | np.integer[Any]) -> str:
    """The row at this place: counted from 1 below the header, rows that were left out since included.

    Rows of a frame with labels of its own have those.
    """
    label = rows.index[int(place)]
    if rows.attrs.get(LABELLED) or not isinstance(label, int | np.integer):
        return str(label)
    return str(int(label) + 1)
