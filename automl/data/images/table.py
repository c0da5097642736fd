"""Tables with image paths: images decoded, broken ones set aside, duplicates reported."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.errors import DataError
from automl.core.finding import Finding
from automl.core.table import Strings, Table
from automl.data.cells.names import listed
from automl.data.images.folder import IMAGE, LABEL, refuse_path, scan_classes, scan_images
from automl.data.images.formats import PATH_SUFFIXES, UNREAD_SUFFIXES, remedy_for
from automl.data.images.pixels import PixelStore
from automl.data.images.store import Report, store_pixels
from automl.data.images.walk import Scan, counted

PART = "part"
IMAGE_FILE = "file"
_SHOWN = 20
_SHARE = 0.9


@dataclass(frozen=True)
class FolderTable:
    """A folder of images as a table: a path and a class per row, and the part if there is a split."""

    frame: pd.DataFrame
    root: Path
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class ImageTable:
    """A table with decoded images.

    Attributes
    ----------
    frame:
        The rows whose images can be used, with their own index.
    columns:
        Names of the image columns.
    store:
        The pixels.
    references, hashes:
        By the content of the cells.
    """

    frame: pd.DataFrame
    columns: tuple[str, ...]
    store: PixelStore
    references: Mapping[str, str]
    hashes: Mapping[str, str]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def refer(self, table: Table) -> Table:
        """The table with references to pixels instead of paths."""
        images = tuple(_mapped(column, self.references) for column in table.images)
        return replace(table, images=images)

    def hashed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with hashes of the contents instead of paths, so that files can move."""
        made = frame.copy(deep=False)
        for column in self.columns:
            made[column] = _mapped(_cells(frame[column]), self.hashes)
        return made


def read_folder(root: Path) -> FolderTable:
    """A folder with a folder per class, or with train, val and test above them.

    Raises
    ------
    DataError
        If it has another layout.
    """
    scan = scan_classes(root)
    frame = pd.DataFrame(
        {
            IMAGE: [file.path for file in scan.files],
            LABEL: [file.label for file in scan.files],
            PART: [file.part for file in scan.files],
        }
    )
    suffixes = Counter(Path(file.path).suffix.lower() for file in scan.files)
    mixed = f" ({counted(suffixes)})" if len(suffixes) > 1 else ""
    notes = [f"{len(frame):,} images in {frame[LABEL].nunique()} classes{mixed}.", *scan.notes()]
    parts = frame[PART].value_counts()
    if parts.index.tolist() == [""]:
        frame = frame.drop(columns=PART)
    else:
        given = ", ".join(f"{parts[part]:,} {part}" for part in ("train", "val", "test") if part in parts)
        notes.append(f"The folder's own split is kept: {given}.")
    return FolderTable(frame, root, tuple(notes), tuple(_left_aside(scan)))


