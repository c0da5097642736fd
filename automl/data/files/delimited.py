"""Text tables: split into cells by pyarrow, with types by rules that lose nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from automl.core.errors import DataError, UsageError
from automl.core.text import quoted
from automl.data.cells.names import fill_blank_names, is_row_number, refuse_duplicates
from automl.data.files.dialect import Dialect
from automl.data.files.encodings import DecodedText, to_utf8
from automl.data.files.preamble import find_start, without_blanks_before_quotes
from automl.data.files.quotes import MAX_CELL, Quotes
from automl.data.files.sniffing import Header, delimiter_name, read_header
from automl.data.files.typed_columns import TypedColumns

SAMPLE_BYTES = 1 << 17

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class DelimitedTable:
    """The content of a text table.

    Attributes
    ----------
    notes:
        Sentences on what was detected.
    commas:
        The meaning of commas in number columns: see :class:`automl.data.files.readers.ReadTable`.
    label_words:
        Words in the column of labels that count as missing elsewhere.
    encoding:
        The detected encoding; None for UTF-8, and if it was given or marked.
    left_out:
        Numbers of the lines that are not in the frame because they could not be read.
    """

    frame: pd.DataFrame
    notes: list[str]
    commas: dict[str, str]
    label_words: tuple[str, ...] = ()
    encoding: str | None = None
    left_out: tuple[int, ...] = ()


def read_delimited(data: bytes, name: str, dialect: Dialect) -> DelimitedTable:
    """Read the bytes of a text table."""
    _check_dialect(dialect)
    notes: list[str] = []
    decoded = to_utf8(
        data,
        name,
        dialect.encoding,
        expected=dialect.expected_encoding,
        skip_bad_rows=dialect.skip_bad_rows,
    )
    data = decoded.data
    notes += decoded.notes
    if data.isspace() or not data:
        raise DataError(f"{name} contains only blanks. Next: check that it was written completely.")
    if b"\n" not in data and b"\r" in data:  # of UTF-16
        data = data.replace(b"\r", b"\n")
    if (place := data.find(b"\0")) >= 0:
        line = data[:place].count(b"\n") + 1
        raise DataError(
            f"{name}, line {line}: a NUL byte, which a text table cannot hold. Next: write the file again."
        )
    data, delimiter = _table_of(data, name, dialect, notes)
    header = read_header(data, name, delimiter)
    _refuse_lost_header(decoded, header, name)
    names = _column_names(header, name, notes)
    cells, skipped = _split(data, name, delimiter, header, dialect, notes)
    quotes = Quotes(data, header.end, cells.num_rows, len(names), delimiter)
    typed = TypedColumns(names, replace(dialect, delimiter=delimiter), quotes)
    frame = typed.frame(cells, notes)
    if dialect.decimal is None:
        notes += typed.comma_notes()
    frame = _without_index_column(frame, header, notes)
    left_out = tuple(sorted({*decoded.left_out, *skipped}))
    return DelimitedTable(
        frame=frame,
        notes=notes,
        commas=typed.commas,
        label_words=tuple(typed.label_words),
        encoding=decoded.encoding,
        left_out=left_out,
    )


def _table_of(data: bytes, name: str, dialect: Dialect, notes: list[str]) -> tuple[bytes, str]:
    """The data with blank lines above its header and without blanks before quotes, and the delimiter."""
    declared = re.match(rb"sep=([,;|\t])\r?\n", data)  # a first line that Excel writes for its own use
    named = dialect.delimiter or (declared[1].decode() if declared else None)
    if declared:
        data = b"\n" + data[declared.end() :]
    start = find_start(data, _sample(data), name, delimiter=named, header=dialect.header)
    if start.note is not None:
        notes.append(start.note)
    if dialect.delimiter is None and start.delimiter != ",":
        notes.append(f"Delimiter {delimiter_name(start.delimiter)} was detected; --delimiter overrides.")
    trimmed = without_blanks_before_quotes(start.data, start.delimiter)
    if trimmed is not None:
        notes.append("Blanks between delimiters and quotes were removed.")
    return trimmed or start.data, start.delimiter


def _refuse_lost_header(decoded: DecodedText, header: Header, name: str) -> None:
    """Raise if the header was left out because of its bytes."""
    if decoded.left_out and decoded.left_out[0] <= header.lines:
        raise DataError(
            f"{name}, line {decoded.left_out[0]}: the line with the column names is in another encoding than "
            "the rest and cannot be left out. Next: fix that line."
        )


def _check_dialect(dialect: Dialect) -> None:
    if dialect.delimiter is not None and len(dialect.delimiter.encode()) != 1:
        raise UsageError(f"A delimiter is one character, not {dialect.delimiter!r}.")
    if dialect.header is not None and dialect.header < 1:
        raise UsageError(f"--header is the number of a line, 1 or more, not {dialect.header}.")
    if dialect.decimal not in (None, ".", ","):
        raise UsageError(f"The decimal sign is '.' or ',', not {dialect.decimal!r}.")
    if dialect.decimal == "," and dialect.delimiter == ",":
        raise UsageError("A comma cannot both separate values and be the decimal sign.")


def _sample(data: bytes) -> str:
    end = data.rfind(b"\n", 0, SAMPLE_BYTES)
    return data[: end + 1 if end > 0 and len(data) > SAMPLE_BYTES else SAMPLE_BYTES].decode(
        "utf-8", "replace"
    )


def _column_names(header: Header, name: str, notes: list[str]) -> list[str]:
    trimmed = [column.strip() for column in header.names]
    if trimmed != list(header.names) and len(set(trimmed)) == len(trimmed):
        notes.append("Blanks around column names were removed.")
        names = trimmed
    else:
        names = list(header.names)
    refuse_duplicates([column for column in names if column.strip()], name)
    if len(names) > 1 and sum(map(_is_number, names)) >= len(names) / 2:
        notes.append(
            "At least half of the column names are numbers: if the file has no header line, add one."
        )
    if len(names) == 1 and len(names[0].split()) > 1:
        notes.append(
            "Only one column was found; if the values have another separator, name it with --delimiter."
        )
    return fill_blank_names(names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _split(
    data: bytes, name: str, delimiter: str, header: Header, dialect: Dialect, notes: list[str]
) -> tuple[Any, list[int]]:
    """A pyarrow table of all cells as text, blank ones null, with the columns 0, 1, …; and the lines of
    skipped rows."""
    keys = [str(i) for i in range(len(header.names))]
    quotes = data.count(b'"', header.end)
    if quotes % 2:
        _refuse_open_quote(data, name, delimiter, dialect.skip_bad_rows)
    skipped: list[str] = []
    if _blank_from(data, header.end):
        return pa.table({key: pa.array([], pa.string()) for key in keys}), []
    block = min(max(1 << 20, 256 * header.end), MAX_CELL)
    while True:
        try:
            cells = arrow_csv.read_csv(
                pa.BufferReader(pa.py_buffer(data)[header.end :]),
                read_options=arrow_csv.ReadOptions(
                    column_names=keys, block_size=block, use_threads=not dialect.skip_bad_rows
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=delimiter,
                    newlines_in_values=quotes > 0,
                    invalid_row_handler=_skipper(skipped) if dialect.skip_bad_rows else None,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(keys, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
            break
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) and block < min(len(data), MAX_CELL):
                block = min(8 * block, MAX_CELL)  # a row that is longer than a block
                skipped.clear()
                continue
            raise _bad_row(data, name, delimiter, header, str(error)) from error
    lines = _lines_of(skipped, data, header.end)
    if skipped:
        shown = [f"line {line}: {quoted(row)}" for line, row in zip(lines, skipped, strict=True)][:_SHOWN]
        more = f"; and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        notes.append(
            f"{len(skipped)} row{'s' if len(skipped) > 1 else ''} with too many or too few values "
            f"{'were' if len(skipped) > 1 else 'was'} left out: {'; '.join(shown)}{more}."
        )
    _refuse_swallowed_lines(cells, data, name, delimiter, header)
    return cells, lines


def _lines_of(rows: Sequence[str], data: bytes, start: int) -> list[int]:
    """Line numbers at which rows begin, given in the order in which they follow ``start``."""
    numbers = []
    line, place = data.count(b"\n", 0, start) + 1, start
    for row in rows:
        text = row.encode("utf-8")
        at = data.find(text, place)
        while at >= 0 and not _is_whole_line(data, at, at + len(text)):
            at = data.find(text, at + 1)
        line += data.count(b"\n", place, at)
        numbers.append(line)
        place = at
        line += text.count(b"\n")
        place += len(text)
    return numbers


def _is_whole_line(data: bytes, start: int, end: int) -> bool:
    return data[start - 1 : start] in (b"", b"\n", b"\r") and data[end : end + 1] in (b"", b"\n", b"\r")


def _blank_from(data: bytes, start: int) -> bool:
    """Return whether only line endings follow."""
    return re.compile(rb"[\r\n]*").match(data, start).end() == len(data)  # type: ignore[union-attr]


def _skipper(skipped: list[str]) -> Callable[[Any], str]:
    def skip(row: Any) -> str:
        skipped.append(row.text or "")
        return "skip"

    return skip


def _bad_row(data: bytes, name: str, delimiter: str, header: Header, message: str) -> DataError:
    """The error for the first row that does not fit, found by a slow pass that counts lines."""
    width = len(header.names)
    previous = 0
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter)
    csv.field_size_limit(MAX_CELL)
    counts: list[int] = []
    for row in reader:
        if row and len(row) != width:
            counts.append(len(row))
            if len(counts) == 1:
                line = previous + 1
        elif row and counts:
            counts.append(width)
        if len(counts) > 20:
            break
        previous = reader.line_num
    if not counts:
        return DataError(f"{name} cannot be split into columns: {message[:200]}. Next: check the quotes.")
    hint = "Next: fix that line, or skip such rows with --skip-bad-rows."
    if len(set(counts)) == 1 and len(counts) > 1:
        hint = (
            f"The rows after it have {counts[0]} too. Next: if the delimiter is another one, pass it with "
            "--delimiter; if another line names the columns, pass it with --header; else complete the header."
        )
    return DataError(
        f"{name}, line {line}: {counts[0]} value{'' if counts[0] == 1 else 's'}, but the header names "
        f"{width} column{'' if width == 1 else 's'} (delimiter {delimiter_name(delimiter)}). {hint}"
    )


def _refuse_open_quote(data: bytes, name: str, delimiter: str, skip: bool) -> None:
    """Raise for a quote that is never closed (quotes inside unquoted cells are only text)."""
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter, strict=True)
    previous = 0
    try:
        for _ in reader:
            previous = reader.line_num
    except csv.Error as error:
        if "end of data" in str(error):
            raise DataError(
                f"{name}, line {previous + 1}: a quote is opened and never closed, so everything after it "
                "would be one cell. Next: close it, or double it if it is part of the text."
            ) from error
        raise DataError(
            f"{name}, line {previous + 1}: a stray quote ({error}). Quotes in a quoted cell must be doubled. "
            "Next: fix that line."
        ) from error


def _refuse_swallowed_lines(cells: Any, data: bytes, name: str, delimiter: str, header: Header) -> None:
    """Raise if a cell contains lines that look like rows: a quote that was closed far below."""
    width = len(header.names)
    if width < 3 or data.count(b"\n", header.end) < cells.num_rows + 5:
        return
    for column in cells.columns:
        lines = pc.count_substring(column, "\n")
        most = pc.max(lines).as_py() or 0
        if most < 4:
            continue
        cell = column[pc.index(lines, most).as_py()].as_py()
        inner = cell.splitlines()[1:-1]
        alike = sum(line.count(delimiter) == width - 1 for line in inner)
        if alike > 0.8 * len(inner):
            start = data.find(inner[0].encode("utf-8"))
            line = data[:start].count(b"\n") if start >= 0 else 0
            raise DataError(
                f"{name}, line {line}: a quoted cell extends over {most + 1} lines that look like rows, so "
                "its quote was probably never closed. Next: close the quote on that line."
            )


def _without_index_column(frame: pd.DataFrame, header: Header, notes: list[str]) -> pd.DataFrame:
    """The frame without unnamed columns that are empty or number the rows, as ``to_csv`` writes them."""
    dropped = []
    for i, raw in enumerate(header.names):
        if raw.strip() and not raw.startswith("Unnamed: "):
            continue
        column = frame.iloc[:, i]
        if is_row_number(column):
            notes.append(f"Column {i + 1} has no name and counts the rows: it was dropped.")
            dropped.append(i)
        elif len(column) and column.isna().all():
            notes.append(f"Column {i + 1} has no name and no values: it was dropped.")
            dropped.append(i)
        else:
            notes.append(f"Column {i + 1} has no name; it is called {column.name!r}.")
    return frame.drop(columns=frame.columns[dropped]) if dropped else frame
