"""Dates and times of day: the formats of a column, and the numbers that models get instead."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.table import Array
from automl.data.cells.plain import Mask, Words, flags, is_numeric, parse_numbers, words

FIELDS = ("days", "year", "month", "day", "weekday", "hour")
SAMPLE = 500
AMBIGUOUS = "day and month could be swapped"
_DAY_MICROSECONDS = 86_400_000_000
_YEAR_1000 = -354_285.0  # 1000-01-01
_DATES = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d %b %Y", "%d %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%y", "%d.%m.%y",
    "%a, %d %b %Y", "%A, %B %d, %Y",
)  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_ISO = (
    r"^[0-9]{4}-[0-9]{2}(-[0-9]{2}([T ][0-9]{2}(:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?"
    r"\s?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?)?$"
)
_DATE_LIKE = re.compile(
    r"^(?:\w{3,9}[ ,.]+)?[0-9]{1,4}[-/. ]\s?\w{1,9}[-/., ]+[0-9]{1,4}\b"
    r"|^[A-Za-z]{3,9}[. ]+[0-9]{1,2}(?:st|nd|rd|th)?,?\s+[0-9]{4}\b"
)
_COMPACT = "^[0-9]{8}$"
_YEAR_FIRST = r"^[0-9]{4}[/. ][0-9]{1,2}[/. ][0-9]{1,2}([T ].*)?$"
_MONTH_NAMED = (
    r"^(?:\p{L}{3,9},? )?(?:[0-9]{1,2}[. -]{1,2}\p{L}{3,9}[. ,-]{1,2}[0-9]{4}"
    r"|\p{L}{3,9}[. ]{1,2}[0-9]{1,2},? [0-9]{4})\b"
)
_NUMBERED = r"^(?P<one>[0-9]{1,2})[-/.](?P<two>[0-9]{1,2})[-/.][0-9]{4}(?:[T ].*)?$"
_TIME = (
    r"^(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2}))?(?::(?P<second>[0-9]{2})(?:[.][0-9]+)?)?"
    r"\s*(?P<half>[AaPp][.]?[Mm][.]?)?$"
)
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class DateReading:
    """The format of a column's dates.

    Attributes
    ----------
    style:
        ``iso`` (with or without time and zone), ``mixed``, or a ``strptime`` format.
    day_first:
        For ``mixed``: 3/4 is the third of April.
    """

    style: str
    day_first: bool = False

    @property
    def described(self) -> str:
        """A name for people."""
        if self.style == "iso":
            return "ISO 8601"
        return self.style if self.style != "mixed" else "several formats"


ISO = DateReading("iso")


def find_date_reading(text: Words) -> tuple[DateReading, str] | None:
    """The format of the dates, with a remark on what was ambiguous; None if the words are not dates.

    At most 20 % of 500 sampled words may fail to parse.
    """
    valid = text.drop_null()
    step = max(1, len(valid) // SAMPLE)
    sample = valid.take(pa.array(np.arange(0, len(valid), step)[:SAMPLE]))
    if not len(sample) or len(sample[0].as_py()) < 6 or not re.search(r"[0-9]", sample[0].as_py()):
        return None
    if _share(pc.match_substring_regex(sample, _ISO)) >= 0.8:
        return DateReading("iso"), ""
    like = [bool(_DATE_LIKE.match(word)) for word in sample.to_pylist()]
    if sum(like) < 0.8 * len(like):
        return None
    shares: dict[str, float] = {}
    for date in _DATES:
        for clock in _CLOCKS:
            parsed = pc.strptime(sample, format=date + clock, unit="s", error_is_null=True)
            earliest = pc.min(pc.year(parsed)).as_py()
            if earliest is not None and earliest < 1000:
                continue  # %Y accepts the two digits of %y as a year, too
            if (share := 1 - parsed.null_count / len(sample)) > 0:
                shares[date + clock] = share
    best = max(shares.values(), default=0.0)
    if best >= 0.98 or (best >= 0.8 and len(shares) == 1):
        # of several that fit, month first, as in pandas and in the majority of exports
        style = [item for item, share in shares.items() if share == best]
        day_first = [item for item in style if item.startswith("%d")]
        month_first = [item for item in style if item.startswith(("%m", "%b", "%B"))]
        if day_first and month_first:
            return DateReading(month_first[0]), f"{AMBIGUOUS}; read with the month first"
        return DateReading(style[0]), ""
    first = [re.match(r"^([0-9]{1,2})[-/.]", word) for word in sample.to_pylist()]
    day_first_seen = any(match and int(match.group(1)) > 12 for match in first)
    reading = DateReading("mixed", day_first_seen)
    read = moments_of_words(sample, reading)
    return (reading, "") if np.isnan(read).mean() <= 0.2 else None


def _share(mask: Any) -> float:
    return float(pc.mean(pc.cast(mask, pa.float64())).as_py() or 0.0)


@dataclass(frozen=True)
class ReadDates:
    """Dates that were read, whatever their format.

    Attributes
    ----------
    days:
        ``(rows,)`` since 1970-01-01, NaN where there is no date.
    exchanged:
        How many were read with day and month swapped, because they are not dates otherwise.
    """

    days: Array
    exchanged: int = 0


def read_dates(column: pd.Series[Any], reading: DateReading) -> ReadDates:
    """Dates in a known format, and those in another format that are unambiguous.

    These are dates of a frame's own types, ISO 8601, whole numbers such as 20190323, a year in front, a month
    by its name, and two numbers of which one cannot be a month. Otherwise day and month are never swapped.
    """
    if is_numeric(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return ReadDates(compact_days(values))
    days = moments(column, reading)
    odd = np.isnan(days) & column.notna().to_numpy()
    if not odd.any() or column.dtype.kind == "M" or reading.style == "mixed":
        return ReadDates(days)
    text = words(column[odd])
    others = moments_of_words(text, ISO)
    for pattern, style in ((_COMPACT, "%Y%m%d"), (_YEAR_FIRST, "mixed"), (_MONTH_NAMED, "mixed")):
        written = _matching(text, pattern) & np.isnan(others)
        if written.any():
            others[written] = moments_of_words(text.filter(pa.array(written)), DateReading(style))
    exchanged = _read_numbered(text, others, reading)
    days[odd] = others
    return ReadDates(days, exchanged)


def _read_numbered(text: Words, days: Array, reading: DateReading) -> int:
    """Fill in dates of two numbers and a year, in the known order or the only possible one.

    Returns how many are possible in the other order only, if the order is known.
    """
    written = _matching(text, _NUMBERED) & np.isnan(days)
    if not written.any():
        return 0
    parts = pc.extract_regex(text, pattern=_NUMBERED)
    first, second = (_whole(parts.field(i), parts.is_valid()) for i in range(2))
    day_in_front, day_behind = (first > 12) & (second <= 12), (second > 12) & (first <= 12)
    order = re.match(r"%([dm])(\W)%[dm]", reading.style)
    plain = day_in_front | day_behind | (first == second)
    if order is not None:  # for the same separator only: 3.5. may follow another custom than 5/3
        plain |= _matching(text, rf"^[0-9]{{1,2}}{re.escape(order[2])}")
    written &= plain
    day_first = order is not None and order[1] == "d"
    days[written] = moments_of_words(text.filter(pa.array(written)), DateReading("mixed", day_first))
    other = day_behind if day_first else day_in_front
    return 0 if order is None else int((written & other & ~np.isnan(days)).sum())


def _matching(text: Words, pattern: str) -> Mask:
    return flags(pc.match_substring_regex(text, pattern))


def compact_days(values: Array) -> Array:
    """Days of whole numbers that are dates such as 20190323; NaN for all others."""
    whole = np.where(np.isfinite(values) & (values == np.floor(values)), values, 0.0)
    inside = (whole >= 10000101) & (whole <= 99991231)
    text = pa.array(np.where(inside, whole, 0).astype(np.int64).astype(str).astype(object), pa.large_string())
    return np.where(inside, moments_of_words(text, DateReading("%Y%m%d")), np.nan)


def moments(column: pd.Series[Any], reading: DateReading) -> Array:
    """Days since 1970-01-01 (UTC where zones are given), NaN where there is no date."""
    if isinstance(column.dtype, pd.ArrowDtype) and column.dtype.kind == "M":
        cells = pc.cast(pa.array(column.array, from_pandas=True), pa.timestamp("us"), safe=False)
        return _days(cells.to_numpy(zero_copy_only=False))
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if column.dtype.kind == "M":
        return _days(column.to_numpy(dtype="datetime64[us]"))
    return moments_of_words(words(column), reading)


def points_in_time(column: pd.Series[Any]) -> Array:
    """Numbers in the order of a column's dates, times of day or numbers; NaN where there is none.

    Dates are read in the format of the column as a whole; the few in another format, one by one.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    if column.dtype.kind == "m":
        return np.asarray(column.dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan))
    if column.dtype.kind == "M":
        return moments(column, ISO)
    text = words(column)
    detected = find_date_reading(text)
    if detected is None:
        numbers, bad = parse_numbers(text)
        if not bad.any():
            return numbers
        if find_clock(text):
            return hours(text)
    reading = detected[0] if detected is not None else DateReading("mixed")
    days = moments_of_words(text, reading)
    odd = np.isnan(days)
    if odd.any():
        day_first = reading.day_first or reading.style.startswith("%d")
        days[odd] = moments_of_words(text.filter(pa.array(odd)), DateReading("mixed", day_first))
    return days


