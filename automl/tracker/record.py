"""The record of a search and its trials: plain values, and the texts and numbers made from them."""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.credentials import without_password
from automl.core.text import score_text, size_text
from automl.core.trial import Candidate, Curve, Scores, Status, Trial, TrialResult
from automl.tracker.tags import CANDIDATE, COLOUR, COLUMN_NAMES, COLUMNS, DATA, KEY, NOTE, SPLIT, TEST_DIGEST

if TYPE_CHECKING:
    from automl.core.tasks import Task
    from automl.data.layout import Layout
    from automl.model.background import Background

CURVE_POINTS = 40  # metrics show the shape of a curve; curves.json has all of it
_CURVES = 6
_LIMITS = {"tag": 7_900, "param": 5_900, "key": 250, "error": 480}
# Okabe and Ito's palette, which colour-blind people can tell apart, and three more.
_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#7F7F7F"),
    *("#6A3D9A", "#8C564B", "#17BECF"),
)
_FAMILY_COLOURS = {
    "dummy": "#7F7F7F",
    "linear": "#E69F00",
    "kernel": "#6A3D9A",
    "random_forest": "#8C564B",
    "extra_trees": "#009E73",
    "xgboost": "#56B4E9",
    "lightgbm": "#0072B2",
    "catboost": "#F0E442",
    "tabular_net": "#CC79A7",
    "tabm": "#D55E00",
}


@dataclass(frozen=True, kw_only=True)
class DatasetRecord:
    """The data of a search.

    Attributes
    ----------
    source:
        The file, or ``frame``.
    columns:
        Column name → kind, without the target.
    names:
        All columns of the data, including those that are not inputs; empty if unknown.
    """

    name: str
    source: str
    digest: str
    rows: int
    columns: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """The facts of a search when it begins.

    Attributes
    ----------
    name:
        The name of the search, of its experiment and of its registered model.
    task, layout:
        Task and layout for the predictors that are stored with every trial.
    configuration:
        All settings as plain JSON data.
    split_digest, split_reason:
        Digest and description of the folds.
    key:
        Identifies the search: its runs are found by it, and the ids of its trials' runs are derived from it,
        so that a process that continues the search writes nothing twice. Empty for a search that is not
        continued.
    truth:
        Encoded target of the rows that trials are judged on, for their plots.
    started:
        Start of the search in seconds since 1970; 0 for the moment of the first record.
    test_digest:
        Digest of the rows that are scored once; empty without such rows.
    promote:
        Rule by which the new version becomes the champion: ``better``, ``always`` or ``never``.
    user:
        The user who searches.
    background:
        Typical values of the columns for these predictors; None without explanations.
    """

    name: str
    task: Task
    layout: Layout
    dataset: DatasetRecord
    configuration: Mapping[str, Any]
    split_digest: str = ""
    split_reason: str = ""
    seed: int = 0
    key: str = ""
    truth: npt.NDArray[np.generic] | None = field(default=None, repr=False)
    started: float = 0.0
    test_digest: str = ""
    promote: str = "better"
    user: str = ""
    background: Background | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SearchSummary:
    """The result of a search when it ends.

    Attributes
    ----------
    body:
        The object of ``automl search --json``; ids and addresses are filled in by the tracker.
    metrics:
        Numbers for the search's run: ``test_accuracy``, ``baseline_accuracy`` …
    note:
        Markdown above the leaderboard on the run's page.
    """

    body: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class SearchIds:
    """Ids of a search in the store; ``model_uri`` and ``model_version`` are empty without a champion.

    Attributes
    ----------
    champion_version:
        The version of this name that has the alias ``champion`` now: this search's or an earlier one's.
    succession:
        The decision about the alias, in one sentence; empty for the first version of a name.
    """

    run_id: str
    experiment_id: str
    tracking_uri: str
    model_uri: str = ""
    model_version: str = ""
    champion_version: str = ""
    succession: str = ""

    @property
    def is_champion(self) -> bool:
        """True if this search's version has the alias."""
        return bool(self.model_version) and self.model_version == self.champion_version

    def fields(self) -> dict[str, str | bool]:
        """The entries for a search's summary, without a password."""
        return {
            **asdict(self),
            "tracking_uri": without_password(self.tracking_uri),
            "is_champion": self.is_champion,
        }


