"""The end of a search: choose the champion, score the untouched rows once, keep it all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automl.controller.coverage import DIFFICULTY_SECONDS, fitted_conformal, measured_coverage
from automl.controller.loop import Loop
from automl.controller.result import Baseline, SearchResult, best_of, counts, model_folder
from automl.controller.strategy.champion import choose_champion, grouped_causes, tie_words
from automl.controller.strategy.ensemble import EnsembleBuilder, builder_of, weighted_mean
from automl.controller.strategy.honest_score import honest_score
from automl.controller.strategy.refits import deployed as models_of
from automl.controller.strategy.suspicious_scores import too_good_warnings, unlearned_warnings
from automl.core.family import BASELINE
from automl.core.predictions import Predictions
from automl.core.score_intervals import HonestScore, Interval, score_interval
from automl.core.tasks import constant_of
from automl.core.text import counted
from automl.core.time_budget import Clock
from automl.core.trial import Status, Trial
from automl.core.weights import weights_of
from automl.data.digest import row_hashes
from automl.data.repeats import find_repeats
from automl.families import quick_families
from automl.model.background import Background
from automl.model.champion import Champion
from automl.model.conformal import Bounds, ClassSets, Coverage
from automl.model.difficulty import FEWEST_ROWS
from automl.model.known_rows import KnownRows
from automl.model.predictor import Predictor, PredictorSource, build_predictor
from automl.problem.preparation import Prepared
from automl.problem.problem import Problem
from automl.problem.settings import Settings
from automl.report.champion_gain import gain_over
from automl.report.facts.evidence import gather
from automl.report.run_pages import leave_pages, state_duration
from automl.tracker import SearchIds, SearchSummary, Tracker
from automl.tracker.record import best_first, leaderboard_row


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A search whose trials are over.

    Attributes
    ----------
    families:
        Those that the user asked for; a budget of a few seconds leaves all but the quickest out.
    fitting:
        Those that the search had on its list, as they suit the data and the budget.
    """

    settings: Settings
    clock: Clock
    prepared: Prepared
    loop: Loop
    families: tuple[str, ...]
    fitting: tuple[str, ...]
    interrupted: bool


def deliver(ended: Ended, tracker: Tracker, work: Path) -> SearchResult:
    """Choose, score the untouched rows once, register; the models come from the trials' folders.

    Raises
    ------
    NoTrialError
        When no trial succeeded.
    StorageError
        When the record could not be written.
    """
    prepared, loop = ended.prepared, ended.loop
    trials_to = ended.clock.elapsed
    tracker.flush()
    loop.builder.forget(tracker.dropped)
    champion, expected = _chosen(ended)
    deployed = {number: models_of(loop.history, number) for number in champion.weights}
    tracker.protect([*deployed, *(trial.number for trial in deployed.values())])
    tracker.best_so_far(len(loop.history), champion.validation)  # includes the last trials
    known_rows = _known_rows(ended, champion)
    untouched = _untouched_predictions(prepared, champion, known_rows, deployed)
    test = _test_score(prepared, champion, untouched)
    honest = expected
    if test is not None and len(prepared.problem.split.folds) == 1:
        # Beside a single holdout untouched rows are the better judge: they see the models that are deployed.
        honest = HonestScore(test.value, test.low, test.high, test.rows, counted(test.rows, "untouched row"))
    held_out = _as_new(prepared.problem, champion, known_rows)
    in_haste = ended.clock.ends(DIFFICULTY_SECONDS)
    conformal = fitted_conformal(prepared.problem, held_out, equal=in_haste)
    if known_rows is not None and prepared.test is not None and ended.settings.test is None:
        # Only rows that equal no training row: the score of new rows stays as it was.
        unseen = np.flatnonzero(~np.isin(row_hashes(prepared.test.table), row_hashes(prepared.problem.table)))
        table, target = prepared.test.table.take(unseen), prepared.test.target[unseen]
        weights = weights_of(prepared.test.weights, unseen)
        known_rows = known_rows.extended(table, target, prepared.task, weights)
    coverage = measured_coverage(prepared, champion.decision, conformal, held_out, untouched)
    predictor = _built(work / "champion", ended, champion, deployed, known_rows, conformal)
    baseline = _baseline(prepared, loop.history)
    evidence = gather(
        prepared,
        champion,
        loop.history,
        clock=ended.clock,
        trials_to=trials_to,
        slots=loop.limits.slots(),
        coverage=coverage,
    )
    for file, content in evidence.files().items():
        tracker.attach(file, content)
    draft = _result(ended, champion, predictor, tracker, test=test, honest=honest, baseline=baseline)
    if in_haste and isinstance(conformal, Bounds) and len(held_out) >= FEWEST_ROWS:
        draft = replace(draft, warnings=(*draft.warnings, _one_width(ended.settings)))
    metrics = _summary_metrics(prepared.task.metric.name, champion, test, honest, baseline, coverage)
    digest = prepared.untouched_digest
    ids = tracker.finish_search(
        SearchSummary(draft.to_json(), metrics),
        predictor,
        lambda before: gain_over(tracker.location, before, evidence, test, digest),
    )
    seconds = ended.clock.elapsed
    state_duration(tracker.location, ids.run_id, seconds)
    leave_pages(tracker.location, ids.run_id, evidence=evidence, predictor=predictor, clock=ended.clock)
    return replace(draft, ids=ids, seconds=seconds, predictor=_kept_copy(predictor), evidence=evidence)


