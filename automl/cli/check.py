"""``automl check``: the data doctor's report, fit for 80 columns."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from automl.cli.click_options import check_options
from automl.core.text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from automl.core.finding import Finding
    from automl.problem.check import CheckReport

_SHOWN = 4  # of one code; the rest are counted
_COLOURS = {"error": "red", "warning": "yellow", "note": None}
_MARGIN = 10


@click.command()
@click.argument("data")
@check_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def check(data: str, as_json: bool, **given: Any) -> int:
    """Check DATA before anything is trained: leaks, copies, ids, dates, duplicates, drift.

    Exit code 0 when a search would accept the data, with or without warnings; 3 when it would not.

    \b
    Examples:
      automl check wine.csv --target class
      automl check train.csv --target price --test newer.csv
      automl check churn.csv --target Churn --json
    """
    from automl.problem.check import check as run

    report = run(data, **given)
    if as_json:
        click.echo(json.dumps(report.to_json()))
    else:
        for line in report_lines(report, _width()):
            click.echo(line, color=None if "NO_COLOR" not in os.environ else False)
    return 0 if report.ok else 3


def _width() -> int:
    return min(100, shutil.get_terminal_size((80, 24)).columns) if sys.stdout.isatty() else 80


def report_lines(report: CheckReport, width: int) -> Iterator[str]:
    """The report as lines of at most ``width`` characters."""
    used = sum(str(column.kind) not in ("id", "constant") for column in report.columns)
    left_out = len(report.columns) - used
    dropped = f" ({left_out} left out)" if left_out else ""
    target = f", target {report.target!r}" if report.target else ""
    from automl.data.modalities import modality_of

    rows = modality_of({str(column.kind) for column in report.columns}, alone=True).rows
    inputs = "" if rows != "rows" else f", {counted(used, 'input column')}{dropped}"
    yield from _wrapped(f"{report.name}: {report.rows:,} {rows}{inputs}{target}", width)
    if report.choice is not None:
        choice = report.choice
        for what, text in (
            ("task", f"{choice.task}: {choice.task_reason}"),
            ("metric", f"{choice.metric}: {choice.metric_reason}"),
            ("split", choice.split),
            ("test", choice.test),
        ):
            if text:
                yield from _hanging(what, text, width)
    for note in report.notes:
        yield from _hanging("read", note, width)
    for severity, findings in groupby(report.findings, key=lambda finding: finding.severity):
        yield ""
        by_code: dict[str, list[Finding]] = {}
        for finding in findings:
            by_code.setdefault(finding.code, []).append(finding)
        for alike in by_code.values():
            yield from _alike(severity, alike, width)
    yield ""
    yield _closing(report)


def _alike(severity: str, findings: list[Finding], width: int) -> Iterator[str]:
    """Findings of one code: the first few in full, the columns of the rest."""
    shown = findings if len(findings) <= _SHOWN else findings[: _SHOWN - 1]
    label = click.style(f"{severity:<{_MARGIN}}", fg=_COLOURS[severity], bold=severity != "note" or None)
    for finding in shown:
        body = list(_wrapped(f"[{finding.code}] {finding.evidence}", width - _MARGIN))
        yield label + body[0]
        yield from (" " * _MARGIN + line for line in body[1:])
        if finding.remedy:
            lines = _wrapped(finding.remedy, width - _MARGIN - 2)
            yield " " * _MARGIN + "→ " + lines[0]
            yield from (" " * (_MARGIN + 2) + line for line in lines[1:])
    rest = findings[len(shown) :]
    if rest:
        names = ", ".join(repr(finding.column) for finding in rest[:8] if finding.column is not None)
        more = f" and {len(rest) - 8} more (--json lists all)" if len(rest) > 8 else ""
        yield from _hanging("", f"[{findings[0].code}] also {names}{more}", width)


def _hanging(label: str, text: str, width: int) -> Iterator[str]:
    for i, line in enumerate(_wrapped(text, width - _MARGIN)):
        yield f"{label if i == 0 else '':<{_MARGIN}}{line}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(printable(text), width, break_on_hyphens=False) or [""]


def _closing(report: CheckReport) -> str:
    counts = [
        f"{number} {severity}{'s' * (number != 1)}"
        for severity in _COLOURS
        if (number := report.count(severity))
    ]
    if not report.ok:
        return f"{', '.join(counts)}: a search would refuse this data."
    return f"{', '.join(counts)}." if counts else "Nothing to report."
