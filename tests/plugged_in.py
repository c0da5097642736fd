"""Packages of others, installed for a while: a module and its entry point in a folder on the import path."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def install(source: Path, group: str, folder: Path, *, name: str = "", also: Sequence[str] = ()) -> Path:
    """Put a module into ``folder`` as a distribution with one entry point in ``group``.

    Parameters
    ----------
    source:
        The module; one that does not exist makes a broken plug-in.
    name:
        Of the entry point; default: the module's.
    also:
        Further groups in which it has an entry point of that name.
    """
    package = folder / f"{source.stem}-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {source.stem}\nVersion: 1.0\n")
    points = (f"[{one}]\n{name or source.stem} = {source.stem}\n" for one in (group, *also))
    (package / "entry_points.txt").write_text("".join(points))
    if source.is_file():
        shutil.copy(source, folder)
    return folder


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """A block in which packages are found in ``folder``; modules of it are forgotten afterwards."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name, module in sys.modules.items() if _of(module, folder)]:
            del sys.modules[name]


def _of(module: object, folder: Path) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))
