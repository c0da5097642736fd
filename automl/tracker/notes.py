"""What stands on MLflow's pages of a search, as Markdown: its result, how to use it, links to every trial."""

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
"""What makes MLflow's pages those of model training, not of language-model agents."""
_VIEW, _CHARTS, _SEARCHES = "mlflow.sharedViewState.", "-charts", "searches"
_GAP = "&emsp;"
LONGEST = 7_900  # a tag's length, with room


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
    """Who is the champion, with the day of which that is true."""
    return f"As of {time.strftime('%Y-%m-%d')}: {sentence}" if sentence else ""


def note_champion(client: MlflowClient, run_id: str, sentence: str) -> None:
    """Say on a run who is the champion now: as its tag, and in its description instead of what stood there.

    A run that was deleted, or is not on record, is left as it is.
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
    said, now = _with_code(before), _with_code(sentence)
    if said and said in note:
        note = note.replace(said, now)
    else:
        first, gap, rest = note.partition("\n\n")
        note = f"{first}\n\n{now}{gap}{rest}"
    client.set_tag(run_id, CHAMPION, cut_note(sentence))
    client.set_tag(run_id, NOTE, cut_note(note))


def note_successor(
    client: MlflowClient, name: str, version: str, before: ModelVersion | None, by: str
) -> None:
    """Say on the run of the version that had the alias before who has it now; ``by`` as in ``by anna``."""
    if before is not None and before.run_id and str(before.version) != version:
        words = f"Version {version} of {name!r} is the champion{by}; version {before.version} was it before."
        note_champion(client, before.run_id, dated(words))


def with_champion(note: str, name: str, version: str) -> str:
    """An experiment's page with another champion."""
    said = re.compile(r"The champion is \[[^\]]*\]\([^)]*\), version \d+\.")
    return said.sub(lambda _: _champion_words(name, version), note)


def _champion_words(name: str, version: str) -> str:
    return f"The champion is [{_model(name)}]({_model_page(name, version)}), version {version}."


def score_words(search: SearchRecord, summary: SearchSummary) -> str:
    """``accuracy 0.994``: the score on untouched rows where there are some, else on held-out ones."""
    body, metric = summary.body, search.task.metric.name
    value = (body.get("test") or {}).get("value", (body.get("best") or {}).get("validation"))
    return "" if value is None else f"{metric} {score_text(value, 3)}"


def run_name(search: SearchRecord, summary: SearchSummary) -> str:
    """``wine · accuracy 0.994 · anna``, for lists of runs."""
    return " · ".join(part for part in (search.name, score_words(search, summary), search.user) if part)


def begun_name(search: SearchRecord) -> str:
    """The same before there is a score."""
    return " · ".join(part for part in (search.name, time.strftime("%Y-%m-%d %H:%M"), search.user) if part)


def trial_name(trial: Trial, result: TrialResult, metric: str) -> str:
    """``#3 lightgbm · accuracy 0.994``, or how it ended."""
    ended = f"{metric} {score_text(trial.scores.validation, 3)}" if trial.scores else result.status.value
    return f"#{trial.number} {trial.candidate.family} · {ended}"


def result_tags(search: SearchRecord, summary: SearchSummary) -> dict[str, str]:
    """What a list of searches shows as columns: the score, the champion's families, the budget."""
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
    """A version of the registered model in one line: its score, what it is made of, whose search it is."""
    on = "untouched rows" if summary.body.get("test") else "held-out rows"
    score = score_words(search, summary)
    families = ", ".join(dict.fromkeys(member.family for member in champion.members))
    day = time.strftime("%Y-%m-%d", time.localtime(search.started or time.time()))
    parts = (f"{score} on {on}" if score else "", families, f"search of {day}", search.user)
    return " · ".join(part for part in parts if part)


