"""Whole numbers that only identify their rows, and those that merely look like it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from automl.core.table import Array
from automl.data.columns.outcome import Outcome

_FARTHEST = 1e300  # differences of numbers beyond it may not fit
# A column must be longer than this before mere order makes it an id.
_ORDERED_ROWS = 20
_EVEN = 0.9  # share of equal steps: a sequence with a few gaps
_ID_NAME = re.compile(r"(?:^|[^A-Za-z])(?i:id|uid|uuid|guid)$|[a-z](?:ID|Id)$|^(?:ID|Id|id)[_ ]", re.A)
# Also the end of names of measurements: heat_index, price_index, rank_key.
_DIGITS = 7  # of numbers assigned by a registry; numbers with fewer digits are often amounts
_SAME_WIDTH = 0.98
_WIDE_ROWS = 50
_EPOCH = ((1e9, 2.2e9), (1e12, 2.2e12))  # seconds and milliseconds since 1970, from 2001 to 2039
_CLUSTERED = 0.05  # median of the gaps over their mean; .69 if the numbers are random
_VAGUE_NAME = re.compile(r"(?:^|[^A-Za-z])(?:key|index|idx)$", re.A)
_TIME_NAME = re.compile(r"year|date|time|month|week|day|age", re.I)
IN_DOUBT = "whole numbers that may only identify the rows"


@dataclass(frozen=True)
class Verdict:
    """A decision whether numbers are an id, with the reason; no reason if they do not look like one."""

    is_id: bool
    reason: str = ""


def id_reason(name: str, values: Array, missing: int, outcome: Outcome | None) -> Verdict:
    """Decide whether whole numbers only identify their rows.

    Evenly spaced numbers in the order of the rows are row numbers; unique numbers with the name of an id are
    ids. Other numbers that look like an id are tested: they are one if the target does not depend on them.
    In doubt, and without a target, they are kept.
    """
    rows = len(values)
    if missing or rows < 5:
        return Verdict(False)
    values = np.clip(values, -_FARTHEST, _FARTHEST)
    steps = np.diff(values)
    rising = rows > _ORDERED_ROWS and bool((steps > 0).all() or (steps < 0).all())
    timed = bool(_TIME_NAME.search(name))
    if rising and not timed and _mostly_even(steps):
        return Verdict(True, "evenly spaced whole numbers in the order of the rows")
    if len(np.unique(values)) < rows:
        return Verdict(False)
    spread = float(values.max() - values.min())
    dense = spread == rows - 1 and values.min() in (0, 1)
    if name.startswith("Unnamed: "):  # the row numbers of a shuffled table
        return Verdict(True, "all different whole numbers, without a name")
    if _ID_NAME.search(name):
        return Verdict(True, "all different whole numbers, named as an id")
    if dense:
        why = "a permutation of a sequence"
    elif rising and not timed:
        why = "all different, in the order of the rows"
    elif _VAGUE_NAME.search(name):
        why = "all different, with a name that suggests an id"
    elif not timed and (digits := _register_digits(values)):
        why = f"all different, of {digits} digits"
        gaps = np.diff(np.sort(values))
        if float(np.median(gaps)) < _CLUSTERED * float(gaps.mean()):
            return Verdict(True, f"whole numbers, {why}, in blocks, as a registry assigns them")
    else:
        return Verdict(False)
    if outcome is not None and not outcome.depends_on(values):
        return Verdict(True, f"whole numbers, {why}, on which the target does not depend")
    if outcome is None and dense:
        return Verdict(True, why)
    decision = "kept because the target depends on them" if outcome is not None else "kept in doubt"
    return Verdict(False, f"{IN_DOUBT} ({why}); {decision}")


def _register_digits(values: Array) -> int:
    """Number of digits of almost all of these numbers if it is that of a registry, else 0."""
    if len(values) < _WIDE_ROWS or values.min() <= 0:
        return 0
    if any(low <= values.min() and values.max() < high for low, high in _EPOCH):
        return 0
    widths, counts = np.unique(np.floor(np.log10(values)), return_counts=True)
    digits = int(widths[counts.argmax()]) + 1
    return digits if digits >= _DIGITS and counts.max() >= _SAME_WIDTH * len(values) else 0


def _mostly_even(steps: Array) -> bool:
    """Return whether most steps are equal, as in a sequence from which some rows were removed."""
    _, counts = np.unique(steps, return_counts=True)
    return bool(counts.max() >= _EVEN * len(steps))
