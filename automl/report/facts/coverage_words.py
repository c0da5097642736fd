"""The intervals or sets of classes of a champion in words, for the report and the card."""

from __future__ import annotations

from automl.core.predictions import Answer
from automl.core.score_intervals import share_interval
from automl.core.text import range_text, score_text, share_text
from automl.report.facts.evidence import Evidence

_SIZES = {Answer.NUMBERS: "mean width", Answer.CLASSES: "mean number of classes"}
_TITLES = {Answer.NUMBERS: "Intervals", Answer.CLASSES: "Sets of classes"}


def coverage_title(evidence: Evidence) -> str:
    """``Intervals`` or ``Sets of classes``."""
    return _TITLES[evidence.task.answer]


def coverage_head(evidence: Evidence) -> tuple[str, ...]:
    """The columns of :func:`coverage_rows`."""
    size = _SIZES[evidence.task.answer]
    return ("level", size, "truth inside", "its 95 % interval") if _measured(evidence) else ("level", size)


def coverage_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """A row per level: its size, and where untouched rows measured it, the coverage."""
    rows: list[tuple[str, ...]] = []
    for item in evidence.story.coverage:
        row: tuple[str, ...] = (share_text(item["level"]), score_text(item["size"], 4))
        if _measured(evidence):
            ends = share_interval(item["inside"], item["rows"])
            row += (share_text(item["inside"] / item["rows"], 1), range_text(*ends, 3))
        rows.append(row)
    return rows


def coverage_words(evidence: Evidence) -> str:
    """The promise of the levels, and the rows that the figures stand on."""
    story = evidence.story
    promise = (
        "`automl predict --interval` bounds each prediction by the errors on held-out rows. A level holds "
        f"for {story.holds_for}, over all of them together and not for each kind of row."
    )
    if _measured(evidence):
        rows = f"{story.coverage[0]['rows']:,.0f}"
        if story.weighting:
            return f"{promise} Measured by weight on untouched rows, {rows} of them effective."
        return f"{promise} Measured on {rows} untouched rows."
    return f"{promise} Sizes are those on held-out rows; no untouched rows measured the coverage."


def _measured(evidence: Evidence) -> bool:
    return bool(evidence.story.coverage_untouched)
