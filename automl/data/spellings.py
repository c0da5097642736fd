"""Labels of classes that differ in case or blanks alone: slips of one class, or classes of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.data.cells.names import listed

Labels = npt.NDArray[Any]
_RARE = 0.01  # of the rows of the spelling that it is a slip of
_TRUTHS = frozenset(("yes", "no", "true", "false"))


def join_slips(values: Labels) -> tuple[Labels, list[str]]:
    """Labels ``(rows,)`` without blanks around them and without slips of case, and what was said of them.

    A spelling is a slip of a more frequent one where it stands once, or in at most a hundredth of its rows:
    ``YES`` among many ``Yes``. Spellings that repeat are classes of their own (``AA``, ``Aa`` and ``aa`` are
    genotypes), but for yes and no, true and false.
    """
    codes, distinct = pd.factorize(values)
    trimmed = [str(label).strip() for label in distinct]
    counts: dict[str, int] = {}
    for label, count in zip(trimmed, np.bincount(codes, minlength=len(distinct)), strict=True):
        counts[label] = counts.get(label, 0) + int(count)
    chosen: dict[str, str] = {}
    alike: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: -counts[label]):
        kept = alike.setdefault(label.casefold(), [])
        is_slip = bool(kept) and (
            label.casefold() in _TRUTHS or counts[label] <= max(1.0, _RARE * counts[kept[0]])
        )
        chosen[label] = kept[0] if is_slip else label
        if not is_slip:
            kept.append(label)
    spelled = np.array([chosen[label] for label in trimmed], dtype=object)
    notes = []
    changed = [i for i, label in enumerate(distinct) if label != spelled[i]]
    if changed:
        rows = int(np.isin(codes, changed).sum())
        pairs = [f"{distinct[i]!r} as {spelled[i]!r}" for i in changed]
        notes.append(f"Spellings of the same class were joined in {rows} rows: {listed(pairs)}.")
    for kept in alike.values():
        if len(kept) > 1:
            said = ", ".join(f"{label!r} ({counts[label]})" for label in kept)
            notes.append(f"Labels that differ in case alone are classes of their own: {said}.")
    return spelled[codes] if len(distinct) else values, notes