@dataclass(frozen=True, kw_only=True)
class LeaderboardRow:
    """One trial as the leaderboard shows it; the fields are the keys of ``leaderboard --json``."""

    trial: int
    run_id: str
    family: str
    params: dict[str, Any]
    state: str
    origin: str
    validation: float | None
    standard_error: float | None
    seconds: float
    predict_ms_per_1000_rows: float | None
    model_bytes: int | None


def columns_digest(columns: Collection[str]) -> str:
    """Digest of the column names, in any order."""
    return hashlib.sha256("\n".join(sorted(columns)).encode()).hexdigest()[:16]


def search_tags(search: SearchRecord, version: str) -> dict[str, str]:
    """Tags of a search's run."""
    metric = search.task.metric
    return {
        "automl.search": search.name,
        "automl.task": search.task.name,
        "automl.metric": metric.name,
        "automl.greater_is_better": json.dumps(metric.greater_is_better),
        "automl.target": search.layout.target_name,
        DATA: search.dataset.digest,
        SPLIT: search.split_digest,
        **({TEST_DIGEST: search.test_digest} if search.test_digest else {}),
        **column_tags(search.dataset.names),
        "automl.split": search.split_reason,
        "automl.seed": str(search.seed),
        "automl.version": version,
        **({KEY: search.key} if search.key else {}),
    }


def column_tags(columns: Collection[str]) -> dict[str, str]:
    """Tags that distinguish a table from another one of the same name."""
    if not columns:
        return {}
    listed = json.dumps(sorted(columns), ensure_ascii=False)
    tags = {COLUMNS: columns_digest(columns)}
    return {**tags, COLUMN_NAMES: listed} if len(listed) <= _LIMITS["tag"] else tags


def trial_tags(trial: Trial, result: TrialResult, search: SearchRecord, version: str) -> dict[str, str]:
    """Tags of a trial's run, with everything that the leaderboard needs beside the metrics."""
    candidate = trial.candidate
    tags = {
        "automl.trial": str(trial.number),
        "automl.family": candidate.family,
        "automl.state": result.status.value,
        "automl.origin": candidate.origin,
        "automl.seed": str(candidate.seed),
        DATA: search.dataset.digest,
        SPLIT: search.split_digest,
        "automl.version": version,
        COLOUR: family_colour(candidate.family),
    }
    body = json.dumps(candidate.to_json(), separators=(",", ":"))
    if len(body) <= _LIMITS["tag"]:
        tags[CANDIDATE] = body
    if result.node:
        tags["automl.node"] = _cut(result.node, _LIMITS["key"])
    if result.error:
        tags["automl.error"] = _cut(result.error, _LIMITS["error"])
    note = trial_note(trial, result, search.task.metric.name)
    return {**tags, NOTE: _cut(note, _LIMITS["tag"])}


def trial_params(candidate: Candidate) -> dict[str, str]:
    """The sampled parameters, each under its family's name."""
    params = {f"{candidate.family}.{name}": str(value) for name, value in candidate.params.items()}
    if candidate.log_target:
        params["log_target"] = "True"
    return {
        _cut(name, _LIMITS["key"]): _cut(value, _LIMITS["param"]) for name, value in list(params.items())[:99]
    }


def trial_metrics(result: TrialResult, scores: Scores | None, metric: str) -> dict[str, float]:
    """The finite numbers of a trial by metric name."""
    values: dict[str, float] = {"seconds": result.seconds, "peak_bytes": float(result.peak_bytes)}
    if result.status is Status.DONE:
        values["fit_seconds"] = result.fit_seconds
        values["predict_ms_per_1000_rows"] = result.predict_ms_per_1000_rows
        values["model_bytes"] = float(result.model_bytes)
    if scores is not None:
        values[f"val_{metric}"] = scores.validation
        values[f"val_{metric}_se"] = scores.standard_error
        if len(scores.folds) > 1:
            values[f"val_{metric}_std"] = float(np.std(scores.folds, ddof=1))
        if scores.train is not None:
            values[f"train_{metric}"] = scores.train
    values.update({name: float(value) for name, value in list(result.facts.items())[:20]})
    return {_key(name): value for name, value in values.items() if math.isfinite(value)}


