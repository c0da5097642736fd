"""Durations, as seconds."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.table import Array
from automl.data.cells.plain import Mask, Words, without_placeholders

DURATIONS, HOURS, MINUTES = "hours:minutes:seconds", "hours:minutes", "minutes:seconds"
# 3:04:05, 45:10 (minutes), 0 days 00:12:30 as pandas writes them, PT3H4M as ISO 8601 does, 1h 20m
_CLOCK = r"^-?(?:[0-9]+ days?,? ?\+?)?[0-9]{1,4}:[0-5]?[0-9](?::[0-5]?[0-9](?:[.][0-9]+)?)?$"
_FRACTION = r"^-?[0-9]{1,4}:[0-5]?[0-9][.,][0-9]+$"  # of seconds: 18:08.5
_SHORT = r"^-?[0-9]{1,4}:[0-5][0-9]$"
_ISO = r"^-?P(?:[0-9]+D)?(?:T(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:[.][0-9]+)?S)?)?$"
_LETTERS = (
    r"^(?i:(?:[0-9]+ ?d(?:ays?)? ?)?(?:[0-9]+ ?h(?:ours?|rs?)? ?)?(?:[0-9]+ ?m(?:in(?:ute)?s?)? ?)?"
    r"(?:[0-9]+(?:[.][0-9]+)? ?s(?:ec(?:ond)?s?)?)?)$"
)
_LIKE = re.compile(f"{_CLOCK}|{_FRACTION}|{_ISO}|{_LETTERS}")


def seconds_of(column: pd.Series[Any]) -> Array:
    """A column of pandas' or NumPy's durations as seconds, NaN where there is none."""
    ticks = column.to_numpy(dtype="timedelta64[us]")
    values = ticks.astype(np.int64) / 1e6
    values[np.isnat(ticks)] = np.nan
    return np.asarray(values, dtype=np.float64)


def find_durations(text: Words) -> str | None:
    """The style in which every word is a duration, or None.

    ``8:30`` means hours and minutes, unless some word begins with more than 24 or has three numbers
    or fractions.
    """
    distinct: list[str] = without_placeholders(text).unique().drop_null().to_pylist()
    if not distinct or not all(_LIKE.match(word) for word in distinct):
        return None
    short = [word for word in distinct if re.match(_SHORT, word)]
    if not short:
        style = DURATIONS
    elif len(short) < len(distinct) or any(int(word.strip("-").split(":")[0]) > 24 for word in short):
        style = MINUTES
    else:
        style = HOURS
    return None if read_durations(text, style)[1].any() else style


def read_durations(text: Words, style: str = DURATIONS) -> tuple[Array, Mask]:
    """Words as seconds, NaN for missing ones, and a mask of those that are not durations.

    Parameters
    ----------
    style:
        What ``8:30`` means: :data:`HOURS` (and minutes) or :data:`MINUTES` (and seconds).
    """
    text = without_placeholders(text)
    distinct = text.dictionary_encode()
    words = distinct.dictionary
    words = pc.replace_substring(words, ",", ".") if _has_fractions(words) else words
    zero, colon = pa.scalar("00", words.type), pa.scalar(":", words.type)
    minutes = pc.binary_join_element_wise(zero, words, colon)
    short = minutes if style == MINUTES else pc.binary_join_element_wise(words, zero, colon)
    whole = pc.if_else(pc.match_substring_regex(words, _SHORT), short, words)
    whole = pc.if_else(pc.match_substring_regex(words, _FRACTION), minutes, whole).to_pylist()
    like = [word if _LIKE.match(word) else None for word in whole]
    parsed = pd.to_timedelta(pd.Series(like, dtype="object"), errors="coerce")
    seconds = np.append(seconds_of(parsed), np.nan)
    values = seconds[distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    bad = np.isnan(values) & np.asarray(text.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    return values, bad


def _has_fractions(words: Words) -> bool:
    return bool(pc.any(pc.match_substring_regex(words, "[0-9]:[0-9]{1,2},[0-9]+$")).as_py())