def unlabelled_folder(root: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """All images below a folder as a frame of full paths, indexed by relative path; and remarks."""
    scan = scan_images(root)
    paths = [file.path for file in scan.files]
    index = pd.Index(paths, name=IMAGE_FILE)
    aside = [f"{finding.evidence} {finding.remedy}" for finding in _left_aside(scan)]
    notes = [*scan.notes(), *aside]
    return pd.DataFrame({IMAGE: [str(root / path) for path in paths]}, index=index), tuple(notes)


def image_columns(frame: pd.DataFrame, kinds: Mapping[str, str]) -> tuple[str, ...]:
    """Columns with paths of images: declared ones, and those whose words end like image files."""
    columns = []
    for name in frame.columns:
        kind = kinds.get(name)
        if kind == "image" or (kind is None and _looks_like_paths(frame[name])):
            columns.append(str(name))
    return tuple(columns)


def open_images(
    frame: pd.DataFrame,
    columns: Sequence[str],
    root: Path,
    cache: Path,
    *,
    outside: bool = False,
    side: int | None = None,
    most_bytes: int | None = None,
    report: Report = lambda fraction, message: None,
) -> ImageTable:
    """Decode the images of a table.

    Parameters
    ----------
    root:
        Folder to which relative paths are relative.
    outside:
        Whether paths may lead out of ``root``.
    side, most_bytes:
        As in :func:`automl.data.images.store.store_pixels`.

    Raises
    ------
    DataError
        If a path leads out of the folder, or if fewer than two rows have usable images.
    """
    cells = {name: _cells(frame[name]) for name in columns}
    named = sorted({cell for values in cells.values() for cell in values if cell})
    _refuse_outside(named, root, outside=outside)
    paths = {cell: root / cell for cell in named}
    stored = store_pixels(list(paths.values()), cache, side=side, most_bytes=most_bytes, report=report)
    references = {
        cell: stored.references[str(path)] for cell, path in paths.items() if str(path) in stored.references
    }
    hashes = {cell: stored.hashes[str(path)] for cell, path in paths.items() if str(path) in stored.hashes}
    broken = {cell: stored.broken[str(path)] for cell, path in paths.items() if str(path) in stored.broken}
    usable = np.ones(len(frame), dtype=bool)
    for values in cells.values():
        usable &= np.array([cell in references for cell in values], dtype=bool)
    unnamed = int(np.any([values == "" for values in cells.values()], axis=0).sum())
    findings = _quarantined(broken, int((~usable).sum()), unnamed, len(frame))
    if usable.sum() < 2:
        raise DataError(
            f"{len(frame) - int(usable.sum())} of {len(frame)} rows have no usable image. {_first(broken)}"
        )
    megabytes = stored.store.pixels.nbytes / 2**20
    side = int(stored.store.pixels.shape[1])
    action = "already decoded" if stored.reused else "decoded"
    note = f"{len(references):,} images {action} at {side} × {side} ({megabytes:,.0f} MiB)."
    return ImageTable(
        frame.loc[usable], tuple(columns), stored.store, references, hashes, (note,), tuple(findings)
    )


def copies(
    images: ImageTable, frame: pd.DataFrame, labels: npt.NDArray[Any], parts: Strings | None
) -> list[Finding]:
    """Findings on images of the first image column that are in two classes, or in two parts of a split."""
    cells = _cells(frame[images.columns[0]])
    classes: dict[str, set[str]] = defaultdict(set)
    sides: dict[str, set[str]] = defaultdict(set)
    names: dict[str, list[str]] = defaultdict(list)
    for row, cell in enumerate(cells):
        digest = images.hashes[cell]
        classes[digest].add(str(labels[row]))
        names[digest].append(cell)
        if parts is not None:
            sides[digest].add(str(parts[row]))
    findings = []
    for groups, code, words, remedy in (
        (classes, "image_in_two_classes", "classes", "Remove them from all but one."),
        (
            sides,
            "image_in_two_parts",
            "parts of the split",
            "Remove them from train: the score is too good.",
        ),
    ):
        twice = [
            " = ".join(map(_readable, names[digest])) for digest, held in groups.items() if len(held) > 1
        ]
        if twice:
            subject = "1 image is" if len(twice) == 1 else f"{len(twice)} images are"
            evidence = f"{subject} in several {words}: {listed(twice, _SHOWN)}."
            findings.append(Finding(code, images.columns[0], "warning", evidence, remedy))
    return findings


def table_digest(
    images: ImageTable | None, frame: pd.DataFrame, digest: Callable[[pd.DataFrame], str]
) -> str:
    """``digest`` of the frame, with image contents instead of paths, and of the size of the stored pixels."""
    if images is None:
        return digest(frame)
    of_cells = digest(images.hashed(frame))
    return hashlib.sha256(f"{of_cells} {images.store.pixels.shape[1]}".encode()).hexdigest()


def _looks_like_paths(column: pd.Series[Any]) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    head = column.dropna().iloc[:1000]
    if not len(head):
        return False
    words = [value.strip().lower() if isinstance(value, str) else "" for value in head]
    ends = [word.endswith(PATH_SUFFIXES) for word in words]
    # Beside readable paths, unreadable ones are set aside by name rather than making the column a text.
    unread = [word.endswith(UNREAD_SUFFIXES) for word in words if any(ends)]
    return sum(ends) + sum(unread) >= _SHARE * len(ends)


def _cells(column: pd.Series[Any]) -> Strings:
    """Trimmed words; missing is the empty string."""
    cells = [str(value).strip() if isinstance(value, str) else "" for value in column]
    return np.array(cells, dtype=object)


def _mapped(cells: Strings, values: Mapping[str, str]) -> Strings:
    return np.array([values[str(cell)] for cell in cells], dtype=object)


def _refuse_outside(cells: Sequence[str], root: Path, *, outside: bool) -> None:
    refused = [(cell, why) for cell in cells if (why := refuse_path(cell, root, outside=outside))]
    if refused:
        cell, why = refused[0]
        raise DataError(
            f"{len(refused)} image path{'s' if len(refused) > 1 else ''} cannot be used, such as {cell!r}: "
            f"it {why}. Next: name the folder that holds them with --image-root."
        )


def _quarantined(broken: Mapping[str, str], rows: int, unnamed: int, total: int) -> list[Finding]:
    if not rows:
        return []
    reasons = [_by_reason(broken)] if broken else []
    if unnamed:
        reasons.append("1 row has no image path" if unnamed == 1 else f"{unnamed} rows have no image path")
    verb = "was" if rows == 1 else "were"
    evidence = f"{rows} of {total:,} rows {verb} set aside because of their images: {'; '.join(reasons)}."
    return [Finding("broken_images", None, "warning", evidence, "Nothing was deleted; fix or remove them.")]


def _left_aside(scan: Scan) -> list[Finding]:
    """Findings on files that were not opened although people may expect it."""
    findings = []
    if refused := scan.refused:
        subject = "1 file or folder was" if len(refused) == 1 else f"{len(refused)} files or folders were"
        evidence = f"{subject} not opened: {_by_reason(refused)}."
        findings.append(
            Finding("refused_images", None, "warning", evidence, "Copy the targets of links into the folder.")
        )
    if unread := scan.unread():
        evidence = f"Images in formats that are not read were left out: {counted(unread)}."
        remedy = remedy_for(set(unread))
        findings.append(
            Finding("unread_images", None, "warning", evidence, f"{remedy[0].upper()}{remedy[1:]}.")
        )
    return findings


def _first(broken: Mapping[str, str]) -> str:
    if not broken:
        return ""
    some = dict(sorted(broken.items())[:3])
    return f"Such as: {_by_reason(some)}. Next: check the paths and --image-root."


def _by_reason(files: Mapping[str, str]) -> str:
    """Files by reason, each reason once: ``a.jpg, b.jpg (empty); c.jpg (cut off)``."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path, reason in sorted(files.items())[:_SHOWN]:
        groups[reason].append(_readable(path))
    more = f"; and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return "; ".join(f"{', '.join(paths)} ({reason})" for reason, paths in groups.items()) + more


def _readable(path: str) -> str:
    """A path as one line of text, whatever characters it contains."""
    return path if path.isprintable() else repr(path)
