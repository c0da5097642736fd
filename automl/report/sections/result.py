"""The first sections of the report: the result in three sentences, honest score, leaderboard and search."""

from __future__ import annotations

import shlex
from functools import partial

from automl.core.text import duration, score_text, size_text, wait_text
from automl.report.facts.driver_words import leaning
from automl.report.facts.subject import Score, Subject
from automl.report.facts.timeline import drawn_words, front_rows, seconds_by_part
from automl.report.figures.search import front_plot, history_plot, seconds_plot
from automl.report.palette import SERIES
from automl.report.sections.markup import Markup, picture, prose, section, table, tag
from automl.tracker import LeaderboardRow

_ROWS = 15


def result_section(subject: Subject) -> Markup:
    """The model that was expectation, its score and its cost, for a reader who stops here."""
    if not subject.summary:
        state, error = subject.material.search.status, subject.material.search.error
        reason = f" ({error})" if error else ""
        line = f"This search has no champion: it is {state}{reason}. What it tried so far is below."
        return section("result", "The result", tag("p", line, class_="lead"))
    sentences = [_what(subject), _how_good(subject), _at_what_cost(subject)]
    warnings = [tag("p", prose(text), class_="warning") for text in subject.summary.get("warnings", [])]
    lead = tag("p", " ".join(sentences), class_="lead")
    return section("result", "The result", *_another_champion(subject), lead, _tiles(subject), *warnings)


def _is_champion(subject: Subject) -> bool:
    """True if the version that the search registered had the alias when the page was made."""
    search = subject.material.search
    return bool(search.model_version) and search.model_version == search.champion_version


def _another_champion(subject: Subject) -> list[Markup]:
    """A warning where this page does not describe the model that predictions by name use."""
    search = subject.material.search
    if _is_champion(subject) or not search.model_version:
        return []
    held = f"version {search.champion_version}" if search.champion_version else "no version"
    text = (
        f"This is version {search.model_version} of the model {search.name}, which is not the champion: the "
        f"champion is {held}. Load this version by its run, {search.run_id[:8]}."
    )
    return [tag("p", text, class_="warning")]


def members_words(subject: Subject, most: int = 4) -> str:
    """``linear 52%, xgboost 28% and 2 more``."""
    shown = [f"{member['family']} {subject.weights[member['trial']]}" for member in subject.members[:most]]
    more = len(subject.members) - most
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _what(subject: Subject) -> str:
    best, trials = subject.summary["best"], len(subject.material.trials)
    if best["kind"] == "ensemble":
        model = f"an ensemble of {len(best['members'])} trials ({members_words(subject)})"
    else:
        model = f"trial {best['trial']}, {best['family']}"
    chosen = f"chosen among {trials} trials" if trials > 1 else "the only trial"
    return (
        f"The best model for “{subject.material.search.target}” is {model}, {chosen} in "
        f"{duration(subject.seconds)}."
    )


def _how_good(subject: Subject) -> str:
    score = subject.headline
    assert score is not None
    against = ""
    if subject.baseline is not None:
        against = f", where predicting without any feature gives {score_text(subject.baseline)}"
    if subject.test is not None:
        return (
            f"On {score.rows:,} untouched rows, which no choice was based on, it reaches {subject.metric} "
            f"{score_text(score.value)} (95 % interval {score.interval_words}){against}."
        )
    if subject.honest is not None:
        return (
            f"On new rows expect {subject.metric} {score_text(score.value)} (95 % interval "
            f"{score.interval_words}){against}."
        )
    return (
        f"On held-out rows it reaches {subject.metric} {score_text(score.value)}{against}; it was chosen on "
        "these rows, so expect a slightly worse score on new ones."
    )


def _at_what_cost(subject: Subject) -> str:
    milliseconds, size = subject.cost
    text = f"It predicts 1,000 {subject.rows_name} in {wait_text(milliseconds)} and takes {size_text(size)}"
    return "; ".join(part for part in (text, leaning(subject.explanation)) if part) + "."


