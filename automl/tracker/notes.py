"""The texts of a search on MLflow's pages, as Markdown: its result, how to use it, links to every trial."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.core.text import range_text, score_text, weight_texts
from automl.tracker.record import (
    LeaderboardRow,
    SearchIds,
    SearchRecord,
    SearchSummary,
    as_markdown,
    best_first,
    cut_note,
)
from automl.tracker.tags import CHAMPION, NOTE, PARENT, SEARCH

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from automl.core.trial import Trial, TrialResult
    from automl.model.predictor import Predictor

TRAINING = "workflowType=machine_learning"
"""Makes MLflow show the pages of model training, not those of language-model agents."""
_VIEW, _CHARTS, _SEARCHES = "mlflow.sharedViewState.", "-charts", "searches"
_GAP = "&emsp;"
LONGEST = 7_900  # a little less than the longest tag


def search_note(
    search: SearchRecord, summary: SearchSummary, rows: list[LeaderboardRow], ids: SearchIds
) -> str:
    """The page of a search: the result, the champion's members, how to use it, the leaderboard."""
    metric, body = search.task.metric, summary.body
    parts = [
        _ways(search, rows, ids),
        summary.note,
        _result(body, metric.name),
        _with_code(dated(ids.succession)),
        _champion(body, rows, ids),
        _about(search),
    ]
    if ids.model_version:
        parts.append(_use(search, ids))
    head = "\n\n".join(part for part in parts if part)
    room = LONGEST - len(head) - 2
    return f"{head}\n\n{leaderboard_note(rows, metric.name, metric.greater_is_better, ids=ids, room=room)}"


def dated(sentence: str) -> str:
    """A sentence about the champion, with the day on which it is true."""
    return f"As of {time.strftime('%Y-%m-%d')}: {sentence}" if sentence else ""


def note_champion(client: MlflowClient, run_id: str, sentence: str) -> None:
    """Write the current champion on a run: in its tag, and in its description instead of the earlier text.

    A run that was deleted, or does not exist, is left unchanged.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return
    if run.info.lifecycle_stage == "deleted":
        return
    before, note = run.data.tags.get(CHAMPION, ""), run.data.tags.get(NOTE, "")
    old, now = _with_code(before), _with_code(sentence)
    if old and old in note:
        note = note.replace(old, now)
    else:
        first, gap, rest = note.partition("\n\n")
        note = f"{first}\n\n{now}{gap}{rest}"
    client.set_tag(run_id, CHAMPION, cut_note(sentence))
    client.set_tag(run_id, NOTE, cut_note(note))


def note_successor(
    client: MlflowClient, name: str, version: str, before: ModelVersion | None, by: str
) -> None:
    """Write the new champion on the run of the version that had the alias before; ``by``: `` by anna``."""
    if before is not None and before.run_id and str(before.version) != version:
        words = f"Version {version} of {name!r} is the champion{by}; before, it was version {before.version}."
        note_champion(client, before.run_id, dated(words))


def with_champion(note: str, name: str, version: str) -> str:
    """An experiment's page with another champion."""
    pattern = re.compile(r"The champion is \[[^\]]*\]\([^)]*\), version \d+\.")
    return pattern.sub(lambda _: _champion_words(name, version), note)


def _champion_words(name: str, version: str) -> str:
    return f"The champion is [{_model(name)}]({_model_page(name, version)}), version {version}."


def score_words(search: SearchRecord, summary: SearchSummary) -> str:
    """``accuracy 0.994``: the score on untouched rows if there are any, else the honest one."""
    body, metric = summary.body, search.task.metric.name
    score = body.get("test") or body.get("honest") or {}
    value = score.get("value", (body.get("best") or {}).get("validation"))
    return "" if value is None else f"{metric} {score_text(value, 3)}"


def run_name(search: SearchRecord, summary: SearchSummary) -> str:
    """``wine · accuracy 0.994 · anna``, for lists of runs."""
    return " · ".join(part for part in (search.name, score_words(search, summary), search.user) if part)


def begun_name(search: SearchRecord) -> str:
    """``wine · 2026-11-30 14:05 · anna``, before there is a score."""
    return " · ".join(part for part in (search.name, time.strftime("%Y-%m-%d %H:%M"), search.user) if part)


def trial_name(trial: Trial, result: TrialResult, metric: str) -> str:
    """``#3 lightgbm · accuracy 0.994``, or the state in which it ended."""
    ended = f"{metric} {score_text(trial.scores.validation, 3)}" if trial.scores else result.status.value
    return f"#{trial.number} {trial.candidate.family} · {ended}"