def moments_of_words(text: Words, reading: DateReading) -> Array:
    """:func:`moments` of words."""
    if reading.style == "iso":
        for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                parsed = pc.cast(text, kind)
            except pa.ArrowInvalid:
                continue
            return _days(parsed.to_numpy(zero_copy_only=False).astype("datetime64[us]"))
        return _pandas_days(text, "ISO8601", False)
    if reading.style == "mixed":
        return _pandas_days(text, "mixed", reading.day_first)
    if reading.style == "%Y%m%d":  # strptime accepts 2021111 as a date, too
        text = pc.if_else(pc.match_substring_regex(text, _COMPACT), text, pa.scalar(None, text.type))
    parsed = pc.strptime(text, format=reading.style, unit="us", error_is_null=True)
    days = _days(parsed.to_numpy(zero_copy_only=False).astype("datetime64[us]"))
    days[days < _YEAR_1000] = np.nan  # strptime accepts 21 as a year for %Y
    return days


def _pandas_days(text: Words, format: str, day_first: bool) -> Array:
    column = pd.Series(text.to_numpy(zero_copy_only=False), dtype="object")
    with warnings.catch_warnings():
        # pandas warns if day_first contradicts a single value; the other values decided it
        warnings.simplefilter("ignore", UserWarning)
        parsed = pd.to_datetime(column, format=format, dayfirst=day_first, errors="coerce", utc=True)
    return _days(parsed.dt.tz_localize(None).to_numpy(dtype="datetime64[us]"))


