"""Names of rows in messages, as in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

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