def result_tags(search: SearchRecord, summary: SearchSummary) -> dict[str, str]:
    """The columns of a list of searches: the score, the champion's families, the budget."""
    members = (summary.body.get("best") or {}).get("members", ())
    tags = {
        "automl.score": score_words(search, summary),
        "automl.family": ", ".join(dict.fromkeys(member["family"] for member in members)),
        "automl.budget": budget_words(search.configuration),
    }
    return {name: value for name, value in tags.items() if value}


def budget_words(configuration: Mapping[str, Any]) -> str:
    """``60 s`` or ``20 trials``."""
    seconds, trials = configuration.get("seconds"), configuration.get("trials")
    parts = (f"{seconds:g} s" if seconds else "", f"{trials} trials" if trials else "")
    return ", ".join(part for part in parts if part)


def version_line(search: SearchRecord, summary: SearchSummary, champion: Predictor) -> str:
    """A version of the registered model in one line: its score, families, date and user."""
    body = summary.body
    on = "on untouched rows" if body.get("test") else "on held-out rows"
    if body.get("honest") and not body.get("test"):
        on = "expected on new rows"
    score = score_words(search, summary)
    families = ", ".join(dict.fromkeys(member.family for member in champion.members))
    day = time.strftime("%Y-%m-%d", time.localtime(search.started or time.time()))
    parts = (f"{score} {on}" if score else "", families, f"search of {day}", search.user)
    return " · ".join(part for part in parts if part)


def experiment_note(search: SearchRecord, summary: SearchSummary, ids: SearchIds) -> str:
    """The page of all searches of a name, with links to the latest search and to the champion."""
    metric = search.task.metric.name
    latest = f"[the latest search]({_run(ids.experiment_id, ids.run_id)})"
    version = ids.champion_version
    champion = f" {_champion_words(search.name, version)}" if version else ""
    return (
        f"Searches for `{as_markdown(search.layout.target_name)}` in {as_markdown(search.dataset.source)}. "
        f"[All searches]({_board(ids, key=_SEARCHES)}): start with {latest}, [its trials, the best first]"
        f"({_board(ids)}) or [its charts]({_charts_page(ids)}).{champion}\n\n"
        f"{_result(summary.body, metric)}\n\n"
        f"Each search is a run, its trials are the runs below it. Sort by `val_{metric}`; the page of a "
        "trial has its parameters, scores by fold, curves, plots and model."
    )


def board_views(
    metric: str, greater_is_better: bool, ids: SearchIds, created: int, *, test: bool = False
) -> list[tuple[str, str]]:
    """Views of MLflow's runs as an experiment's tags: a search's trials, the best first, and their charts.

    MLflow's own "save view" writes such tags (3.17): the page's menu "Views" lists them. Without a view, the
    table shows no metric at all, and the charts are one bar chart per metric in alphabetical order.
    ``created`` is in milliseconds.
    """
    numbers = (f"val_{metric}", f"val_{metric}_se", "predict_ms_per_1000_rows", "model_bytes")
    trials = f"tags.`{PARENT}` = '{ids.run_id}'"
    state: dict[str, Any] = {
        "searchFilter": trials,
        "orderByKey": f"metrics.`val_{metric}`",
        "orderByAsc": not greater_is_better,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": [
            *(f"metrics.`{name}`" for name in numbers),
            *(f"tags.`automl.{name}`" for name in ("family", "state", "origin")),
        ],
    }
    searches = {
        **state,
        "searchFilter": f"tags.`{SEARCH}` LIKE '%'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "selectedColumns": [
            *([f"metrics.`test_{metric}`"] if test else []),
            f"metrics.`val_{metric}`",
            "attributes.`User`",
            *(f"tags.`automl.{name}`" for name in ("family", "budget", "model_version")),
        ],
    }
    sections = (("search", "Search", True), ("all", "Model metrics", False))
    charts = {
        **state,
        # The baseline is so far off that the other points would overlap.
        "searchFilter": f"{trials} AND tags.`automl.family` != 'dummy'",
        "runsHiddenMode": "SHOW_ALL",
        "runListHidden": True,
        "compareRunCharts": _charts(metric),
        "compareRunSections": [
            {"uuid": place, "name": name, "display": shown, "isReordered": True}
            for place, name, shown in sections
        ],
        "isAccordionReordered": True,
    }
    key = f"{_VIEW}{ids.run_id[:8]}"
    named = (
        (key, f"Trials of {ids.run_id[:8]}, the best first", state),
        (f"{key}{_CHARTS}", f"Charts of {ids.run_id[:8]}", charts),
        (f"{_VIEW}{_SEARCHES}", "All searches, the latest first", searches),
    )
    return [
        (
            tag,
            json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": json.dumps(view)}),
        )
        for tag, name, view in named
    ]


