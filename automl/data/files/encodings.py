"""Text of a file as UTF-8: its encoding is given, marked or detected, and no byte contradicts it."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass

from automl.core.errors import DataError, UsageError
from automl.data.files.charsets import LATIN, WIDE, Detected, detect, sample_words
from automl.data.files.sniffing import CHUNK

_UTF8 = "utf-8"
_SHOWN = 5


@dataclass(frozen=True)
class DecodedText:
    """A text as UTF-8 without a byte order mark.

    Attributes
    ----------
    notes:
        Sentences on the detected encoding, how certain it is, and the rows that were left out.
    encoding:
        The encoding that was detected from the words.
    left_out:
        Numbers of lines that are now blank because they were in another encoding.
    """

    data: bytes
    notes: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    encoding: str | None = None


def to_utf8(
    data: bytes,
    name: str,
    encoding: str | None,
    *,
    expected: str | None = None,
    skip_bad_rows: bool = False,
) -> DecodedText:
    """The file's text, read in ``encoding`` or in the one that is detected.

    ``expected`` is the detected encoding of a file of the same origin, which decides where several fit.

    Raises
    ------
    DataError
        If no encoding fits, or some lines contradict that of the others.
    UsageError
        For an unknown encoding.
    """
    if encoding is not None:
        return DecodedText(_decode_as(data, name, encoding))
    marked = data.startswith(codecs.BOM_UTF8)
    if marked:
        data = data[3:]
    elif (wide := _marked_encoding(data) or _wide_encoding(data[:4096])) is not None:
        return DecodedText(
            _decode_as(data, name, wide), (f"Encoding {wide} was detected; --encoding overrides.",)
        )
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    if data.isascii() or (place := _first_bad_byte(data)) is None:
        return DecodedText(data)
    words = sample_words(data, place)
    odd = [word for word in words if not _is_utf8(word)]
    whole = len(words) - len(odd)
    detected = None if marked or 2 * len(odd) <= whole else detect(odd, expected)
    if detected is None and (marked or 2 * len(odd) <= whole):
        return _without(_not_utf8(data), data, name, _UTF8, skip_bad_rows)
    if detected is None or (whole > len(odd) and detected.encoding not in {*WIDE, *LATIN}):
        raise _unknown(data, name, place)
    repaired = DecodedText(data)
    if whole and detected.encoding in LATIN:  # valid UTF-8 does not spell words in these: a mixture
        damaged = _not_utf8(data)
        pasted = _other_lines(data, lambda line: not line.isascii() and _is_utf8(line), passed=bytes.isascii)
        if len(damaged) <= len(pasted):
            return _without(damaged, data, name, _UTF8, skip_bad_rows)
        repaired = _without(pasted, data, name, detected.encoding, skip_bad_rows)
    text = _decode_found(repaired.data, name, detected.encoding)
    return DecodedText(text, (_note(detected, place), *repaired.notes), repaired.left_out, detected.encoding)


def _note(detected: Detected, place: int) -> str:
    why = f"byte {place} is not UTF-8"
    if detected.rival is None:
        return f"Encoding {detected.encoding} was detected (clear; {why}); --encoding overrides."
    return (
        f"Encoding {detected.encoding} was detected (a guess between {detected.encoding} and "
        f"{detected.rival}; {why}): pass --encoding to choose."
    )


def _unknown(data: bytes, name: str, place: int) -> DataError:
    start = data.rfind(b"\n", 0, place) + 1
    return DataError(
        f"{name}, line {data[:place].count(10) + 1}: byte {place} is not UTF-8, and no encoding that was "
        f"tried gives meaningful words (here {data[max(start, place - 10) : place + 10]!r}). "
        "Next: name the encoding with --encoding, such as cp1252 or shift_jis, or save the file as UTF-8."
    )


def _marked_encoding(data: bytes) -> str | None:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


def _wide_encoding(head: bytes) -> str | None:
    """The UTF-16 variant of text without a mark: every other byte of Latin text is zero."""
    if len(head) < 4:
        return None
    half = len(head) // 2
    if head[1::2].count(0) > 0.7 * half and head[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[0::2].count(0) > 0.7 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _decode_as(data: bytes, name: str, encoding: str) -> bytes:
    try:
        text = data.decode(encoding)
    except LookupError as error:
        raise UsageError(
            f"There is no encoding {encoding!r}. Try utf-8, utf-16, cp1252 or latin-1 (--encoding)."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not {encoding}: byte {error.start} ({data[error.start : error.start + 1]!r}) "
            "cannot be read. Next: leave --encoding out to detect it, or name the right one, such as cp1252."
        ) from error
    return text.removeprefix("\ufeff").encode("utf-8", "replace")


def _decode_found(data: bytes, name: str, encoding: str) -> bytes:
    """The whole file, decoded with the encoding of a sample."""
    try:
        return data.decode(encoding).encode(_UTF8)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{name}, line {line}: byte {error.start} ({data[error.start : error.start + 2]!r}) contradicts "
            f"{encoding}, the encoding of the words elsewhere. Next: fix that line, or name the "
            "encoding of the whole file with --encoding."
        ) from error


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode(_UTF8)
    except UnicodeDecodeError:
        return False
    return True


def _first_bad_byte(data: bytes) -> int | None:
    """The place of the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder(_UTF8)()
    for start in range(0, len(data), CHUNK):
        kept = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + CHUNK], final=start + CHUNK >= len(data))
        except UnicodeDecodeError as error:
            return start + error.start - kept
    return None


