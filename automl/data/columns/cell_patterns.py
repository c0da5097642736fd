"""Structured strings such as ``B/123/P`` or ``PC 17599``: the pattern that most of them share."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from automl.data.cells.amounts import cuts_numbers
from automl.data.cells.plain import Words
from automl.data.columns.levels import KEEP_ALL, bounded_levels, count_levels
from automl.data.columns.structured import WHOLE, Part, PartsPlan, split_parts

SHARE = 0.9  # of the values must have the structure
SAMPLE = 5_000
_LOOKED_AT = 500
_CUT = 0.05  # of the words may contain something that only looks like one number
_SEPARATORS = "/|_:;-.@#,\\ "
_UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
# optional letters, then anything, then the last number: C85, C23 C25, A/5 21171, 113803
_NUMBER = r"[-+]?[0-9]+(?:[.][0-9]+)?"
_CODE = r"^(?P<p0>[^0-9]*?)[ ./_#-]*(?:[0-9].*?)??(?P<p1>[0-9]+)$"


def find_parts(text: Words, column: str, whole: tuple[str, ...] = ()) -> PartsPlan | None:
    """The plan that splits the words into informative parts, or None.

    ``whole`` are levels of the undivided words, if these repeat often enough to be a category too.
    """
    valid = text.drop_null()
    if not len(valid):
        return None
    step = max(1, len(valid) // SAMPLE)
    sample = valid.take(pa.array(np.arange(0, len(valid), step)[:SAMPLE]))
    if _matching(sample, _UUID) > 0.5:
        return None
    for find in (_by_numbers, _by_skeleton, _by_separator, lambda _: _CODE):
        pattern = find(sample)
        if pattern is not None and _matching(sample, pattern) >= SHARE and not _cuts_numbers(sample, pattern):
            plan = _informative(valid, column, pattern, whole)
            if plan is not None:
                return plan
    return None


def _matching(sample: Words, pattern: str) -> float:
    return float(pc.mean(pc.cast(pc.match_substring_regex(sample, pattern), pa.float64())).as_py() or 0.0)


def _cuts_numbers(sample: Words, pattern: str) -> bool:
    """Return whether a pattern splits amounts: thousands from hundreds, or a number from its fraction."""
    cut = 0
    words = sample.to_pylist()[:_LOOKED_AT]
    for word in words:
        match = re.match(pattern, word)
        if match is not None:
            borders = {place for group in range(1, len(match.groups()) + 1) for place in match.span(group)}
            cut += cuts_numbers(word, borders)
    return cut > _CUT * len(words)


def _by_numbers(sample: Words) -> str | None:
    """A pattern from the text around the numbers of most words: ``14x12``, ``1h 20m``, ``-0.5, 3``."""
    signed = pc.replace_substring_regex(sample, r"(^|[ ,;(\[])[-+]?[0-9]+(?:[.][0-9]+)?", "\\1\x00")
    skeleton, count = _commonest(pc.replace_substring_regex(signed, r"[0-9]+(?:[.][0-9]+)?", "\x00"))
    pieces = skeleton.split("\x00")
    between = pieces[1:-1]
    if count < SHARE * len(sample) or not 1 <= len(between) <= 5:
        return None
    if any(piece.strip(" ") in ("", ".") for piece in between) or len("".join(pieces)) > 20:
        return None
    groups = [f"{re.escape(piece)}(?P<p{i}>{_NUMBER})" for i, piece in enumerate(pieces[:-1])]
    return f"^{''.join(groups)}{re.escape(pieces[-1])}$"


def _commonest(skeletons: Words) -> tuple[str, int]:
    counts = count_levels(skeletons)
    place = int(counts.rows.argmax())
    return counts.words[place].as_py(), int(counts.rows[place])


def _by_skeleton(sample: Words) -> str | None:
    """A pattern from the separators, if most words share them."""
    skeleton, count = _commonest(pc.replace_substring_regex(sample, r"[\p{L}\p{N}]+", "\x00"))
    separators = [piece for piece in skeleton.strip("\x00").split("\x00") if piece]
    if count < SHARE * len(sample) or not 1 <= len(separators) <= 5:
        return None
    if any(len(piece) > 2 or piece.strip(_SEPARATORS) for piece in separators):
        return None
    return _joined(separators)


def _by_separator(sample: Words) -> str | None:
    """A pattern with the separator that splits most words into the same number of parts."""
    best: tuple[int, str] | None = None
    for separator in "/|_:;@#-.":
        counts = pc.value_counts(pc.count_substring(sample, separator)).to_pylist()
        top = max(counts, key=lambda item: item["counts"])
        if 1 <= top["values"] <= 5 and top["counts"] >= SHARE * len(sample):
            best = max(best or (0, ""), (top["values"], separator))
    return None if best is None else _joined([best[1]] * best[0])


def _joined(separators: list[str]) -> str:
    groups = [f"(?P<p{i}>[^{re.escape(piece[0])}]*)" for i, piece in enumerate(separators)]
    pairs = (group + re.escape(piece) for group, piece in zip(groups, separators, strict=True))
    return f"^{''.join(pairs)}(?P<p{len(separators)}>.*)$"


def _informative(valid: Words, column: str, pattern: str, whole: tuple[str, ...]) -> PartsPlan | None:
    """The parts that vary and repeat; None if nothing can be learned from them."""
    numbers: list[Part] = []
    categories: list[Part] = [Part(WHOLE, column, whole)] if whole else []
    useful = False
    for group, part in enumerate(split_parts(valid, pattern)):
        counts = count_levels(part)
        if counts.distinct + (part.null_count > 0) < 2 or not counts.distinct:
            continue
        name = f"{column}.{group + 1}"
        if pc.all(pc.match_substring_regex(counts.words, f"^{_NUMBER}$")).as_py() and _short(counts.words):
            numbers.append(Part(group, name))
            # measures have decimals and need not repeat; whole numbers that hardly repeat are names
            few = counts.total >= 2 * counts.distinct or pc.any(pc.match_substring(counts.words, ".")).as_py()
        elif few := counts.total >= (2 if counts.distinct <= KEEP_ALL else 5) * counts.distinct:
            categories.append(Part(group, name, bounded_levels(counts)[0]))
        useful |= few
    return PartsPlan(column, pattern, tuple(numbers), tuple(categories)) if useful else None


def _short(words: Words) -> bool:
    """Return whether the numbers are short enough for float64 to hold them exactly."""
    return int(pc.max(pc.utf8_length(words)).as_py()) <= 15


def examples(text: Words, limit: int = 2) -> str:
    """The first words, for messages."""
    shown: list[Any] = text.drop_null()[:limit].to_pylist()
    return ", ".join(repr(word[:30]) for word in shown)
