"""Whole numbers that only name their rows, and those that merely look so."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from automl.core.table import Array
from automl.data.columns.outcome import Outcome

_FARTHEST = 1e300  # differences of numbers beyond it may not fit
# A column must be longer than this before mere order makes it an id.
_ORDERED_ROWS = 20
_EVEN = 0.9  # of the steps are the same: a sequence with a few gaps
_ID_NAME = re.compile(r"(?:^|[^A-Za-z])(?i:id|uid|uuid|guid)$|[a-z](?:ID|Id)$|^(?:ID|Id|id)[_ ]", re.A)
# Also the end of names of measurements: heat_index, price_index, rank_key.
_DIGITS = 7  # of numbers that a register gives out; fewer are often amounts
_SAME_WIDTH = 0.98
_WIDE_ROWS = 50
_EPOCH = ((1e9, 2.2e9), (1e12, 2.2e12))  # seconds and milliseconds since 1970, from 2001 to 2039
_CLUSTERED = 0.05  # median of the gaps by their mean; .69 where numbers are spread by chance
_VAGUE_NAME = re.compile(r"(?:^|[^A-Za-z])(?:key|index|idx)$", re.A)
_TIME_NAME = re.compile(r"year|date|time|month|week|day|age", re.I)
IN_DOUBT = "whole numbers that may only name the rows"


@dataclass(frozen=True)
class Verdict:
    """Whether numbers are an id, with the reason; an empty reason where they do not look like one."""

    is_id: bool
    reason: str = ""


def id_reason(name: str, values: Array, missing: int, outcome: Outcome | None) -> Verdict:
    """Whether whole numbers only name their rows.

    Evenly spaced numbers in the order of the rows are row numbers, and so are unique ones named as an id.
    What else looks like an id is looked at: it is one where the target does not differ along it. In doubt,
    and where there is no target, it is kept.
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
    if name.startswith("Unnamed: "):  # a shuffled table's row numbers
        return Verdict(True, "all different whole numbers, without a name")
    if _ID_NAME.search(name):
        return Verdict(True, "all different whole numbers, named as an id")
    if dense:
        why = "every number of a sequence once"
    elif rising and not timed:
        why = "all different, in the order of the rows"
    elif _VAGUE_NAME.search(name):
        why = "all different, with a name that an id may have"
    elif not timed and (digits := _register_digits(values)):
        why = f"all different, of {digits} digits"
        gaps = np.diff(np.sort(values))
        if float(np.median(gaps)) < _CLUSTERED * float(gaps.mean()):
            return Verdict(True, f"whole numbers, {why} in blocks, as a register gives them out")
    else:
        return Verdict(False)
    if outcome is not None and not outcome.is_told_by(values):
        return Verdict(True, f"whole numbers, {why}, that tell nothing of the target")
    if outcome is None and dense:
        return Verdict(True, why)
    told = "kept since the target differs along them" if outcome is not None else "kept in doubt"
    return Verdict(False, f"{IN_DOUBT} ({why}); {told}")


def _register_digits(values: Array) -> int:
    """Digits of almost all of these numbers if they are as wide as a register's, else 0."""
    if len(values) < _WIDE_ROWS or values.min() <= 0:
        return 0
    if any(low <= values.min() and values.max() < high for low, high in _EPOCH):
        return 0
    widths, counts = np.unique(np.floor(np.log10(values)), return_counts=True)
    digits = int(widths[counts.argmax()]) + 1
    return digits if digits >= _DIGITS and counts.max() >= _SAME_WIDTH * len(values) else 0


def _mostly_even(steps: Array) -> bool:
    """Whether most steps are the most frequent one, as in a sequence from which some rows were taken."""
    _, counts = np.unique(steps, return_counts=True)
    return bool(counts.max() >= _EVEN * len(steps))