def experiment_note(search: SearchRecord, summary: SearchSummary, ids: SearchIds) -> str:
    """The page of all searches of a name: where the latest one and its champion are."""
    metric = search.task.metric.name
    latest = f"[the latest search]({_run(ids.experiment_id, ids.run_id)})"
    version = ids.champion_version
    champion = f" {_champion_words(search.name, version)}" if version else ""
    return (
        f"Searches for `{as_markdown(search.layout.target_name)}` in {as_markdown(search.dataset.source)}. "
        f"[All searches]({_board(ids, key=_SEARCHES)}): start with {latest}, [its trials, the best first]"
        f"({_board(ids)}) or [its charts]({_charts_page(ids)}).{champion}\n\n"
        f"{_result(summary.body, metric)}\n\n"
        f"Each search is a run, its trials are the runs below it. Sort by `val_{metric}`; a trial's page has "
        "its parameters, scores by fold, curves and plots, and its model."
    )


def board_views(
    metric: str, greater_is_better: bool, ids: SearchIds, created: int, *, test: bool = False
) -> list[tuple[str, str]]:
    """Views of MLflow's runs as an experiment's tags: a search's trials, the best first, and their charts.

    MLflow's own "save view" writes such tags (3.17): the page's menu "Views" lists them. Without one its
    table shows no metric at all, and its charts are one bar chart per metric in the order of the alphabet.
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
        # The baseline is so far off that the others would lie on one another.
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
    """What the score costs in latency, time and size, every trial's score, and its spread over folds."""
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
    """A note with plots of the run's own artifacts in it, as many as there is room for.

    MLflow shows images of a description; the address is that of its own artifact page. They stand at
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
    """Where MLflow's server has an artifact, from its pages."""
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
    """The leaderboard, each trial a link to its run, as long as there is room for."""
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
    """A row of a table; MLflow's pages (3.17) set columns without a gap, so that a space keeps them apart."""
    return f"| {' | '.join(f'{cell}{_GAP}' for cell in cells)} |"


def _ways(search: SearchRecord, rows: Sequence[LeaderboardRow], ids: SearchIds) -> str:
    """The first line, all of links: what stands below it cannot be clicked until the page is unfolded."""
    ways = [
        f"best trial [#{row.trial} {as_markdown(row.family)}]({_run(ids.experiment_id, row.run_id)})"
        for row in best_first(rows, search.task.metric.greater_is_better)[:1]
        if row.validation is not None
    ]
    if ids.model_version:
        what = "registered champion" if ids.is_champion else f"registered version {ids.model_version}"
        ways.append(f"[{what}]({_model_page(search.name, ids.model_version)})")
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
    """The honest score beside what guessing gets."""
    best, test = body.get("best"), body.get("test")
    if not best:
        return ""
    name = as_markdown(metric)
    if test:
        text = (
            f"**{name} {score_text(test['value'])}** (95 % {range_text(test['low'], test['high'])}) on "
            f"{test['rows']:,} untouched rows; validation "
            f"{score_text(best['validation'])}"
        )
    else:
        text = (
            f"**{name} {score_text(best['validation'])}** on held-out rows; it was chosen by them, so "
            "it is optimistic"
        )
    baseline = body.get("baseline") or {}
    against = baseline.get("test") if test else baseline.get("validation")
    return text + ("." if against is None else f"; predicting without features gives {score_text(against)}.")


def _champion(body: Mapping[str, Any], rows: Sequence[LeaderboardRow], ids: SearchIds) -> str:
    members = (body.get("best") or {}).get("members", ())
    if not members:
        return ""
    known = {row.trial: row for row in rows}
    weights = weight_texts([member["weight"] for member in members])
    listed = ", ".join(
        f"{_trial(known[member['trial']], ids)} {weight}"
        for member, weight in zip(members[:12], weights, strict=False)
        if member["trial"] in known
    )
    more = f" and {len(members) - 12} more" if len(members) > 12 else ""
    what = "Champion" if ids.is_champion else "Model"
    return f"{what}: {listed}{more}"


def _with_code(text: str) -> str:
    """Plain words as Markdown; what stands in backquotes is code."""
    parts = text.split("`")
    return "`".join(part if place % 2 else _spaced(part) for place, part in enumerate(parts))


def _spaced(text: str) -> str:
    """As Markdown, with the spaces at its ends, which stand before and after code."""
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
    from automl.model.file_input import place_of_new_rows  # brings pandas, which reading a record needs not

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
