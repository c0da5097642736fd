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
"""Parts of one kind, words or sentences, that are left out at most."""
_LEAST_PARTS = 8
_REFINED = 3
# Two characters of a script without blanks, or a word with the punctuation around it.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]{1,2}|[^\s぀-ヿ㐀-䶿一-鿿豈-﫿]+")
_SENTENCE = re.compile(r"[^\s.!?。！？؟।][^.!?。！？؟।\n]*[.!?。！？؟।]*")

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
    words:
        Its words; of a long text, the words of the strongest sentences, and the other sentences as they are.
    sentences:
        Its sentences, or pieces of equal length where there are none; empty for a single one.
    """

    column: str
    text: str
    words: tuple[TextPart, ...]
    sentences: tuple[TextPart, ...] = ()

    def part(self, part: TextPart) -> str:
        """The letters of a part."""
        return self.text[part.start : part.stop]

    def to_json(self) -> dict[str, Any]:
        """Plain data: ``column``, ``words``, ``sentences`` with ``text``, ``start``, ``stop``, ``effect``."""

        def plain(parts: Sequence[TextPart]) -> list[dict[str, Any]]:
            return [
                {"text": self.part(part), "start": part.start, "stop": part.stop, "effect": part.effect}
                for part in parts
            ]

        return {"column": self.column, "words": plain(self.words), "sentences": plain(self.sentences)}


def strongest(parts: Sequence[TextPart], most: int) -> list[TextPart]:
    """The parts with the largest effects, by their size; none without an effect."""
    return sorted((part for part in parts if part.effect), key=lambda part: -abs(part.effect))[:most]


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
        words, sentences = _Occlusion(scores, row, place, until=by, pace=pace).parts()
        if words:
            made.append(MarkedText(name, row.texts[place][0], tuple(words), tuple(sentences)))
    return tuple(made)


class _Occlusion:
    """Leaves out parts of one text of a row."""

    def __init__(self, scores: Scores, row: Table, place: int, *, until: float, pace: PredictionPace) -> None:
        self.scores, self.row, self.place = scores, row, place
        self.until, self.pace = until, pace
        self.text = str(row.texts[place][0])

    def parts(self) -> tuple[list[TextPart], list[TextPart]]:
        """Words and sentences with their effects."""
        all_words = _spans(_WORD, self.text)
        affordable = int(self.pace.affords(self.until)) - 1
        if not all_words or affordable < min(len(all_words), _LEAST_PARTS):
            return [], []
        whole = float(self.scores(self.row)[0])
        sentences = self._effects(sentences_of(self.text, all_words, min(MOST_PARTS, affordable)), whole)
        if len(all_words) <= self._most():
            return self._effects(all_words, whole), sentences
        words = list(sentences)
        for sentence in strongest(sentences, _REFINED):
            within = _within(sentence, all_words)
            if len(within) <= self._most():
                place = words.index(sentence)
                words[place : place + 1] = self._effects(within, whole)
        return words, sentences

    def _most(self) -> int:
        return int(min(MOST_PARTS, self.pace.affords(self.until)))

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
        effects = np.concatenate(made) if made else np.zeros(0)
        return [TextPart(*span, float(effect)) for span, effect in zip(spans, effects, strict=True)]


def sentences_of(text: str, words: Sequence[Span], most: int) -> list[Span]:
    """The sentences of a text with these words; where they are too many, ``most`` pieces of equal length.

    Without two sentences, a text of up to 60 words is left whole, and a longer one is cut into pieces.
    """
    sentences = _spans(_SENTENCE, text)
    if 2 <= len(sentences) <= most:
        return sentences
    if len(words) <= MOST_PARTS:
        return []
    edges = np.linspace(0, len(words), max(1, most) + 1).round().astype(int)
    return [(words[first][0], words[last - 1][1]) for first, last in pairwise(edges) if first < last]


def _spans(pattern: re.Pattern[str], text: str) -> list[Span]:
    return [match.span() for match in pattern.finditer(text)]


def _within(part: TextPart, words: Sequence[Span]) -> list[Span]:
    return [(start, stop) for start, stop in words if part.start <= start and stop <= part.stop]
