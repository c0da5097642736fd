"""Variables of this process's environment that hold for a while: for one search, for one trial."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

WEIGHTS_DIR = "AUTOML_WEIGHTS_DIR"
"""Names the folder with published weights of image backbones; processes that are started inherit it."""


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


def weights_in(folder: Path | str | None) -> dict[str, str]:
    """The variable by which published weights are found in ``folder``; none without a folder."""
    return {WEIGHTS_DIR: str(folder)} if folder else {}
