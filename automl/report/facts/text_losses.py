"""The judged rows with the largest losses, as texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.core.predictions import Answer
from automl.core.text import label_text, score_text
from automl.data.layout import Layout
from automl.model.source_columns import text_columns
from automl.report.facts.evidence import Evidence
from automl.report.facts.label_errors import probably_wrong

_WORST = 10
_CHARACTERS = 400


@dataclass(frozen=True, kw_only=True)
class TextLoss:
    """A judged row whose prediction is among the worst.

    Attributes
    ----------
    number:
        Its number in the data, from 1, as in :meth:`Evidence.number`.
    truth, answer:
        The true and the predicted class or value.
    probability:
        The probability of the true class; an empty text for numbers.
    doubtful:
        Whether to check the label: it may be wrong.
    texts:
        The row's text columns and the beginnings of their texts.
    """

    number: int
    truth: str
    answer: str
    probability: str
    doubtful: bool
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TextLosses:
    """The worst of a number of judged rows."""

    judged: int = 0
    rows: tuple[TextLoss, ...] = ()


def text_losses(evidence: Evidence, layout: Layout) -> TextLosses:
    """The rows with the largest losses among those whose features are at hand; none without texts."""
    sample = evidence.sample
    if sample is None or not sample.table.texts:
        return TextLosses()
    places, task = sample.places, evidence.task
    target, raw = evidence.target[places], np.asarray(evidence.raw, dtype=np.float64)[places]
    predictions = evidence.predictions[places]
    losses = task.row_losses(target, raw)
    names = text_columns(sample.table, layout)
    classes = task.answer is Answer.CLASSES
    wrong = probably_wrong(target.astype(np.int64), raw) if classes else np.zeros(len(places), dtype=bool)
    labels = [label_text(name) for name in task.labels]
    rows = []
    for row in np.argsort(-losses, kind="stable")[:_WORST]:
        texts = tuple(
            (name, _beginning(column[row])) for name, column in zip(names, sample.table.texts, strict=True)
        )
        rows.append(
            TextLoss(
                number=evidence.number(int(places[row])),
                truth=labels[int(target[row])] if classes else score_text(float(target[row])),
                answer=labels[int(predictions[row].argmax())]
                if classes
                else score_text(float(predictions[row, 0])),
                probability=score_text(float(raw[row, int(target[row])]), 3) if classes else "",
                doubtful=bool(wrong[row]),
                texts=texts,
            )
        )
    return TextLosses(len(places), tuple(rows))


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CHARACTERS else f"{line[: _CHARACTERS - 1]}…"
