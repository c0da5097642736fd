"""The champion: the best ensemble or single trial, or the fastest or smallest that is not clearly worse.

A champion is judged by held-out predictions, each made by one fold's model per member. What is deployed may
average the models of several folds of a member, which only steadies it; a member of little weight adds
little noise, so it needs few of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from automl.controller.strategy.ensemble import REBUILD_STEPS, EnsembleBuilder, weighted_mean
from automl.core.errors import NoTrialError
from automl.core.family import BASELINE
from automl.core.metrics import METRICS
from automl.core.predictions import Predictions
from automl.core.score_intervals import standard_error
from automl.core.trial import Status, Trial
from automl.model.champion import Champion
from automl.model.decision import Decision
from automl.problem.problem import Problem

PREFIXES = (2, 3, 5, 8, 12)
HALF_PRICE = 0.03
"""What halving the prediction time may cost in standard errors of the score; folds cannot tell it apart."""
FREE_MS = 20.0
"""Below this many milliseconds per 1000 rows, nothing is given for speed."""
MOST_MEASURED = 300
NEAR = 2.0
"""Standard errors by which a cheap trial may be worse than the best before its answers are tuned."""
SAME = 0.25
"""How many standard errors of the user's own metric may be given up by leaving members out."""


def choose_champion(
    problem: Problem, builder: EnsembleBuilder, trials: Mapping[int, Trial], *, prefer: str = "best"
) -> Champion:
    """The champion by held-out score.

    ``best`` takes the lowest loss, less members that cost time and change next to nothing. ``fast`` and
    ``small`` take the quickest or smallest of all single trials and short ensembles whose score is within
    one standard error of the best (Breiman's rule), with one fold's model per member. Trials that the
    builder was told to forget are not members, as their models are gone.

    Raises
    ------
    NoTrialError
        When no trial finished, or none has a score that is a number; the message says why.
    """
    done = {
        number: trial
        for number, trial in trials.items()
        if trial.scores is not None and builder.knows(number)
    }
    if not done and any(trial.scores is not None for trial in trials.values()):
        raise NoTrialError(
            f"The metric {problem.task.metric.name} gave no number for any trial, not even the baseline. "
            "Choose another with --metric."
        )
    if not done:
        raise NoTrialError(f"No trial succeeded. {grouped_causes(trials)}")
    options = [{number: 1.0} for number in _worth_measuring(problem, done, prefer)]
    if builder.best.weights:
        options.append(dict(builder.best.weights))
    if prefer != "best":
        options += [dict(builder.build(steps).weights) for steps in PREFIXES]
    one = prefer != "best"
    champions = [
        _measured(problem, option, done, one_fold=one)
        for option in _ranked(problem, options, builder, done, prefer)
    ]
    best = min(champions, key=lambda item: _loss(problem, item))
    if prefer == "best":
        return _economical(problem, builder, best, done)
    near = [item for item in champions if _loss(problem, item) <= _loss(problem, best) + best.standard_error]
    if prefer == "fast":
        return min(near, key=lambda item: item.predict_ms_per_1000_rows)
    return min(near, key=lambda item: item.model_bytes)


def tie_words(problem: Problem, champion: Champion, trials: Mapping[int, Trial]) -> str:
    """The reason for a champion that is one of several trials of one score; else an empty text."""
    first = next(iter(champion.weights))
    own = trials[first]
    tied = [
        trial
        for number, trial in trials.items()
        if number != first and trial.scores is not None and trial.candidate.family != BASELINE
        if own.scores is not None and trial.scores.validation == own.scores.validation
    ]
    if len(champion.weights) > 1 or not tied:
        return ""
    metric, rows = problem.task.metric, problem.split.scored
    more = f" and {len(tied) - 1} more have" if len(tied) > 1 else " has"
    same = f"#{tied[0].number} {tied[0].candidate.family}{more} the same {metric.name}"
    if metric.reads != "labels":
        return f"{same}; the first one was taken"

    def log_loss(trial: Trial) -> float:
        assert trial.result is not None
        assert trial.result.held_out is not None
        loss = METRICS["log_loss"].loss
        return loss(problem.target[rows], trial.result.held_out, problem.weights_of(rows))

    lost, least = log_loss(own), min(map(log_loss, tied))
    return f"{same}; the lower log loss decided, {lost:.4g} against {least:.4g}" if lost <= least else ""


def _worth_measuring(problem: Problem, done: Mapping[int, Trial], prefer: str) -> list[int]:
    """Single trials that may be the champion: of very many the cheapest ones among those near the best.

    Each is measured where cost counts, which takes milliseconds.
    """
    if prefer == "best" or len(done) <= MOST_MEASURED:
        return list(done)
    sign = -1.0 if problem.task.metric.greater_is_better else 1.0
    losses = {number: sign * trial.scores.validation for number, trial in done.items() if trial.scores}
    best = min(losses, key=lambda number: losses[number])
    error = scores.standard_error if (scores := done[best].scores) else 0.0
    near = [number for number, loss in losses.items() if loss <= losses[best] + NEAR * error]

    def cost(number: int) -> float:
        result = done[number].result
        assert result is not None
        return result.predict_ms_per_1000_rows if prefer == "fast" else float(result.model_bytes)

    return sorted({best, *sorted(near, key=cost)[:MOST_MEASURED]})


def grouped_causes(trials: Mapping[int, Trial]) -> str:
    """Reasons why trials ended without a score, most frequent first, in one sentence."""
    causes: dict[str, list[int]] = {}
    for number, trial in trials.items():
        if trial.result is not None and trial.result.status is not Status.DONE:
            reason = trial.result.error or trial.result.status.value
            causes.setdefault(f"{trial.candidate.family}: {reason}", []).append(number)
    ranked = sorted(causes.items(), key=lambda item: -len(item[1]))
    return "; ".join(f"{len(numbers)} × {cause}" for cause, numbers in ranked[:5])


