"""The text of `automl show`: one search or one trial, for people."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from automl.core.text import (
    duration,
    interval_text,
    printable,
    score_text,
    size_text,
    value_text,
    wait_text,
    weight_texts,
)
from automl.problem.search_command import spoken

if TYPE_CHECKING:
    from automl.tracker.reading.descriptions import SearchDescription, TrialDescription

_SECTIONS = 11
_SHOWN_ABOVE = ("name", "target", "source", "store", "trials", "seconds")


def print_description(
    description: SearchDescription | TrialDescription, stream: IO[str], *, as_json: bool
) -> None:
    """A search or a trial, as lines or as one JSON object."""
    if as_json:
        print(json.dumps(description.to_json()), file=stream)
        return
    from automl.tracker.reading.descriptions import TrialDescription

    lines = _trial(description) if isinstance(description, TrialDescription) else _search(description)
    print(printable("\n".join(lines)), file=stream)


def _search(search: SearchDescription) -> list[str]:
    """The question, the result, and where both are kept."""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(search.started))
    budget = search.configuration.get("seconds")
    of = f" of {duration(float(budget))}" if budget else ""
    took = "" if search.seconds is None else f", {duration(search.seconds)}{of}"
    by = f" by {search.user}" if search.user else ""
    lines = [
        f"{search.name}: {search.status}, begun {began}{by}{took}",
        _line("task", f"{search.task} of {search.target!r}, judged by {search.metric}"),
    ]
    source = search.configuration.get("source")
    lines += [_line("data", source)] if source else []
    if search.summary:
        lines += _result(search.summary)
    elif search.error:
        lines.append(_line("error", search.error))
    else:
        lines.append(
            _line(
                "trials",
                f"{_on_record(search)}`automl resume {shlex.quote(search.name)}` goes on",
            )
        )
    if search.is_champion:
        lines.append(_line("model", f"models:/{search.name}@champion, version {search.model_version}"))
    elif search.model_version:
        now = f"; the champion is version {search.champion_version}" if search.champion_version else ""
        model = f"models:/{search.name}/{search.model_version}"
        if search.model_deleted:
            model = f"version {search.model_version} of {search.name} was deleted from MLflow's registry"
        lines.append(_line("model", f"{model}{now}"))
    lines.append(_line("run", f"{search.run_id} in experiment {search.experiment_id}"))
    settings = {
        name: size_text(value) if name.endswith("_bytes") else value
        for name, value in search.configuration.items()
        if name not in _SHOWN_ABOVE and value not in (None, "", [], {}, 0, False)
    }
    lines.append(_line("settings", _pairs(spoken(settings))))
    lines += ["", f"The trials: automl leaderboard {shlex.quote(search.name)}"]
    return lines


def _on_record(search: SearchDescription) -> str:
    count = search.trials_on_record
    return "" if count is None else f"{count} on record; "


def _result(summary: Mapping[str, Any]) -> list[str]:
    """Champion, scores, counts and warnings of the object of ``automl search --json``."""
    best, metric = summary["best"], summary["metric"]
    weights = weight_texts([member["weight"] for member in best["members"]])
    members = ", ".join(
        f"#{member['trial']} {member['family']} {weight}"
        for member, weight in zip(best["members"], weights, strict=True)
    )
    lines = [
        _line("best", members if best["kind"] == "trial" else f"ensemble of {members}"),
    ]
    scores = {title: summary.get(title) for title in ("test", "honest")}
    lines += [_line(title, f"{metric} {interval_text(score)}") for title, score in scores.items() if score]
    lines.append(_line("validation", f"{metric} {score_text(best['validation'])}"))
    lines += [_line("tie", summary["tie"])] if summary.get("tie") else []
    if summary["baseline"]["validation"] is not None:
        text = f"{metric} {score_text(summary['baseline']['validation'])} (no features)"
        lines.append(_line("baseline", text))
    if again := sum(member.get("refit") is not None for member in best["members"]):
        of = "" if len(best["members"]) == 1 else f"{again} of {len(best['members'])} members "
        lines.append(_line("refit", f"{of}on all rows, those that judged included"))
    counts = ", ".join(f"{count} {state}" for state, count in summary["trials"].items() if count)
    lines.append(_line("trials", counts))
    lines += [_line("warning", warning) for warning in summary["warnings"]]
    return lines


def _trial(trial: TrialDescription) -> list[str]:
    """The parameters of a trial, its score in each fold, its cost, and the files that are kept."""
    row = trial.row
    lines = [f"#{row.trial} {row.family} of the search {trial.search}: {row.state}, from the {row.origin}"]
    if row.validation is not None:
        error = "" if row.standard_error is None else f" ±{score_text(row.standard_error, 2)}"
        lines.append(_line("validation", f"{trial.metric} {score_text(row.validation)}{error}"))
    if trial.fold_scores:
        lines.append(_line("folds", "  ".join(score_text(score) for score in trial.fold_scores)))
    if trial.error:
        lines.append(_line("error", trial.error))
    peak = trial.metrics.get("peak_bytes")
    memory = f", {size_text(peak)} of memory at most" if peak else ""
    lines.append(_line("took", f"{duration(row.seconds)}{memory}"))
    if row.predict_ms_per_1000_rows is not None:
        size = "" if row.model_bytes is None else f", {size_text(row.model_bytes)}"
        lines.append(_line("costs", f"{wait_text(row.predict_ms_per_1000_rows)} per 1000 rows{size}"))
    lines.append(_line("settings", _pairs(row.params)))
    drawn: dict[str, Any] = {name: trial.candidate.get(name) for name in ("seed", "log_target", "repeat")}
    lines.append(_line("candidate", _pairs(drawn)))
    shown = (trial.metric, "seconds", "peak_bytes", "predict_ms", "model_bytes")
    facts = {name: value for name, value in trial.metrics.items() if not any(word in name for word in shown)}
    if facts:
        lines.append(_line("found", _pairs(facts)))
    lines.append(_line("run", trial.row.run_id))
    lines.append(_line("kept", ", ".join(trial.artifacts) or "nothing"))
    if trial.traceback:
        lines += ["", trial.traceback.rstrip()]
    if trial.has_model:
        lines += ["", f'In Python: automl.load("{trial.row.run_id}")']
    return lines


def _line(title: str, text: object) -> str:
    return f"  {title:{_SECTIONS}}{text}"


def _pairs(values: Mapping[str, Any]) -> str:
    """``name value`` pairs in one line."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items()) or "the defaults"
