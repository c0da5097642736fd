"""Format, delimiter and header of a file, from its bytes."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

from automl.core.errors import DataError

DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"PAR1", "parquet"),
    (b"\xd0\xcf\x11\xe0", "old Excel (.xls)"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"SQLite format 3", "SQLite"),
    (b"ARROW1", "Arrow"),
    (b"\x80\x04\x95", "pickle"),
    (b"\x80\x05\x95", "pickle"),
)
_OFFICE = (b"[Content_Types]", b"_rels/", b"docProps/", b"xl/")  # an xlsx is a zip that begins with one
_JSON = re.compile(rb'(\[\s*)?\{\s*("|\}|$)')
_REMEDIES = {
    "gzip": "rename it so that its name ends in .csv.gz",
    "xlsx": "rename it so that its name ends in .xlsx, or save the sheet as csv",
    "parquet": "rename it so that its name ends in .parquet",
    "a zip archive": "unpack it, and name the file inside",
    "JSON": "convert it to csv or parquet, for example with pandas.read_json",
    "HTML": "download the file itself; this is a web page",
}
CHUNK = 1 << 24


def delimiter_name(delimiter: str) -> str:
    """A delimiter's name for people."""
    return _NAMES.get(delimiter, repr(delimiter))


def content_format(head: bytes) -> str | None:
    """The format that the first bytes betray, or None for what may be plain text."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b"PK\x03\x04"):
        first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        return "xlsx" if first.startswith(_OFFICE) else "a zip archive"
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if _JSON.match(start):
        return "JSON"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    if start.startswith(b"<?xml"):
        return "XML"
    return None


def refuse_format(head: bytes, name: str, expected: str) -> None:
    """Raise :class:`DataError` if the content is clearly of another format than the name says."""
    actual = content_format(head)
    if actual == "a zip archive" and expected == "xlsx":
        return  # its members may be in any order; the reader decides
    if actual is not None and actual != expected:
        remedy = _REMEDIES.get(actual, "convert it to csv or parquet")
        raise DataError(f"{name} is not {expected}: its content is {actual}. Next: {remedy}.")


def find_delimiter(sample: str) -> str:
    """The delimiter that splits the first lines into the same number of values; else a comma."""
    scores: list[tuple[float, int, str]] = []
    for delimiter in DELIMITERS:
        counts = _field_counts(sample, delimiter)
        if not counts or counts[0] < 2:
            continue
        width, _ = Counter(counts).most_common(1)[0]
        share = sum(count == counts[0] for count in counts) / len(counts)
        if width < 2:
            share /= 2
        scores.append((round(share, 2), counts[0], delimiter))
    return max(scores, key=lambda score: score[:2])[2] if scores else ","


def _field_counts(sample: str, delimiter: str) -> list[int]:
    counts = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True):
            if row:
                counts.append(len(row))
            if len(counts) == 200:
                break
    except csv.Error:
        pass
    return counts[:-1] if len(counts) > 2 and not sample.endswith(("\n", "\r")) else counts


@dataclass(frozen=True)
class Header:
    """The first record: its names, and the place where the next record begins."""

    names: tuple[str, ...]
    end: int
    lines: int


def read_header(data: bytes, name: str, delimiter: str) -> Header:
    """The names in the first line that is not blank (a quoted name may hold line breaks)."""
    start = 0
    while data[start : start + 1] in (b"\r", b"\n"):
        start += 1
    inside = False
    end = len(data)
    position = start
    while position < len(data):
        quote = data.find(b'"', position)
        line = data.find(b"\n", position)
        if line < 0 and quote < 0:
            break
        if 0 <= quote < line or line < 0:
            inside = not inside
            position = quote + 1
        elif inside:
            position = line + 1
        else:
            end = line + 1
            break
    if inside:
        raise DataError(
            f"{name}, line 1: a quote in the header is never closed. Next: close it, or remove the quotes."
        )
    text = data[start:end].decode("utf-8").rstrip("\r\n")
    names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    return Header(tuple(names), end, data[:end].count(b"\n"))
