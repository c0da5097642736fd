"""Columns of an encoded table by their names."""

from __future__ import annotations

import numpy as np

from automl.core.table import Kind, Table
from automl.data.layout import Layout


def kinds_of(layout: Layout) -> dict[str, Kind]:
    return {column.name: column.kind for column in layout.columns}


def number(table: Table, name: str) -> np.ndarray:
    return table.numbers[:, table.features.numbers.index(name)]


def category(table: Table, name: str) -> list[str | None]:
    at = table.features.categories.index(name)
    levels = table.features.levels[at]
    return [levels[code] if code >= 0 else None for code in table.codes[:, at]]
