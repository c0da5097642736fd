"""Failures of a store: what its libraries raise, in our words, and whether trying again can help."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from automl.core.credentials import without_secrets
from automl.core.errors import MissingDependencyError, StorageError
from automl.core.whole_files import FULL


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn errors of MLflow, SQLite, a bucket, the disk or the network into a :class:`StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except ModuleNotFoundError as error:
        if error.name not in _CLOUDS:
            raise
        raise MissingDependencyError(
            f"Could not {action}: its artifacts need {error.name}, which is not installed. Next: pip install "
            f"{_CLOUDS[error.name]}"
        ) from None
    except _raised_by_stores() as error:
        reason = without_secrets(" ".join(str(error).split())).rstrip(".")
        remedy = _REMEDIES.get(getattr(error, "error_code", ""), _REMEDY)
        raise StorageError(f"Could not {action}: {reason}. {remedy}") from error


_CLOUDS = {
    "boto3": "'automl-on-record[s3]'",
    "azure": "azure-storage-blob azure-identity",
    "google": "google-cloud-storage",
}
"""What has to be installed for artifacts that the client itself writes to a cloud."""
_REMEDY = "Check that the store can be reached and its disk has room, or pass another --tracking-uri."
_DENIED = "Ask the administrator of the store for permission, or pass another --tracking-uri."
# The store answered: neither its disk nor the network is at fault.
_REMEDIES = {
    "RESOURCE_DOES_NOT_EXIST": (
        "The store answers, but this was deleted from it or never existed. `automl list` shows the existing "
        "searches."
    ),
    "RESOURCE_ALREADY_EXISTS": "Something else has this name: `automl list` shows the searches there.",
    "PERMISSION_DENIED": _DENIED,
    "UNAUTHENTICATED": _DENIED,
}


def _raised_by_stores() -> tuple[type[BaseException], ...]:
    classes = (
        ("mlflow.exceptions", "MlflowException"),
        ("sqlalchemy.exc", "SQLAlchemyError"),
        ("botocore.exceptions", "BotoCoreError"),
        ("botocore.exceptions", "ClientError"),
        ("boto3.exceptions", "Boto3Error"),
    )
    return (OSError, sqlite3.Error, *_imported(classes))


def _imported(names: Iterable[tuple[str, str]]) -> list[type[BaseException]]:
    """Error classes of the imported libraries: nothing can have raised those of the others."""
    classes = (getattr(sys.modules.get(module), name, None) for module, name in names)
    return [error for error in classes if error is not None]


def may_pass(error: BaseException) -> bool:
    """True if trying again can help: for a lock or a server that is down, not for a full disk."""
    cause = error.__cause__
    words = str(cause).lower()
    if cause is None or "is full" in words or "no space left" in words:
        return False
    status = _answered(cause)
    if status:
        return status >= 500 or status in _PASSING_ANSWERS
    if isinstance(cause, OSError):
        return cause.errno not in FULL
    code = getattr(cause, "error_code", "")
    away: tuple[type[BaseException], ...] = (
        sqlite3.OperationalError,
        *_imported(
            [
                ("sqlalchemy.exc", "OperationalError"),
                ("botocore.exceptions", "ConnectionError"),
                ("botocore.exceptions", "HTTPClientError"),
            ]
        ),
    )
    return isinstance(cause, away) or code in _PASSING or "locked" in words


def _answered(cause: BaseException) -> int:
    """The status of HTTP with which a server or a bucket refused something; 0 if none answered.

    What boto3 raises for an upload has the bucket's answer as its context.
    """
    for error in (cause, cause.__context__):
        answer = getattr(error, "response", None)
        if isinstance(answer, dict):  # botocore's ClientError
            return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        status = getattr(answer, "status_code", None)  # requests' HTTPError
        if status is not None:
            return int(status)
    return 0


_PASSING_ANSWERS = {408, 425, 429}
_PASSING = {"TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"}
