"""Files of tables, written for a test, and how reading one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.core.errors import DataError
from automl.data.files.readers import read_table

PLAIN = "a,b\n1,x\n2,y\n3,z\n"


def write(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path, **options)  # type: ignore[arg-type]
    assert "Next:" in str(caught.value) or "?" in str(caught.value)
    return str(caught.value)
