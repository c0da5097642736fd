"""The last sections of the report: hyperparameters, data, failures, and how to use and repeat the search."""

from __future__ import annotations

import shlex
from collections import defaultdict

from automl.core.error_costs import COST
from automl.core.metrics import metrics
from automl.core.predictions import Answer
from automl.core.text import share_text
from automl.core.trial import Status
from automl.problem.search_command import search_command
from automl.report.facts.inputs import columns_words
from automl.report.facts.parameters import parameter_shares
from automl.report.facts.subject import Subject
from automl.report.sections.markup import Markup, code, prose, section, table, tag

_COLUMNS = 60
_REASONS = 30
_STOPPED = (
    "Stopped early: it was so far behind the best model of its family that it was unlikely to catch up. The "
    "time went to other trials."
)
_FUNCTION = "The metric was a function, which a command cannot take: use automl.search(…, metric=…)."
_EXACT = (
    "With a fixed number of trials, the same seed gives the same trials and scores; with a time budget, the "
    "number of trials depends on the machine."
)


def parameters_section(subject: Subject) -> Markup:
    """The hyperparameters that mattered, by family; empty where no family has enough trials to tell."""
    rows = [trial.row for trial in subject.material.trials]
    by_family = parameter_shares(rows, greater_is_better=subject.greater_is_better)
    title = "Which hyperparameters mattered"
    if not by_family:
        return Markup("")
    note = (
        "The share of the differences between a family's trials that each parameter explains by itself "
        "(epsilon squared over thirds of its values, on ranks), and its values in the best third of the "
        "trials. The search concentrated on regions with good scores, so this describes those regions; "
        "effects of combinations are not included."
    )
    parts: list[Markup] = [tag("p", note, class_="muted")]
    for family, (trials, shares) in by_family.items():
        body = [(item.name, share_text(item.share), item.best) for item in shares]
        parts += [
            tag("h3", f"{family}, {trials} trials"),
            table(("parameter", "explains", "best third"), body, words=(0, 2)),
        ]
    return section("parameters", title, *parts)


def data_section(subject: Subject) -> Markup:
    """The data that was read, and how it was interpreted."""
    search = subject.material.search
    parts: list[Markup] = []
    if subject.evidence is None:
        return section("data", "The data", tag("p", f"Target {search.target}, task {search.task}."))
    story = subject.evidence.story
    parts.append(
        tag(
            "p",
            f"{story.data_rows:,} rows, {columns_words(story.columns)}; "
            f"the target “{search.target}” makes the task {search.task}: {story.task_reason}.",
        )
    )
    if story.findings:
        body = [
            (item["severity"], item["column"] or "", item["evidence"], prose(item["remedy"]))
            for item in story.findings
        ]
        parts += [
            tag("h3", "Findings"),
            table(("severity", "column", "evidence", "what to do"), body, words=(0, 1, 2, 3)),
        ]
    elif not subject.doubted:
        parts.append(tag("p", "The checks found no problems."))
    if story.notes:
        parts += [tag("h3", "Notes"), tag("ul", *[tag("li", note) for note in story.notes])]
    listed = [(column["name"], column["kind"], column["reason"]) for column in story.columns[:_COLUMNS]]
    more = f" (the first {_COLUMNS} of {len(story.columns)})" if len(story.columns) > _COLUMNS else ""
    columns = table(("column", "kind", "why"), listed, words=(0, 1, 2))
    parts.append(tag("details", tag("summary", f"All columns, and why each has its kind{more}"), columns))
    return section("data", "The data", *parts)


def failures_section(subject: Subject) -> Markup:
    """Trials that failed or were stopped, grouped by reason; empty where all succeeded."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for trial in subject.material.trials:
        if trial.row.validation is None:
            groups[(trial.row.family, trial.row.state, trial.error)].append(trial.row.trial)
    if not groups:
        return Markup("")
    body = []
    ranked = sorted(groups.items(), key=lambda item: -len(item[1]))
    for (family, state, error), numbers in ranked[:_REASONS]:
        listed = ", ".join(f"#{number}" for number in numbers[:6]) + (" …" if len(numbers) > 6 else "")
        body.append(
            (
                family,
                state,
                f"{len(numbers)}",
                listed,
                _STOPPED if state == Status.PRUNED else error or "No reason was recorded.",
            )
        )
    head = ("family", "state", "trials", "which", "reason")
    parts = [table(head, body, words=(0, 1, 3, 4))]
    if len(ranked) > _REASONS:
        parts.append(tag("p", f"The {_REASONS} most frequent of {len(ranked):,} reasons.", class_="muted"))
    return section("failures", "What failed or was stopped", *parts)


def use_section(subject: Subject) -> Markup:
    """Commands that load the model, predict, serve it and repeat the search."""
    search, name = subject.material.search, subject.name
    uri = subject.summary.get("tracking_uri", "")
    parts: list[Markup] = []
    if subject.summary.get("model_uri"):
        # The name alone loads the champion, which may come from an earlier search.
        model = name if search.is_champion else search.run_id
        parts += [tag("p", note)] if (note := subject.summary.get("succession")) else []
        modality = subject.modality
        lines = [
            "import automl",
            "",
            f"model = automl.load({model!r})",
            f"model.predict({modality.value})  # {modality.accepts}",
        ]
        if subject.evidence is not None and subject.evidence.task.answer is Answer.CLASSES:
            lines.append(f"model.predict_proba({modality.value})")
        model_uri = shlex.quote(subject.summary["model_uri"])
        served = (
            f"export MLFLOW_TRACKING_URI={shlex.quote(uri)}",
            f"mlflow models serve -m {model_uri} --env-manager local --port 5001",
        )
        parts += [
            tag("h3", "Predict"),
            code(f"automl predict {shlex.quote(model)} {modality.example} -o predictions.csv"),
            code("\n".join(lines)),
            tag("h3", "Serve"),
            code("\n".join(served)),
        ]
    parts += [
        tag("h3", "Repeat"),
        code(_command(subject)),
        tag("p", _EXACT if _can_be_typed(search.metric) else f"{_EXACT} {_FUNCTION}", class_="muted"),
        tag("h3", "Look at every trial"),
        code(f"automl leaderboard {shlex.quote(name)}\nautoml ui {shlex.quote(name)}"),
    ]
    facts = [("search run", search.run_id), ("tracking store", uri), ("model version", search.model_version)]
    facts.append(
        ("champion of the name", f"version {search.champion_version}" if search.champion_version else "")
    )
    if subject.evidence is not None:
        facts.append(("data digest", subject.evidence.story.data_digest[:16]))
    facts += sorted(subject.versions.items())
    listed = [(name, value) for name, value in facts if value]
    parts.append(
        tag("details", tag("summary", "Ids and versions"), table(("name", "value"), listed, words=(0, 1)))
    )
    return section("use", "Use it and repeat it", *parts)


def _can_be_typed(metric: str) -> bool:
    return metric in metrics() or metric == COST


def _command(subject: Subject) -> str:
    """The command that repeats the search; a metric that was a function cannot be typed."""
    search = subject.material.search
    typed = _can_be_typed(search.metric)
    given = {name: value for name, value in search.configuration.items() if typed or name != "metric"}
    return search_command({**given, "target": search.target})
