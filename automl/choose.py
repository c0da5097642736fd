"""The champion: the best ensemble or single trial, or the fastest or smallest that is not clearly worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from automl.decision import apply_weights, tune_weights
from automl.ensemble import EnsembleBuilder, Predictions, weighted_mean
from automl.errors import NoTrialError
from automl.intervals import standard_error
from automl.problem import Problem
from automl.trial import Status, Trial

PREFIXES = (2, 3, 5, 8, 12)
TRIM_SHARE = 0.02


@dataclass(frozen=True)
class Champion:
    """What is deployed.

    Attributes
    ----------
    kind:
        ``ensemble`` or ``trial``.
    weights:
        Trial number → weight, summing to 1, largest first.
    validation, standard_error:
        Held-out score in the metric's own unit, class weights applied.
    class_weights:
        Multipliers of the class probabilities, or empty.
    predict_ms_per_1000_rows, model_bytes:
        Sums over its members.
    """

    kind: str
    weights: dict[int, float]
    validation: float
    standard_error: float
    class_weights: tuple[float, ...]
    predict_ms_per_1000_rows: float
    model_bytes: int


def choose_champion(
    problem: Problem, builder: EnsembleBuilder, trials: Mapping[int, Trial], *, prefer: str = "best"
) -> Champion:
    """The champion by held-out score.

    ``best`` takes the lowest loss. ``fast`` and ``small`` take the quickest or smallest of all single
    trials and short ensembles whose score is within one standard error of the best (Breiman's rule).

    Raises
    ------
    NoTrialError
        When no trial finished; the message groups the causes.
    """
    done = {number: trial for number, trial in trials.items() if trial.scores is not None}
    if not done:
        raise NoTrialError(f"No trial succeeded. {grouped_causes(trials)}")
    options = [{number: 1.0} for number in done]
    if builder.best.weights:
        options.append(dict(builder.best.weights))
    if prefer != "best":
        options += [dict(builder.build(steps).weights) for steps in PREFIXES]
    champions = [_measured(problem, option, done) for option in _ranked(options, builder, prefer)]
    best = min(champions, key=lambda item: _loss(problem, item))
    if prefer == "best":
        return _trimmed(problem, best, done)
    near = [item for item in champions if _loss(problem, item) <= _loss(problem, best) + best.standard_error]
    if prefer == "fast":
        return min(near, key=lambda item: item.predict_ms_per_1000_rows)
    return min(near, key=lambda item: item.model_bytes)


def grouped_causes(trials: Mapping[int, Trial]) -> str:
    """Why trials ended without a score, most frequent first, in one sentence."""
    causes: dict[str, list[int]] = {}
    for number, trial in trials.items():
        if trial.result is not None and trial.result.status is not Status.DONE:
            reason = trial.result.error or trial.result.status.value
            causes.setdefault(f"{trial.candidate.family}: {reason}", []).append(number)
    ranked = sorted(causes.items(), key=lambda item: -len(item[1]))
    return "; ".join(f"{len(numbers)} × {cause}" for cause, numbers in ranked[:5])


def _ranked(options: list[dict[int, float]], builder: EnsembleBuilder, prefer: str) -> list[dict[int, float]]:
    """For ``best`` the ensemble and the best single trial; else all of them."""
    if prefer != "best":
        return options
    singles = [option for option in options if len(option) == 1]
    best_single = min(singles, key=lambda option: builder.loss_of(next(iter(option))))
    return [best_single, *(option for option in options if len(option) > 1)]


def _trimmed(problem: Problem, champion: Champion, done: Mapping[int, Trial]) -> Champion:
    """The champion without the members that cost time and change next to nothing.

    The slowest go first, as long as the score falls by less than a fiftieth of its standard error in all:
    far below what the folds can tell apart, while each member is another model to load and to run.
    """
    allowed = _loss(problem, champion) + champion.standard_error * TRIM_SHARE
    by_cost = sorted(champion.weights, key=lambda number: -_milliseconds(done[number]))
    for number in by_cost:
        rest = {other: weight for other, weight in champion.weights.items() if other != number}
        if rest:
            total = sum(rest.values())
            without = _measured(problem, {other: weight / total for other, weight in rest.items()}, done)
            if _loss(problem, without) <= allowed:
                champion = without
    return champion


def _milliseconds(trial: Trial) -> float:
    return trial.result.predict_ms_per_1000_rows if trial.result is not None else 0.0


def _measured(problem: Problem, weights: dict[int, float], done: Mapping[int, Trial]) -> Champion:
    ordered = dict(sorted(weights.items(), key=lambda item: (-item[1], item[0])))
    results = {number: done[number].result for number in ordered}
    predictions: Predictions = weighted_mean(
        (result.held_out, ordered[number])
        for number, result in results.items()
        if result is not None and result.held_out is not None
    )
    rows = problem.split.scored
    target, metric = problem.target[rows], problem.task.metric
    class_weights = tune_weights(metric, target, predictions)
    decided = apply_weights(predictions, class_weights)
    folds = tuple(
        metric.score(problem.target[fold.valid], decided[np.searchsorted(rows, fold.valid)])
        for fold in problem.split.folds
    )
    return Champion(
        "ensemble" if len(ordered) > 1 else "trial",
        ordered,
        metric.score(target, decided),
        standard_error(metric, target, decided, folds),
        class_weights,
        sum(result.predict_ms_per_1000_rows for result in results.values() if result is not None),
        sum(result.model_bytes for result in results.values() if result is not None),
    )


def _loss(problem: Problem, champion: Champion) -> float:
    value = champion.validation
    return -value if problem.task.metric.greater_is_better else value
