"""What the checks report: one thing to know about the data, how bad it is, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from automl.core.errors import DataError

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data.

    Attributes
    ----------
    code:
        A word for programs; ``docs/checks.md`` lists all of them.
    column:
        The column it is about, if it is about one.
    severity:
        ``error`` (a search refuses the data), ``warning`` (the scores or the model may mislead) or
        ``note``.
    evidence, remedy:
        What was seen, and what to do; sentences for people.
    """

    code: str
    column: str | None
    severity: str
    evidence: str
    remedy: str = ""


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Errors, then warnings, then notes; else in the order in which they were found."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def refusal(error: DataError, column: str | None = None) -> Finding:
    """The finding of what a search refuses, from the error that it would raise."""
    evidence, _, remedy = str(error).partition(" Next: ")
    return Finding("refused", column, ERROR, evidence, remedy[:1].upper() + remedy[1:])
