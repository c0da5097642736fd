"""Checks of single columns: left out, written inconsistently, missing, duplicated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.finding import NOTE, WARNING, Finding
from automl.core.table import Column, Kind, Table
from automl.core.text import flag, quoted, share_text
from automl.data.cells.amounts import find_amounts
from automl.data.cells.dates import AMBIGUOUS
from automl.data.cells.names import listed
from automl.data.cells.plain import distinct_codes, is_numeric, parse_numbers, words
from automl.data.cells.row_numbers import row_number
from automl.data.columns.ids import IN_DOUBT
from automl.data.columns.number_plans import NumberPlan
from automl.data.columns.plans import CategoryPlan, Plan
from automl.data.columns.structured import DatePlan
from automl.data.layout import Layout

MANY_LEVELS = 1_000
MOSTLY_MISSING = 0.5
_DIRT = 0.2  # a column with fewer words than this among its numbers was probably meant to be numeric
_LITTLE_DIRT = 0.05
_ASKED = ("left out on request", "asked for")
_ZONE = r"(?P<zone>Z|UTC|[+-][0-9]{2}:?[0-9]{2})$"

Rows = npt.NDArray[np.int64]


def column_findings(frame: pd.DataFrame, layout: Layout, table: Table, rows: Rows) -> list[Finding]:
    """Findings about every column; slow checks look only at ``rows``."""
    columns = {column.name: column for column in layout.columns}
    plans = {plan.column: plan for plan in layout.plans}
    findings = [*_left_out(layout)]
    for plan in layout.plans:
        column, cells = columns[plan.column], frame[plan.column]
        if isinstance(plan, NumberPlan):
            findings += _number_cells(plan, cells)
        elif isinstance(plan, DatePlan):
            findings += _dates(plan, column, cells)
        elif isinstance(plan, CategoryPlan) and (plan.cut or len(plan.levels) > MANY_LEVELS):
            findings += _many_levels(plan, cells)
    for column in layout.columns:
        if column.reason in _ASKED:
            continue
        if "mixed types" in column.reason:
            findings.append(_mixed_types(column))
        elif column.kind is Kind.NUMBER and "kept as text" in column.reason:
            findings += _numbers_as_text(column, frame[column.name], plans[column.name])
        elif column.reason.startswith(IN_DOUBT):
            findings.append(_maybe_id(column))
        elif column.kind in (Kind.CATEGORY, Kind.TEXT, Kind.ID):
            findings += _nearly_numbers(column.name, frame[column.name].iloc[rows])
    findings += _missing(frame, layout)
    findings += _same_columns(table.take(rows), set(layout.inputs))
    return findings


def _left_out(layout: Layout) -> Iterable[Finding]:
    for kind, content in ((Kind.CONSTANT, "a single value"), (Kind.ID, "ids")):
        for column in layout.columns:
            if column.kind is kind and column.reason not in _ASKED:
                keep = flag("keep", column.name)
                reason = column.reason.removesuffix(f"; {keep} keeps it")
                yield Finding(
                    str(kind),
                    column.name,
                    NOTE,
                    f"Column {column.name!r} is left out ({reason}).",
                    f"Columns of {content} are not used; {keep} keeps it.",
                )


def _number_cells(plan: NumberPlan, cells: pd.Series[Any]) -> Iterable[Finding]:
    """Cells of a number column that count as missing although they are not empty."""
    if is_numeric(cells) and cells.dtype.kind in "iu":
        return
    pieces = plan.encode(cells)
    infinite = np.isinf(pieces.numbers[0])
    count = int(infinite.sum())
    if count:
        yield Finding(
            "infinite",
            plan.column,
            WARNING,
            f"Column {plan.column!r} holds {count} infinite value{'s' * (count > 1)} (first in row "
            f"{row_number(cells, infinite.argmax())}): they count as missing.",
            "Check for divisions by zero where the column is computed.",
        )
    for note in pieces.notes:  # of a column that was declared a number
        yield Finding("no_numbers", plan.column, WARNING, note, "Fix them or leave them blank.")


def _dates(plan: DatePlan, column: Column, cells: pd.Series[Any]) -> Iterable[Finding]:
    if cells.dtype.kind != "O" and not isinstance(cells.dtype, pd.StringDtype):
        return
    name = plan.column
    text = words(cells)
    if plan.reading.style == "mixed":
        shapes = pc.replace_substring_regex(text, "[0-9]+", "0")
        distinct = pc.value_counts(shapes.drop_null())
        order = np.argsort(-distinct.field(1).to_numpy())[:3]
        shown = [repr(text[pc.index(shapes, distinct.field(0)[int(i)]).as_py()].as_py()) for i in order]
        which = "the day" if plan.reading.day_first else "the month"
        yield Finding(
            "date_formats",
            name,
            WARNING,
            f"Column {name!r} has dates in several formats, such as {listed(shown)}; 3/4 is read with "
            f"{which} first.",
            "Write all of them as 2024-12-31.",
        )
    elif AMBIGUOUS in column.reason:
        yield Finding(
            "date_formats",
            name,
            WARNING,
            f"Column {name!r}: day and month could be swapped in every date; read with the month first.",
            "Write them as 2024-12-31.",
        )
    zones = pc.extract_regex(text.take(_head(text)), pattern=_ZONE).field(0).drop_null()
    offsets = sorted({"UTC" if zone in ("Z", "+00:00", "+0000") else zone for zone in zones.to_pylist()})
    if len(offsets) > 1 or (offsets and len(zones) < 0.99 * (len(_head(text)) - text.null_count)):
        yield Finding(
            "time_zones",
            name,
            WARNING,
            f"Column {name!r} mixes time zones ({listed(offsets)}{'' if len(offsets) > 1 else ' and none'}): "
            "all are read as UTC.",
            "Write all times in the same zone.",
        )
    bad = re.search(r"([0-9]+) values that are not dates", column.reason)
    if bad:
        yield _no_dates(name, plan, cells, int(bad[1]))


def _head(text: Any) -> Any:
    return pa.array(np.arange(min(len(text), 5_000)))


def _no_dates(name: str, plan: DatePlan, cells: pd.Series[Any], count: int) -> Finding:
    from automl.data.cells.dates import moments_of_words

    text = words(cells)
    missing = np.isnan(moments_of_words(text, plan.reading))
    row = int(np.flatnonzero(missing & text.is_valid().to_numpy(zero_copy_only=False))[0])
    return Finding(
        "bad_dates",
        name,
        WARNING,
        f"Column {name!r}: {count} values are not dates ({plan.reading.described}), such as "
        f"{quoted(text[row].as_py())} in row {row_number(cells, row)}: they count as missing.",
        "Fix them or leave them blank.",
    )


def _many_levels(plan: CategoryPlan, cells: pd.Series[Any]) -> Iterable[Finding]:
    distinct = int(distinct_codes(cells).max(initial=-1)) + 1
    if distinct <= MANY_LEVELS and len(plan.levels) > 0.5 * distinct:
        return
    cut = f"; the {len(plan.levels):,} most frequent are kept, the others count as missing" * plan.cut
    yield Finding(
        "many_levels",
        plan.column,
        NOTE,
        f"Column {plan.column!r} has {distinct:,} different values{cut}.",
        f"Group its values, or leave it out with {flag('drop', plan.column)}.",
    )


def _mixed_types(column: Column) -> Finding:
    return Finding(
        "mixed_types",
        column.name,
        WARNING,
        f"Column {column.name!r} holds several types ({column.reason}).",
        f"Clean it, or use {flag('kind', column.name, 'number')} to read everything else as missing.",
    )


def _numbers_as_text(column: Column, cells: pd.Series[Any], plan: Plan) -> Iterable[Finding]:
    name = column.name
    if isinstance(plan, NumberPlan) and plan.words:
        yield _words_beside_numbers(name, cells, plan)
        return
    if isinstance(plan, NumberPlan) and plan.notation.several:
        units = plan.notation.read(words(cells)).units
        counts = np.bincount(units[units >= 0], minlength=len(plan.notation.levels))
        listing = [f"{unit!r} ({rows})" for unit, rows in zip(plan.notation.levels, counts, strict=True)]
        yield Finding(
            "mixed_units",
            name,
            WARNING,
            f"Column {name!r} holds numbers in several units: {listed(listing)}. They are used as "
            "they are, with the unit as a category beside them.",
            "Convert them into the same unit.",
        )
        return
    yield Finding(
        "numbers_as_text",
        name,
        NOTE,
        f"Column {name!r} holds {column.reason}: it is used as a number.",
        f"If it is a code, use {flag('kind', name, 'category')}.",
    )


def _words_beside_numbers(name: str, cells: pd.Series[Any], plan: NumberPlan) -> Finding:
    text = words(cells)
    among = pc.is_in(text, value_set=pa.array(plan.words, text.type))
    present, count = len(text) - text.null_count, int(pc.sum(among).as_py())
    row = int(pc.index(among, True).as_py())
    counts = pc.value_counts(text.filter(among)).to_pylist()
    listing = listed([f"{item['values']!r} ({item['counts']})" for item in counts])
    return Finding(
        "numbers_as_text",
        name,
        WARNING if count <= _LITTLE_DIRT * present else NOTE,
        f"Column {name!r} holds numbers except for {count} of {present} values: {listing}, first "
        f"{quoted(text[row].as_py())} in row {row_number(cells, row)}. It is used as a number, with these "
        "words as a category.",
        f"If they mean missing values, use {flag('kind', name, 'number')} or name them with --missing.",
    )


def _maybe_id(column: Column) -> Finding:
    return Finding(
        "maybe_id",
        column.name,
        WARNING,
        f"Column {column.name!r} holds {column.reason}.",
        f"If it only numbers the rows, or the file is sorted by the target, use {flag('drop', column.name)}.",
    )


def _nearly_numbers(name: str, cells: pd.Series[Any]) -> Iterable[Finding]:
    """Text columns that would be numeric except for a few words."""
    if cells.dtype.kind != "O" and not isinstance(cells.dtype, pd.StringDtype):
        return
    text = words(cells)
    present = len(text) - text.null_count
    if present < 20 or not _looks_numeric_anywhere(text):
        return
    amounts = find_amounts(text)
    bad = parse_numbers(text)[1] if amounts is None else amounts.bad
    share = bad.sum() / present
    if not 0 < share <= _DIRT:
        return
    row = int(np.flatnonzero(bad)[0])
    yield Finding(
        "numbers_as_text",
        name,
        WARNING if share <= _LITTLE_DIRT else NOTE,
        f"Column {name!r} holds numbers except for {int(bad.sum())} of {present} values, such as "
        f"{quoted(text[row].as_py())} in row {row_number(cells, row)}: it is not used as a number.",
        f"Clean it, or use {flag('kind', name, 'number')} to count those as missing.",
    )


def _looks_numeric_anywhere(text: Any) -> bool:
    """Look for digits in the first, middle and last words, before all of them are parsed."""
    some = text.drop_null()
    examples = [some[place].as_py() for place in (0, len(some) // 2, len(some) - 1)]
    return any(sign.isdigit() for word in examples for sign in word[:12])


def _missing(frame: pd.DataFrame, layout: Layout) -> Iterable[Finding]:
    shares = frame[list(layout.inputs)].isna().mean()
    for name, share in shares[shares > MOSTLY_MISSING].items():
        yield Finding(
            "missing",
            str(name),
            NOTE,
            f"Column {name!r} is missing in {share_text(share)} of the rows.",
            "Check that it is filled the same way when predicting.",
        )


def _same_columns(table: Table, plain: set[str]) -> Iterable[Finding]:
    """Columns that hold the same values in every row of the sample."""
    for names, arrays in (
        (table.features.numbers, table.numbers),
        (table.features.categories, table.codes),
    ):
        first: dict[bytes, str] = {}
        for i, name in enumerate(names):
            if name not in plain:  # derived from a date or a structured string
                continue
            content = np.ascontiguousarray(arrays[:, i]).tobytes()
            twin = first.setdefault(content, name)
            if twin != name:
                yield Finding(
                    "same_column",
                    name,
                    NOTE,
                    f"{name!r} holds the same values as {twin!r}.",
                    f"One of them is enough: {flag('drop', name)}.",
                )
