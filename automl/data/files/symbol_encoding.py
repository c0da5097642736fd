"""Files whose only bytes beyond ASCII are symbols: the places of the symbols reveal the encoding.

In the code pages of Windows these bytes are quotes, dashes, currencies and units; in others they are letters.
A symbol counts if it is in a plausible place: a currency beside a number, a quote at the edge of a word, a
degree sign after a digit. Then the encoding is the western code page, from which nearly all such files come.
"""

from __future__ import annotations

import re

_QUOTES = "‘’“”‚„‹›«»–—…•·§©®™‰\u00a0"
# For each symbol: the text before and after it.
_PLACES = (
    # English contractions: with the Macintosh's acute i in this place they would not be words
    re.compile(r"(?<=[A-Za-z])’(?=(?:s|t|d|m|ll|re|ve|S|T|D|M|LL|RE|VE)(?![A-Za-z]))"),
    re.compile(rf"(?<![A-Za-z])[{_QUOTES}]|[{_QUOTES}](?![A-Za-z])"),
    re.compile(r"(?<![A-Za-z])[€£¥¢±×÷](?![A-Za-z])"),
    re.compile(r"(?<![A-Za-z])[½¼¾](?![A-Za-z])|(?<=[0-9 ])[½¼¾](?=[A-Za-z]{1,3}(?![A-Za-z]))"),
    re.compile(r"(?<=[0-9 ])°(?=[CFKNSEWO]?(?![A-Za-z]))"),
    re.compile(r"(?<![A-Za-z])µ(?=(?:g|m|l|L|s|A|V|W|F|M|mol|Sv|Gy|T)(?![A-Za-z]))"),
    re.compile(r"(?:(?<=[0-9])|(?<=\bm)|(?<=\b[ckmdf][mt])|(?<=\bin)|(?<=\byd))[¹²³](?![A-Za-z])"),
    re.compile(r"(?:(?<=[0-9])|(?<=\b[nN]))[ºª](?![A-Za-z])"),
)
_TOGETHER = re.compile(r"[^\x00-\x7f\u00a0]{2}|\u00a0{2}")
_BEYOND = re.compile(r"[^\x00-\x7f]")


def is_spelled_by_signs(words: bytes) -> bool:
    """Return whether all bytes beyond ASCII are symbols of Windows' western code page in plausible places."""
    try:
        text = words.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if _TOGETHER.search(text):  # rather halves of two-byte letters
        return False
    placed = {match.start() for pattern in _PLACES for match in pattern.finditer(text)}
    return all(match.start() in placed for match in _BEYOND.finditer(text))
