"""Files named in columns of a table: read or set aside, hashed by contents, duplicates reported."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.errors import DataError
from automl.core.finding import Finding
from automl.core.modality import LABEL, PART, FilesToOpen, Modality, OpenedFiles
from automl.core.table import Strings, Table
from automl.data.cells.names import listed

SHOWN = 20
SHARE = 0.9
"""Share of a column's words that must be paths of files."""
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class NamedFiles:
    """A table with columns of usable files of one kind.

    Attributes
    ----------
    kind:
        Kind of the files.
    noun:
        Name for one file.
    frame:
        The rows whose files can be used, with their own index.
    columns:
        Names of the columns.
    references, hashes:
        References for families, and SHA-256 of the contents, by the content of the cells.
    """

    kind: str
    noun: str
    frame: pd.DataFrame
    columns: tuple[str, ...]
    references: Mapping[str, str]
    hashes: Mapping[str, str]
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def refer(self, table: Table) -> Table:
        """The encoded table with references instead of paths."""
        return self._mapped(table, self.references)

    def contents(self, table: Table) -> Table:
        """The table with hashes of the contents instead of references, so that files can move."""
        return self._mapped(table, {self.references[cell]: self.hashes[cell] for cell in self.references})

    def hashed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with hashes of the contents instead of paths, so that files can move."""
        made = frame.copy(deep=False)
        for column in self.columns:
            made[column] = mapped(cells_of(frame[column]), self.hashes)
        return made

    def digest(self, frame: pd.DataFrame, of_frame: Callable[[pd.DataFrame], str]) -> str:
        """``of_frame`` of the frame, with contents instead of paths."""
        return of_frame(self.hashed(frame))

    def copies(self, frame: pd.DataFrame, labels: npt.NDArray[Any], parts: Strings | None) -> list[Finding]:
        """Findings on files of the first column that are in two classes, or in two parts of a split."""
        cells = cells_of(frame[self.columns[0]])
        classes: dict[str, set[str]] = defaultdict(set)
        sides: dict[str, set[str]] = defaultdict(set)
        names: dict[str, list[str]] = defaultdict(list)
        for row, cell in enumerate(cells):
            digest = self.hashes[cell]
            classes[digest].add(str(labels[row]))
            names[digest].append(cell)
            if parts is not None:
                sides[digest].add(str(parts[row]))
        findings = []
        for groups, place, words, remedy in (
            (classes, "two_classes", "classes", "Remove them from all but one."),
            (sides, "two_parts", "parts of the split", "Remove them from train: the score is too good."),
        ):
            twice = [
                " = ".join(map(readable, names[digest])) for digest, held in groups.items() if len(held) > 1
            ]
            if twice:
                subject = f"1 {self.noun} is" if len(twice) == 1 else f"{len(twice)} {self.noun}s are"
                evidence = f"{subject} in several {words}: {listed(twice, SHOWN)}."
                code = f"{self.kind}_in_{place}"
                findings.append(Finding(code, self.columns[0], "warning", evidence, remedy))
        return findings

    def _mapped(self, table: Table, values: Mapping[str, str]) -> Table:
        columns = tuple(mapped(column, values) for column in table.files[self.kind])
        return replace(table, files={**table.files, self.kind: columns})


def path_columns(modality: Modality, frame: pd.DataFrame, kinds: Mapping[str, str]) -> tuple[str, ...]:
    """Columns with paths of a modality's files: declared ones, and those whose words end like such files."""
    columns = []
    for name in frame.columns:
        kind = kinds.get(name)
        if kind == modality.kind or (kind is None and _look_like_paths(modality, frame[name])):
            columns.append(str(name))
    return tuple(columns)


def _look_like_paths(modality: Modality, column: pd.Series[Any]) -> bool:
    if not modality.suffixes or pd.api.types.is_numeric_dtype(column.dtype):
        return False
    head = column.dropna().iloc[:1000]
    if not len(head):
        return False
    words = [value.strip().lower() if isinstance(value, str) else "" for value in head]
    ends = [word.endswith(modality.suffixes) for word in words]
    # Beside readable paths, unreadable ones are set aside by name rather than making the column a text.
    unread = [word.endswith(modality.unread_suffixes) for word in words if any(ends)]
    return sum(ends) + sum(unread) >= SHARE * len(ends)


def open_files(modality: Modality, given: FilesToOpen) -> OpenedFiles:
    """Open the files of a table with their modality's function, or else read them to hash their contents.

    Families read the latter by their paths.

    Raises
    ------
    DataError
        If a path leads out of the folder, or if fewer than two rows have usable files.
    """
    if modality.open is not None:
        return modality.open(given)
    cells = {name: cells_of(given.frame[name]) for name in given.columns}
    paths = named_paths(cells.values(), given.root, modality.kind, outside=given.outside)
    hashes: dict[str, str] = {}
    broken: dict[str, str] = {}
    for number, (cell, path) in enumerate(paths.items()):
        given.report(number / len(paths), f"reading {modality.rows}")
        try:
            hashes[cell] = _hash_of(path)
        except OSError as error:
            broken[cell] = error.strerror or str(error)
    if modality.unreadable is not None and hashes:
        read = list(hashes)
        reasons = modality.unreadable([str(paths[cell]) for cell in read])
        broken |= {read[place]: why for place, why in reasons.items()}
        hashes = {cell: digest for cell, digest in hashes.items() if cell not in broken}
    alone = from_folder(given.frame, modality.kind)
    usable, findings = usable_rows(cells, hashes, broken, modality.kind, alone=alone)
    return NamedFiles(
        kind=modality.kind,
        noun=modality.kind,
        frame=given.frame.loc[usable],
        columns=given.columns,
        references={cell: str(paths[cell].absolute()) for cell in hashes},
        hashes=hashes,
        notes=(f"{len(hashes):,} {modality.rows} read.",),
        findings=tuple(findings),
    )