def _chosen(ended: Ended) -> tuple[Champion, HonestScore | None]:
    """The champion and its honest score.

    Past the cap of configurations, more of them may over-fit the score that chooses: there the choice among
    all trials stands against that among the first ones and their repeats, and the better honest score wins.
    """
    loop, problem, settings = ended.loop, ended.prepared.problem, ended.settings
    able = {number: trial for number, trial in loop.history.items() if loop.builder.knows(number)}

    def judged(builder: EnsembleBuilder, trials: Mapping[int, Trial]) -> tuple[Champion, HonestScore | None]:
        champion = choose_champion(problem, builder, trials, prefer=settings.prefer)
        score = honest_score(
            problem,
            trials,
            champion,
            prefer=settings.prefer,
            seed=settings.seed,
            in_haste=ended.clock.ends,
        )
        return champion, score

    champion, honest = judged(loop.builder, able or loop.history)
    first = _first_configurations(able, loop.proposals.cap) if loop.limits.timed else able
    if honest is None or len(first) == len(able) or ended.clock.ends():
        return champion, honest
    if all(trial.scores is None for trial in first.values()):
        return champion, honest
    rows = problem.split.scored
    target, weights = problem.target[rows], problem.weights_of(rows)
    builder = builder_of(problem.task.metric, target, first, weights=weights, seed=settings.seed)
    fewer, expected = judged(builder, first)
    if expected is not None and problem.task.metric.is_better(expected.value, honest.value):
        return fewer, expected
    return champion, honest


def _first_configurations(trials: Mapping[int, Trial], cap: int) -> dict[int, Trial]:
    """The trials of the first ``cap`` configurations, with the repeats of these."""
    keys = {trial.candidate.key for number, trial in trials.items() if number < cap}
    return {number: trial for number, trial in trials.items() if trial.candidate.key in keys}


