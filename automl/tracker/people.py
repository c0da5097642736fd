"""Who searches, by the name that MLflow itself writes on a run."""

from __future__ import annotations

import configparser
import getpass
import os
from pathlib import Path

from automl.tracker.tags import USER

_VARIABLE = "MLFLOW_TRACKING_USERNAME"


def user_name() -> str:
    """The name at the tracking server where one was given to MLflow, else that of the system's account.

    In the order of MLflow 3.17 (``mlflow.utils.credentials``): ``MLFLOW_TRACKING_USERNAME``, the file
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
    """What MLflow writes on every run: who made it, and with what."""
    return {USER: user_name(), "mlflow.source.name": "automl search", "mlflow.source.type": "LOCAL"}


def _of_file(path: Path) -> str:
    known = configparser.ConfigParser()
    try:
        known.read(path, encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return ""  # MLflow itself says what is wrong with it, once the server is asked
    return known.get("mlflow", _VARIABLE.lower(), fallback="")
