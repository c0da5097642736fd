"""Cells of a column in one of two plain forms: trimmed words (missing is null), or float64 numbers."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.table import Array

Mask = npt.NDArray[np.bool_]
Words = Any  # a pyarrow string or large_string array; pyarrow ships no types

# What pandas.read_csv reads as missing (pandas 3.1, pandas/_libs/parsers.pyx), including the blank.
MISSING_WORDS = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
)
# In a column of numbers these mean a missing value.
PLACEHOLDERS = ("?", "-", "--", ".", "NaT")
EXACT = 2.0**53  # above it float64 skips whole numbers


def words(column: pd.Series[Any]) -> Words:
    """The column as trimmed text; blanks and missing values are null."""
    text = raw_words(column)
    text = pc.utf8_trim_whitespace(text if text.type == pa.large_string() else text.cast(pa.large_string()))
    blank = pc.equal(text, "")
    if pc.any(blank).as_py():
        text = pc.if_else(blank, pa.scalar(None, text.type), text)
    return text


def raw_words(column: pd.Series[Any]) -> Words:
    """The column as text with its blanks; missing values are null."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        levels = words(pd.Series(dtype.categories))
        codes = column.cat.codes.to_numpy()
        return levels.take(pa.array(codes, mask=codes < 0))
    if isinstance(dtype, pd.StringDtype) or dtype.kind == "O":
        try:
            plain = column.to_numpy() if isinstance(dtype, np.dtype) else column.array
            text = pa.array(plain, from_pandas=True)
        except (pa.ArrowInvalid, TypeError, pa.ArrowNotImplementedError, UnicodeError, OverflowError):
            text = None  # several types in one column, or half of a surrogate pair
        if text is not None:
            if isinstance(text, pa.ChunkedArray):
                text = text.combine_chunks()
            if pa.types.is_string(text.type) or pa.types.is_large_string(text.type):
                return text
            if pa.types.is_boolean(text.type):
                return pc.if_else(text, *(pa.scalar(word, pa.large_string()) for word in ("True", "False")))
            if pa.types.is_null(text.type):
                return text.cast(pa.large_string())
    try:
        codes, distinct = pd.factorize(column, use_na_sentinel=True)
    except (TypeError, NotImplementedError):  # lists and other cells that cannot be hashed
        missing = column.isna().to_numpy()
        cells = zip(column, missing, strict=True)
        return pa.array([None if gone else text_of(cell) for cell, gone in cells], pa.large_string())
    texts = pa.array([text_of(value) for value in distinct], pa.large_string())
    return texts.take(pa.array(codes, mask=codes < 0))


def distinct_codes(column: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """A number per distinct cell, -1 for missing; cells that cannot be hashed are compared by their text."""
    try:
        codes = pd.factorize(column)[0]
    except (TypeError, NotImplementedError):
        codes = pd.factorize(pd.Series(words(column).to_numpy(zero_copy_only=False), dtype="object"))[0]
    return np.asarray(codes, dtype=np.int64)


def text_of(value: Any) -> str:
    """One value as text, whatever the type of its column: 3, 3.0 and "3" are equal."""
    if isinstance(value, np.datetime64):  # its item may be a whole number of nanoseconds
        return str(np.datetime_as_string(value)).replace("T", " ")
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, np.ndarray):  # as parquet holds a list
        plain = plain.tolist()
    if isinstance(plain, str):
        return plain.encode("utf-8", "replace").decode("utf-8")
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < EXACT:
        return str(int(plain))
    if isinstance(plain, bytes):
        return plain.decode("utf-8", "replace")
    if isinstance(plain, datetime | date):
        return plain.isoformat(sep=" ") if isinstance(plain, datetime) else plain.isoformat()
    return str(plain)