@dataclass(frozen=True)
class _Line:
    """A line by its number from 1, its place in the file, and its bytes."""

    number: int
    start: int
    content: bytes


def _not_utf8(data: bytes) -> list[_Line]:
    return _other_lines(data, lambda line: not _is_utf8(line), passed=_is_utf8)


def _other_lines(
    data: bytes, is_other: Callable[[bytes], bool], *, passed: Callable[[bytes], bool]
) -> list[_Line]:
    """The lines in another encoding; blocks without such lines are skipped if ``passed`` accepts them."""
    lines, number, start = [], 1, 0
    while start < len(data):
        end = data.find(b"\n", start + (1 << 16)) + 1 or len(data)
        piece = data[start:end]
        if not passed(piece):
            place = start
            for offset, line in enumerate(piece.split(b"\n")):
                if is_other(line):
                    lines.append(_Line(number + offset, place, line))
                place += len(line) + 1
        number += piece.count(b"\n")
        start = end
    return lines


def _without(lines: list[_Line], data: bytes, name: str, encoding: str, skip: bool) -> DecodedText:
    """The file with these lines blank if they may be skipped; otherwise raise an error that names them."""
    shown = "; ".join(f"line {line.number} holds {_odd_part(line.content)!r}" for line in lines[:_SHOWN])
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    plural, them = ("s", "those lines") if len(lines) > 1 else ("", "that line")
    if not skip:
        raise DataError(
            f"{name} is {encoding} except for {len(lines)} line{plural} in another encoding: {shown}{more}. "
            f"Next: fix {them}, leave such rows out with "
            "--skip-bad-rows, or name the encoding of the whole file with --encoding if it is another one."
        )
    return _blanked(lines, data, name, encoding, shown + more)


def _blanked(lines: list[_Line], data: bytes, name: str, encoding: str, shown: str) -> DecodedText:
    """The file with whole records blank, since a quoted cell may extend over several lines."""
    every = data.split(b"\n")
    odd = {line.number - 1 for line in lines}
    left_out: list[int] = []
    rows, first, inside = 0, 0, False
    for place, line in enumerate(every):
        inside ^= bool(line.count(b'"') % 2)
        if inside and place + 1 < len(every):
            continue
        if not odd.isdisjoint(range(first, place + 1)):
            rows += 1
            left_out += range(first + 1, place + 2)
            every[first : place + 1] = [b""] * (place + 1 - first)
        first = place + 1
    subject, verb = ("rows were", "are") if rows > 1 else ("row was", "is")
    note = f"{rows} {subject} left out that {verb} not {encoding}: {shown}."
    return DecodedText(b"\n".join(every), (note,), tuple(left_out))


def _odd_part(line: bytes) -> bytes:
    """The first bytes beyond ASCII and a few around them."""
    place = next(place for place, byte in enumerate(line) if byte > 127)
    try:
        line.decode(_UTF8)
    except UnicodeDecodeError as error:
        place = error.start
    start = max(0, place - 12)
    return line[start : place + 12].rstrip(b"\r\n")
