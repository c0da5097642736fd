"""Text from outside, fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` without control signs: a name in a file must not move the cursor or change colours."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in text)
