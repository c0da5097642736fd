"""Inputs of a predictor of files: a folder, files, their contents in memory, or a table with paths."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.errors import DataError, UsageError
from automl.core.modality import TABLES, Modality
from automl.data.cells.missing import frame_without_words, missing_words
from automl.data.layout import Layout
from automl.data.modalities import modalities, modality_of
from automl.data.named_files import refuse_path

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("automl.model.predictor")


def frame_of_table(data: Any, layout: Layout) -> pd.DataFrame:
    """A DataFrame, or that of the file at a path, with the missing cells that training had.

    Raises
    ------
    UsageError
        For anything else.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data if layout.missing is None else frame_without_words(data, missing_words(layout.missing))
    if isinstance(data, str | os.PathLike):
        from automl.data.files.readers import read_table

        read = read_table(Path(data), minimum_rows=0, written=layout.written, missing=layout.missing)
        for note in read.notes:
            _log.info("%s", note)
        return read.frame
    raise UsageError(
        f"predict takes a pandas DataFrame or the path of a file, not {type(data).__name__}. "
        "For one row, pass pandas.DataFrame([row])."
    )


def frame_of_files(data: Any, layout: Layout) -> pd.DataFrame | None:
    """A frame of the files in ``data``, or None when it is something else than files alone.

    Files alone are a folder, the path of a file of the model's kind, what a file holds in memory (of images:
    a PIL image, an array of uint8), or a list of these.

    Raises
    ------
    UsageError
        When the model needs other columns as well.
    """
    import pandas as pd

    columns = file_columns(layout)
    if not columns or isinstance(data, pd.DataFrame):
        return None
    modality = modalities()[next(iter(columns.values()))]
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        if not path.is_dir():
            if path.suffix.lower() not in modality.suffixes:
                return None
            data = [path]
    elif not isinstance(data, list | tuple):
        data = [data]
    if len(layout.inputs) > 1:
        raise UsageError(
            f"The model needs {', '.join(map(repr, layout.inputs))}: pass a table with these columns "
            f"instead of {modality.rows} alone."
        )
    if isinstance(data, str | os.PathLike):
        if modality.new_files is None:
            raise UsageError(
                f"{data} is a folder. Next: pass a table with a column {layout.inputs[0]!r} of paths."
            )
        frame, notes = modality.new_files(Path(data))
        for note in notes:
            _log.warning("%s", note)
        return frame.set_axis(list(columns), axis=1)
    return pd.DataFrame({layout.inputs[0]: _objects(data)})


def file_columns(layout: Layout) -> dict[str, str]:
    """The columns of files that a layout reads, each with its kind."""
    kinds = {column.name: column.kind for column in layout.columns}
    return {name: kinds[name] for name in layout.inputs if kinds.get(name) in modalities()}


def unreadable(cells: Sequence[Any], kind: str) -> Mapping[int, str]:
    """Reasons why some of these cells of a column of files cannot be read, by their place."""
    reasons = modalities()[kind].unreadable
    return {} if reasons is None else reasons(cells)


def modality_of_rows(layout: Layout) -> Modality:
    """The modality by which hints name a model's rows and new data: that of files alone, else of tables."""
    columns = file_columns(layout)
    return modality_of(set(columns.values()), alone=True) if tuple(columns) == layout.inputs else TABLES


def place_of_new_rows(layout: Layout) -> str:
    """The name of new data in a hint: a folder for images alone, else a table."""
    return modality_of_rows(layout).example


def with_full_paths(frame: pd.DataFrame, layout: Layout, root: Path | None, *, inside: bool) -> pd.DataFrame:
    """The frame with paths of files relative to ``root`` made full.

    Parameters
    ----------
    inside:
        Whether paths that lead out of the root are refused, as they are for tables from files.

    Raises
    ------
    DataError
        Naming the first path that leads out of the root.
    """
    columns = {name: kind for name, kind in file_columns(layout).items() if name in frame.columns}
    if not columns or root is None:
        return frame
    made = frame.copy(deep=False)
    for name, kind in columns.items():
        made[name] = _objects([_full(cell, root, kind, inside=inside) for cell in frame[name]])
    return made


def _full(cell: Any, root: Path, kind: str, *, inside: bool) -> Any:
    if not isinstance(cell, str | os.PathLike):
        return cell
    path = os.fspath(cell).strip()
    if inside and (why := refuse_path(path, root, noun=kind)):
        raise DataError(
            f"The {kind} path {path!r} cannot be used: it {why}. Next: name the folder that "
            f"holds the {modalities()[kind].rows} with --image-root."
        )
    return str(root / path) if path else ""


def _objects(cells: Sequence[Any]) -> Any:
    """A series that keeps what is in memory as it is."""
    import numpy as np
    import pandas as pd

    array = np.empty(len(cells), dtype=object)
    for place, cell in enumerate(cells):
        array[place] = os.fspath(cell) if isinstance(cell, os.PathLike) else cell
    return pd.Series(array, dtype=object).to_numpy()
