"""The result of a search: the champion, the honest score, the record's addresses, as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.controller.strategy.refits import deployed
from automl.core.credentials import without_password
from automl.core.finding import NOTE, Finding
from automl.core.score_intervals import HonestScore, Interval
from automl.core.text import (
    counted,
    duration,
    interval_text,
    score_text,
    weight_texts,
)
from automl.core.trial import Status, Trial
from automl.model.champion import Champion
from automl.model.predictor import Predictor
from automl.report.facts.evidence import Evidence
from automl.tracker import LeaderboardRow, SearchIds

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from automl.report.facts.explain import Explanation

SCHEMA_VERSION = 1
ENSEMBLE, NO_TRIAL = "ensemble", -1


@dataclass(frozen=True)
class MemberSummary:
    """One member of the result; the weights of all add up to 1.

    ``refit`` is the trial that fitted it again on all rows, whose models are deployed; None where the models
    that were judged are.
    """

    trial: int
    run_id: str
    family: str
    weight: float
    refit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Best:
    """The champion of a search and its scores.

    Attributes
    ----------
    kind:
        ``ensemble`` or ``trial``.
    trial, run_id, family:
        Of the only member of a ``trial``; of an ``ensemble`` -1, an empty text and ``ensemble``: no one
        trial stands for it.
    validation:
        Held-out score in the metric's own unit.
    """

    kind: str
    trial: int
    run_id: str
    family: str
    validation: float
    members: tuple[MemberSummary, ...]

    def __str__(self) -> str:
        """``trial #3 linear``, ``ensemble of #2 lightgbm 60%, #5 linear 40%``; six members at most."""
        weights = weight_texts([member.weight for member in self.members])
        shown = ", ".join(
            f"#{member.trial} {member.family} {weight}"
            for member, weight in zip(self.members[:6], weights, strict=False)
        )
        more = f" and {len(self.members) - 6} more" if len(self.members) > 6 else ""
        return (
            f"ensemble of {shown}{more}" if self.kind == ENSEMBLE else f"trial {shown.removesuffix(' 100%')}"
        )