def _charts(metric: str) -> list[dict[str, Any]]:
    """Charts of the score against latency, time and size, of all scores and of their spread over folds."""
    score, folds = f"val_{metric}", f"val_{metric}_by_fold"
    charts: list[dict[str, Any]] = [
        {
            "type": "SCATTER",
            "xaxis": {"key": name, "type": "METRIC"},
            "yaxis": {"key": score, "type": "METRIC"},
            "runsCountToCompare": 100,
        }
        for name in ("predict_ms_per_1000_rows", "seconds", "model_bytes")
    ]
    charts.append({"type": "BAR", "metricKey": score, "runsCountToCompare": 20})
    line = {"xAxisKey": "step", "xAxisScaleType": "linear", "scaleType": "linear", "lineSmoothness": 0}
    charts.append({"type": "LINE", "metricKey": folds, "selectedMetricKeys": [folds], **line})
    common = {"metricSectionId": "search", "deleted": False, "isGenerated": False}
    return [{"uuid": f"chart-{number}", **common, **chart} for number, chart in enumerate(charts)]


def with_plots(note: str, run_id: str, names: Sequence[str], *, before: str = "") -> str:
    """A note with plots from the run's own artifacts, as many as fit.

    MLflow shows images in a description; the address is that of its own artifact page. They are placed at
    the end, or before the first line that begins with ``before``.
    """
    shown = ""
    for name in names:
        image = f"![]({plot_address(run_id, name)})\n"
        if len(note) + len(shown) + len(image) + 4 > LONGEST:
            break
        shown += image
    if not shown:
        return note
    place = note.find(f"\n{before}") if before else -1
    if place < 0:
        return f"{note}\n\n{shown.rstrip()}"
    return f"{note[:place].rstrip()}\n\n{shown}\n{note[place:].lstrip()}"


def plot_address(run_id: str, name: str) -> str:
    """The address of an artifact, relative to the pages of MLflow's server."""
    from urllib.parse import quote

    return f"get-artifact?path={quote(name, safe='')}&run_uuid={run_id}"


def leaderboard_note(
    rows: Sequence[LeaderboardRow],
    metric: str,
    greater_is_better: bool,
    *,
    ids: SearchIds | None = None,
    room: int = LONGEST,
) -> str:
    """The leaderboard, each trial a link to its run, with as many rows as fit."""
    lines = [
        _table_line(("trial", as_markdown(metric), "±", "seconds", "ms per 1000 rows", "state")),
        "|---|--:|--:|--:|--:|---|",
    ]
    used = sum(map(len, lines)) + len(lines) + 40
    for row in best_first(rows, greater_is_better):
        score = "" if row.validation is None else score_text(row.validation)
        error = "" if row.standard_error is None else score_text(row.standard_error, 2)
        latency = "" if row.predict_ms_per_1000_rows is None else f"{row.predict_ms_per_1000_rows:.1f}"
        cells = (_trial(row, ids), score, error, f"{row.seconds:.1f}", latency, row.state)
        line = _table_line(cells)
        used += len(line) + 1
        if used > room:
            lines.append(f"\n… and {len(rows) - len(lines) + 2} more")
            break
        lines.append(line)
    return "\n".join(lines)


def _table_line(cells: Sequence[str]) -> str:
    """A row of a table; MLflow's pages (3.17) put no gap between columns, so each cell ends with a space."""
    return f"| {' | '.join(f'{cell}{_GAP}' for cell in cells)} |"


def _ways(search: SearchRecord, rows: Sequence[LeaderboardRow], ids: SearchIds) -> str:
    """The first line, made of links: those below it cannot be clicked until the page is unfolded."""
    ways = [
        f"best trial [#{row.trial} {as_markdown(row.family)}]({_run(ids.experiment_id, row.run_id)})"
        for row in best_first(rows, search.task.metric.greater_is_better)[:1]
        if row.validation is not None
    ]
    if ids.model_version:
        model = "registered champion" if ids.is_champion else f"registered version {ids.model_version}"
        ways.append(f"[{model}]({_model_page(search.name, ids.model_version)})")
    ways.append(f"[all trials, the best first]({_board(ids)})")
    ways.append(f"[charts]({_charts_page(ids)})")
    return "Go to: " + " · ".join(ways)


