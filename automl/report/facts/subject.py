"""The subject of a report: a search's record, its evidence and explanation, and values derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from automl.core.modality import Modality
from automl.core.score_intervals import score_interval
from automl.core.text import range_text, score_text, weight_texts
from automl.data.modalities import modalities, modality_of
from automl.report.facts.evidence import Evidence
from automl.report.facts.explain import Explanation
from automl.report.facts.inputs import Rows
from automl.report.facts.single_rows import SingleRow
from automl.report.facts.text_losses import TextLosses
from automl.report.facts.timeline import SearchTimes, family_colours, search_times
from automl.tracker.reading.report_material import Material


def captions() -> dict[str, str]:
    """Captions of the sheets that a search's run may have, of all modalities, by their names."""
    return {name: caption for item in modalities().values() for name, caption in item.captions.items()}


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval, if there is one, and the number of rows."""

    value: float
    low: float | None = None
    high: float | None = None
    rows: int | None = None

    @property
    def interval_words(self) -> str:
        """``0.91 to 0.95``; an empty text if there is none."""
        return "" if self.low is None or self.high is None else range_text(self.low, self.high)

    @property
    def words(self) -> str:
        """Score for people: ``0.93 (0.91 to 0.95)``."""
        if self.low is None or self.high is None:
            return score_text(self.value)
        return f"{score_text(self.value)} ({self.interval_words})"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Everything that the sections of a report read.

    Attributes
    ----------
    evidence:
        None for a search that did not end, or that an earlier version recorded.
    explanation:
        None if the features of the rows are not available; ``rows`` has the reason.
    rows:
        The judged rows as the data's file has them, if they were read again.
    versions:
        Versions of the libraries that made the champion.
    pictures:
        Sheets (PNG) of the judged files, by their names in :func:`captions`.
    single_rows:
        Some rows whose predictions are explained.
    text_losses:
        The judged rows with the largest losses, as texts.
    kept_cells:
        Typical values that the champion keeps of each column; 0 for models of earlier versions.
    origins:
        ``name``, ``licence`` and ``source`` of the published weights that the champion's members name.
    """

    material: Material
    evidence: Evidence | None = None
    explanation: Explanation | None = None
    rows: Rows = field(default_factory=Rows)
    versions: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    single_rows: tuple[SingleRow, ...] = ()
    text_losses: TextLosses = field(default_factory=TextLosses)
    kept_cells: int = 0
    origins: tuple[Mapping[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Name of the search."""
        return self.material.search.name

    @property
    def metric(self) -> str:
        """The metric that was optimised."""
        return self.material.search.metric

    @property
    def measured(self) -> str:
        """The metric that can score held-out rows: the search's, or the task's own if that is a function."""
        return self.metric if self.evidence is None else self.evidence.task.metric.name

    @property
    def caution(self) -> str:
        """A remark on that metric's scores of groups of rows; empty for most metrics."""
        return "" if self.evidence is None else self.evidence.task.metric.caution

    @property
    def unmeasured(self) -> str:
        """A sentence if that is not the metric that judged the search, else an empty text."""
        if self.measured == self.metric:
            return ""
        return (
            f"{self.metric} is a function, which is not recorded: scores that are computed again here are "
            f"by {self.measured}."
        )

    @property
    def rows_name(self) -> str:
        """The name of rows: ``rows``, or ``images`` where the data holds nothing else."""
        return self.modality.rows

    @property
    def modality(self) -> Modality:
        """The modality by which hints name rows and new data: that of files alone, else of tables."""
        columns = () if self.evidence is None else self.evidence.story.columns
        return modality_of([column["kind"] for column in columns], alone=True)

    @property
    def greater_is_better(self) -> bool:
        """The metric's direction."""
        return self.material.search.greater_is_better

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The object of ``automl search --json``; empty for a search that did not end."""
        return self.material.search.summary or {}

    @property
    def members(self) -> list[dict[str, Any]]:
        """The champion's trials: ``trial``, ``run_id``, ``family``, ``weight``."""
        return list(self.summary.get("best", {}).get("members", []))

    @cached_property
    def weights(self) -> dict[int, str]:
        """Weights of the champion's trials, as ``52%``; they add up to 100."""
        texts = weight_texts([member["weight"] for member in self.members])
        return {member["trial"]: text for member, text in zip(self.members, texts, strict=True)}

    @cached_property
    def validation(self) -> Score | None:
        """The champion's score on the rows that it was chosen on."""
        value = self.summary.get("best", {}).get("validation")
        if value is None:
            return None
        if self.evidence is None:
            return Score(value)
        if self.unmeasured:
            return Score(value, rows=len(self.evidence.target))
        evidence = self.evidence
        interval = score_interval(
            evidence.task.metric,
            evidence.target,
            evidence.judged(evidence.task.metric),
            weights=evidence.weights,
        )
        return Score(value, interval.low, interval.high, interval.rows)

    @cached_property
    def test(self) -> Score | None:
        """The champion's score on untouched rows."""
        score = self.summary.get("test")
        return None if not score else Score(score["value"], score["low"], score["high"], score["rows"])

    @cached_property
    def honest(self) -> Score | None:
        """The champion's score without the optimism of its choice."""
        score = self.summary.get("honest")
        return None if not score else Score(score["value"], score["low"], score["high"], score["rows"])

    @property
    def honest_source(self) -> str:
        """The way to the honest score: ``the choice repeated 20 times …``."""
        return str((self.summary.get("honest") or {}).get("how", ""))

    @property
    def refit_words(self) -> str:
        """A sentence on members that were fitted again on all rows; empty where none was."""
        members = self.summary.get("best", {}).get("members", [])
        again = sum(member.get("refit") is not None for member in members)
        if not again:
            return ""
        which = "The model" if len(members) == 1 else f"{again} of its {len(members)} members"
        verb = "was" if len(members) == 1 or again == 1 else "were"
        return (
            f"{which} {verb} fitted again on all rows after the choice, those that judged included: scores "
            "are of the models before, and what is explained are predictions of the models since."
        )

    @property
    def headline(self) -> Score | None:
        """The score to believe: on untouched rows, else the honest one, else that of held-out rows."""
        return self.test or self.honest or self.validation

    @property
    def baseline(self) -> float | None:
        """The score of predicting without features, on the same rows as the honest score."""
        scores = self.summary.get("baseline", {})
        value = scores.get("test") if self.test is not None else scores.get("validation")
        return None if value is None else float(value)

    @property
    def doubted(self) -> bool:
        """True if the search warned that its score is too good to be believed."""
        return any("too good" in warning for warning in self.summary.get("warnings", []))

    @property
    def cost(self) -> tuple[float, int]:
        """Milliseconds per 1000 rows and bytes of the champion."""
        return self.material.cost

    @property
    def cost_and_score(self) -> tuple[float, float, float] | None:
        """The champion's milliseconds per 1000 rows, its validation score and its bytes, for plots."""
        score = self.validation
        return None if score is None else (max(self.cost[0], 1e-3), score.value, float(self.cost[1]))

    @cached_property
    def seconds(self) -> float:
        """Wall time of the search."""
        recorded = self.material.search.seconds
        if recorded is not None:
            return float(recorded)
        times = [trial.ended for trial in self.material.trials]
        return max(times, default=self.material.search.started) - self.material.search.started

    @cached_property
    def clock(self) -> SearchTimes:
        """The times of the search and of its trials."""
        trials = self.material.trials
        if self.evidence is None:
            start = self.material.search.started
            to = max((trial.ended - start for trial in trials), default=0.0)
            return search_times(trials, began=start, to=to, seconds=max(self.seconds, to), slots=1)
        story = self.evidence.story
        return search_times(
            trials,
            began=story.began,
            to=story.trials_to,
            seconds=max(self.seconds, story.ended),
            slots=story.slots,
        )

    @cached_property
    def colours(self) -> Mapping[str, str]:
        """Colour by family."""
        return family_colours([trial.row for trial in self.material.trials])

    def beats(self, score: float, other: float) -> bool:
        """True if a score is better than another."""
        return score > other if self.greater_is_better else score < other
