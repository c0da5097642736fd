"""What a search reads: a table, a folder of images, or a table with paths of images, which it decodes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError
from automl.core.finding import Finding
from automl.core.table import Table
from automl.data.cells.missing import LabelColumn
from automl.data.files.readers import ReadTable, read_table
from automl.data.images.folder import LABEL
from automl.data.images.table import PART, ImageTable, copies, image_columns, open_images, read_folder
from automl.data.layout import Layout
from automl.problem.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Report = Callable[[float, str], None]
_PROBED = 20
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes
    ----------
    settings:
        The user's, with what a folder of images decides: the target's name, the column of the given split.
    images:
        The decoded images, or None for a table without any.
    task_reason:
        Why the settings have a task that the user did not name, in words.
    """

    read: ReadTable
    settings: Settings
    images: ImageTable | None = None
    findings: tuple[Finding, ...] = ()
    task_reason: str = ""

    def refer(self, table: Table) -> Table:
        """The encoded table with references to pixels where paths of images stood."""
        return table if self.images is None else self.images.refer(table)

    def parts(self, frame: pd.DataFrame) -> npt.NDArray[Any] | None:
        """``train``, ``val`` or ``test`` per row, where the folder has a split of its own."""
        return frame[PART].to_numpy(dtype=object) if self.split_given else None

    @property
    def split_given(self) -> bool:
        """Whether the folder has a split of its own."""
        return is_image_folder(self.settings.source) and PART in self.read.frame.columns

    def paths(
        self, frame: pd.DataFrame, kept: npt.NDArray[np.int64] | None
    ) -> npt.NDArray[np.object_] | None:
        """Paths of the first image column of these rows of the frame (all for None), or None without one."""
        if self.images is None:
            return None
        found = frame[self.images.columns[0]].astype(str).to_numpy(dtype=object)
        return found if kept is None else found[kept]

    def findings_on(self, frame: pd.DataFrame, labels: npt.NDArray[Any]) -> list[Finding]:
        """What is to be said of the images of these rows."""
        if self.images is None:
            return list(self.findings)
        return [*self.findings, *copies(self.images, frame, labels, self.parts(frame))]


def read_data(
    settings: Settings, source: Any, like: Layout | None = None, expected_encoding: str | None = None
) -> ReadTable:
    """The table in a file or frame, read as the settings say, and as the data with layout ``like`` was."""
    labels = None if settings.target is None else LabelColumn(settings.target)
    if like is not None:
        labels = LabelColumn(like.target_name, like.label_words)
    return read_table(
        source,
        encoding=settings.encoding,
        delimiter=settings.delimiter,
        decimal=settings.decimal,
        header=settings.header,
        skip_bad_rows=settings.skip_bad_rows,
        written=None if like is None else like.written,
        missing=settings.missing,
        labels=labels,
        expected_encoding=expected_encoding,
    )


def is_image_folder(source: Any) -> bool:
    """Whether a source is a folder, which can only be one of images."""
    return isinstance(source, str | os.PathLike) and Path(source).is_dir()


def open_source(
    settings: Settings,
    read: Callable[[], ReadTable],
    *,
    like: ImageTable | None = None,
    report: Report = lambda fraction, message: None,
) -> Source:
    """Read the data; decode its images if it has any.

    Parameters
    ----------
    read:
        Reads the source as a table.
    like:
        Images to be stored in the same size as.

    Raises
    ------
    DataError
        When data or images cannot be used.
    """
    _refuse_archive(settings.source)
    task_reason = ""
    if is_image_folder(settings.source):
        folder = read_folder(Path(settings.source))
        table = ReadTable(folder.frame, folder.notes, folder.root.name)
        columns, root, findings = image_columns(folder.frame, {}), folder.root, folder.findings
        # Names of folders are words, be they 0 to 9.
        if settings.task is None and settings.target in (None, LABEL):
            settings, task_reason = replace(settings, task="classification"), "a folder is a class"
        settings = replace(settings, target=settings.target or LABEL)
    else:
        table, findings = read(), ()
        columns = image_columns(table.frame, settings.kinds)
        columns = tuple(name for name in columns if name != settings.target and name not in settings.drop)
        root = _root(settings)
    if not columns:
        return Source(table, settings, None, findings, task_reason)
    if settings.image_root is None and not is_image_folder(settings.source):
        absent = [name for name in columns if not _any_exists(table.frame[name], root)]
        columns = tuple(name for name in columns if name not in absent)
        findings = (*findings, *(_absent(name, root) for name in absent))
        settings = replace(settings, drop=(*settings.drop, *absent))
        if not columns:
            return Source(table, settings, None, findings, task_reason)
    images = open_images(
        table.frame,
        columns,
        root,
        settings.store.absolute() / "cache" / "images",
        outside=settings.image_root is None and not isinstance(settings.source, str | os.PathLike),
        side=None if like is None else int(like.store.pixels.shape[1]),
        most_bytes=settings.cache_bytes,
        report=report,
    )
    read_now = replace(table, frame=images.frame, notes=(*table.notes, *images.notes))
    return Source(read_now, settings, images, (*findings, *images.findings), task_reason)


def _refuse_archive(source: Any) -> None:
    """Archives may unpack to anywhere and to any size: that is left to tools that people trust."""
    if isinstance(source, str | os.PathLike) and os.fspath(source).lower().endswith(_ARCHIVES):
        raise DataError(f"{source} is an archive. Next: unpack it, and pass the folder.")


def judged_part(parts: npt.NDArray[Any] | None) -> npt.NDArray[np.bool_] | None:
    """The rows of the part ``val``, where a given split has any."""
    if parts is None or not (parts == "val").any():
        return None
    return np.asarray(parts == "val", dtype=bool)


def _root(settings: Settings) -> Path:
    if settings.image_root is not None:
        if not settings.image_root.is_dir():
            raise DataError(f"--image-root: there is no folder {settings.image_root}. Next: check the path.")
        return settings.image_root
    if isinstance(settings.source, str | os.PathLike):
        return Path(settings.source).parent
    return Path()


def _any_exists(column: pd.Series[Any], root: Path) -> bool:
    words = [value.strip() for value in column.dropna().iloc[:1000] if isinstance(value, str)]
    step = max(1, len(words) // _PROBED)
    # Paths that lead elsewhere are not left out in silence: they are refused where they are opened.
    # os.path takes words of any length for what they are: no names of files.
    return any(os.path.isabs(word) or ".." in word or os.path.isfile(root / word) for word in words[::step])


def _absent(name: str, root: Path) -> Finding:
    return Finding(
        "images_absent",
        name,
        "warning",
        f"Column {name!r} names images, but there are none of them in {str(root.absolute())!r}: left out.",
        "Name the folder that holds them with --image-root.",
    )
