"""Every error that automl raises on purpose, as one tree.

AutoMLError                       exit code 1
├── UsageError (ValueError)       2   a wrong flag, name or argument
│   └── SpaceError                2   a search-space file that does not fit its family
├── DataError (ValueError)        3   the data cannot be used as it is
│   ├── CellError                 3   some cells of a column cannot be read
│   └── ModelFileError            3   a model folder that is damaged, foreign or unsafe
├── MissingDependencyError (ImportError)   4   an extra or a device that is missing
├── NoTrialError (RuntimeError)   5   no trial succeeded
├── StorageError (OSError)        6   the store or the tracking server failed
├── ClusterError (RuntimeError)    7   the machines of the trials cannot be reached, or were lost
└── SearchInterrupted             130 the user ended a search before it had a result

A message says what was wrong, where, what is allowed, and the next step.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AutoMLError(Exception):
    """An error with a remedy in its message; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(AutoMLError, ValueError):
    """A wrong flag, name or argument."""

    exit_code = 2


class SpaceError(UsageError):
    """A search-space file that does not fit its family's parameters."""


class DataError(AutoMLError, ValueError):
    """Data that cannot be used as it is."""

    exit_code = 3


class CellError(DataError):
    """Cells of a column that cannot be read.

    Attributes
    ----------
    places:
        Positions of their rows in the data, from 0.
    """

    def __init__(self, message: str, places: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.places = tuple(places)


class ModelFileError(DataError):
    """A model folder that is damaged, foreign or unsafe; none of its files was opened."""


class MissingDependencyError(AutoMLError, ImportError):
    """An optional dependency or device that is missing; the message names the install command."""

    exit_code = 4


class NoTrialError(AutoMLError, RuntimeError):
    """No trial succeeded; the message groups the causes."""

    exit_code = 5


class StorageError(AutoMLError, OSError):
    """The store or the tracking server failed."""

    exit_code = 6


class ClusterError(AutoMLError, RuntimeError):
    """The machines that trials run on cannot be reached, or were lost; a search can be resumed."""

    exit_code = 7


class SearchInterrupted(AutoMLError):
    """The user ended a search before it had a result; it can be resumed."""

    exit_code = 130


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A sentence that suggests close matches of ``name`` in any case, or lists the choices."""
    names = [str(item) for item in choices]
    spelled = {item.casefold(): item for item in reversed(names)}
    close = [spelled[item] for item in get_close_matches(name.casefold(), spelled, n=3, cutoff=0.5)]
    if close:
        return "Did you mean " + " or ".join(repr(item) for item in close) + "?"
    shown = ", ".join(repr(item) for item in names[:12])
    return f"Known: {shown}{', …' if len(names) > 12 else ''}."
