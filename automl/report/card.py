"""The model card: a search's result, the data it was made from, its scores and its limits."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence

import numpy as np

from automl.core.metrics import metrics
from automl.core.predictions import Answer
from automl.core.table import Kind
from automl.core.text import counted, label_text, range_text, score_text, share_text, size_text, wait_text
from automl.families import families
from automl.report.facts import prediction_quality as curves
from automl.report.facts.coverage_words import (
    coverage_head,
    coverage_rows,
    coverage_title,
    coverage_words,
)
from automl.report.facts.decision_words import answer_words, calibration_words
from automl.report.facts.driver_words import compared, headline
from automl.report.facts.evidence import Evidence
from automl.report.facts.extrapolation import beyond_the_range
from automl.report.facts.importance import interval_words
from automl.report.facts.inputs import columns_words
from automl.report.facts.slices import LEAST_ROWS, Slice
from automl.report.facts.subject import Subject

_CLASS_ROWS = 40
_SMALL = 1000
_KEPT_KINDS = {Kind.NUMBER, Kind.CATEGORY, Kind.DATE}


def model_card(subject: Subject, slices: Sequence[Slice] = ()) -> str:
    """The card as Markdown; text from the data is escaped."""
    parts = [
        f"# Model card: {escaped(subject.name)}",
        _which(subject),
        _overview(subject),
        "## What it is",
        _what(subject),
        "## What it was made from",
        _data(subject),
        "## How it was judged",
        _judged(subject),
        "## How well it does",
        _scores(subject),
    ]
    if subject.evidence is not None and subject.evidence.task.answer is Answer.CLASSES:
        parts += ["### By class", _by_class(subject.evidence)]
    if subject.evidence is not None and subject.evidence.story.coverage:
        title = coverage_title(subject.evidence)
        head, rows = coverage_head(subject.evidence), coverage_rows(subject.evidence)
        parts += [f"### {title}", f"{coverage_words(subject.evidence)}\n\n{_table(head, rows)}"]
    for item in slices:
        parts += [f"### By {escaped(item.column)}", _by_group(item, subject)]
    explanation = subject.explanation
    if explanation is not None and (explanation.importances or explanation.groups):
        parts += ["### What drives it", _drivers(subject)]
    parts += [
        "## Limits",
        _limits(subject),
        "## Versions and licences",
        _versions(subject),
        "## Use",
        _use(subject),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(value: object) -> str:
    """Text from data as one line of Markdown, all of whose special characters are escaped."""
    line = " ".join(str(value).split())
    return re.sub(r"([\\`*_\[\]<>|#&~$])", r"\\\1", line)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _which(subject: Subject) -> str:
    """The version and the run that the card describes, and whether it is the champion."""
    search = subject.material.search
    name, version, held = escaped(search.name), search.model_version, search.champion_version
    if not version:
        return f"The result of the search `{search.run_id}`, which registered no model."
    text = f"Version {version} of the model {name}: the result of the search `{search.run_id}`."
    day = time.strftime("%Y-%m-%d")
    if version == held:
        return f"{text} It is the champion (on {day}), which the name alone loads."
    now = f"on {day} that was version {held}, which the name alone loads" if held else "no version is"
    return f"{text}\n\n**It is not the champion of {name}**: {now}."


def _overview(subject: Subject) -> str:
    search = subject.material.search
    made = time.strftime("%Y-%m-%d", time.localtime(search.started))
    score = subject.headline
    reached = ""
    if score is not None and subject.test is None and subject.honest is not None:
        reached = f" On new rows expect {subject.metric} {score.words} ({escaped(subject.honest_source)})."
    elif score is not None:
        on = "untouched rows" if subject.test else "held-out rows that it was chosen on (optimistic)"
        reached = f" It reaches {subject.metric} {score.words} on {on}."
    against = (
        ""
        if subject.baseline is None
        else f" Predicting without features gives {score_text(subject.baseline)}."
    )
    return (
        f"Predicts **{escaped(search.target)}** ({search.task}). Made on {made} by automl.{reached}{against}"
    )


def _what(subject: Subject) -> str:
    rows = {trial.row.trial: trial.row for trial in subject.material.trials}
    listed = []
    for member in subject.members:
        row = rows.get(member["trial"])
        size = "" if row is None else size_text(row.model_bytes or 0)
        listed.append(
            (
                f"#{member['trial']}",
                member["family"],
                subject.weights[member["trial"]],
                size,
                f"`{member['run_id']}`",
            )
        )
    milliseconds, size_bytes = subject.cost
    text = (
        f"The weighted average of {len(listed)} trials, each the average of the models of its folds."
        if len(listed) > 1
        else "One trial: the average of its folds' models."
    )
    cost = (
        f"1,000 {subject.rows_name} take {wait_text(milliseconds)} on the machine that made it; "
        f"{size_text(size_bytes)} on disk."
    )
    return f"{text} {cost}\n\n{_table(('trial', 'family', 'weight', 'size', 'run'), listed)}"


def _data(subject: Subject) -> str:
    search, evidence = subject.material.search, subject.evidence
    source = search.configuration.get("source", "a DataFrame")
    if evidence is None:
        return f"Source: {escaped(source)}."
    story = evidence.story
    lines = [
        f"- Source: {escaped(source)}, {story.data_rows:,} usable {subject.rows_name}, "
        f"{columns_words(story.columns)}",
        f"- Digest: `{story.data_digest}`",
        f"- Target: {escaped(search.target)}; {escaped(story.task_reason)}",
    ]
    if subject.kept_cells and {column["kind"] for column in story.columns} & _KEPT_KINDS:
        lines.append(
            f"- Kept in the model: {subject.kept_cells} typical values of each column of numbers, dates and "
            "categories, for explanations; each column's values are shuffled apart from the others', so no "
            "row is kept, and no text or file"
        )
    lines += [f"- {item['severity'].capitalize()}: {escaped(item['evidence'])}" for item in story.findings]
    lines += [f"- Note: {escaped(note)}" for note in story.notes]
    return "\n".join(lines)


def _judged(subject: Subject) -> str:
    if subject.evidence is None:
        return ""
    story = subject.evidence.story
    lines = [
        f"- Validation: {escaped(story.split_reason)}",
        *([f"- Rows: {escaped(story.weighting)}"] if story.weighting else []),
        f"- Metric: {subject.metric} ({'more' if subject.greater_is_better else 'less'} is better), "
        f"{escaped(story.metric_reason)}{'. ' if subject.unmeasured else ''}{escaped(subject.unmeasured)}",
        f"- Honest score: {escaped(subject.honest_source) or 'not to be had from so few rows or groups'}",
        f"- Untouched rows: {escaped(story.test_source) or 'none'}",
        f"- Seed: {subject.material.search.configuration.get('seed', 0)}; {len(subject.material.trials)} "
        "trials",
    ]
    return "\n".join(lines)


def _scores(subject: Subject) -> str:
    rows = []
    honest = None if subject.honest == subject.test else subject.honest
    for name, score in (
        ("untouched rows", subject.test),
        ("new rows, expected", honest),
        ("held-out rows, chosen on", subject.validation),
    ):
        if score is not None:
            rows.append(
                (
                    name,
                    subject.metric,
                    score_text(score.value),
                    score.interval_words,
                    f"{score.rows:,}" if score.rows else "",
                )
            )
    if subject.evidence is not None:
        evidence = subject.evidence
        for metric in metrics().values():
            shown = evidence.task.takes(metric) and metric.is_telling(evidence.target)
            shown = shown and (evidence.weights is None or metric.takes_weights)
            if shown and metric.name != subject.metric:
                value = metric.score(evidence.target, evidence.judged(metric), evidence.weights)
                if np.isfinite(value):
                    rows.append(
                        ("held-out rows", metric.name, score_text(value), "", f"{len(evidence.target):,}")
                    )
    return _table(("rows", "metric", "score", "95 % interval", "number"), rows)


def _by_class(evidence: Evidence) -> str:
    names = tuple(label_text(name) for name in evidence.task.labels)
    rows = curves.by_class(evidence.target, evidence.predictions, names, evidence.weights)
    listed = [
        (
            escaped(row.label),
            f"{row.rows:,}",
            *(_plain(value) for value in (row.precision, row.recall)),
            range_text(row.recall_low, row.recall_high, 3) if row.rows else "",
            _plain(row.f1),
        )
        for row in rows[:_CLASS_ROWS]
    ]
    more = (
        f"\n\nThe hardest first; {len(rows) - _CLASS_ROWS} more classes." if len(rows) > _CLASS_ROWS else ""
    )
    return _table(("class", "rows", "precision", "recall", "its 95 % interval", "F1"), listed) + more


def _by_group(item: Slice, subject: Subject) -> str:
    metric = subject.measured
    rows = [
        (
            escaped(group.label),
            f"{group.rows:,}",
            _plain(group.score),
            "" if np.isnan(group.low) else range_text(group.low, group.high),
            group.differs or ("too few rows" if group.rows < LEAST_ROWS else ""),
        )
        for group in item.groups
    ]
    note = (
        f"{metric} on held-out rows; {score_text(item.overall)} on all of them. Among many groups, "
        f"some differ by chance. {subject.caution}"
    )
    return f"{_table(('group', 'rows', metric, '95 % interval', 'than all'), rows)}\n\n{note.strip()}"


def _drivers(subject: Subject) -> str:
    explanation = subject.explanation
    assert explanation is not None
    rows = [
        (escaped(item.feature), score_text(item.value, 3), interval_words(item))
        for item in explanation.importances[:10]
    ]
    listed = _table(("feature", f"{subject.measured} worse by, when shuffled", "95 % interval"), rows)
    shuffled = f"Values were shuffled among {counted(explanation.rows, 'held-out row')}." if rows else ""
    words = escaped(
        " ".join(part for part in (headline(explanation), compared(explanation), shuffled) if part)
    )
    return f"{words}\n\n{listed}" if rows else words


def _limits(subject: Subject) -> str:
    lines = [
        f"Its scores hold for {subject.rows_name} like those it was trained on; measure again on "
        f"{subject.rows_name} from another source or a later time.",
        *filter(None, [_new_levels(subject), _beyond(subject)]),
        "Importance and groups describe this model, not causes.",
    ]
    evidence = subject.evidence
    if evidence is not None:
        if evidence.story.data_rows < _SMALL:
            lines.append(
                f"It was trained on {evidence.story.data_rows:,} {subject.rows_name}: the intervals are "
                "wide, and scores of small groups are uncertain."
            )
        if evidence.task.answer is Answer.CLASSES:
            code = 1 if len(evidence.task.labels) == 2 else None
            curve = curves.calibration(evidence.target, evidence.raw, code, weights=evidence.weights)
            error = curves.calibration_error(curve)
            lines.append(
                f"Its probabilities are off by {share_text(error, 1)} on average (calibration error on "
                "held-out rows)."
            )
            lines += filter(None, [calibration_words(evidence), _decided(evidence)])
    lines += [escaped(warning) for warning in subject.summary.get("warnings", [])]
    lines.append("Intended use, and decisions that it must not make alone: please add them here.")
    return "\n".join(f"- {line}" for line in lines)


def _decided(evidence: Evidence) -> str:
    words = answer_words(evidence)
    if not words or len(evidence.task.labels) != 2:
        return escaped(words)
    positive = escaped(label_text(evidence.task.labels[1]))
    used = f"The answer is {positive} at a probability of {evidence.decision.threshold:.3f} or more."
    return f"{used} {escaped(words)}"


def _new_levels(subject: Subject) -> str:
    columns = () if subject.evidence is None else subject.evidence.story.columns
    categories = any(column["kind"] == Kind.CATEGORY for column in columns)
    return "A category that was not in the training data counts as missing." if categories else ""


def _beyond(subject: Subject) -> str:
    evidence = subject.evidence
    columns = () if evidence is None else evidence.story.columns
    if evidence is None or not any(column["kind"] in ("number", "date") for column in columns):
        return ""
    params = {trial.row.trial: trial.row.params for trial in subject.material.trials}
    members = [(m["family"], m["weight"], params.get(m["trial"], {})) for m in subject.members]
    return beyond_the_range(members, classes=evidence.task.answer is Answer.CLASSES)


def _versions(subject: Subject) -> str:
    registered = families()
    params = {trial.row.trial: trial.row.params for trial in subject.material.trials}
    pretrained = sorted(
        {
            member["family"]
            for member in subject.members
            if (member["family"] in registered and registered[member["family"]].pretrained)
            # Families of tables may be given numbers that a pretrained encoder makes of texts.
            or str(params.get(member["trial"], {}).get("texts", "terms")) != "terms"
        }
    )
    weights = (
        f"{', '.join(pretrained)} {'contains' if len(pretrained) == 1 else 'contain'} pretrained weights; "
        "their licence and source are in each model's folder."
        if pretrained
        else "All weights were trained on the data above; it contains nothing pretrained."
    )
    if subject.origins:
        what = ("name", "licence", "source", "weights")
        rows = [tuple(escaped(origin[key]) for key in what) for origin in subject.origins]
        head = ("published weights", "licence", "source", "SHA-256 begins")
        weights = f"{', '.join(pretrained)} contain published weights:\n\n{_table(head, rows)}"
    listed = ", ".join(f"{name} {version}" for name, version in sorted(subject.versions.items()))
    return f"{weights}\n\n{listed}"


def _use(subject: Subject) -> str:
    search = subject.material.search
    of = f"  # version {search.model_version} of {search.name}" if search.model_version else ""
    code = f'model = automl.load("{search.run_id}"){" ".join(of.splitlines())}'
    return f"```python\nimport automl\n\n{code}\nmodel.predict({subject.modality.value})\n```"


def _plain(value: float) -> str:
    return "" if np.isnan(value) else score_text(value, 4)