def curve_means(curves: Iterable[Curve]) -> dict[str, list[tuple[int, float]]]:
    """Mean over the folds of each kind of curve, thinned to a few dozen points; ``fold_0/`` is dropped."""
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        if curve.steps:
            groups.setdefault(curve_kind(curve.name), []).append(curve)
    means = {}
    for name, members in list(groups.items())[:_CURVES]:
        longest = max(members, key=lambda curve: curve.steps[-1]).steps
        picked = np.unique(np.linspace(0, len(longest) - 1, min(CURVE_POINTS, len(longest))).astype(int))
        steps = np.asarray(longest)[picked]
        # A fold that stopped early does not count in later steps.
        stacked = np.array([np.interp(steps, curve.steps, curve.values, right=np.nan) for curve in members])
        finite = [
            (int(step), column[np.isfinite(column)]) for step, column in zip(steps, stacked.T, strict=True)
        ]
        means[_key(name)] = [(step, float(np.mean(values))) for step, values in finite if len(values)]
    return means


def curve_kind(name: str) -> str:
    """The quantity of a curve, without its fold: ``valid_loss`` for ``fold_0/valid_loss``."""
    return re.sub(r"(^|[/_. ])fold[ _]?\d+([/_. ]|$)", "/", name).strip("/") or "curve"


def curves_json(curves: Iterable[Curve]) -> str:
    """All curves of all folds as JSON."""
    return json.dumps(
        [{"name": item.name, "steps": list(item.steps), "values": list(item.values)} for item in curves]
    )


def plain_params(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The settings that are single values, as the params of a search's run."""
    return {
        _key(name): _cut(str(value), _LIMITS["param"])
        for name, value in list(configuration.items())[:99]
        if isinstance(value, str | int | float | bool)
    }


def leaderboard_row(trial: Trial, result: TrialResult, run_id: str) -> LeaderboardRow:
    """The row of a finished trial."""
    done = result.status is Status.DONE
    return LeaderboardRow(
        trial=trial.number,
        run_id=run_id,
        family=trial.candidate.family,
        params=dict(trial.candidate.params),
        state=result.status.value,
        origin=trial.candidate.origin,
        validation=trial.scores.validation if trial.scores else None,
        standard_error=trial.scores.standard_error if trial.scores else None,
        seconds=result.seconds,
        predict_ms_per_1000_rows=result.predict_ms_per_1000_rows if done else None,
        model_bytes=result.model_bytes if done else None,
    )


def best_first(rows: Iterable[LeaderboardRow], greater_is_better: bool) -> list[LeaderboardRow]:
    """Rows by score; those without a score last, by number."""
    sign = -1.0 if greater_is_better else 1.0
    return sorted(rows, key=lambda row: (row.validation is None, sign * (row.validation or 0.0), row.trial))


def trial_note(trial: Trial, result: TrialResult, metric: str) -> str:
    """A trial in one or two sentences of Markdown."""
    candidate = trial.candidate
    head = f"**{as_markdown(candidate.family)}**, trial {trial.number} ({candidate.origin})"
    if trial.scores is None:
        how = "fitted again on all rows" if candidate.origin == "refit" else as_markdown(result.error)
        return f"{head}: {result.status.value}. {how}".rstrip()
    scores = trial.scores
    text = (
        f"{head}: {as_markdown(metric)} {score_text(scores.validation)} ± "
        f"{score_text(scores.standard_error, 2)}"
    )
    if scores.train is not None:
        text += f" ({score_text(scores.train)} on training rows)"
    text += f", {result.seconds:.1f} s, {size_text(result.model_bytes)}."
    return " ".join([text, *map(as_markdown, result.notes)])


def as_markdown(text: object) -> str:
    """Text from outside, such as an error's, escaped so that Markdown and HTML show it literally."""
    flat = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))", r"\\\1", flat)


def cut_note(text: str) -> str:
    """A note, cut to the length of a tag."""
    return _cut(text, _LIMITS["tag"])


def cut_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags with their values cut to the length of a tag."""
    return {name: cut_note(value) for name, value in tags.items()}


def family_colour(family: str) -> str:
    """A fixed colour per family: its own for families that ship with automl, by name for others."""
    if family in _FAMILY_COLOURS:
        return _FAMILY_COLOURS[family]
    return _COLOURS[hashlib.sha256(family.encode()).digest()[0] % len(_COLOURS)]


def folder_name(name: str) -> str:
    """A search's name as the name of a folder, without characters that are special in a path or a URI."""
    cleaned = re.sub(r"[^\w.+-]+", "_", name).strip("._")
    if cleaned == name:
        return name
    return f"{cleaned[:80] or 'search'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _key(name: str) -> str:
    """A name that MLflow accepts for a metric or a param."""
    return re.sub(r"[^\w\-./ ]", "_", name)[: _LIMITS["key"]]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
