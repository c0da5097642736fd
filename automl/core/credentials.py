"""Passwords and keys: they come from the environment, and appear in no message, log or file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
_VARIABLES = (
    *("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD"),
    *("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING"),
)
# Variables whose value is an address that may have a password in it.
_ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
_LEAST = 4  # characters; a shorter one would blank out parts of ordinary words
_USER = re.compile(r"(\w[\w+.-]*://[^\s/:@'\"]*):[^\s/'\"]+@")
_QUERY = re.compile(r"([?&](?:password|pwd|sslpassword)=)[^&\s'\"]+", re.IGNORECASE)


def without_password(uri: str) -> str:
    """The URI with stars instead of its password, be it before the host or in the query."""
    parts = urlsplit(uri)
    if parts.password is not None:
        user, _, host = parts.netloc.rpartition("@")
        uri = parts._replace(netloc=f"{user.partition(':')[0]}:{HIDDEN}@{host}").geturl()
    return _QUERY.sub(rf"\1{HIDDEN}", uri)


def with_password(uri: str) -> str | None:
    """The URI with the password that :func:`without_password` hid, from ``MLFLOW_TRACKING_URI``.

    Returns
    -------
    str | None
        The URI itself if no password was hidden; None if the environment has no such address.
    """
    if HIDDEN not in uri:
        return uri
    stated = os.environ.get("MLFLOW_TRACKING_URI", "")
    return stated if without_password(stated) == uri else None


def without_secrets(text: str, *uris: str) -> str:
    """A message of a library with stars instead of every password and key.

    Parameters
    ----------
    uris:
        Addresses in use; their passwords are hidden wherever they stand.
    """
    for secret in sorted(set(_secrets(uris)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(rf"\1:{HIDDEN}@", text))


def _secrets(uris: tuple[str, ...]) -> Iterator[str]:
    secrets = [os.environ.get(name, "") for name in _VARIABLES]
    for uri in (*uris, *(os.environ.get(name, "") for name in _ADDRESSES)):
        with suppress(ValueError):  # not an address
            password = urlsplit(uri).password or ""
            secrets += [password, unquote(password)]
    return (secret for secret in secrets if len(secret) >= _LEAST)
