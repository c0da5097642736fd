"""Readers of files and frames: one per suffix, with an exact message for everything that cannot be read."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from automl.core.errors import DataError, MissingDependencyError, UsageError
from automl.core.machine import GIBIBYTE
from automl.data.cells.missing import (
    LabelColumn,
    frame_without_words,
    labels_in_cells,
    missing_words,
    word_notes,
)
from automl.data.cells.names import fill_blank_names, refuse_duplicates, text_names
from automl.data.cells.row_numbers import LABELLED
from automl.data.files.delimited import read_delimited
from automl.data.files.dialect import Dialect
from automl.data.files.sniffing import CHUNK, refuse_format

if TYPE_CHECKING:
    Source = str | os.PathLike[str] | pd.DataFrame

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in TEXT_SUFFIXES), ".parquet", ".xlsx")
# A file that unpacks to more than this, or to far more than a real table would, counts as a bomb.
UNPACKED_BYTES = 2 * GIBIBYTE
BOMB_RATIO = 200
BOMB_BYTES = 100 << 20


@dataclass(frozen=True, kw_only=True)
class ReadTable:
    """A table as it was read.

    Attributes
    ----------
    frame:
        Columns with unique string names, a plain index.
    notes:
        Sentences on what was detected or changed.
    name:
        The file's name, or ``frame``.
    commas:
        The meaning of commas in number columns of a text file: ``,`` decimal, ``1,000`` between thousands.
    label_words:
        Words in the column of labels that count as missing elsewhere, such as ``None``.
    encoding:
        The detected encoding of a text file; None for UTF-8, and if it was given or marked.
    left_out:
        Numbers of a text file's lines that are not in the frame because they could not be read.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]
    name: str
    commas: Mapping[str, str] = field(default_factory=dict)
    label_words: tuple[str, ...] = ()
    encoding: str | None = None
    left_out: tuple[int, ...] = ()


def read_table(
    source: Source,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    header: int | None = None,
    skip_bad_rows: bool = False,
    minimum_rows: int = 2,
    written: Mapping[str, str] | None = None,
    missing: Sequence[str] | None = None,
    labels: LabelColumn | None = None,
    expected_encoding: str | None = None,
) -> ReadTable:
    """A table from a file (csv, tsv, txt, gz of them, parquet, xlsx) or a DataFrame.

    Parameters
    ----------
    encoding, delimiter, decimal:
        The format of a text file; None to detect. ``decimal`` is ``"."`` or ``","``.
    header:
        Number of the line with the column names in a text file, from 1; None to detect.
    skip_bad_rows:
        Leave out rows with too many or too few values or in another encoding, and note their number.
    minimum_rows:
        Fewer rows are refused; 0 for data to predict.
    written:
        The format of the columns in training (:attr:`automl.data.layout.Layout.written`).
    missing:
        Words that count as missing besides blank cells, ``usual`` for the usual ones. None: the usual ones in
        files, none in frames, whose reader has already decided.
    labels:
        The column in which such words may be names of classes, unless ``missing`` is given.
    expected_encoding:
        The detected encoding of a file of the same origin, which decides where several fit.

    Raises
    ------
    DataError
        For a file that cannot be read as a table.
    MissingDependencyError
        For xlsx without openpyxl.
    """
    given = None if missing is None else tuple(missing)
    if isinstance(source, pd.DataFrame):
        table = _whole_frame(source, "frame", given)
    elif isinstance(source, str | os.PathLike):
        dialect = Dialect(
            encoding=encoding,
            delimiter=delimiter,
            decimal=decimal,
            skip_bad_rows=skip_bad_rows,
            columns=written or {},
            missing=given,
            labels=labels,
            header=header,
            expected_encoding=expected_encoding,
        )
        table = _read_file(Path(source), dialect)
    else:
        raise UsageError(
            f"A table is a path or a pandas DataFrame, not {type(source).__name__}. "
            "Next: pass pandas.DataFrame(...)."
        )
    rows = len(table.frame)
    if rows < minimum_rows:
        raise DataError(
            f"{table.name} has {rows} row{'' if rows == 1 else 's'} below its header; at least "
            f"{minimum_rows} are needed. Next: check that the file is complete."
        )
    return table


