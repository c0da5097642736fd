"""Files whose only bytes beyond ASCII are signs: no letters tell their encoding, the places of the signs do.

In the code pages of Windows these bytes are quotes, dashes, currencies and units; in others they are letters.
A sign counts where it may stand: a currency beside a number, a quote at the edge of a word, a degree behind a
digit. Windows' western page, from which nearly all such files come, is then meant.
"""

from __future__ import annotations

import re

_QUOTES = "‘’“”‚„‹›«»–—…•·§©®™‰\u00a0"
# Sign by sign: what stands before it, and behind it.
_PLACES = (
    # English contractions: what an acute i of the Macintosh would make of them is no word
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
    """Whether all bytes beyond ASCII are signs of Windows' western code page, each where it may stand."""
    try:
        text = words.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if _TOGETHER.search(text):  # rather halves of letters of two bytes
        return False
    placed = {match.start() for pattern in _PLACES for match in pattern.finditer(text)}
    return all(match.start() in placed for match in _BEYOND.finditer(text))