def _result(
    ended: Ended,
    champion: Champion,
    predictor: Predictor,
    tracker: Tracker,
    *,
    test: Interval | None,
    honest: HonestScore | None,
    baseline: Baseline,
) -> SearchResult:
    """The result before it has the ids of what is on record."""
    loop, metric = ended.loop, ended.prepared.task.metric
    best_is_wanted = ended.settings.prefer == "best"
    run_ids = tracker.run_ids
    rows = [
        leaderboard_row(trial, trial.result, run_ids.get(number, ""))
        for number, trial in loop.history.items()
        if trial.result is not None
    ]
    return SearchResult(
        name=ended.settings.name,
        ids=SearchIds(run_id="", experiment_id="", tracking_uri=""),
        task=ended.prepared.task.name,
        metric=metric.name,
        greater_is_better=metric.greater_is_better,
        best=best_of(champion, loop.history, run_ids),
        test=test,
        honest=honest,
        baseline=baseline,
        trials=counts(loop.history),
        seconds=ended.clock.elapsed,
        budget_seconds=ended.clock.seconds,
        predict_ms_per_1000_rows=champion.predict_ms_per_1000_rows,
        model_bytes=champion.model_bytes,
        end_reason="interrupted" if ended.interrupted else loop.end_reason or "done",
        warnings=tuple(_warnings(ended, champion, predictor, honest)),
        predictor=predictor,
        rows=tuple(best_first(rows, metric.greater_is_better)),
        interrupted=ended.interrupted,
        findings=ended.prepared.findings,
        tie=tie_words(ended.prepared.problem, champion, loop.history) if best_is_wanted else "",
    )


def _warnings(
    ended: Ended, champion: Champion, predictor: Predictor, honest: HonestScore | None
) -> list[str]:
    trials = ended.loop.history
    warnings = []
    broken = (Status.FAILED, Status.OOM)
    if only := _only_tried(ended, broken):
        warnings.append(f"{only} Give it more, e.g. {_more(ended.settings)}.")
    if honest is None:
        warnings.append(
            "Too few rows or groups were held out to repeat the choice on draws of them: the validation "
            "score is optimistic, as the result was chosen by it. Pass --test FILE for an honest score."
        )
    warnings += unlearned_warnings(ended.prepared.problem, champion, trials)
    warnings += too_good_warnings(ended.prepared.problem, champion)
    causes = grouped_causes(
        {n: trial for n, trial in trials.items() if trial.result and trial.result.status in broken}
    )
    if causes:
        warnings.append(f"Trials failed: {causes}.")
    if predictor.known_rows is not None:
        warnings.append(
            "Training rows repeat and the repeats agree: where a new row equals one, its known target counts "
            "too. No score here shows that gain, since equal rows were kept on one side of every split."
        )
    return warnings


def _one_width(settings: Settings) -> str:
    more = max(60, round(2 * (settings.seconds or 0.0)))
    return (
        "No time was left to find out which rows are hard to predict: intervals (`predict --interval`) "
        f"have one width for all rows. To have them narrower where errors are small, try --time {more}s."
    )


def _only_tried(ended: Ended, broken: tuple[Status, ...]) -> str:
    """A warning where the budget was too short for the families that were asked for; else an empty text."""
    if ended.interrupted:
        return ""
    trials = ended.loop.history.values()
    scored = {trial.candidate.family for trial in trials if trial.scores is not None}
    failed = {trial.candidate.family for trial in trials if trial.result and trial.result.status in broken}
    for simple, warning in (
        (
            {BASELINE},
            "The budget was too short for any model: the result is the baseline.",
        ),
        ({*quick_families()}, "The budget was too short for more than the simplest models."),
    ):
        others = {*ended.fitting} - simple
        if scored <= simple and {*ended.families} - simple and (not others or others - failed):
            return warning
    return ""


def _more(settings: Settings) -> str:
    """A larger budget, in the unit of the one that was given."""
    if settings.trials is not None:
        return f"--trials {max(3, 2 * settings.trials)}"
    return f"--time {max(60, round(2 * (settings.seconds or 0.0)))}s"


def _known_rows(ended: Ended, champion: Champion) -> KnownRows | None:
    """Known targets of repeated rows, unless the user said which rows belong together or they do not help."""
    problem = ended.prepared.problem
    if ended.settings.names_folds:
        return None
    if find_repeats(problem.table, ended.prepared.layout.plans).natural.any():
        return None  # the models have learned from these rows' equals
    return KnownRows.measured(
        problem.table,
        problem.target,
        problem.task,
        problem.split,
        champion.held_out,
        problem.weights,
    )


