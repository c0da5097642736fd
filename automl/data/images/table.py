"""Tables with image paths: images decoded, broken ones set aside, duplicates reported."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from automl.core.finding import Finding
from automl.core.modality import LABEL, NEW_FILE, PART, FolderTable
from automl.core.table import Kind
from automl.data.images.folder import IMAGE, scan_classes, scan_images
from automl.data.images.formats import remedy_for
from automl.data.images.pixels import PixelStore
from automl.data.images.store import Report, store_pixels
from automl.data.images.walk import Scan, counted
from automl.data.named_files import (
    NamedFiles,
    by_reason,
    cells_of,
    from_folder,
    named_paths,
    usable_rows,
)


@dataclass(frozen=True, kw_only=True)
class ImageTable(NamedFiles):
    """A table with decoded images; references are to pixels.

    Attributes
    ----------
    store:
        The pixels.
    """

    store: PixelStore

    def digest(self, frame: pd.DataFrame, of_frame: Callable[[pd.DataFrame], str]) -> str:
        """``of_frame`` of the frame, by contents instead of paths, and of the size of the stored pixels."""
        of_cells = super().digest(frame, of_frame)
        return hashlib.sha256(f"{of_cells} {self.store.pixels.shape[1]}".encode()).hexdigest()


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
    index = pd.Index(paths, name=NEW_FILE)
    aside = [f"{finding.evidence} {finding.remedy}" for finding in _left_aside(scan)]
    notes = [*scan.notes(), *aside]
    return pd.DataFrame({IMAGE: [str(root / path) for path in paths]}, index=index), tuple(notes)


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
    cells = {name: cells_of(frame[name]) for name in columns}
    paths = named_paths(cells.values(), root, Kind.IMAGE, outside=outside)
    stored = store_pixels(list(paths.values()), cache, side=side, most_bytes=most_bytes, report=report)
    references = {
        cell: stored.references[str(path)] for cell, path in paths.items() if str(path) in stored.references
    }
    hashes = {cell: stored.hashes[str(path)] for cell, path in paths.items() if str(path) in stored.hashes}
    broken = {cell: stored.broken[str(path)] for cell, path in paths.items() if str(path) in stored.broken}
    alone = from_folder(frame, Kind.IMAGE)
    usable, findings = usable_rows(cells, references, broken, Kind.IMAGE, alone=alone)
    megabytes = stored.store.pixels.nbytes / 2**20
    side = int(stored.store.pixels.shape[1])
    action = "already decoded" if stored.reused else "decoded"
    note = f"{len(references):,} images {action} at {side} × {side} ({megabytes:,.0f} MiB)."
    return ImageTable(
        kind=Kind.IMAGE,
        noun="image",
        frame=frame.loc[usable],
        columns=tuple(columns),
        references=references,
        hashes=hashes,
        notes=(note,),
        findings=tuple(findings),
        store=stored.store,
    )


def _left_aside(scan: Scan) -> list[Finding]:
    """Findings on files that were not opened although people may expect it."""
    findings = []
    if refused := scan.refused:
        subject = "1 file or folder was" if len(refused) == 1 else f"{len(refused)} files or folders were"
        evidence = f"{subject} not opened: {by_reason(refused)}."
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
