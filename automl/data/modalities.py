"""The kinds of data: tables, images, and those of installed plug-ins.

A plug-in is a package with an entry point in the group ``automl.modalities`` that leads to a
:class:`~automl.core.modality.Modality` or to a module with a ``MODALITY``.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path

from automl.core.entry_points import BrokenPlugIn, Offers, held_by, offers
from automl.core.errors import DataError
from automl.core.modality import MODALITY_GROUP, TABLES, TEXTS, FolderTable, Modality
from automl.core.table import Kind
from automl.data.images.modality import MODALITY as IMAGES


def modalities() -> dict[str, Modality]:
    """Every usable kind of files, by the kind of its columns; images first."""
    return dict(modality_offers().by_name)


def broken_modalities() -> tuple[BrokenPlugIn, ...]:
    """Plug-ins that could not be imported, hold no modality, or take another one's kind."""
    return modality_offers().broken


def refresh_modalities() -> None:
    """Discover again, after a plug-in was installed or removed while this process runs."""
    modality_offers.cache_clear()


def modality_of(kinds: Collection[str], *, alone: bool = False) -> Modality:
    """The modality that decides the costs of rows with columns of these kinds; tables if there is no other.

    Parameters
    ----------
    alone:
        Whether the modality counts only if there are no other columns than its files.
    """
    present = [item for kind, item in modalities().items() if kind in kinds]
    if Kind.TEXT in kinds:
        present.append(TEXTS)
    if not present or (alone and len({*kinds}) > 1):
        return TABLES
    return min(present, key=lambda item: item.chunk_rows)


def kind_named(name: str) -> str:
    """The kind of columns of this name: of tables, or of a modality.

    Raises
    ------
    UsageError
        If there is none; with close matches, or with the cause if its plug-in is broken.
    """
    if name in set(Kind):
        return Kind(name)
    available = modality_offers()
    if name not in available.by_name:
        available.refuse("column kind", name, dict.fromkeys([*Kind, *available.by_name]))
    return name


def read_folder(path: Path) -> tuple[Modality, FolderTable]:
    """Read a folder of files as a table, by the first modality that accepts it; images come last.

    Raises
    ------
    DataError
        If no modality can read it; the message is that of images, and names broken plug-ins.
    """
    try:
        for modality in reversed(modalities().values()):
            table = None if modality.folder is None else modality.folder(path)
            if table is not None:
                return modality, table
    except DataError as error:
        broken = [f" The plug-in {item.name!r} is broken: {item.error}" for item in broken_modalities()]
        if not broken:
            raise
        raise DataError(f"{error}{''.join(broken)}") from error
    raise AssertionError("images read every folder, or refuse it")


@cache
def modality_offers() -> Offers[Modality]:
    """The kinds of files of this package and of installed ones."""
    return offers(
        MODALITY_GROUP,
        {IMAGES.kind: IMAGES},
        lambda loaded: held_by(loaded, "MODALITY", Modality),
        lambda item: item.kind,
    )
