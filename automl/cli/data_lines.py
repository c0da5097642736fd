"""The lines that say what was read and decided before the first trial, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.core.modality import TABLES
from automl.core.table import Kind
from automl.core.text import counted, flag, printable

if TYPE_CHECKING:
    from automl.problem.preparation import Prepared

_WARNINGS = 8


def describe_data(prepared: Prepared, name: str) -> list[str]:
    """One line per decision, then the findings that matter."""
    from automl.data.modalities import modalities, modality_of

    task = prepared.task
    kinds = [column.kind for column in prepared.layout.columns]
    used = (Kind.NUMBER, Kind.CATEGORY, Kind.TEXT, Kind.DATE, *modalities())
    shown = ", ".join(counted(kinds.count(kind), str(kind)) for kind in used if kind in kinds)
    alone = modality_of(kinds, alone=True) if len(kinds) == 1 else TABLES
    rows = f"{prepared.rows:,} {alone.rows}" if alone.kind else f"{prepared.rows:,} rows, {shown}"
    lines = [
        f"{name}: {rows}",
        f"  task    {task.name}: {prepared.choice.reason}",
        f"  metric  {task.metric.name}: {prepared.choice.metric_reason}",
        f"  split   {prepared.problem.split.reason}",
    ]
    test = prepared.test
    lines += [f"  test    {test.source}"] if test else []
    lines += [f"  rows    {prepared.weighting}"] if prepared.weighting else []
    lines += [f"  note    {note}" for note in prepared.notes]
    left_out = [f for f in prepared.findings if f.code in ("constant", "id") and f.severity == "note"]
    if left_out:
        named = ", ".join(f"{finding.column!r} ({finding.code})" for finding in left_out[:8])
        more = f" and {len(left_out) - 8} more" if len(left_out) > 8 else ""
        kept = next((finding.column for finding in left_out if finding.code == "id"), left_out[0].column)
        which = "it" if len(left_out) == 1 else "that one"
        lines.append(f"  left out {named}{more}; {flag('keep', kept)} keeps {which}")
    matters = [finding for finding in prepared.findings if finding.severity != "note"]
    lines += [f"  {f.severity:7} {f.evidence} {f.remedy}".rstrip() for f in matters[:_WARNINGS]]
    if len(matters) > _WARNINGS:
        lines.append(f"  and {len(matters) - _WARNINGS} more warnings: `automl check` lists all")
    return [printable(line) for line in lines]
