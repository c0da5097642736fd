"""Variables of this process's environment that hold for a while: for one search, for one trial."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

WEIGHTS_DIR = "AUTOML_WEIGHTS_DIR"
"""Names the folder with published weights of nets; processes that are started inherit it."""
CACHE_DIR = "AUTOML_CACHE_DIR"
"""Names the folder for what is worth keeping between trials and searches, while one runs."""


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """A block in which these variables are set; afterwards each is what it was."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def cache_dir() -> Path | None:
    """The folder for what is worth keeping; None where no search runs."""
    return Path(os.environ[CACHE_DIR]) if os.environ.get(CACHE_DIR) else None


def cache_in(folder: Path | str | None) -> dict[str, str]:
    """The variable by which the cache in ``folder`` is used; none without a folder."""
    return {CACHE_DIR: str(folder)} if folder else {}


def weights_in(folder: Path | str | None) -> dict[str, str]:
    """The variable by which published weights are found in ``folder``; none without a folder."""
    return {WEIGHTS_DIR: str(folder)} if folder else {}
