"""Structured strings such as ``B/123/P`` or ``PC 17599``: the pattern that most of them share."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from automl.data.cells import Words
from automl.data.levels import bounded_levels, count_levels
from automl.data.structured import Part, PartsPlan, split_parts

SHARE = 0.9  # of the values must have the structure
SAMPLE = 5_000
_SEPARATORS = "/|_:;-.@#,\\ "
_UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
# letters (may be none), then anything, then the last number: C85, C23 C25, A/5 21171, 113803
_CODE = r"^(?P<p0>[^0-9]*?)[ ./_#-]*(?:[0-9].*?)??(?P<p1>[0-9]+)$"


def find_parts(text: Words, column: str) -> PartsPlan | None:
    """How the words fall into informative parts, or None."""
    valid = text.drop_null()
    if not len(valid):
        return None
    step = max(1, len(valid) // SAMPLE)
    sample = valid.take(pa.array(np.arange(0, len(valid), step)[:SAMPLE]))
    if _matching(sample, _UUID) > 0.5:
        return None
    for pattern in (_by_skeleton(sample), _by_separator(sample), _CODE):
        if pattern is not None and _matching(sample, pattern) >= SHARE:
            plan = _informative(valid, column, pattern)
            if plan is not None:
                return plan
    return None


def _matching(sample: Words, pattern: str) -> float:
    return float(pc.mean(pc.cast(pc.match_substring_regex(sample, pattern), pa.float64())).as_py() or 0.0)


def _by_skeleton(sample: Words) -> str | None:
    """A pattern from what remains of most words without their letters and digits."""
    skeletons = pc.replace_substring_regex(sample, r"[\p{L}\p{N}]+", "\x00")
    counts = count_levels(skeletons)
    skeleton, count = next(iter(counts.items()))
    separators = [piece for piece in skeleton.strip("\x00").split("\x00") if piece]
    if count < SHARE * len(sample) or not 1 <= len(separators) <= 5:
        return None
    if any(len(piece) > 2 or piece.strip(_SEPARATORS) for piece in separators):
        return None
    return _joined(separators)


def _by_separator(sample: Words) -> str | None:
    """A pattern from one separator that gives most words equally many parts."""
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


def _informative(valid: Words, column: str, pattern: str) -> PartsPlan | None:
    """The parts that vary and repeat; None if no part repeats enough to be learned from."""
    numbers: list[Part] = []
    categories: list[Part] = []
    repeats = False
    for group, part in enumerate(split_parts(valid, pattern)):
        counts = count_levels(part)
        filled = len(part) - part.null_count
        if len(counts) + (part.null_count > 0) < 2 or not counts:
            continue
        few = len(counts) <= max(2, 0.5 * filled) and filled / len(counts) >= 2
        name = f"{column}.{group + 1}"
        if all(len(level) <= 15 and level.isascii() and level.isdigit() for level in counts):
            numbers.append(Part(group, name))
        elif few:
            levels, _ = bounded_levels(counts)
            categories.append(Part(group, name, levels))
        else:
            continue
        repeats |= few
    if not repeats:
        return None
    return PartsPlan(column, pattern, tuple(numbers), tuple(categories))


def examples(text: Words, limit: int = 2) -> str:
    """The first words, for messages."""
    shown: list[Any] = text.drop_null()[:limit].to_pylist()
    return ", ".join(repr(word[:30]) for word in shown)