def named_paths(
    columns: Iterable[Strings], root: Path, noun: str, *, outside: bool = False
) -> dict[str, Path]:
    """The files that cells name, by the content of the cells, in order.

    Raises
    ------
    DataError
        If a path leads out of ``root``, or is not a path.
    """
    named = sorted({cell for values in columns for cell in values if cell})
    refused = [(cell, why) for cell in named if (why := refuse_path(cell, root, noun=noun, outside=outside))]
    if refused:
        cell, why = refused[0]
        raise DataError(
            f"{len(refused)} {noun} path{'s' if len(refused) > 1 else ''} cannot be used, such as {cell!r}: "
            f"it {why}. Next: name the folder that holds them with --image-root."
        )
    return {cell: root / cell for cell in named}


def refuse_path(path: str, root: Path, *, noun: str = "file", outside: bool = False) -> str:
    """The reason not to open a path from a table, or an empty string.

    Parameters
    ----------
    noun:
        Name for one file of the folder.
    outside:
        Whether paths may lead out of ``root``.
    """
    if "\x00" in path:
        return "holds a NUL character"
    if outside:
        return ""
    try:
        inside = (root / path).resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # a name that is too long, or a loop of links
        return f"cannot be followed ({getattr(error, 'strerror', None) or error})"
    return "" if inside else f"leads out of the {noun}s' folder {str(root)!r}"


def usable_rows(
    cells: Mapping[str, Strings],
    hashes: Mapping[str, str],
    broken: Mapping[str, str],
    noun: str,
    *,
    alone: bool = False,
) -> tuple[npt.NDArray[np.bool_], list[Finding]]:
    """A mask of the rows whose files can all be used, and findings on the others.

    Parameters
    ----------
    alone:
        Whether rows are files and nothing else, as those of a folder: they are called so.

    Raises
    ------
    DataError
        If fewer than two are left.
    """
    columns = list(cells.values())
    total = len(columns[0])
    usable = np.ones(total, dtype=bool)
    for values in columns:
        usable &= np.array([cell in hashes for cell in values], dtype=bool)
    unnamed = int(np.any([values == "" for values in columns], axis=0).sum())
    if usable.sum() < 2:
        raise DataError(
            f"{total - int(usable.sum())} of {total} rows have no usable {noun}. {_first(broken)}"
        )
    lost = int((~usable).sum())
    verb = "was" if lost == 1 else "were"
    subject = (
        f"{lost} of {total:,} {noun}s {verb} set aside"
        if alone
        else f"{lost} of {total:,} rows {verb} set aside because of their {noun}s"
    )
    return usable, _quarantined(broken, subject, unnamed, noun) if lost else []


def cells_of(column: pd.Series[Any]) -> Strings:
    """Trimmed words; missing is the empty string."""
    cells = [str(value).strip() if isinstance(value, str) else "" for value in column]
    return np.array(cells, dtype=object)


def from_folder(frame: pd.DataFrame, kind: str) -> bool:
    """True if the rows are the files of a folder: they have no columns but its classes and parts."""
    return kind in frame.columns and {*frame.columns} <= {kind, LABEL, PART}


def mapped(cells: Strings, values: Mapping[str, str]) -> Strings:
    """The value of each cell."""
    return np.array([values[str(cell)] for cell in cells], dtype=object)


def by_reason(files: Mapping[str, str]) -> str:
    """Files by reason, each reason once: ``a.jpg, b.jpg (empty); c.jpg (cut off)``."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path, reason in sorted(files.items())[:SHOWN]:
        groups[reason].append(readable(path))
    more = f"; and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return "; ".join(f"{', '.join(paths)} ({reason})" for reason, paths in groups.items()) + more


def readable(path: str) -> str:
    """A path as one line of text, whatever characters it contains."""
    return path if path.isprintable() else repr(path)


def _quarantined(broken: Mapping[str, str], subject: str, unnamed: int, noun: str) -> list[Finding]:
    reasons = [by_reason(broken)] if broken else []
    if unnamed:
        reasons.append(f"1 row has no {noun} path" if unnamed == 1 else f"{unnamed} rows have no {noun} path")
    evidence = f"{subject}: {'; '.join(reasons)}."
    remedy = "Nothing was deleted; fix or remove them."
    return [Finding(f"broken_{noun}s", None, "warning", evidence, remedy)]


def _first(broken: Mapping[str, str]) -> str:
    if not broken:
        return ""
    some = dict(sorted(broken.items())[:3])
    return f"Such as: {by_reason(some)}. Next: check the paths and --image-root."


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
