"""The parts of a text that moved a prediction: its change when each of them is left out (occlusion)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from automl.core.table import Table
from automl.model.prediction_pace import Array, PredictionPace

Scores = Callable[[Table], Array]
"""The explained number of every row of a table, ``(rows,)``."""
MOST_PARTS = 60
"""Parts into which a text is cut at first; the strongest ones may then be cut further."""
_LEAST_PARTS = 8
_REFINED = 3
# Two characters of a script without blanks, or a word with the signs around it.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]{1,2}|[^\s぀-ヿ㐀-䶿一-鿿豈-﫿]+")
_SENTENCE = re.compile(r"[^.!?。！？؟।\n]+[.!?。！？؟।\n]*")

Span = tuple[int, int]


@dataclass(frozen=True)
class TextPart:
    """A part of a text, ``text[start:stop]``, and by how much it raises the explained number."""

    start: int
    stop: int
    effect: float


@dataclass(frozen=True)
class MarkedText:
    """A text with the effects of its parts, in their order.

    Attributes
    ----------
    column:
        The text's column in the user's data.
    parts:
        They do not overlap: words, or sentences of a long text, the strongest of which are cut into words.
    """

    column: str
    text: str
    parts: tuple[TextPart, ...]

    def strongest(self, most: int) -> list[TextPart]:
        """The parts with the largest effects, by their size; none without an effect."""
        moving = [part for part in self.parts if part.effect]
        return sorted(moving, key=lambda part: -abs(part.effect))[:most]

    def to_json(self) -> dict[str, Any]:
        """Plain data: ``column``, and ``parts`` with their ``text``, ``start``, ``stop`` and ``effect``."""
        parts = [
            {
                "text": self.text[part.start : part.stop],
                "start": part.start,
                "stop": part.stop,
                "effect": part.effect,
            }
            for part in self.parts
        ]
        return {"column": self.column, "parts": parts}


def marked_texts(
    scores: Scores, row: Table, names: Sequence[str], *, until: float, pace: PredictionPace
) -> tuple[MarkedText, ...]:
    """The texts of one row with the effects of their parts, as far as there is time.

    Parameters
    ----------
    row:
        A table of one row.
    names:
        The columns of the user's data that its text features were made from.
    until:
        Monotonic seconds.

    Returns
    -------
    tuple of MarkedText
        Without empty texts, and without those for which no time is left.
    """
    made = []
    for place, name in enumerate(names):
        now = time.monotonic()
        by = now + (until - now) / (len(names) - place)
        parts = _Occlusion(scores, row, place, until=by, pace=pace).parts()
        if parts:
            made.append(MarkedText(name, row.texts[place][0], tuple(parts)))
    return tuple(made)


class _Occlusion:
    """Leaves out parts of one text of a row."""

    def __init__(self, scores: Scores, row: Table, place: int, *, until: float, pace: PredictionPace) -> None:
        self.scores, self.row, self.place = scores, row, place
        self.until, self.pace = until, pace
        self.text = str(row.texts[place][0])

    def parts(self) -> list[TextPart]:
        """All parts with their effects."""
        most = int(min(MOST_PARTS, self.pace.affords(self.until) - 1))
        all_words = _spans(_WORD, self.text)
        if not all_words or most < min(len(all_words), _LEAST_PARTS):
            return []
        whole = float(self.scores(self.row)[0])
        parts = self._effects(cut(self.text, most), whole)
        for part in sorted(parts, key=lambda part: -abs(part.effect))[:_REFINED]:
            words = _within(part, all_words)
            if 1 < len(words) <= min(MOST_PARTS, self.pace.affords(self.until)):
                place = parts.index(part)
                parts[place : place + 1] = self._effects(words, whole)
        return parts

    def _effects(self, spans: Sequence[Span], whole: float) -> list[TextPart]:
        without = np.array([f"{self.text[:start]} {self.text[stop:]}" for start, stop in spans], dtype=object)
        block, made = max(1, int(self.pace.block)), []
        for first in range(0, len(spans), block):
            changed = without[first : first + block]
            rows = self.row.take(np.zeros(len(changed), dtype=np.int64))
            texts = list(rows.texts)
            texts[self.place] = changed
            began = time.monotonic()
            made.append(whole - self.scores(replace(rows, texts=tuple(texts))))
            self.pace.saw(len(changed), time.monotonic() - began)
        effects = np.concatenate(made)
        return [TextPart(*span, float(effect)) for span, effect in zip(spans, effects, strict=True)]


def cut(text: str, most: int) -> list[Span]:
    """Words of a text; where there are more than ``most``, sentences or so many equal pieces."""
    words = _spans(_WORD, text)
    if len(words) <= most:
        return words
    sentences = [span for span in _spans(_SENTENCE, text) if text[span[0] : span[1]].strip()]
    if not 2 <= len(sentences) <= most:
        pieces = max(1, min(most, len(words)))
        edges = np.linspace(0, len(words), pieces + 1).round().astype(int)
        sentences = [(words[first][0], words[last - 1][1]) for first, last in pairwise(edges)]
    return sentences


def _spans(pattern: re.Pattern[str], text: str) -> list[Span]:
    return [match.span() for match in pattern.finditer(text)]


def _within(part: TextPart, words: Sequence[Span]) -> list[Span]:
    return [(start, stop) for start, stop in words if part.start <= start and stop <= part.stop]