@dataclass(frozen=True)
class Baseline:
    """The score of predicting without looking at any feature."""

    validation: float | None
    test: float | None


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A finished search.

    Attributes
    ----------
    best, test, baseline:
        What was found, its score on the untouched rows (None without such rows), and what it must beat.
    honest:
        The score to expect on new rows, without the optimism of the choice; None where too few rows were
        judged to tell.
    predictor:
        It, ready to predict. Whether it is the champion of its name is ``ids.is_champion``.
    trials:
        Trials by how they ended.
    interrupted:
        Whether the user ended the search early.
    findings:
        What the checks of the data noticed, the worst first.
    tie:
        What decided where other trials have the champion's validation score; else empty.
    evidence:
        The champion's held-out predictions beside the truth, for plots and reports.
    """

    name: str
    ids: SearchIds
    task: str
    metric: str
    greater_is_better: bool
    best: Best
    test: Interval | None
    honest: HonestScore | None
    baseline: Baseline
    trials: dict[str, int]
    seconds: float
    budget_seconds: float | None
    predict_ms_per_1000_rows: float
    model_bytes: int
    end_reason: str
    warnings: tuple[str, ...]
    predictor: Predictor
    rows: tuple[LeaderboardRow, ...] = field(repr=False)
    interrupted: bool = False
    findings: tuple[Finding, ...] = ()
    tie: str = ""
    evidence: Evidence | None = field(default=None, repr=False)

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """The result, then one row per trial, best first; see :func:`automl.tracker.library.leaderboard`."""
        from automl.tracker.reading.leaderboard import Leaderboard, result_row

        costs = {
            "predict_ms_per_1000_rows": self.predict_ms_per_1000_rows,
            "model_bytes": float(self.model_bytes),
        }
        best, is_champion = asdict(self.best), self.ids.is_champion
        honest = asdict(self.honest) if self.honest else None
        result = result_row(self.ids.run_id, best, costs, self.rows, is_champion=is_champion, honest=honest)
        return Leaderboard(result, self.rows).frame()

    @property
    def run_id(self) -> str:
        """The search's MLflow run."""
        return self.ids.run_id

    @property
    def unbiased_scores(self) -> tuple[tuple[str, str], ...]:
        """``test`` and ``honest`` with their texts; one of them where both are of the same rows."""
        scores = {"test": self.test, "honest": self.honest}
        if self.test and self.honest and self.test.value == self.honest.value:
            del scores["honest"]
        return tuple((title, interval_text(asdict(score))) for title, score in scores.items() if score)

    @property
    def nothing_succeeded(self) -> bool:
        """True where models were tried, only the baseline has a score, and failures are the reason."""
        others = [row for row in self.rows if row.family != "dummy"]
        failed = {Status.FAILED.value, Status.OOM.value}
        return any(row.state in failed for row in others) and all(row.validation is None for row in others)

    def plot_history(self) -> Figure:
        """The best score so far over time, of every family and of the ensemble."""
        from automl.report.notebook import history

        return history(self.ids.run_id, self.ids.tracking_uri, self.evidence)

    def plot_importance(self) -> Figure:
        """Importance of each feature: the loss of score when it is shuffled, with 95 % intervals."""
        from automl.report.notebook import importance

        return importance(self.explanation, self.metric)

    def plot_confusion(self) -> Figure:
        """True against predicted classes of held-out rows.

        Raises
        ------
        UsageError
            For a regression.
        """
        from automl.report.notebook import confusion

        return confusion(self.evidence)

    def plot_front(self) -> Figure:
        """The price of a score: score over prediction time; a point's area is the model's size."""
        from automl.report.notebook import front

        return front(self.ids.run_id, self.ids.tracking_uri)

    @cached_property
    def explanation(self) -> Explanation:
        """Importance of the features and dependence on the strongest, on held-out rows; takes seconds."""
        from automl.report.notebook import explained

        return explained(self.predictor, self.evidence)

    def __repr__(self) -> str:
        """A few lines: the champion, its scores, and the place of the rest."""
        lines = [
            f"Search {self.name!r}: {self.task}, {counted(sum(self.trials.values()), 'trial')} "
            f"in {duration(self.seconds)}",
            f"  result      {self.best}",
            *(f"  {title:11} {self.metric} {text}" for title, text in self.unbiased_scores),
            f"  validation  {self.metric} {score_text(self.best.validation)}",
        ]
        if self.baseline.validation is not None:
            lines.append(f"  baseline    {self.metric} {score_text(self.baseline.validation)}")
        if self.ids.model_version:
            standing = "it is the champion" if self.ids.is_champion else self.ids.succession
            lines.append(f"  model       version {self.ids.model_version}: {standing}")
        if self.warnings:
            lines.append(f"  warnings    {len(self.warnings)}, see .warnings")
        lines.append("  next        .predictor.predict(frame), .leaderboard, .plot_importance()")
        if self.run_id:
            lines.append(f"  later       automl.load({self.run_id[:8]!r})")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """HTML for notebooks."""
        from automl.report import notebook

        best = self.best
        facts = [
            ("champion" if self.ids.is_champion else "result", str(best)),
            *(
                [("honest", notebook.score_words(self.metric, self.honest.value, self.honest))]
                if self.honest
                else []
            ),
            ("validation", notebook.score_words(self.metric, best.validation)),
        ]
        if self.test is not None:
            facts.append(("untouched rows", notebook.score_words(self.metric, self.test.value, self.test)))
        if self.baseline.validation is not None:
            facts.append(("baseline", notebook.score_words(self.metric, self.baseline.validation)))
        facts += [
            ("costs", notebook.cost_words(self.predict_ms_per_1000_rows, self.model_bytes)),
            ("trials", notebook.time_words(self.trials, self.seconds)),
        ]
        facts += [("model", self.ids.succession)] if self.ids.succession else []
        return notebook.facts_html(self.name, facts, self.warnings)

    def to_json(self) -> dict[str, Any]:
        """The object of ``automl search --json``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "run_id": self.ids.run_id,
            "experiment_id": self.ids.experiment_id,
            "tracking_uri": without_password(self.ids.tracking_uri),
            "task": self.task,
            "metric": self.metric,
            "greater_is_better": self.greater_is_better,
            "best": asdict(self.best),
            "honest": asdict(self.honest) if self.honest else None,
            "test": asdict(self.test) if self.test else None,
            "baseline": asdict(self.baseline),
            "trials": self.trials,
            "seconds": round(self.seconds, 3),
            "budget_seconds": self.budget_seconds,
            "end_reason": self.end_reason,
            "model_uri": self.ids.model_uri,
            "model_version": self.ids.model_version,
            "champion_version": self.ids.champion_version,
            "is_champion": self.ids.is_champion,
            "succession": self.ids.succession,
            "tie": self.tie,
            "warnings": list(self.warnings),
            "findings": [asdict(finding) for finding in self.findings if finding.severity != NOTE],
        }


def best_of(champion: Champion, trials: Mapping[int, Trial], run_ids: Mapping[int, str]) -> Best:
    """The champion in the words of the result."""

    def member(number: int, weight: float) -> MemberSummary:
        family, fitted = trials[number].candidate.family, deployed(trials, number).number
        refit = None if fitted == number else fitted
        return MemberSummary(number, run_ids.get(number, ""), family, weight, refit)

    members = tuple(member(number, weight) for number, weight in champion.weights.items())
    if champion.kind == ENSEMBLE:
        return Best(
            kind=ENSEMBLE,
            trial=NO_TRIAL,
            run_id="",
            family=ENSEMBLE,
            validation=champion.validation,
            members=members,
        )
    first = members[0]
    return Best(
        kind=champion.kind,
        trial=first.trial,
        run_id=first.run_id,
        family=first.family,
        validation=champion.validation,
        members=members,
    )


def counts(trials: Mapping[int, Trial]) -> dict[str, int]:
    """Trials by status, all of them named."""
    numbers = {status.value: 0 for status in Status}
    for trial in trials.values():
        if trial.result is not None:
            numbers[trial.result.status.value] += 1
    return numbers


def model_folder(trial: Trial) -> Path:
    """Folder of a finished trial's models."""
    assert trial.result is not None
    return Path(trial.result.model_folder)