def _whole_frame(source: pd.DataFrame, name: str, missing: tuple[str, ...] | None) -> ReadTable:
    """A table from a frame that already has its types."""
    frame, notes = _checked_frame(source)
    if missing is not None:
        frame = frame_without_words(frame, missing_words(missing))
    return ReadTable(frame=frame, notes=tuple(notes), name=name)


def _checked_frame(source: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    frame = source.copy(deep=False)
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        frame.attrs[LABELLED] = True
    notes = []
    if isinstance(frame.columns, pd.MultiIndex):
        frame.columns = pd.Index(text_names(frame.columns))
        notes.append("Column names of several levels were joined by blanks.")
    elif not all(isinstance(column, str) for column in frame.columns):
        frame.columns = pd.Index(text_names(frame.columns))
        notes.append("Column names that were not text were converted to text.")
    refuse_duplicates(list(frame.columns), "The frame")
    for name, column in frame.items():
        if column.dtype == object and any(isinstance(cell, os.PathLike) for cell in column.iloc[:1000]):
            frame[name] = _paths_as_text(column)
    return frame, notes


def _paths_as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    cells = [os.fspath(cell) if isinstance(cell, os.PathLike) else cell for cell in column]
    return pd.Series(cells, index=column.index, dtype=object)


def _read_file(path: Path, dialect: Dialect) -> ReadTable:
    name = str(path)
    suffix = _suffix(path)
    _check_path(path)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}. Next: check its permissions.") from error
    if not head:
        raise DataError(
            f"{name} is empty (0 bytes). Next: check that it was written or downloaded completely."
        )
    if suffix == ".parquet":
        refuse_format(head, name, "parquet")
        return _whole_frame(_read_parquet(path), path.name, dialect.missing)
    if suffix == ".xlsx":
        refuse_format(head, name, "xlsx")
        return _read_excel(path, dialect)
    if suffix.endswith(".gz"):
        if not head.startswith(b"\x1f\x8b"):
            raise DataError(f"{name} is not gzip. Next: remove .gz from its name if it is not compressed.")
        data = _unpack(path)
        if not data:
            raise DataError(
                f"{name} is empty (0 bytes unpacked). Next: check that it was written completely."
            )
    else:
        data = path.read_bytes()
    refuse_format(data[:4096], name, "text")
    if dialect.delimiter is None and suffix.startswith(".tsv") and b"\t" in data[:CHUNK].split(b"\n", 1)[0]:
        dialect = replace(dialect, delimiter="\t")
    table = read_delimited(data, name, dialect)
    return ReadTable(
        frame=table.frame,
        notes=tuple(table.notes),
        name=path.name,
        commas=table.commas,
        label_words=table.label_words,
        encoding=table.encoding,
        left_out=table.left_out,
    )


def _suffix(path: Path) -> str:
    lower = path.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if lower.endswith(suffix):
            return suffix
    if path.is_dir():
        raise DataError(
            f"{path} is a folder, not a table. Next: name a file ending in {', '.join(SUFFIXES)}."
        )
    if not path.exists():
        _check_path(path)
    raise DataError(
        f"{path} has an unknown file type. Known endings: {', '.join(SUFFIXES)}. Next: rename or convert it."
    )


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise DataError(
            f"{path} is a folder, not a table. Next: name a file ending in {', '.join(SUFFIXES)}."
        )
    if path.is_file():
        return
    if path.exists():
        raise DataError(f"{path} is not a regular file. Next: write the table into a file first.")
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"{path} does not exist: there is no folder {folder}. Next: check the path.")
    try:
        names = sorted(item.name for item in folder.iterdir() if not item.name.startswith("."))
    except OSError:
        names = []
    close = get_close_matches(path.name, names, n=3, cutoff=0.5)
    tables = [name for name in names if name.lower().endswith(SUFFIXES)][:5]
    where = "the current folder" if str(folder) == "." else str(folder)
    if close:
        hint = "Did you mean " + " or ".join(repr(name) for name in close) + "?"
    elif tables:
        hint = f"Next: check the path. Tables in {where}: {', '.join(map(repr, tables))}."
    else:
        hint = f"There is no table in {where}. Next: check the path."
    raise DataError(f"{path} does not exist. {hint}")


