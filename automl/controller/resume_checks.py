"""Checks of a search that is resumed: the same command, the same data, folds and search spaces."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from automl.controller.folder import SearchFolder, unfinished_folders
from automl.controller.saved_setup import Outset
from automl.core.errors import DataError, SpaceError, UsageError
from automl.problem.preparation import Prepared
from automl.problem.settings import Settings


def interrupted_before(root: Path, settings: Settings) -> SearchFolder | None:
    """The newest unfinished search by the same command, or None.

    Raises
    ------
    UsageError
        When a process runs that search now, and would do all of it twice; the message names it.
    """
    same = [item for item in unfinished_folders(root) if item.outset.same_command(settings)]
    for folder in same:
        if folder.in_use:
            raise UsageError(
                f"This search is being run by {folder.owner}. Wait for it, or give this one another name "
                "with --name."
            )
    return same[0] if same else None


def check_data(outset: Outset, prepared: Prepared, settings: Settings) -> None:
    """Refuse other data or folds: the trials on disk only mean something on those they were made with.

    Raises
    ------
    DataError
        When either differs.
    """
    source = f" ({settings.source})" if isinstance(settings.source, str | os.PathLike) else ""
    for what, before, now in (
        (f"The data of {outset.name!r}", outset.data_digest, prepared.digest),
        (f"The test rows of {outset.name!r}", outset.test_digest, prepared.untouched_digest),
        ("The folds", outset.problem_digest, prepared.problem.digest),
    ):
        if before != now:
            raise DataError(
                f"{what}{source} changed since the search began: digest {before[:8]} then, {now[:8]} now. "
                "Its trials cannot be compared with new ones. Restore the old data, or start again with "
                "`automl search`."
            )


def check_spaces(outset: Outset, now: Mapping[str, str]) -> None:
    """Refuse other search spaces: suggestions depend on the ranges, and would make it another search.

    Raises
    ------
    SpaceError
        When a family's space is not what it was.
    """
    changed = [name for name in sorted({*outset.spaces, *now}) if outset.spaces.get(name) != now.get(name)]
    if outset.spaces and changed:
        raise SpaceError(
            f"The search space of {', '.join(changed)} changed since the search {outset.name!r} began. Put "
            "back the files that were there (those of --spaces, of ./search_spaces where it was started, or "
            "of the automl that began it), or start again with `automl search`."
        )
