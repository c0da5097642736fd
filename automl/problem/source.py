"""The source of a search: a table, a folder of files, or a table with paths of files, which it opens."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError
from automl.core.finding import Finding
from automl.core.modality import LABEL, PART, FilesToOpen, Modality, OpenedFiles, Report
from automl.core.table import Table
from automl.data.cells.missing import LabelColumn
from automl.data.digest import frame_digest
from automl.data.files.readers import ReadTable, read_table
from automl.data.layout import Layout
from automl.data.modalities import modalities, read_folder
from automl.data.named_files import open_files, path_columns
from automl.problem.settings import Settings, is_folder

if TYPE_CHECKING:
    import pandas as pd

_PROBED = 20
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


@dataclass(frozen=True)
class Source:
    """The data as it was read.

    Attributes
    ----------
    settings:
        The user's, with what a folder decides: the target's name, the column of the given split.
    files:
        The opened files by their kind; empty for a table without any.
    task_reason:
        Why the settings have a task that the user did not name, in words.
    """

    read: ReadTable
    settings: Settings
    files: Mapping[str, OpenedFiles] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    task_reason: str = ""

    def refer(self, table: Table) -> Table:
        """The encoded table with what families read where paths of files stood."""
        for opened in self.files.values():
            table = opened.refer(table)
        return table

    def contents(self, table: Table) -> Table:
        """The same table with hashes of what the files hold in place of that."""
        for opened in self.files.values():
            table = opened.contents(table)
        return table

    def digest(self, frame: pd.DataFrame) -> str:
        """Of these rows of the frame, by what the files hold."""
        of_frame: Callable[[pd.DataFrame], str] = frame_digest
        for opened in self.files.values():
            of_frame = partial(opened.digest, of_frame=of_frame)
        return of_frame(frame)

    def parts(self, frame: pd.DataFrame) -> npt.NDArray[Any] | None:
        """``train``, ``val`` or ``test`` per row, where the folder has a split of its own."""
        return frame[PART].to_numpy(dtype=object) if self.split_given else None

    @property
    def split_given(self) -> bool:
        """True where the folder has a split of its own."""
        return is_folder(self.settings.source) and PART in self.read.frame.columns

    def paths(
        self, frame: pd.DataFrame, kept: npt.NDArray[np.int64] | None
    ) -> npt.NDArray[np.object_] | None:
        """Paths in the first column of files, of these rows of the frame (all for None), or None."""
        first = next(iter(self.files.values()), None)
        if first is None:
            return None
        names = frame[first.columns[0]].astype(str).to_numpy(dtype=object)
        return names if kept is None else names[kept]

    def findings_on(self, frame: pd.DataFrame, labels: npt.NDArray[Any]) -> list[Finding]:
        """Findings on the files of these rows."""
        copies = (opened.copies(frame, labels, self.parts(frame)) for opened in self.files.values())
        return [*self.findings, *(finding for several in copies for finding in several)]


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


def open_source(
    settings: Settings,
    read: Callable[[], ReadTable],
    *,
    like: Mapping[str, OpenedFiles] | None = None,
    report: Report = lambda fraction, message: None,
) -> Source:
    """Read the data; open its files if it names any.

    Parameters
    ----------
    read:
        Reads the source as a table.
    like:
        Files, by kind, that these are to be read like.

    Raises
    ------
    DataError
        When data or files cannot be used.
    """
    _refuse_archive(settings.source)
    task_reason = ""
    if is_folder(settings.source):
        modality, folder = read_folder(Path(settings.source))
        table = ReadTable(frame=folder.frame, notes=folder.notes, name=folder.root.name)
        columns = {modality.kind: path_columns(modality, folder.frame, {})}
        root, findings = folder.root, folder.findings
        # Names of folders are words, be they 0 to 9.
        if settings.task is None and settings.target in (None, LABEL):
            settings, task_reason = replace(settings, task="classification"), "a folder is a class"
        settings = replace(settings, target=settings.target or LABEL)
    else:
        table, root = read(), _root(settings)
        columns, findings = _columns(table.frame, settings, root)
        absent = tuple(finding.column for finding in findings if finding.column)
        settings = replace(settings, drop=(*settings.drop, *absent))
    files: dict[str, OpenedFiles] = {}
    for kind, names in columns.items():
        to_open = FilesToOpen(
            frame=table.frame,
            columns=names,
            root=root,
            cache=settings.cache_folder / modalities()[kind].name,
            outside=settings.image_root is None and not isinstance(settings.source, str | os.PathLike),
            like=(like or {}).get(kind),
            most_bytes=settings.cache_bytes,
            report=report,
        )
        opened = open_files(modalities()[kind], to_open)
        files[kind] = opened
        table = replace(table, frame=opened.frame, notes=(*table.notes, *opened.notes))
        findings = (*findings, *opened.findings)
    return Source(table, settings, files, findings, task_reason)


def _columns(
    frame: pd.DataFrame, settings: Settings, root: Path
) -> tuple[dict[str, tuple[str, ...]], tuple[Finding, ...]]:
    """The columns of files by kind, and findings on those whose files are not there, which are left out."""
    by_kind: dict[str, tuple[str, ...]] = {}
    findings: list[Finding] = []
    for kind, modality in modalities().items():
        names = path_columns(modality, frame, settings.kinds)
        names = tuple(name for name in names if name != settings.target and name not in settings.drop)
        if settings.image_root is None:
            absent = [name for name in names if not _any_exists(frame[name], root)]
            findings += [_absent(name, modality, root) for name in absent]
            names = tuple(name for name in names if name not in absent)
        if names:
            by_kind[kind] = names
    return by_kind, tuple(findings)


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
    # Paths that lead elsewhere are not silently left out: they are refused where they are opened.
    # os.path takes words of any length for what they are: no names of files.
    return any(os.path.isabs(word) or ".." in word or os.path.isfile(root / word) for word in words[::step])


def _absent(name: str, modality: Modality, root: Path) -> Finding:
    return Finding(
        f"{modality.name}_absent",
        name,
        "warning",
        f"Column {name!r} names {modality.rows}, but there are none of them in "
        f"{str(root.absolute())!r}: left out.",
        "Name the folder that holds them with --image-root.",
    )
