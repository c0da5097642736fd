"""Checks of whole rows: duplicates, contradictions, and too few of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.finding import NOTE, WARNING, Finding
from automl.core.table import Rows, Table
from automl.core.text import share_text
from automl.data.cells.row_numbers import row_number
from automl.data.checks.near_copies import near_copies_within
from automl.data.columns.plans import Plan
from automl.data.modalities import modalities
from automl.data.named_files import from_folder, readable
from automl.data.repeats import Repeats, find_repeats

FEW_ROWS = 100
_LITTLE_LOST = 0.001  # of the rows or the variance: not worth mentioning


def row_findings(
    table: Table,
    frame: pd.DataFrame,
    plans: Iterable[Plan],
    values: npt.NDArray[Any] | None = None,
    *,
    classes: bool = False,
    dealt: bool = True,
) -> list[Finding]:
    """Findings about encoded rows and their target, if there is one.

    Parameters
    ----------
    frame:
        The rows as they were read, by which messages name them.
    plans:
        Of the user's columns.
    dealt:
        Whether the search assigns the rows to folds itself.
    """
    named = _Names.of(table, frame)
    findings = [*_few_rows(table, named)]
    if not table.features.kinds:
        return findings
    repeats = find_repeats(table, plans)
    if repeats.repeated:
        findings.append(_duplicates(repeats, named, values, dealt))
        if values is not None:
            findings += _conflicts(repeats.groups, named, values, classes)
    return [*findings, *near_copies_within(table, frame, dealt=dealt)]


@dataclass(frozen=True)
class _Names:
    """Words for rows: a folder's rows are files, which people know by their paths."""

    frame: pd.DataFrame
    rows: str = "rows"
    column: str = ""

    @classmethod
    def of(cls, table: Table, frame: pd.DataFrame) -> _Names:
        """Of a table and the rows as they were read."""
        for kind, modality in modalities().items():
            if kind in table.files and from_folder(frame, kind):
                return cls(frame, modality.rows, kind)
        return cls(frame)

    def first(self, place: int | np.integer[Any]) -> str:
        """The row at this place: ``row 7``, or the path of a file."""
        if self.column:
            return readable(str(self.frame[self.column].iloc[int(place)]))
        return f"row {row_number(self.frame, place)}"


def _few_rows(table: Table, named: _Names) -> Iterable[Finding]:
    features = len(table.features.numbers) + len(table.features.categories)
    if table.rows < FEW_ROWS:
        yield Finding(
            "few_rows",
            None,
            WARNING,
            f"There are only {table.rows} {named.rows}: scores will vary widely.",
            f"Collect more {named.rows}; trust differences only where they exceed the standard error.",
        )
    elif features > table.rows:
        yield Finding(
            "wide",
            None,
            WARNING,
            f"There are more features ({features:,}) than rows ({table.rows:,}): some will fit by chance.",
            "Leave out what cannot matter with --drop, or collect more rows.",
        )


def _duplicates(repeats: Repeats, named: _Names, values: npt.NDArray[Any] | None, dealt: bool) -> Finding:
    groups, repeated = repeats.groups, repeats.repeated
    same = ""
    if values is not None:
        codes = pd.factorize(values)[0].astype(np.int64)
        pairs = len(np.unique(groups * (int(codes.max(initial=0)) + 1) + codes))
        alike = len(groups) - pairs
        same = (
            f", {alike or 'none'} of them with the same target" if alike < repeated else ", target included"
        )
    first = int(np.flatnonzero(pd.Series(groups).duplicated())[0])
    nature = f"; {repeats.described}, as is usual with few distinct values" if repeats.natural.any() else ""
    return Finding(
        "duplicates",
        None,
        WARNING if repeats.copies / len(groups) > 0.05 else NOTE,
        f"{repeated} of {len(groups)} {named.rows} ({share_text(repeated / len(groups), 1)}) "
        f"{'are equal to' if named.column else 'repeat the inputs of'} another{same}; the first is "
        f"{named.first(first)}{nature}.",
        _remedy(repeats, dealt, named),
    )


def _remedy(repeats: Repeats, dealt: bool, named: _Names) -> str:
    row = named.rows.removesuffix("s")
    if not dealt:
        return (
            f"The given folds or parts decide where they are used: a training {row} may be a duplicate of "
            "one that judges. Drop them if they are mistakes."
        )
    sentences = []
    if repeats.natural.any():
        sentences.append(
            "Combinations of values are assigned to folds row by row, because new rows will repeat them "
            "too. If they are duplicate records, drop them, or identify the record with --group."
        )
    if repeats.copies:
        which = "The others" if sentences else "They"
        sentences.append(
            f"{which} stay on the same side of every fold, so that no model is judged by a duplicate of "
            f"{'an' if row[0] in 'aeiou' else 'a'} {row} that it trained on. Drop them if they are mistakes."
        )
    return " ".join(sentences)


def _conflicts(groups: Rows, named: _Names, values: npt.NDArray[Any], classes: bool) -> Iterable[Finding]:
    """Rows with equal inputs and different targets, which no model can tell apart."""
    codes = pd.factorize(values)[0].astype(np.int64)
    counts = pd.Series(np.ones(len(groups))).groupby([groups, codes]).size()
    distinct = counts.groupby(level=0).size()
    mixed = np.isin(groups, distinct.index[distinct > 1].to_numpy())
    rows = int(mixed.sum())
    if not rows:
        return
    if classes:
        best = float(counts.groupby(level=0).max().sum()) / len(groups)
        lost, limit = (
            1 - best,
            f"no model can predict more than {share_text(best, 1)} of the {named.rows} correctly",
        )
    else:
        target = values.astype(np.float64)
        means = pd.Series(target).groupby(groups).transform("mean").to_numpy()
        total = float(np.sum((target - target.mean()) ** 2))
        lost = float(np.sum((target - means) ** 2)) / total if total else 0.0
        limit = f"no model can reach an R² above {1 - lost:.3f} on them"
    if lost < _LITTLE_LOST:
        return
    yield Finding(
        "conflicts",
        None,
        WARNING if lost > 0.05 else NOTE,
        f"{rows} {named.rows} have equal {'contents' if named.column else 'inputs'} but different targets "
        f"(first {named.first(np.flatnonzero(mixed)[0])}): {limit}.",
        "Check which label is right, and remove the other copies."
        if named.column
        else "Add a column that tells them apart, or check how the target was recorded.",
    )