def _tiles(subject: Subject) -> Markup:
    milliseconds, size = subject.cost
    tiles = []
    for score, name in ((subject.test, "untouched rows"), (_untold(subject), "expected on new rows")):
        if score is not None:
            spread = f", 95 % {score.interval_words}" if score.interval_words else ""
            tiles.append((score_text(score.value), f"{subject.metric}, {name}{spread}"))
    if subject.baseline is not None:
        tiles.append((score_text(subject.baseline), f"{subject.metric} without features"))
    tiles += [
        (wait_text(milliseconds), f"to predict 1,000 {subject.rows_name}"),
        (size_text(size), "size of the model"),
        (f"{len(subject.material.trials)}", f"{_trials(subject)} in {duration(subject.seconds)}"),
    ]
    return tag(
        "div",
        *[tag("div", tag("b", value), tag("span", name), class_="tile") for value, name in tiles],
        class_="tiles",
    )


def _untold(subject: Subject) -> Score | None:
    """The honest score where it is not that of the untouched rows, else that of held-out rows."""
    if subject.honest is None:
        return subject.validation
    return None if subject.honest == subject.test else subject.honest


def _trials(subject: Subject) -> str:
    return "trial" if len(subject.material.trials) == 1 else "trials"


def honest_section(subject: Subject) -> Markup:
    """Scores with their intervals and baselines, and how far they can be trusted."""
    rows: list[tuple[object, ...]] = []
    for name, score in (
        ("untouched rows, scored once", subject.test),
        ("new rows, expected", None if subject.honest == subject.test else subject.honest),
        ("held-out rows that it was chosen on", subject.validation),
    ):
        if score is not None:
            number = f"{score.rows:,}" if score.rows else ""
            rows.append((name, score_text(score.value), score.interval_words, number))
    for name, key in (("baseline, untouched rows", "test"), ("baseline, held-out rows", "validation")):
        value = subject.summary.get("baseline", {}).get(key)
        if value is not None:
            rows.append((name, score_text(value), "", ""))
    parts: list[Markup] = [
        table(("rows", subject.metric, "95 % interval", "number"), rows),
        tag("p", prose(_verdict(subject))),
    ]
    if subject.evidence is not None:
        story = subject.evidence.story
        judged = (
            f"Trials were judged on held-out rows ({story.split_reason}). The metric is {subject.metric}: "
            f"{story.metric_reason}."
        )
        test = f"Untouched rows: {story.test_source}." if story.test_source else ""
        if story.weighting:
            test = f"Rows are {story.weighting}. {test}".strip()
        expectation = ""
        if subject.honest is not None and subject.honest != subject.test:
            expectation = (
                f"Expected on new rows: {subject.honest_source}. By how much such choices do worse than the "
                "champion on the same rows is taken off its score on held-out rows."
            )
        tie = f"Of the trials, {subject.summary['tie']}." if subject.summary.get("tie") else ""
        sentences = (tie, judged, subject.unmeasured, expectation, subject.refit_words, test)
        explanation = " ".join(part for part in sentences if part)
        parts.append(tag("p", explanation, class_="muted"))
    return section("honest", "How good is it, honestly?", *parts)


def _verdict(subject: Subject) -> str:
    score, baseline = subject.headline, subject.baseline
    if score is None or baseline is None:
        return ""
    worst = score.low if subject.greater_is_better else score.high
    if subject.beats(score.value, baseline) and worst is None:
        text = "It is better than the baseline; without an interval, the difference may be chance."
    elif subject.beats(score.value, baseline) and worst is not None and subject.beats(worst, baseline):
        text = "Even the unfavourable end of its interval is better than the baseline"
        text += "." if subject.doubted else ": the features do carry information about the target."
    elif subject.beats(score.value, baseline):
        text = "The interval reaches the baseline: with this many rows the advantage may be chance."
    elif {member["family"] for member in subject.members} == {"dummy"}:
        text = "It is the baseline itself: no model that uses the features finished and was better."
    else:
        text = "It is no better than the baseline: these models found nothing useful in the features."
    if subject.test is None and subject.honest is None and worst is not None:
        text += (
            " The interval accounts for the sampling of the rows, but not for the choice of the best of many "
            "models on these same rows. Pass rows of your own with --test FILE for a score without this bias."
        )
    return text


