"""Files of trials' models on their way into a predictor's folder: linked, and frozen nets stored once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from automl.core.sealed import FROZEN, FROZEN_FILE, MANIFEST
from automl.model.member import Member


def share_frozen(member: Path, place: Path) -> None:
    """Move a member's frozen nets to where all members find them: stored once, whatever stands on them."""
    for path in sorted(member.rglob(f"{FROZEN_FILE}*")):
        place.mkdir(exist_ok=True)
        if not (place / path.name).exists():
            link_or_copy(path, place / path.name)
        path.unlink()


def copy_member(model_folder: Path, place: Path, taken: Sequence[int]) -> str:
    """Link a trial's models, those of some folds alone where they are named; returns its family."""
    member = Member.open(model_folder, 1.0)
    if not taken:
        shutil.copytree(model_folder, place, copy_function=link_or_copy)
    else:
        kept = member.some_of(taken)
        left_out = {f"fold_{number}" for number in member.numbers} - {f"fold_{n}" for n in kept.numbers}
        shutil.copytree(
            model_folder,
            place,
            copy_function=link_or_copy,
            ignore=lambda at, names: left_out if Path(at) == model_folder else (),
        )
        kept.describe(place)
    # A manifest of the worker's own covers the same files; the predictor's is the one that counts.
    (place / MANIFEST).unlink(missing_ok=True)
    return member.family


def link_or_copy(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> str:
    """A hard link where the file system allows one, else a copy; the ``copy_function`` of a model's tree."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
    return str(target)


def hashes_of(place: str, hashes: Mapping[str, str], *, frozen: bool) -> dict[str, str]:
    """The hashes of a member's files, by their paths from its folder, out of those of a predictor's.

    Parameters
    ----------
    place:
        Beginning of its files' paths in the predictor's folder.
    frozen:
        Whether it answers for the frozen nets, too; the first member does.
    """
    own_files = {name.removeprefix(place): value for name, value in hashes.items() if name.startswith(place)}
    shared = [name for name in hashes if name.startswith(f"{FROZEN}/")] if frozen else []
    return {**own_files, **{f"../../{name}": hashes[name] for name in shared}}
