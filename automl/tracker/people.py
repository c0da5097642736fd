"""The user who searches, by the name that MLflow itself writes on a run."""

from __future__ import annotations

import configparser
import getpass
import os
from pathlib import Path

from automl.tracker.tags import USER

_VARIABLE = "MLFLOW_TRACKING_USERNAME"


def user_name() -> str:
    """The name for the tracking server if MLflow was given one, else that of the system's account.

    The order is that of MLflow 3.17 (``mlflow.utils.credentials``): ``MLFLOW_TRACKING_USERNAME``, the file
    ``~/.mlflow/credentials``, the account; ``unknown`` in a container whose user has no name.
    """
    stated = os.environ.get(_VARIABLE) or _of_file(Path("~/.mlflow/credentials").expanduser())
    if stated:
        return stated
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def source_tags() -> dict[str, str]:
    """The tags that MLflow writes on every run: its user and its program."""
    return {USER: user_name(), "mlflow.source.name": "automl search", "mlflow.source.type": "LOCAL"}


def _of_file(path: Path) -> str:
    credentials = configparser.ConfigParser()
    try:
        credentials.read(path, encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return ""  # MLflow itself reports the error when it connects to the server
    return credentials.get("mlflow", _VARIABLE.lower(), fallback="")