def _unpack(path: Path) -> bytes:
    """The content of a gzip file, within the limits."""
    packed = max(1, path.stat().st_size)
    parts: list[bytes] = []
    total = 0
    try:
        with gzip.open(path, "rb") as file:
            while part := file.read(CHUNK):
                parts.append(part)
                total += len(part)
                refuse_bomb(str(path), total, packed)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is damaged or truncated after {total} unpacked bytes: {error}. Next: download it again."
        ) from error
    return b"".join(parts)


def refuse_bomb(name: str, unpacked: int, packed: int) -> None:
    """Raise :class:`DataError` if a file unpacks to more than a real table would."""
    if unpacked > UNPACKED_BYTES or (unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * max(1, packed)):
        raise DataError(
            f"{name} unpacks to over {unpacked / 2**20:,.0f} MiB from {packed / 2**20:,.2f} MiB. "
            f"The limit is {UNPACKED_BYTES / GIBIBYTE:g} GiB, or {BOMB_RATIO} times its size beyond "
            f"{BOMB_BYTES / 2**20:g} MiB. "
            "Next: unpack it yourself, if you trust it, and pass the plain file."
        )


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            refuse_duplicates(list(file.schema_arrow.names), str(path))
            groups = range(file.metadata.num_row_groups)
            size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
            refuse_bomb(str(path), size, path.stat().st_size)
            frame = file.read().to_pandas()
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a complete parquet file: {str(error).splitlines()[0].rstrip('.')}. "
            "Next: write or download it again."
        ) from error
    if not isinstance(frame.index, pd.RangeIndex):
        named = [str(name) for name in frame.index.names if name is not None and name not in frame.columns]
        frame = frame.reset_index(drop=len(named) < frame.index.nlevels)
    return pd.DataFrame(frame)


def _read_excel(path: Path, dialect: Dialect) -> ReadTable:
    try:
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"Reading {path.name} needs openpyxl, which is not installed. Next: pip install openpyxl"
        ) from error
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        refuse_bomb(str(path), size, path.stat().st_size)
        sheets: dict[Any, pd.DataFrame] = pd.read_excel(
            path, sheet_name=None, header=None, engine="openpyxl", keep_default_na=False, na_values=[""]
        )
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise DataError(
            f"{path} is not a complete xlsx file: {error}. Next: save or download it again."
        ) from error
    sheet, raw = next(iter(sheets.items()), ("", pd.DataFrame()))
    if raw.empty:
        raise DataError(
            f"{path}: the first sheet {sheet!r} is empty. Next: move the table to the first sheet."
        )
    names = ["" if pd.isna(value) else str(value) for value in raw.iloc[0]]
    refuse_duplicates([name for name in names if name.strip()], str(path))
    frame = raw.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index(fill_blank_names(names))
    notes = [f"Read the first of {len(sheets)} sheets ({sheet!r})."] if len(sheets) > 1 else []
    missing, labels = missing_words(dialect.missing), dialect.labels
    kept: dict[str, int] = {}
    if labels is not None and dialect.missing is None and labels.name in frame:
        kept = labels_in_cells(frame[labels.name], labels.words)
    cleaned = frame_without_words(frame, missing)
    if kept and labels is not None:
        others = [word for word in missing if word not in kept]
        cleaned[labels.name] = frame_without_words(frame[[labels.name]], others)[labels.name]
        notes += word_notes({}, labels.name, kept)
    return ReadTable(
        frame=cleaned.infer_objects(), notes=tuple(notes), name=path.name, label_words=tuple(kept)
    )
