"""The kind of a column, the reason for it, and the plan that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.errors import DataError
from automl.core.table import Column, Kind
from automl.core.text import flag, share_text
from automl.data.cells.amounts import PLAIN, Amounts, find_amounts, notation_of
from automl.data.cells.dates import (
    FIELDS,
    DateReading,
    date_fields,
    find_clock,
    find_date_reading,
    is_compact_date,
    moments,
)
from automl.data.cells.durations import find_durations
from automl.data.cells.plain import (
    EXACT,
    Words,
    decimal_style,
    has_leading_zeros,
    is_numeric,
    looks_numeric,
    parse_numbers,
    words,
)
from automl.data.columns.cell_patterns import examples, find_parts
from automl.data.columns.ids import id_reason
from automl.data.columns.levels import MAXIMUM, Counted, bounded_levels, count_levels, ordered
from automl.data.columns.number_plans import DurationPlan, NumberPlan
from automl.data.columns.outcome import Outcome
from automl.data.columns.plans import CategoryPlan, FilePlan, Plan, TextPlan
from automl.data.columns.structured import ClockPlan, DatePlan
from automl.data.modalities import modalities
from automl.data.named_files import SHARE

FEW_LEVELS = 20
_MOST_WORDS = 10  # distinct ones among numbers
_WORD_OR_ERROR = r"^([^0-9]{1,30}|#\S{1,30})$"  # such as #DIV/0! in spreadsheets
# In RE2 \s is a blank of ASCII; texts from web pages have others.
_BETWEEN_WORDS = r"[^\s\p{Z}][\s\p{Z}]+[^\s\p{Z}]"
_CJK = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]"


@dataclass(frozen=True)
class KindDecision:
    """The kind of a column with the reason for it, and the plan unless the column is left out."""

    column: Column
    plan: Plan | None = None


def decide(
    name: str,
    column: pd.Series[Any],
    *,
    forced: str | None = None,
    keep: bool = False,
    outcome: Outcome | None = None,
) -> KindDecision:
    """Decide the kind of a training column and its plan.

    Parameters
    ----------
    forced:
        The kind that the user asked for.
    keep:
        Keep the column even if it looks like an id or a constant.
    outcome:
        The target of the rows, to test numbers that may be an id.
    """
    if forced in (Kind.ID, Kind.CONSTANT):
        return _left_out(name, forced, "asked for")
    if not column.notna().any():
        return _left_out(name, Kind.CONSTANT, "no values")
    if forced is not None:
        return _as_asked(name, column, forced)
    if pd.api.types.is_bool_dtype(column.dtype):
        return _truth(name, column, keep)
    if column.dtype.kind == "M" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return _dates(name, column, DateReading("iso"), "dates")
    if is_numeric(column) or column.dtype.kind == "m":
        return _numbers(name, column, keep, outcome)
    return _words(name, column, keep, outcome)


def _left_out(name: str, kind: str, reason: str) -> KindDecision:
    return KindDecision(Column(name, kind, reason))


def _as_asked(name: str, column: pd.Series[Any], kind: str) -> KindDecision:
    plan: Plan
    if kind == Kind.NUMBER:
        text = None if is_numeric(column) or column.dtype.kind == "m" else words(column)
        amounts = None if text is None else find_amounts(text)
        plain = PLAIN if text is None else notation_of(decimal_style(text))
        plan = NumberPlan(name, plain if amounts is None else amounts.notation, lenient=True)
        if np.isnan(plan.encode(column).numbers[0]).all():
            raise DataError(
                f"Column {name!r} was declared a number, but none of its values is a number. Drop it."
            )
    elif kind == Kind.CATEGORY:
        plan = _asked_category(name, count_levels(words(column)))
    elif kind == Kind.DATE:
        detected = find_date_reading(words(column))
        reading = detected[0] if detected else DateReading("mixed")
        if np.isnan(moments(column, reading)).mean() > max(0.5, float(column.isna().mean()) + 0.2):
            raise DataError(
                f"Column {name!r} was declared a date, but most of its values cannot be read as dates, such "
                f"as {examples(words(column), 1)}. Next: write them as 2024-12-31."
            )
        return _dates(name, column, reading, "asked for")
    else:
        plan = TextPlan(name) if kind == Kind.TEXT else FilePlan(name, kind)
    return KindDecision(Column(name, kind, "asked for"), plan)


def _asked_category(name: str, counts: Counted) -> CategoryPlan:
    """The plan of a category that was asked for; if none of its levels repeats, the first ones are kept."""
    levels, cut = bounded_levels(counts)
    return CategoryPlan(name, levels or ordered(counts.words[:MAXIMUM].to_pylist()), cut)


def _truth(name: str, column: pd.Series[Any], keep: bool) -> KindDecision:
    if not keep and (
        reason := _constant_reason(int(column.nunique()), int(column.isna().sum()), len(column))
    ):
        return _left_out(name, Kind.CONSTANT, reason)
    plan = CategoryPlan(name, ("False", "True"), truth=True)
    return KindDecision(Column(name, Kind.CATEGORY, "truth values"), plan)


def _constant_reason(distinct: int, missing: int, rows: int) -> str | None:
    """The reason that a column is useless: one value, and neither it nor its absence in 1 % of the rows."""
    if distinct > 1 or (missing and min(missing, rows - missing) >= max(2, 0.01 * rows)):
        return None
    return "only one value" if not missing else f"only one value, {missing} missing"


def _numbers(name: str, column: pd.Series[Any], keep: bool, outcome: Outcome | None) -> KindDecision:
    plan = NumberPlan(name)
    values = plan.encode(column).numbers[0]
    finite = values[np.isfinite(values)]
    missing = len(values) - len(finite)
    if not len(finite):
        return _left_out(name, Kind.CONSTANT, "no finite value")
    same = bool((finite == finite[0]).all())
    if same and abs(finite[0]) >= EXACT and column.dtype.kind in "iu":  # they may still differ
        same = column.nunique() == 1
    if same and not keep and (reason := _constant_reason(1, missing, len(values))):
        return _left_out(name, Kind.CONSTANT, reason)
    if same:
        return KindDecision(Column(name, Kind.NUMBER, "one value or missing"), plan)
    whole = column.dtype.kind in "iu" or bool((finite == np.floor(finite)).all())
    if whole and not keep:
        if is_compact_date(finite) and len(np.unique(finite)) > 1:
            return _dates(
                name, column, DateReading("%Y%m%d"), "whole numbers that are dates such as 20190323"
            )
        if np.abs(finite).max() >= EXACT and column.dtype.kind in "iu":
            return _codes(name, column, "whole numbers beyond 2^53, which a float cannot hold")
        verdict = id_reason(name, values, missing, outcome)
        if verdict.is_id:
            return _left_out(name, Kind.ID, f"{verdict.reason}; {flag('keep', name)} keeps it")
        if verdict.reason:
            return KindDecision(Column(name, Kind.NUMBER, verdict.reason), plan)
    return KindDecision(Column(name, Kind.NUMBER, "whole numbers" if whole else "numbers"), plan)


def _codes(name: str, column: pd.Series[Any], reason: str) -> KindDecision:
    """Decide on codes: a category, or an id if they hardly repeat."""
    counts = count_levels(words(column))
    levels, cut = bounded_levels(counts)
    if counts.covered(levels) < 0.2:
        return _left_out(name, Kind.ID, f"{reason}, nearly all different")
    return KindDecision(Column(name, Kind.CATEGORY, f"{reason}: codes"), CategoryPlan(name, levels, cut))


def _dates(name: str, column: pd.Series[Any], reading: DateReading, reason: str) -> KindDecision:
    days = moments(column, reading)
    present = days[~np.isnan(days)]
    made = date_fields(present, FIELDS)
    varying = [f for f, values in zip(FIELDS, made, strict=True) if len(present) and np.ptp(values) > 0]
    if not varying:
        return _left_out(name, Kind.CONSTANT, "only one date")
    names = tuple(f"{name}.{field}" for field in varying)
    bad = int(np.isnan(days).sum()) - _empty_cells(column)
    if bad > 0:
        reason += f"; {bad} values that are not dates count as missing"
    return KindDecision(Column(name, Kind.DATE, reason), DatePlan(name, reading, tuple(varying), names))


def _empty_cells(column: pd.Series[Any]) -> int:
    """Number of cells without a value, including blank ones."""
    return int(column.isna().sum()) if column.dtype.kind == "M" else int(words(column).null_count)


def _words(name: str, column: pd.Series[Any], keep: bool, outcome: Outcome | None) -> KindDecision:
    text = words(column)
    if text.null_count == len(text):
        return _left_out(name, Kind.CONSTANT, "blanks only")
    mixed = _mixture(column)
    decision = (
        _numeric_words(name, text, keep, outcome)
        or _special_words(name, column, text)
        or _amounts(name, text, keep)
        or _durations(name, text)
    )
    if decision is None:
        decision = _free_words(name, text, keep)
    if mixed:
        was = decision.column
        decision = KindDecision(Column(name, was.kind, f"{was.reason} ({mixed})"), decision.plan)
    return decision


def _mixture(column: pd.Series[Any]) -> str:
    """A remark on a column that holds several types."""
    if column.dtype.kind != "O" or not pd.api.types.infer_dtype(column, skipna=True).startswith("mixed"):
        return ""
    counts = column.dropna().map(lambda value: type(value).__name__).value_counts()
    if len(counts) < 2:
        return ""
    return "mixed types, read as text: " + ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _numeric_words(name: str, text: Words, keep: bool, outcome: Outcome | None) -> KindDecision | None:
    """Decide on numbers kept as text; every word must be a number or blank."""
    if not looks_numeric(text):
        return None
    if has_leading_zeros(text):
        if bool(pc.all(pc.match_substring_regex(text, "^[0-9]+$")).as_py()):
            return _codes(name, _as_series(text), "digits with leading zeros")
        return None
    style = decimal_style(text)
    values, bad = parse_numbers(text, decimal=style or ".")
    if bad.any() or np.isnan(values).all():
        return None
    if (np.abs(values) >= EXACT).any() and pc.any(
        pc.match_substring_regex(text, "^[+-]?[0-9]{16,}$")
    ).as_py():
        return _codes(name, _as_series(text), "whole numbers beyond 2^53, which a float cannot hold")
    decision = _numbers(name, pd.Series(values), keep, outcome)
    if isinstance(decision.plan, NumberPlan):
        notation = notation_of(style)
        reason = f"{_kept_as_text(decision.column.reason)}{notation.described}{_blanks(text)}"
        return KindDecision(Column(name, Kind.NUMBER, reason), NumberPlan(name, notation))
    return decision


def _kept_as_text(reason: str) -> str:
    return "numbers kept as text" if reason in ("numbers", "whole numbers") else f"{reason}, kept as text"


def _blanks(text: Words) -> str:
    return f", {text.null_count} blank" if text.null_count else ""


def _amounts(name: str, text: Words, keep: bool) -> KindDecision | None:
    """Decide on numbers with units or in other notations, possibly with a few words among them."""
    amounts = find_amounts(text)
    if amounts is None or np.isnan(amounts.values).all():
        return None
    among = _words_among(text, amounts)
    if among is None:
        return None
    values = amounts.values[~np.isnan(amounts.values)]
    if len(np.unique(values)) < 2 and not amounts.notation.several and not among and not keep:
        return _left_out(name, Kind.CONSTANT, f"only one value, {examples(text, 1)}")
    counts = {word: int(pc.sum(pc.equal(text, word)).as_py()) for word in among}
    listing = ", ".join(f"{word!r} ({count})" for word, count in counts.items())
    beside = f"; {sum(counts.values())} words beside the numbers: {listing}" if listing else ""
    reason = f"numbers kept as text{amounts.notation.described}{_blanks(text)}{beside}"
    return KindDecision(Column(name, Kind.NUMBER, reason), NumberPlan(name, amounts.notation, among))


def _durations(name: str, text: Words) -> KindDecision | None:
    style = find_durations(text)
    if style is None or len(pc.unique(text.drop_null())) < 2:
        return None
    reason = f"durations such as {examples(text, 1)}, as seconds"
    return KindDecision(Column(name, Kind.NUMBER, reason), DurationPlan(name, style))


def _words_among(text: Words, amounts: Amounts) -> tuple[str, ...] | None:
    """The words among the numbers; None if they show that the column is not numeric."""
    if not amounts.bad.any():
        return ()
    others = pc.unique(text.filter(pa.array(amounts.bad)))
    wordlike = pc.all(pc.match_substring_regex(others, _WORD_OR_ERROR)).as_py()
    few = len(np.unique(amounts.values[~np.isnan(amounts.values)])) <= FEW_LEVELS
    return tuple(others.to_pylist()) if wordlike and len(others) <= _MOST_WORDS and not few else None


def _as_series(text: Words) -> pd.Series[Any]:
    return pd.Series(text.to_numpy(zero_copy_only=False), dtype="object")


def _special_words(name: str, column: pd.Series[Any], text: Words) -> KindDecision | None:
    """Decide on truth values, paths of files, dates and times of day."""
    valid = text.drop_null()
    first = valid[0].as_py()
    if first.lower() in ("true", "false"):
        truths = pc.is_in(pc.utf8_lower(valid), value_set=pa.array(["true", "false"], valid.type))
        if pc.all(truths).as_py() and pc.count_distinct(pc.utf8_lower(valid)).as_py() == 2:
            return _truth(name, pd.Series([True, False]), keep=True)
    head = valid[:1000]
    for kind, modality in modalities().items():
        ends = pc.match_substring_regex(head, modality.path_pattern)
        if modality.suffixes and float(pc.mean(pc.cast(ends, pa.float64())).as_py()) >= SHARE:
            return KindDecision(Column(name, kind, f"paths of {kind} files"), FilePlan(name, kind))
    detected = find_date_reading(text)
    if detected is not None:
        reading, remark = detected
        reason = f"dates written as {reading.described}" + (f"; {remark}" if remark else "")
        return _dates(name, column, reading, reason)
    if find_clock(text):
        return KindDecision(Column(name, Kind.NUMBER, "times of day, as hours"), ClockPlan(name))
    return None


def _free_words(name: str, text: Words, keep: bool) -> KindDecision:
    """Decide on categories, texts, structured strings and ids."""
    counts = count_levels(text)
    filled, distinct = counts.total, counts.distinct
    if not keep and (reason := _constant_reason(distinct, text.null_count, len(text))):
        return _left_out(name, Kind.CONSTANT, reason)
    share = distinct / filled
    if (distinct <= FEW_LEVELS and share < 1) or (distinct <= 1000 and share <= 0.05):
        levels = ordered(counts.words.to_pylist())
        return KindDecision(Column(name, Kind.CATEGORY, f"{distinct} levels"), CategoryPlan(name, levels))
    length = mean_words(text)
    if length >= 3 and share > 0.01 and (filled < 5 * distinct or distinct > 2000):
        reason = f"free text: {length:.0f} words on average, {share_text(share)} different"
        return KindDecision(Column(name, Kind.TEXT, reason), TextPlan(name))
    levels, cut = bounded_levels(counts)
    covered = counts.covered(levels)
    parts = find_parts(text, name, levels if covered >= 0.3 and filled >= 3 * distinct else ())
    if parts is not None:
        made = ", ".join((*parts.number_names, *parts.category_names))
        reason = f"strings of {parts.groups} parts, such as {examples(text)}: {made}"
        return KindDecision(Column(name, Kind.CATEGORY, reason), parts)
    if covered < 0.2 or share > 0.95:
        if keep:
            return KindDecision(Column(name, Kind.CATEGORY, "kept on request"), _asked_category(name, counts))
        reason = f"{share_text(share)} of the values are different, such as {examples(text)}"
        return _left_out(name, Kind.ID, f"{reason}; {flag('kind', name, 'text')} reads them as text")
    reason = f"{distinct} levels" + (f", the {len(levels)} most frequent ones kept" if cut else "")
    return KindDecision(Column(name, Kind.CATEGORY, reason), CategoryPlan(name, levels, cut))


def mean_words(text: Words) -> float:
    """Words per cell on average; in scripts without blanks, two characters count as a word."""
    sample = text.drop_null()[:2000]
    blanks = pc.mean(pc.count_substring_regex(sample, _BETWEEN_WORDS)).as_py() or 0.0
    signs = pc.mean(pc.count_substring_regex(sample, _CJK)).as_py() or 0.0
    return 1.0 + float(blanks) + float(signs) / 2
