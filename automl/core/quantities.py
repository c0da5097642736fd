"""Durations and sizes as people write them: ``10m``, ``4GB``."""

from __future__ import annotations

import math
import re

from automl.core.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def parse_seconds(text: str | float) -> float:
    """Seconds of ``"60s"``, ``"10m"``, ``"1h30m"``, ``90`` or ``"90"``.

    Raises
    ------
    UsageError
        For anything else, and for less than one second.
    """
    if not isinstance(text, str):  # NumPy's numbers among them
        seconds = float(text)
    else:
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*(min|[smhd])?", text.strip().lower())
        joined = "".join(number + unit for number, unit in parts)
        if not parts or joined != re.sub(r"\s+", "", text.strip().lower()):
            raise UsageError(f"{text!r} is not a duration. Write it like 60s, 10m or 1h30m.")
        seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if not 1 <= seconds < 10_000_000:
        raise UsageError(f"{seconds:g} s is out of range: from one second to 115 days.")
    return seconds


def parse_bytes(text: str | float) -> int:
    """Bytes of ``"4GB"``, ``"512MB"`` or a number; powers of 1024.

    Raises
    ------
    UsageError
        For anything else.
    """
    if not isinstance(text, str):
        if not 0 <= float(text) < math.inf:
            raise UsageError(f"{text} is not a size. Write it like 4GB or 512MB.")
        return int(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().lower())
    if match is None:
        raise UsageError(f"{text!r} is not a size. Write it like 4GB or 512MB.")
    return int(float(match[1]) * 1024 ** "_kmgt".index(match[2] or "_"))
