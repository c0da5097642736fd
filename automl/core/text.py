"""Numbers and addresses as people read them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def duration(seconds: float) -> str:
    """``0.4s``, ``12s``, ``3m05s``, ``2h10m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 120:
        return f"{seconds:.0f}s"
    if seconds < 7200:
        return f"{int(seconds // 60)}m{int(seconds % 60):02d}s"
    return f"{int(seconds // 3600)}h{int(seconds % 3600 // 60):02d}m"


def printable(text: str, *, lines: bool = True) -> str:
    """``text`` without control characters, which could move a terminal's cursor or change its colours.

    Parameters
    ----------
    lines:
        Whether ends of lines stay.
    """
    return "".join(sign if sign.isprintable() or (lines and sign == "\n") else "�" for sign in text)


def wait_text(milliseconds: float) -> str:
    """``96 ms``, ``9,800 ms``, ``31 s``."""
    return f"{milliseconds:,.0f} ms" if milliseconds < 9_999.5 else f"{milliseconds / 1000:,.0f} s"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 category``, ``1,234 categories``."""
    many = plural or (f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s")
    return f"{number:,} {noun if number == 1 else many}"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def flag(option: str, column: object, meaning: str = "") -> str:
    """An option about a column as it is typed in a shell: ``--drop age``, ``--kind 'zip code=category'``."""
    return f"--{option} {shlex.quote(f'{column}={meaning}' if meaning else str(column))}"


def score_text(value: float, digits: int = 5) -> str:
    """Five significant digits, and no exponent where a whole number below a billion has more: ``245678``."""
    if 10**digits - 0.5 <= abs(value) < 1e9:
        return f"{value:.0f}"
    text = f"{value:.{digits}g}"
    while text in ("1", "-1") and abs(value) < 1 and digits < 12:  # 0.999998 must not read as 1
        digits += 1
        text = f"{value:.{digits}g}"
    return text


def value_text(value: object, digits: int = 5) -> str:
    """A setting or parameter for people: ``yes``, ``0.031``, ``a b``."""
    if isinstance(value, bool) or value is None:
        return "none" if value is None else "yes" if value else "no"
    if isinstance(value, float):
        return score_text(value, digits)
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    return " ".join(map(str, value))


def signed_text(value: float, digits: int = 4) -> str:
    """A score with its sign: ``+0.0125``."""
    return f"{'-' if value < 0 else '+'}{score_text(abs(value), digits)}"


def range_text(low: float, high: float, digits: int = 5, *, between: str = " to ") -> str:
    """``0.91 to 0.95``, with as many digits as it takes to tell the ends apart; one number for equal ends."""
    if low == high:
        return score_text(low, digits)
    while digits < 12 and score_text(low, digits) == score_text(high, digits):
        digits += 1
    return f"{score_text(low, digits)}{between}{score_text(high, digits)}"


def interval_text(score: Mapping[str, Any]) -> str:
    """``0.987  95 % interval 0.971 … 0.995, HOW`` of a score as it stands in a search's JSON."""
    ends = range_text(score["low"], score["high"], between=" … ")
    how = score.get("how") or f"{score['rows']:,} untouched rows"
    return f"{score_text(score['value'])}  95 % interval {ends}, {how}"


def share_text(share: float, digits: int = 0) -> str:
    """``52%``; ``100%`` and ``0%`` only where it is all or nothing, else with more digits: ``99.97%``."""
    for more in range(digits, digits + 3):
        text = f"{share:.{more}%}"
        if float(text[:-1]) not in (0.0, 100.0) or share in (0.0, 1.0):
            return text
    return f"less than {10.0**-more:g}%" if share < 0.5 else f"more than {100 - 10.0**-more:g}%"


def weight_texts(weights: Sequence[float]) -> list[str]:
    """Parts of a whole as percentages that add up to 100 as printed; only a 0 reads 0%.

    The largest remainders are rounded up (Hamilton's method), with the digits that the smallest part needs.
    """
    total = sum(weights)
    if not total > 0:
        return ["0%" for _ in weights]
    for digits in range(4):
        units = 100 * 10**digits
        exact = [units * weight / total for weight in weights]
        made = [int(part) for part in exact]
        order = sorted(range(len(exact)), key=lambda place: made[place] - exact[place])
        for place in order[: units - sum(made)]:
            made[place] += 1
        if all(part or not weight for part, weight in zip(made, weights, strict=True)):
            break
    return [f"{part / 10**digits:.{digits}f}%" for part in made]


def quoted(text: str, most: int = 60) -> str:
    """A cell in quotes; an ellipsis marks where it is cut: ``'Mr. Owen Harr…'``."""
    return repr(text if len(text) <= most else f"{text[: most - 1]}…")


def label_text(label: object) -> str:
    """A class as people write it: ``3`` for a column of whole numbers that was read as 3.0."""
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def whole_percents(shares: Sequence[float]) -> list[int]:
    """Shares of a whole in percents that add up to 100: the largest remainders are rounded up."""
    total = sum(shares)
    if not total:
        return [0] * len(shares)
    exact = [100 * share / total for share in shares]
    percents = [int(percent) for percent in exact]
    by_rest = sorted(range(len(exact)), key=lambda place: (percents[place] - exact[place], place))
    for place in by_rest[: 100 - sum(percents)]:
        percents[place] += 1
    return percents


def size_text(size: float) -> str:
    """``812 B``, ``3.4 MB``."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""
