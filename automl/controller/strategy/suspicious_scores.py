"""Warnings on a champion that learned nothing, and on one that makes no errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Answer
from automl.core.tasks import Task
from automl.core.text import score_text
from automl.core.trial import Trial
from automl.core.weights import Weights
from automl.model.champion import Champion
from automl.problem.problem import Problem

BASELINE = "dummy"
CLEAR = 2.0
"""Standard errors by which a score on training rows must beat the baseline."""
INVERTED = 5.0
"""Standard errors below zero from which held-out predictions are worse than chance ..."""
STRONGLY = 0.1
"""... and the correlation with the truth, below zero, from which that is worth a warning."""
MANY_ROWS = 500
NO_ERROR = 1e-8
"""Mean squared error by the variance of the target, below which nothing is left to explain."""
STEADY = 3.0
"""And the same over folds: rows that belong together stand or fall together."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of predictions with the truth.

    Attributes
    ----------
    correlation:
        In [-1, 1].
    rows:
        That it is taken over.
    steadiness:
        Its mean over the folds in standard errors of that mean; without end where there is one fold.
    """

    correlation: float
    rows: int
    steadiness: float

    @property
    def is_inverted(self) -> bool:
        """True where predictions run against the truth by more than noise, in fold after fold."""
        beyond = -INVERTED / float(np.sqrt(max(self.rows, 1)))
        return self.correlation < min(-STRONGLY, beyond) and self.steadiness < -STEADY


def unlearned_warnings(problem: Problem, champion: Champion, trials: Mapping[int, Trial]) -> list[str]:
    """Sentences on a champion that looks at no feature; none where another one was chosen.

    Flexible models memorise noise, too, so that a good score on training rows alone proves nothing:
    both numbers and both causes are named. Predictions that are wrong more often than chance are another
    matter, as noise does not make them.
    """
    if any(trials[number].candidate.family != BASELINE for number in champion.weights):
        return []
    others = [trial for trial in trials.values() if trial.candidate.family != BASELINE]
    learned = _best_on_training_rows(problem.task, others)
    warnings = []
    if learned is not None and (gap := _told(problem.task, learned, champion.validation)):
        warnings.append(gap)
    agreements = {trial.number: held_out_correlation(problem, trial) for trial in others if trial.scores}
    inverted = [number for number, agreement in agreements.items() if agreement.is_inverted]
    if inverted:
        worst = min(inverted, key=lambda number: agreements[number].correlation)
        warnings.append(
            f"Held-out predictions of trial #{worst} ({trials[worst].candidate.family}) are worse than "
            "chance, beyond noise: they run against the truth (correlation "
            f"{agreements[worst].correlation:.2f}). Independent rows of pure noise do not do that: "
            "the rows that judge contradict those that train, because of what separates them or, with few "
            "groups, by chance. Look for groups (--group COLUMN) or an order (--time-column COLUMN), or "
            "divide the rows differently (--folds)."
        )
    return warnings


def too_good_warnings(problem: Problem, champion: Champion) -> list[str]:
    """A warning on held-out predictions with next to no error; none for all others.

    Few rows may be classified without a mistake, so classes are judged from 500 rows on.
    """
    rows = problem.split.scored
    truth = np.asarray(problem.target)[rows]
    what = _FLAWLESS[problem.task.answer](truth, champion)
    if not what:
        return []
    return [
        f"{what} That is too good for most outcomes: does a column, or several together, hold what is known "
        "only afterwards? Leave it out with --drop COLUMN, unless it will be known when predicting."
    ]


def _all_right(truth: npt.NDArray[np.generic], champion: Champion) -> str:
    decided = champion.decision.answers(champion.held_out).argmax(axis=1)
    if len(truth) < MANY_ROWS or not (decided == truth).all():
        return ""
    return f"All {len(truth):,} held-out rows are predicted correctly."


def _to_within_rounding(truth: npt.NDArray[np.generic], champion: Champion) -> str:
    values = np.asarray(truth, dtype=np.float64)
    errors = champion.held_out[:, 0] - values
    if not float(np.mean(errors**2)) < NO_ERROR * float(np.var(values)):
        return ""
    return f"The {len(values):,} held-out rows are predicted to within rounding."


_FLAWLESS = {Answer.CLASSES: _all_right, Answer.NUMBERS: _to_within_rounding}
"""By what a prediction says: a sentence on predictions without an error, empty for others."""


def _best_on_training_rows(task: Task, trials: list[Trial]) -> Trial | None:
    sign = 1.0 if task.metric.greater_is_better else -1.0
    scored = [trial for trial in trials if trial.scores is not None and trial.scores.train is not None]
    return max(scored, key=lambda trial: sign * _train(trial), default=None)


def _train(trial: Trial) -> float:
    return np.nan if trial.scores is None or trial.scores.train is None else trial.scores.train


def _told(task: Task, trial: Trial, baseline: float) -> str | None:
    """The gap between the scores on training and on held-out rows, where the former is clear."""
    assert trial.scores is not None
    sign = 1.0 if task.metric.greater_is_better else -1.0
    if not sign * (_train(trial) - baseline) > CLEAR * trial.scores.standard_error:
        return None
    name = task.metric.name
    return (
        "The champion looks at no feature, as no model did better on held-out rows. Yet trial "
        f"#{trial.number} ({trial.candidate.family}) has {name} {score_text(_train(trial))} on rows that it "
        f"trained on and {score_text(trial.scores.validation)} on held-out rows, where the baseline has "
        f"{score_text(baseline)}. Either the features say nothing of new rows (flexible models memorise "
        "noise, too), or the rows that judge differ from the rows that train: groups of rows that belong "
        "together (--group COLUMN), or a change over time (--time-column COLUMN)."
    )


def held_out_correlation(problem: Problem, trial: Trial) -> Agreement:
    """Agreement of held-out predictions with the truth, both less the mean that the models trained on.

    Without that, folds of a high mean, which leave a low one to the rows that train, would look like errors
    of the models. Of classes it is the correlation of their probabilities with their indicators.
    """
    held_out = None if trial.result is None else trial.result.held_out
    if held_out is None:
        return Agreement(0.0, 0, 0.0)
    split, answers = problem.split_for(trial.candidate.repeat), problem.task.as_predictions(problem.target)
    rows = split.scored
    products, squares = [], np.zeros(2)
    for fold in split.folds:
        middle = _middle(answers[fold.train], problem.weights_of(fold.train))
        truth = answers[fold.valid] - middle
        predicted = held_out[np.searchsorted(rows, fold.valid)].astype(np.float64) - middle
        weights = problem.weights_of(fold.valid)
        each = 1.0 if weights is None else weights[:, None]
        products.append(float(np.sum(each * truth * predicted)))
        squares += np.sum(each * truth**2), np.sum(each * predicted**2)
    if not squares.all():
        return Agreement(0.0, 0, 0.0)
    error = np.std(products, ddof=1) * np.sqrt(len(products)) if len(products) > 1 else 0.0
    return Agreement(
        sum(products) / float(np.sqrt(squares.prod())), len(rows), sum(products) / (error or 1e-300)
    )


def _middle(answers: npt.NDArray[np.float64], weights: Weights | None) -> npt.NDArray[np.float64]:
    """The mean answer, ``(n_outputs,)``."""
    if weights is None:
        return np.asarray(answers.mean(axis=0))
    return np.asarray(weights @ answers / weights.sum())
