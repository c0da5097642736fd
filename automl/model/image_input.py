"""What a predictor of images takes: a folder, files, images in memory, or a table with paths of images."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.errors import DataError, UsageError
from automl.core.table import Kind
from automl.data.images.folder import refuse_path
from automl.data.images.formats import PATH_SUFFIXES
from automl.data.images.table import unlabelled_folder
from automl.data.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("automl.model.predictor")
_GLANCE_SIDE = 16  # whether a picture can be decoded shows at any size; JPEG is quickest at a small one


def image_frame(data: Any, layout: Layout) -> pd.DataFrame | None:
    """A frame of the images in ``data``, or None when it is something else than images alone.

    Images alone are a folder, the path of an image file, a PIL image, an array of uint8, or a list of these.

    Raises
    ------
    UsageError
        When the model needs other columns as well.
    """
    import pandas as pd

    columns = image_columns(layout)
    if not columns or isinstance(data, pd.DataFrame):
        return None
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        if not path.is_dir():
            if path.suffix.lower() not in PATH_SUFFIXES:
                return None
            data = [path]
    elif not isinstance(data, list | tuple):
        data = [data]
    if len(columns) > 1 or len(layout.inputs) > 1:
        raise UsageError(
            f"The model needs {', '.join(map(repr, layout.inputs))}: pass a table with these columns "
            "instead of images alone."
        )
    if isinstance(data, str | os.PathLike):
        frame, notes = unlabelled_folder(Path(data))
        for note in notes:
            _log.warning("%s", note)
        return frame.set_axis(list(columns), axis=1)
    return pd.DataFrame({columns[0]: _objects(data)})


def image_columns(layout: Layout) -> tuple[str, ...]:
    """Names of the image columns that a layout reads."""
    kinds = {column.name: column.kind for column in layout.columns}
    return tuple(name for name in layout.inputs if kinds.get(name) is Kind.IMAGE)


def unreadable(pictures: Sequence[Any]) -> dict[int, str]:
    """Why some of these cells of an image column cannot be read, by their place."""
    from automl.data.images.decode import decode
    from automl.data.images.pixels import bombs_are_errors, usable_threads

    def reason(picture: Any) -> str:
        try:
            if isinstance(picture, float) or picture is None or picture == "":
                raise DataError("no path is given")
            decode(picture, _GLANCE_SIDE)
        except DataError as error:
            return str(error)
        return ""

    with bombs_are_errors(), ThreadPoolExecutor(usable_threads()) as pool:
        reasons = list(pool.map(reason, pictures))
    return {place: why for place, why in enumerate(reasons) if why}


def place_of_new_rows(layout: Layout) -> str:
    """How a hint names what a model predicts: a folder for images alone, else a table."""
    return "unsorted/" if image_columns(layout) == layout.inputs else "NEW.csv"


def with_full_paths(frame: pd.DataFrame, layout: Layout, root: Path | None, *, inside: bool) -> pd.DataFrame:
    """The frame with image paths relative to ``root`` made full.

    Parameters
    ----------
    inside:
        Whether paths that lead out of the root are refused, as they are for tables from files.

    Raises
    ------
    DataError
        Naming the first path that leads out of the root.
    """
    columns = [name for name in image_columns(layout) if name in frame.columns]
    if not columns or root is None:
        return frame
    made = frame.copy(deep=False)
    for name in columns:
        made[name] = _objects([_full(cell, root, inside=inside) for cell in frame[name]])
    return made


def _full(cell: Any, root: Path, *, inside: bool) -> Any:
    if not isinstance(cell, str | os.PathLike):
        return cell
    path = os.fspath(cell).strip()
    if inside and (why := refuse_path(path, root)):
        raise DataError(
            f"The image path {path!r} cannot be used: it {why}. Next: name the folder that "
            "holds the images with --image-root."
        )
    return str(root / path) if path else ""


def _objects(cells: Sequence[Any]) -> Any:
    """A series that keeps images in memory as they are."""
    import numpy as np
    import pandas as pd

    array = np.empty(len(cells), dtype=object)
    for place, cell in enumerate(cells):
        array[place] = os.fspath(cell) if isinstance(cell, os.PathLike) else cell
    return pd.Series(array, dtype=object).to_numpy()