def _run(experiment_id: str, run_id: str) -> str:
    return f"#/experiments/{experiment_id}/runs/{run_id}?{TRAINING}"


def _board(ids: SearchIds, view: str = "", *, key: str = "") -> str:
    key = key or f"{ids.run_id[:8]}{view}"
    return f"#/experiments/{ids.experiment_id}/runs?viewStateShareKey={key}&{TRAINING}"


def _charts_page(ids: SearchIds) -> str:
    return f"{_board(ids, _CHARTS)}&compareRunsMode=CHART"


def _trial(row: LeaderboardRow, ids: SearchIds | None) -> str:
    text = f"#{row.trial} {as_markdown(row.family)}"
    return text if ids is None else f"[{text}]({_run(ids.experiment_id, row.run_id)})"


def _result(body: Mapping[str, Any], metric: str) -> str:
    """The honest score, compared with the baseline."""
    best, test, honest = body.get("best"), body.get("test"), body.get("honest")
    if not best:
        return ""
    name, score = as_markdown(metric), test or honest
    if score:
        on = "" if test else f"expected on new rows ({honest['how']})" if honest else ""
        on = on or f"on {score['rows']:,} untouched rows"
        text = (
            f"**{name} {score_text(score['value'])}** (95 % {range_text(score['low'], score['high'])}) {on}; "
            f"validation {score_text(best['validation'])}"
        )
    else:
        text = (
            f"**{name} {score_text(best['validation'])}** on held-out rows; the model was chosen on them, so "
            "the score is optimistic"
        )
    baseline = body.get("baseline") or {}
    against = baseline.get("test") if test else baseline.get("validation")
    return text + ("." if against is None else f"; predicting without features gives {score_text(against)}.")


def _champion(body: Mapping[str, Any], rows: Sequence[LeaderboardRow], ids: SearchIds) -> str:
    members = (body.get("best") or {}).get("members", ())
    if not members:
        return ""
    by_trial = {row.trial: row for row in rows}
    weights = weight_texts([member["weight"] for member in members])
    listed = ", ".join(
        f"{_trial(by_trial[member['trial']], ids)} {weight}"
        for member, weight in zip(members[:12], weights, strict=False)
        if member["trial"] in by_trial
    )
    more = f" and {len(members) - 12} more" if len(members) > 12 else ""
    head = "Champion" if ids.is_champion else "Model"
    return f"{head}: {listed}{more}"


def _with_code(text: str) -> str:
    """Plain text as Markdown; text in backquotes is code."""
    parts = text.split("`")
    return "`".join(part if place % 2 else _spaced(part) for place, part in enumerate(parts))


def _spaced(text: str) -> str:
    """Text as Markdown, with the spaces at its ends, which separate it from code."""
    inner = as_markdown(text)
    if not inner:
        return text
    return f"{' ' * text[0].isspace()}{inner}{' ' * text[-1].isspace()}"


def _about(search: SearchRecord) -> str:
    data = search.dataset
    return (
        f"Target `{as_markdown(search.layout.target_name)}` ({search.task.name}) of "
        f"{as_markdown(data.source)}: "
        f"{data.rows:,} rows, {len(data.columns)} columns, digest `{data.digest[:12]}`. "
        f"Judged by {as_markdown(search.split_reason)}."
    )


def _use(search: SearchRecord, ids: SearchIds) -> str:
    from automl.model.file_input import place_of_new_rows  # imports pandas, not needed to read a record

    quoted, place = shlex.quote(search.name), place_of_new_rows(search.layout)
    given = repr(place) if place.endswith("/") else "frame"
    if not ids.is_champion:
        run = ids.run_id[:8]
        return (
            f"```\nautoml predict {run} {place} -o predictions.csv\nautoml promote {quoted} {run}\n```\n\n"
            f'```python\nmodel = automl.load("{run}")\n# or mlflow.pyfunc.load_model("{ids.model_uri}")\n'
            f"model.predict({given})\n```"
        )
    return (
        f"```\nautoml predict {quoted} {place} -o predictions.csv\nautoml report {quoted}\n```\n\n"
        f'```python\nmodel = automl.load({search.name!r})  # or mlflow.pyfunc.load_model("{ids.model_uri}")\n'
        f"model.predict({given})\n```"
    )


def _model(name: str) -> str:
    return as_markdown(f"models:/{name}@champion")


def _model_page(name: str, version: str) -> str:
    from urllib.parse import quote

    return f"#/models/{quote(name, safe='')}/versions/{version}?{TRAINING}"