def _as_new(problem: Problem, champion: Champion, known_rows: KnownRows | None) -> Predictions:
    """Predictions of the judged rows as rows like them will get: known targets of equal ones join in."""
    if known_rows is None:
        return champion.held_out
    rows = problem.split.scored
    table, target, weights = problem.table.take(rows), problem.target[rows], problem.weights_of(rows)
    return known_rows.join_as_new(table, target, problem.task, champion.held_out, weights)


def _built(
    folder: Path,
    ended: Ended,
    champion: Champion,
    deployed: Mapping[int, Trial],
    known_rows: KnownRows | None,
    conformal: Bounds | ClassSets | None,
) -> Predictor:
    prepared, name = ended.prepared, ended.settings.name
    facts: dict[str, str | int | float | bool | None] = {
        "validation": champion.validation,
        "metric": prepared.task.metric.name,
        "search": name,
    }
    source = PredictorSource(
        name=name,
        task=prepared.task,
        layout=prepared.layout,
        members=tuple(
            (model_folder(deployed[number]), weight) for number, weight in champion.weights.items()
        ),
        folds=tuple(champion.folds[number] for number in champion.weights),
        decision=champion.decision,
        known_rows=known_rows,
        conformal=conformal,
        background=Background.of(prepared.problem.table, prepared.layout),
        facts=facts,
    )
    return build_predictor(folder, source)


def _untouched_predictions(
    prepared: Prepared, champion: Champion, known_rows: KnownRows | None, deployed: Mapping[int, Trial]
) -> Predictions | None:
    """The champion's predictions of the untouched rows, from what its members' deployed models predicted."""
    if prepared.test is None:
        return None
    predictions = weighted_mean(
        (result.untouched[list(champion.folds[number])].mean(axis=0), champion.weights[number])
        for number in champion.weights
        if (result := deployed[number].result) is not None and result.untouched is not None
    )
    given = champion.decision.probabilities(predictions)
    return given if known_rows is None else known_rows.join(prepared.test.table, given)


def _test_score(prepared: Prepared, champion: Champion, untouched: Predictions | None) -> Interval | None:
    if prepared.test is None or untouched is None:
        return None
    decided = champion.decision.weighted(untouched)
    test = prepared.test
    return score_interval(prepared.task.metric, test.target, decided, weights=test.weights)


def _baseline(prepared: Prepared, trials: Mapping[int, Trial]) -> Baseline:
    dummies = [trial for trial in trials.values() if trial.candidate.family == "dummy" and trial.scores]
    validation = dummies[0].scores.validation if dummies and dummies[0].scores else None
    if prepared.test is None:
        return Baseline(validation, None)
    problem, test = prepared.problem, prepared.test
    constant = constant_of(problem.task, problem.target, problem.weights)
    repeated = np.repeat(constant[None, :], test.table.rows, axis=0)
    return Baseline(validation, prepared.task.metric.score(test.target, repeated, test.weights))


def _summary_metrics(
    metric: str,
    champion: Champion,
    test: Interval | None,
    honest: HonestScore | None,
    baseline: Baseline,
    coverage: Coverage | None,
) -> dict[str, float]:
    values = {
        f"val_{metric}": champion.validation,
        "predict_ms_per_1000_rows": champion.predict_ms_per_1000_rows,
        "model_bytes": float(champion.model_bytes),
    }
    for kind, score in (("test", test), ("honest", honest)):
        if score is not None:
            values |= {
                f"{kind}_{metric}": score.value,
                f"{kind}_{metric}_low": score.low,
                f"{kind}_{metric}_high": score.high,
            }
    if coverage is not None and coverage.untouched:
        values |= {
            f"test_coverage_{100 * item.level:g}": item.inside / item.rows for item in coverage.measured
        }
    if baseline.validation is not None:
        values[f"baseline_{metric}"] = baseline.validation
    return values


def _kept_copy(predictor: Predictor) -> Predictor:
    """The champion in a folder of its own, which goes when the predictor goes; scratch is deleted."""
    folder = Path(tempfile.mkdtemp(prefix="automl-champion-"))
    inside = folder / "predictor"  # copying a tree copies its mode: the folder around it stays private
    predictor.save(inside)
    return Predictor.load(inside).owning(folder)
