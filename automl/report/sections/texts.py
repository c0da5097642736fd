"""Texts of the report: those with the largest losses, and the parts that moved a prediction."""

from __future__ import annotations

from automl.core.text import signed_text
from automl.model.text_parts import MarkedText, TextPart, strongest
from automl.report.facts.single_rows import SingleRow
from automl.report.facts.subject import Subject
from automl.report.sections.markup import Markup, joined, section, table, tag

_SHADES, _LINES = 4, 5
_CHARACTERS = 1500


def texts_section(subject: Subject) -> Markup:
    """The texts with the largest losses, and some texts with the effects of their parts."""
    losses, marked = subject.text_losses, [row for row in subject.single_rows if row.texts]
    if not losses.rows and not marked:
        return Markup("")
    parts: list[Markup] = []
    if marked:
        how = (
            "The rows of the section above. A word is marked in blue where the held-out prediction is higher "
            "with it than without it, in orange where it is lower; the darker, the more. The same holds for "
            "whole sentences, the strongest of which are underlined. Point at one to see the number."
        )
        parts += [tag("h3", "What moved a prediction"), tag("p", how, class_="muted")]
        parts += [_marked_row(row) for row in marked]
    if losses.rows:
        how = (
            f"The worst of {losses.judged:,} held-out rows. Where it says to check the label, the model "
            "gives another class at least the probability that it usually gives to rows of that class: the "
            "label may be wrong, or the model misreads the text."
        )
        with_odds = any(row.probability for row in losses.rows)
        head = ("row", "true", "predicted", *(("probability of true",) if with_odds else ()), "text")
        rows = [
            (
                f"{row.number:,}",
                _words(row.truth),
                _words(row.answer),
                *((f"{row.probability}{', check the label' if row.doubtful else ''}",) * with_odds),
                _cells(row.texts),
            )
            for row in losses.rows
        ]
        parts += [
            tag("h3", "The largest losses"),
            tag("p", how, class_="muted"),
            tag("div", table(head, rows, words=(1, 2, 3, len(head) - 1)), class_="texts"),
        ]
    return section("texts", "Texts", *parts)


def _words(value: str) -> Markup:
    """Text in its own direction."""
    return tag("bdi", value)


def _cells(texts: tuple[tuple[str, str], ...]) -> Markup:
    if len(texts) == 1:
        return tag("div", texts[0][1], dir="auto")
    return joined(
        tag("div", tag("span", f"{name}: ", class_="muted"), tag("bdi", text)) for name, text in texts
    )


def _marked_row(row: SingleRow) -> Markup:
    about = f"{row.title}: row {row.number:,}, true {row.truth}, predicted {row.answer}; the {row.unit}."
    named = len(row.texts) > 1
    texts = [_marked(text, named=named) for text in row.texts]
    return tag("div", tag("p", about, class_="muted"), *texts, class_="marked")


def _marked(marked: MarkedText, *, named: bool) -> Markup:
    """The text with its parts in colours, cut around the strongest one where it is long."""
    top = strongest(marked.words, 1)
    begin = max(0, top[0].start - _CHARACTERS // 2) if top and len(marked.text) > _CHARACTERS else 0
    end = min(len(marked.text), begin + _CHARACTERS)
    lines = {part.start: part for part in _underlined(marked) if begin <= part.start and part.stop <= end}
    pieces: list[object] = ["… "] if begin else []
    place = begin
    for part in sorted(lines.values(), key=lambda part: part.start):
        pieces += _words_between(marked, place, part.start, top)
        kind = f"sentence {'raises' if part.effect > 0 else 'lowers'}"
        inner = _words_between(marked, part.start, part.stop, top)
        pieces.append(tag("span", *inner, class_=kind, title=signed_text(part.effect, 2)))
        place = part.stop
    pieces += _words_between(marked, place, end, top)
    if end < len(marked.text):
        pieces.append(" …")
    text = tag("p", *pieces, dir="auto", aria_label=marked.column)
    return joined([tag("div", tag("bdi", marked.column), class_="muted"), text], "") if named else text


def _underlined(marked: MarkedText) -> list[TextPart]:
    """The strongest sentences: those with half the largest effect or more."""
    order = strongest(marked.sentences, _LINES)
    return [part for part in order if abs(part.effect) >= abs(order[0].effect) / 2]


def _words_between(marked: MarkedText, begin: int, end: int, top: list[TextPart]) -> list[object]:
    """A stretch of the text with the words in it marked."""
    largest, pieces, place = abs(top[0].effect) if top else 0.0, list[object](), begin
    for part in sorted(marked.words, key=lambda part: part.start):
        if place <= part.start and part.stop <= end:
            pieces += [marked.text[place : part.start], _part(marked.text, part, largest)]
            place = part.stop
    return [*pieces, marked.text[place:end]]


def _part(text: str, part: TextPart, largest: float) -> object:
    words = text[part.start : part.stop]
    shade = round(_SHADES * abs(part.effect) / largest) if largest else 0
    if not shade:
        return words
    kind = f"{'up' if part.effect > 0 else 'down'}-{shade}"
    return tag("mark", words, class_=kind, title=signed_text(part.effect, 2))