def is_numeric(column: pd.Series[Any]) -> bool:
    """Return whether the column has a numeric type (booleans do not count)."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not (
        pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype)
    )


def numbers(column: pd.Series[Any]) -> Array:
    """A numeric column as float64, missing as NaN."""
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def flags(mask: Any) -> Mask:
    """A pyarrow mask as a NumPy mask; nulls become False."""
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def parse_numbers(text: Words, *, decimal: str = ".") -> tuple[Array, Mask]:
    """Words as numbers, and a mask of the words that are not numbers (NaN there, as for nulls).

    Nulls and placeholders such as ``?`` count as missing, not as bad.
    """
    if decimal == ",":
        text = _where_grouped(text, ".", _DECIMAL_COMMA)
        text = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    elif decimal == "1,000":
        text = pc.replace_substring(_where_grouped(text, ",", _THOUSANDS), ",", "")
    try:
        return _floats(text), np.zeros(len(text), dtype=np.bool_)
    except pa.ArrowInvalid:
        pass
    text = without_placeholders(text)
    try:
        return _floats(text), np.zeros(len(text), dtype=np.bool_)
    except pa.ArrowInvalid:
        pass
    good = pc.fill_null(pc.match_substring_regex(text, NUMBER.pattern), False)
    values = _floats(pc.if_else(good, text, pa.scalar(None, text.type)))
    bad = pc.and_(pc.invert(good), pc.is_valid(text)).to_numpy(zero_copy_only=False)
    return values, bad


NUMBER = re.compile(r"^(?i:[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?)$")
_DECIMAL_COMMA = r"^[+-]?([0-9]+|[0-9]{1,3}([.][0-9]{3})+)(,[0-9]+)?([eE][+-]?[0-9]+)?$"
_THOUSANDS = r"^[+-]?([1-9][0-9]{0,2}(,[0-9]{3})+([.][0-9]+)?|[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?)$"


def _where_grouped(text: Words, sign: str, pattern: str) -> Words:
    """The words, made invalid where a separator is not between thousands."""
    if not pc.any(pc.match_substring(text, sign)).as_py():
        return text
    text = without_placeholders(text)
    astray = pc.and_(pc.match_substring(text, sign), pc.invert(pc.match_substring_regex(text, pattern)))
    return pc.if_else(pc.fill_null(astray, False), pa.scalar("not a number", text.type), text)


def _floats(text: Words) -> Array:
    values = pc.cast(text, pa.float64())
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64).copy()


def without_placeholders(text: Words) -> Words:
    """The words, null where they mean a missing value."""
    named = pc.is_in(text, value_set=pa.array([*MISSING_WORDS, *PLACEHOLDERS], text.type))
    return pc.if_else(named, pa.scalar(None, text.type), text)


def looks_numeric(text: Words) -> bool:
    """Return whether the first word might be a number: a cheap test before parsing the whole column."""
    for value in text[:1000].drop_null()[:1].to_pylist():
        return bool(value[:1] in "+-.?0123456789 \t" or value[:3].lower() in ("inf", "nan", "nat"))
    return True


def decimal_style(text: Words, *, european: bool = False) -> str | None:
    """The meaning of commas in numbers: ``,`` decimal comma, ``1,000`` thousands, None neither.

    ``european`` prefers a decimal comma for 1,234, because values are separated by another character.
    """
    text = without_placeholders(text)
    with_comma = pc.any(pc.match_substring(text, ",")).as_py()
    if not with_comma:
        return None
    thousands = pc.all(pc.match_substring_regex(text, _THOUSANDS)).as_py()
    if thousands and (not european or pc.any(pc.match_substring_regex(text, r",[0-9]{3}[.,]")).as_py()):
        return "1,000"
    if pc.all(pc.match_substring_regex(text, _DECIMAL_COMMA)).as_py():
        return ","
    return None


def has_leading_zeros(text: Words) -> bool:
    """Return whether whole numbers are written with leading zeros, as codes are (``00417``)."""
    starts = pc.fill_null(pc.starts_with(text, "0"), False)
    if not pc.any(starts).as_py():
        return False
    return bool(pc.any(pc.match_substring_regex(pc.filter(text, starts), "^0[0-9]+$")).as_py())
