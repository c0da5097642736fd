"""Lines above a table's header: titles and comments are skipped if they are clearly not part of it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

from automl.core.errors import DataError
from automl.core.text import quoted
from automl.data.cells.plain import MISSING_WORDS
from automl.data.files.sniffing import find_delimiter

_MOST_LINES = 20
_LEAST_ROWS = 3
_MISSING = frozenset(word.lower() for word in MISSING_WORDS)


@dataclass(frozen=True)
class Start:
    """The beginning of a table; ``data`` has a blank line for each line that was skipped."""

    data: bytes
    delimiter: str
    note: str | None = None


def find_start(data: bytes, sample: str, name: str, *, delimiter: str | None, header: int | None) -> Start:
    """The table without the lines above its header.

    Parameters
    ----------
    sample:
        The beginning of the data, as text.
    delimiter, header:
        As given by the user; ``header`` is the number of a line, from 1.

    Raises
    ------
    DataError
        If there is no such line, or two lines could be the header.
    """
    if header is not None:
        cut = _start_of_line(data, header, name)
        rest = _after(sample, header - 1)
        return Start(b"\n" * (header - 1) + data[cut:], delimiter or find_delimiter(rest), None)
    lines = _lines(sample)
    mark = delimiter or find_delimiter(sample)
    above = _lines_above(lines, delimiter)
    if not above:
        _refuse_second_header(_rows(sample, mark), lines, name)
        return Start(data, mark)
    rest = "".join(lines[above:])
    mark = delimiter or find_delimiter(rest)
    shown = [line.strip() for line in lines[:above] if line.strip()]
    first = "The first line is" if above == 1 else f"The first {above} lines are"
    verb = "was" if above == 1 else "were"
    quoted = ", ".join(repr(line[:60]) for line in shown[:3]) + (", …" if len(shown) > 3 else "")
    note = f"{first} not part of the table and {verb} skipped: {quoted}; --header overrides."
    return Start(b"\n" * above + data[_start_of_line(data, above + 1, name) :], mark, note)


def _start_of_line(data: bytes, number: int, name: str) -> int:
    start = 0
    for line in range(1, number):
        start = data.find(b"\n", start) + 1
        if start in (0, len(data)):
            raise DataError(
                f"{name} has {line} line{'s' if line > 1 else ''}, and --header names line {number}. "
                "Next: name the line that holds the column names, counted from 1."
            )
    if not data[start : data.find(b"\n", start) if b"\n" in data[start:] else len(data)].strip():
        raise DataError(
            f"{name}, line {number}: --header names this line, but it is blank. "
            "Next: name the line that holds the column names, counted from 1."
        )
    return start


def _after(sample: str, lines: int) -> str:
    return "".join(_lines(sample)[lines:])


def _lines(sample: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", sample)


def _lines_above(lines: list[str], delimiter: str | None) -> int:
    """Number of lines above the header, if that is clear; else 0."""
    for above in range(1, min(_MOST_LINES, len(lines) - 1) + 1):
        if not lines[above].strip():
            continue
        rest = "".join(lines[above:])
        mark = delimiter or find_delimiter(rest)
        rows = _rows(rest, mark)
        if len(rows) < 2 or not _is_table(rows) or not _is_header(rows[0]):
            continue
        titles = [line for line in lines[:above] if line.strip()]
        if titles and all(_is_above(line, mark, len(rows[0])) for line in titles):
            plain = all(line.startswith("#") for line in titles) or _names_numbers(rows, least=1)
            return above if plain else 0
    return 0


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """The first records that are not blank; the last one may be truncated."""
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True):
            if row:
                rows.append([cell.strip() for cell in row])
            if len(rows) == 50:
                break
    except csv.Error:
        pass
    return rows


def _is_table(rows: list[list[str]]) -> bool:
    """Return whether there are two columns or more, and nine of ten rows are as wide as the first."""
    width = len(rows[0])
    return width > 1 and Counter(map(len, rows))[width] >= 0.9 * len(rows)


def _is_above(line: str, delimiter: str, width: int) -> bool:
    """Return whether a line is blank, a comment of another width, or a single text in the first cell."""
    cells = next(iter(_rows(line, delimiter)), [])
    if line.startswith("#") and len(cells) != width:
        return True
    return not any(cells[1:])


def _is_header(row: list[str]) -> bool:
    """Return whether the cells are names: distinct, not numbers; the first may be blank (row numbers)."""
    named = row[1:] if not row[0] and len(row) > 1 else row
    return all(named) and len(set(named)) == len(named) and not any(map(_is_number, named))


def _names_numbers(rows: list[list[str]], *, least: int) -> bool:
    """Return whether some column has a word in the first row and only numbers below, at least ``least``."""
    below = [row for row in rows[1:] if len(row) == len(rows[0])]
    for place, name in enumerate(rows[0]):
        cells = [row[place] for row in below if row[place].lower() not in _MISSING]
        if name and not _is_number(name) and len(cells) >= least and all(map(_is_number, cells)):
            return True
    return False


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]*[.,]?[0-9]+([.,][0-9]*)*([eE][+-]?[0-9]+)?", cell) is not None


def _refuse_second_header(rows: list[list[str]], lines: list[str], name: str) -> None:
    """Raise if the second line looks like a header."""
    if len(rows) < 2 + _LEAST_ROWS or len(rows[0]) != len(rows[1]) or not _is_header(rows[1]):
        return
    if not all(rows[1]) or any(cell.lower() in _MISSING for cell in rows[1]):
        return
    if not _names_numbers(rows[1:], least=_LEAST_ROWS):
        return
    first, second = [number for number, line in enumerate(lines, start=1) if line.strip()][:2]
    raise DataError(
        f"{name}, line {second}: {quoted(lines[second - 1].strip())} are words, but the lines below hold "
        f"numbers: either this line names the columns, or it states units below the names in line {first}. "
        f"Next: pass --header {second} if it names them; delete the line if it states units; "
        f"--header {first} reads it as a row."
    )


def without_blanks_before_quotes(data: bytes, delimiter: str) -> bytes | None:
    """``a, "b, c"`` as ``a,"b, c"``; None if no quoted cell has blanks before it."""
    mark = re.escape(delimiter.encode())
    if delimiter in ' "' or re.search(rb"(?:^|[\n" + mark + rb"]) +\"", data) is None:
        return None
    cell = rb"(?:(?<=[\n" + mark + rb"])|\A) *(\"(?:[^\"]|\"\")*\") *(?=[\r\n" + mark + rb"]|\Z)"
    repaired = re.sub(cell, rb"\1", data)
    return None if repaired == data else repaired
