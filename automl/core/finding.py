"""A finding of the data checks: what was noticed, how serious it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from automl.core.errors import DataError

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)


@dataclass(frozen=True)
class Finding:
    """Something that a check noticed about the data.

    Attributes
    ----------
    code:
        A word for programs; ``docs/checks.md`` lists them all.
    column:
        The column concerned, if there is one.
    severity:
        ``error`` (a search refuses the data), ``warning`` (the scores or the model may mislead) or
        ``note``.
    evidence, remedy:
        Sentences for people: what was seen, and what to do.
    """

    code: str
    column: str | None
    severity: str
    evidence: str
    remedy: str = ""


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Errors, then warnings, then notes; each in the order in which they were found."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def refusal(error: DataError, column: str | None = None) -> Finding:
    """A finding made of the error that a search would raise."""
    evidence, _, remedy = str(error).partition(" Next: ")
    return Finding("refused", column, ERROR, evidence, remedy[:1].upper() + remedy[1:])
