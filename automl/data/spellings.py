"""Labels that differ only in case or blanks: typos of one class, or separate classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.data.cells.names import listed

Labels = npt.NDArray[Any]
_RARE = 0.01  # of the rows of the correct spelling
_TRUTHS = frozenset(("yes", "no", "true", "false"))


def merge_spellings(values: Labels) -> tuple[Labels, list[str]]:
    """Labels ``(rows,)`` without blanks around them and without typos of case, and remarks.

    A spelling is a typo of a more frequent one if it occurs once, or at most a hundredth as often: ``YES``
    among many ``Yes``. Spellings that repeat are separate classes (``AA``, ``Aa`` and ``aa`` are genotypes),
    except for yes and no, true and false.
    """
    codes, distinct = pd.factorize(values)
    trimmed = [str(label).strip() for label in distinct]
    counts: dict[str, int] = {}
    for label, count in zip(trimmed, np.bincount(codes, minlength=len(distinct)), strict=True):
        counts[label] = counts.get(label, 0) + int(count)
    chosen: dict[str, str] = {}
    alike: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: -counts[label]):
        spellings = alike.setdefault(label.casefold(), [])
        is_typo = bool(spellings) and (
            label.casefold() in _TRUTHS or counts[label] <= max(1.0, _RARE * counts[spellings[0]])
        )
        chosen[label] = spellings[0] if is_typo else label
        if not is_typo:
            spellings.append(label)
    spelled = np.array([chosen[label] for label in trimmed], dtype=object)
    notes = []
    changed = [i for i, label in enumerate(distinct) if label != spelled[i]]
    if changed:
        rows = int(np.isin(codes, changed).sum())
        pairs = [f"{distinct[i]!r} as {spelled[i]!r}" for i in changed]
        notes.append(f"Spellings of the same class were merged in {rows} rows: {listed(pairs)}.")
    for spellings in alike.values():
        if len(spellings) > 1:
            listing = ", ".join(f"{label!r} ({counts[label]})" for label in spellings)
            notes.append(f"Labels that differ only in case are separate classes: {listing}.")
    return spelled[codes] if len(distinct) else values, notes