def _ranked(
    problem: Problem,
    options: list[dict[int, float]],
    builder: EnsembleBuilder,
    done: Mapping[int, Trial],
    prefer: str,
) -> list[dict[int, float]]:
    """For ``best`` the ensemble and the single trial that leads the leaderboard; else all of them."""
    if prefer != "best":
        return options
    sign = -1.0 if problem.task.metric.greater_is_better else 1.0

    def place(option: dict[int, float]) -> tuple[float, float]:
        number = next(iter(option))
        scores = done[number].scores
        assert scores is not None
        return sign * scores.validation, builder.loss_of(number)

    singles = [option for option in options if len(option) == 1]
    return [*(option for option in options if len(option) > 1), min(singles, key=place)]


def _economical(
    problem: Problem, builder: EnsembleBuilder, champion: Champion, done: Mapping[int, Trial]
) -> Champion:
    """The champion without the members that cost time and change next to nothing.

    One member after another is left out, each time the one whose leaving costs least. Of all the
    ensembles on that way the cheapest by loss and time together is taken, with its weights as they are
    or found anew, whose score in the user's metric is still that of the champion.
    """
    price = HALF_PRICE * champion.standard_error
    worst = _loss(problem, champion) + SAME * champion.standard_error

    def cost(weights: Mapping[int, float]) -> float:
        milliseconds = _milliseconds(_deployed(weights, done), done)
        return builder.loss_with(weights) + price * float(np.log2(max(milliseconds, FREE_MS)))

    way = [champion.weights]
    while len(way[-1]) > 1:
        way.append(min((_without(way[-1], number) for number in way[-1]), key=cost))
    cheapest = min((w for w in way if len(w) > 1), key=cost, default=champion.weights)
    if len(cheapest) > 1:
        way.append(dict(builder.build(REBUILD_STEPS, among=tuple(cheapest)).weights))
    by_cost = (
        champion if weights is champion.weights else _measured(problem, weights, done)
        for weights in sorted(way, key=cost)
    )
    return next(item for item in by_cost if _loss(problem, item) <= worst)


def _without(weights: Mapping[int, float], number: int) -> dict[int, float]:
    rest = {other: weight for other, weight in weights.items() if other != number}
    total = sum(rest.values())
    return {other: weight / total for other, weight in rest.items()}


def _deployed(
    weights: Mapping[int, float], done: Mapping[int, Trial], *, one_fold: bool = False
) -> dict[int, tuple[int, ...]]:
    """Positions of the folds to deploy per member: as many as its weight asks for, dealt in turn.

    A member's noise counts by its squared weight over the number of its models, so for a given number of
    models in all the noise is least where they go by weight.
    """
    heaviest = max(weights.values())
    folds, start = {}, 0
    for number, weight in weights.items():
        most = _fold_count(done[number])
        count = 1 if one_fold else max(1, math.ceil(most * weight / heaviest - 1e-9))
        folds[number] = tuple(sorted((start + i) % most for i in range(count)))
        start += count
    return folds


def _fold_count(trial: Trial) -> int:
    return max(1, len(trial.result.fold_seconds)) if trial.result is not None else 1


def _milliseconds(deployed: Mapping[int, tuple[int, ...]], done: Mapping[int, Trial]) -> float:
    """Milliseconds that these folds take for 1000 rows; a frozen net's output counts once for all of them."""
    own, frozen = 0.0, dict[str, float]()
    for number, folds in deployed.items():
        result = done[number].result
        if result is None:
            continue
        alone = result.predict_ms_per_1000_rows - sum(result.frozen_ms.values())
        own += alone * len(folds) / _fold_count(done[number])
        for name, milliseconds in result.frozen_ms.items():
            frozen[name] = max(frozen.get(name, 0.0), milliseconds)
    return own + sum(frozen.values())


def _measured(
    problem: Problem, weights: dict[int, float], done: Mapping[int, Trial], *, one_fold: bool = False
) -> Champion:
    ordered = dict(sorted(weights.items(), key=lambda item: (-item[1], item[0])))
    results = {number: done[number].result for number in ordered}
    deployed = _deployed(ordered, done, one_fold=one_fold)
    share = {number: len(deployed[number]) / _fold_count(done[number]) for number in ordered}
    predictions: Predictions = weighted_mean(
        (result.held_out, ordered[number])
        for number, result in results.items()
        if result is not None and result.held_out is not None
    )
    rows = problem.split.scored
    target, metric = problem.target[rows], problem.task.metric
    row_weights = problem.weights_of(rows)
    decision = Decision.fitted(problem.task, target, predictions, row_weights)
    decided = decision.apply(predictions)
    folds = tuple(
        metric.score(
            problem.target[fold.valid],
            decided[np.searchsorted(rows, fold.valid)],
            problem.weights_of(fold.valid),
        )
        for fold in problem.split.folds
    )
    return Champion(
        kind="ensemble" if len(ordered) > 1 else "trial",
        weights=ordered,
        folds=deployed,
        held_out=decision.probabilities(predictions),
        validation=metric.score(target, decided, row_weights),
        standard_error=standard_error(metric, target, decided, folds, weights=row_weights),
        decision=decision,
        predict_ms_per_1000_rows=_milliseconds(deployed, done),
        model_bytes=round(
            sum(result.model_bytes * share[n] for n, result in results.items() if result is not None)
        ),
    )


def _loss(problem: Problem, champion: Champion) -> float:
    value = champion.validation
    return -value if problem.task.metric.greater_is_better else value
