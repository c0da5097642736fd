"""The views of a search's result in a notebook: a small table, and plots as matplotlib figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.core.errors import UsageError
from automl.core.predictions import Answer
from automl.core.score_intervals import Interval
from automl.core.text import duration, range_text, score_text, size_text, wait_text
from automl.report.facts.evidence import Evidence
from automl.report.facts.explain import Explanation, explain
from automl.report.facts.subject import Subject
from automl.report.figures.champion import confusion_plot, importance_plot
from automl.report.figures.search import front_plot, history_plot
from automl.report.sections.markup import tag
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import search_material
from automl.tracker.store.location import locate_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from automl.model.predictor import Predictor

_EXPLAIN_SECONDS = 20.0


def history(run_id: str, tracking_uri: str, evidence: Evidence | None) -> Figure:
    """The best so far over time of every family and of the ensemble."""
    subject = _subject(run_id, tracking_uri, evidence)
    return history_plot(
        subject.material.trials,
        subject.material.best,
        subject.clock,
        metric=subject.metric,
        greater_is_better=subject.greater_is_better,
        colours=subject.colours,
    )


def front(run_id: str, tracking_uri: str) -> Figure:
    """Score against latency and size of every trial, and of the champion."""
    subject = _subject(run_id, tracking_uri)
    rows = [trial.row for trial in subject.material.trials]
    return front_plot(
        rows,
        subject.cost_and_score,
        metric=subject.metric,
        greater_is_better=subject.greater_is_better,
        colours=subject.colours,
    )


def _subject(run_id: str, tracking_uri: str, evidence: Evidence | None = None) -> Subject:
    return Subject(material=search_material(Record(locate_store(tracking_uri)), run_id), evidence=evidence)


def explained(predictor: Predictor, evidence: Evidence | None) -> Explanation:
    """Importance and dependence of the features, on held-out rows.

    Raises
    ------
    UsageError
        If the features are not available.
    """
    explanation = None if evidence is None else explain(predictor, evidence, seconds=_EXPLAIN_SECONDS)
    if explanation is None:
        raise UsageError(
            "The features of the held-out rows are not available here. Next: `automl report NAME` reads them."
        )
    return explanation


def importance(explanation: Explanation, metric: str) -> Figure:
    """Bars of the importance of the features for the champion.

    Raises
    ------
    UsageError
        If there was not enough time to shuffle any feature alone.
    """
    if not explanation.importances:
        raise UsageError(
            f"In {duration(explanation.seconds)} no feature could be shuffled alone. Next: `automl report "
            "NAME` on an idle machine."
        )
    return importance_plot(explanation.importances, metric)


def confusion(evidence: Evidence | None) -> Figure:
    """True against predicted classes of held-out rows.

    Raises
    ------
    UsageError
        For a regression, which has no classes.
    """
    if evidence is None or evidence.task.answer is not Answer.CLASSES:
        raise UsageError("There are no classes to confuse: a regression predicts numbers.")
    return confusion_plot(evidence)


def facts_html(title: str, facts: list[tuple[str, str]], warnings: tuple[str, ...]) -> str:
    """A heading, facts as rows of a table, and warnings below; all escaped."""
    rows = [
        tag("tr", tag("th", name, style="text-align:left"), tag("td", value, style="text-align:left"))
        for name, value in facts
    ]
    below = [tag("p", warning, style="max-width:46em") for warning in warnings]
    return str(
        tag("div", tag("h3", title, style="margin:0 0 .4em"), tag("table", tag("tbody", *rows)), *below)
    )


def score_words(metric: str, value: float, interval: Interval | None = None) -> str:
    """``accuracy 0.93 (95 % 0.91 to 0.95, 500 rows)``."""
    text = f"{metric} {score_text(value)}"
    if interval is None:
        return text
    return f"{text} (95 % {range_text(interval.low, interval.high)}, {interval.rows:,} rows)"


def cost_words(milliseconds: float, size: int) -> str:
    """``12 ms per 1,000 rows, 3.4 MB``."""
    return f"{wait_text(milliseconds)} per 1,000 rows, {size_text(size)}"


def time_words(trials: dict[str, int], seconds: float) -> str:
    """``12 done, 1 failed in 60s``."""
    counted = ", ".join(f"{count} {state}" for state, count in trials.items() if count)
    return f"{counted} in {duration(seconds)}"