def _days(values: npt.NDArray[np.datetime64]) -> Array:
    days = values.astype(np.int64) / _DAY_MICROSECONDS
    days[np.isnat(values)] = np.nan
    return days


def day_text(days: float) -> str:
    """The day of a date in days since 1970: ``2024-12-31``."""
    return str(np.datetime64(int(np.floor(days)), "D"))


def date_fields(days: Array, fields: tuple[str, ...]) -> list[Array]:
    """Calendar fields of days since 1970; Monday is 0, hours have fractions."""
    missing = np.isnan(days)
    whole = np.floor(np.where(missing, 0.0, days))
    calendar = whole.astype(np.int64).astype("datetime64[D]")
    months = calendar.astype("datetime64[M]")
    made: list[Array] = []
    values: Array
    for field in fields:
        if field == "days":
            values = days.copy()
        elif field == "year":
            values = months.astype("datetime64[Y]").astype(np.float64) + 1970.0
        elif field == "month":
            values = months.astype(np.float64) % 12 + 1.0
        elif field == "day":
            values = (calendar - months).astype(np.float64) + 1.0
        elif field == "weekday":
            values = (whole + 3) % 7
        else:
            values = np.round((days - whole) * 24, 6)
        values[missing] = np.nan
        made.append(values)
    return made


def is_compact_date(values: Array) -> bool:
    """Return whether all whole numbers are dates such as 20190323."""
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() < 19000101 or finite.max() > 21001231:
        return False
    month, day = finite // 100 % 100, finite % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def find_clock(text: Words) -> bool:
    """Return whether every word is a time of day, such as ``12am`` or ``08:30``."""
    valid = text.drop_null()
    head = valid[:1].to_pylist()
    if not head or not re.match(r"^[0-9]{1,2}(:[0-9]{2}|\s*[AaPp])", head[0]):
        return False
    with_sign = pc.match_substring_regex(valid, "[:AaPp]")
    return bool(pc.all(with_sign).as_py()) and not bool(np.isnan(hours(valid)).any())


def hours(text: Words) -> Array:
    """Times of day as hours with fractions, NaN where there is none."""
    fields = pc.extract_regex(text, pattern=_TIME)
    valid = fields.is_valid()
    hour, minute, second = (_whole(fields.field(i), valid) for i in range(3))
    half = pc.utf8_lower(fields.field(3))
    late = pc.starts_with(half, "p").to_numpy(zero_copy_only=False)
    early = pc.starts_with(half, "a").to_numpy(zero_copy_only=False)
    bad = (minute > 59) | (second > 59) | (hour > np.where(late | early, 12, 24))
    hour = np.where((late | early) & (hour == 12), 0.0, hour) + 12.0 * late
    values = hour + minute / 60 + second / 3600
    values[bad | ~valid.to_numpy(zero_copy_only=False)] = np.nan
    return np.asarray(values, dtype=np.float64)


def _whole(field: Any, valid: Any) -> Array:
    filled = pc.if_else(pc.and_(valid, pc.not_equal(field, "")), field, "0")
    return np.asarray(pc.cast(filled, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def natural_order(levels: list[str]) -> list[str] | None:
    """Names of months or weekdays in calendar order; None for anything else."""
    lower = [level.lower().rstrip(".") for level in levels]
    for calendar in (MONTHS, WEEKDAYS):
        places = {name: i for i, name in enumerate(calendar)} | {n[:3]: i for i, n in enumerate(calendar)}
        if len(levels) > 1 and all(name in places for name in lower):
            return [level for _, level in sorted(zip((places[n] for n in lower), levels, strict=True))]
    return None