def leaderboard_section(subject: Subject) -> Markup:
    """The best trials with their costs, and the front of score, latency and size."""
    trials = [trial.row for trial in subject.material.trials]
    shown = [row for place, row in enumerate(trials) if place < _ROWS or row.trial in subject.weights]
    rows = [*_champion_cells(subject), *(_trial_cells(subject, row) for row in shown)]
    head = (
        "trial",
        "family",
        subject.metric,
        "±",
        "time",
        "ms per 1,000",
        "size",
        "weight",
        "state",
    )
    listed = table(head, rows, words=(0, 1, 8), spare=(3, 5, 6, 8))
    parts: list[Markup] = [tag("div", listed, class_="leaderboard")]
    if len(trials) > len(shown):
        rest = (
            f"{len(shown):,} of {len(trials):,} trials; all of them: automl leaderboard "
            f"{shlex.quote(subject.name)} -n 0"
        )
        parts.append(tag("p", rest, class_="muted"))
    timed = [row for row in trials if row.validation is not None and row.predict_ms_per_1000_rows]
    if sum(row.family != "dummy" for row in timed) > 1:
        front = front_rows(trials, subject.greater_is_better)
        draw = partial(
            front_plot,
            trials,
            subject.cost_and_score,
            metric=subject.metric,
            greater_is_better=subject.greater_is_better,
            colours=subject.colours,
        )
        named = ", ".join(f"#{row.trial} {row.family}" for row in front[:8])
        caption = (
            "Score against prediction time; the larger the point, the larger the model. No trial is better "
            f"than these in both: {named}.{_without_baseline(subject)}{drawn_words(trials)}"
        )
        parts += [
            tag("h3", "What the score costs"),
            picture(
                draw(),
                "front",
                alt=f"Scatter plot of trials by latency and score. {caption}",
                caption=caption,
                narrow=draw(narrow=True),
            ),
        ]
    return section("leaderboard", "Leaderboard", *parts)


def _champion_cells(subject: Subject) -> list[tuple[object, ...]]:
    """The champion's row, at the top for comparison; empty without a champion."""
    if not subject.members:
        return []
    milliseconds, size = subject.cost
    score, many = subject.summary["best"]["validation"], len(subject.members)
    error = None if subject.evidence is None else subject.evidence.story.standard_error
    made = f"ensemble of {many} trials" if many > 1 else f"trial #{subject.members[0]['trial']} alone"
    cells = (
        "champion" if _is_champion(subject) else "result",
        made,
        score_text(score),
        "" if error is None else score_text(error, 2),
        "",
        f"{milliseconds:,.1f}",
        size_text(size),
        "100%",
        "",
    )
    return [tuple(tag("b", cell) if cell else "" for cell in cells)]


def _trial_cells(subject: Subject, row: LeaderboardRow) -> tuple[object, ...]:
    return (
        f"#{row.trial}",
        _family(subject, row.family),
        "" if row.validation is None else score_text(row.validation),
        "" if row.standard_error is None else score_text(row.standard_error, 2),
        duration(row.seconds),
        "" if row.predict_ms_per_1000_rows is None else f"{row.predict_ms_per_1000_rows:,.1f}",
        "" if row.model_bytes is None else size_text(row.model_bytes),
        subject.weights.get(row.trial, ""),
        row.state,
    )


def search_section(subject: Subject) -> Markup:
    """The course of the search, and how its time was spent."""
    trials, clock = subject.material.trials, subject.clock
    if not trials:
        return section("search", "How the search went", tag("p", "No trial was run."))
    scored = [t for t in trials if t.row.validation is not None and t.row.family != "dummy"]
    parts: list[Markup] = [tag("p", _counted(subject))]
    if len(scored) > 1:
        draw = partial(
            history_plot,
            trials,
            subject.material.best,
            clock,
            metric=subject.metric,
            greater_is_better=subject.greater_is_better,
            colours=subject.colours,
        )
        alt = (
            f"Line plot of {subject.metric} over the time of the search: every trial, the best so far of "
            "each family, and of the ensemble."
        )
        caption = (
            "Every point is a trial; the thin lines are each family's best so far, the thick line is the "
            "ensemble."
        )
        caption += _without_baseline(subject) + drawn_words([trial.row for trial in trials])
        if len(scored) > 10:
            caption += " The worst tenth is off the scale."
        parts.append(picture(draw(), "history", alt=alt, caption=caption, narrow=draw(narrow=True)))
    spent = seconds_by_part(trials, clock)
    summary = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent)
    caption = f"How the {duration(clock.seconds)} were spent"
    if clock.slots > 1:
        caption += (
            f"; {clock.slots} trials ran at once, so a family's share is its trials' time divided by "
            f"{clock.slots}"
        )
    caption += "."
    parts.append(
        picture(
            seconds_plot(trials, clock, subject.colours),
            "seconds",
            alt=f"Bar chart of wall time: {summary}.",
            caption=caption,
            narrow=seconds_plot(trials, clock, subject.colours, narrow=True),
        )
    )
    return section("search", "How the search went", *parts)


def _without_baseline(subject: Subject) -> str:
    """A sentence where the plots leave out the trial that uses no features."""
    left_out = any(trial.row.family == "dummy" for trial in subject.material.trials)
    return " The baseline, which uses no features, is not shown." if left_out else ""


def _counted(subject: Subject) -> str:
    counts: dict[str, int] = {}
    families: dict[str, int] = {}
    for trial in subject.material.trials:
        counts[trial.row.state] = counts.get(trial.row.state, 0) + 1
        families[trial.row.family] = families.get(trial.row.family, 0) + 1
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    by_family = ", ".join(
        f"{count} {family}" for family, count in sorted(families.items(), key=lambda item: -item[1])
    )
    budget = subject.summary.get("budget_seconds")
    allowed = f" of the {duration(budget)} allowed" if budget else ""
    total = len(subject.material.trials)
    text = f"{total} {_trials(subject)} ({states}) in {duration(subject.seconds)}{allowed}: {by_family}."
    late = bool(budget and subject.seconds > budget)
    return f"{text} {_why_ended(subject.summary.get('end_reason', ''), late=late)}".strip()


def _why_ended(reason: str, *, late: bool = False) -> str:
    """The reason why the search ended, for a reader who has never seen one; ``late`` if it took too long."""
    if not reason:
        return ""
    if reason == "interrupted":
        return "It ended because it was interrupted."
    if "time is used up" in reason:
        return "It ended because its time was used up."
    if "finish in the time" in reason and late:
        return (
            "It began no further model, as none could have been trained in the time that was left; to choose "
            "and save the result took longer than that."
        )
    if "finish in the time" in reason:
        return "It ended slightly early: no other model could have been trained in the time that was left."
    if "tell apart" in reason:
        return f"It ended early: {reason}. With more trials, the winner would be the luckiest, not the best."
    if reason.startswith("nothing left to gain"):
        return f"It ended early, as there was {reason}."
    return f"It ended because {reason}."


def _family(subject: Subject, family: str) -> Markup:
    colour = subject.colours[family]
    variable = f"series-{SERIES.index(colour)}" if colour in SERIES else "muted"
    dot = tag("span", class_="dot", style=f"background:var(--{variable})")
    return tag("span", dot, family, class_="family")
