"""Images as a kind of data: their reading, costs and names."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.errors import DataError
from automl.core.modality import Circumstances, FilesToOpen, FolderTable, Modality, OpenedFiles
from automl.core.table import Kind, Table
from automl.data.images.formats import PATH_SUFFIXES, UNREAD_SUFFIXES

if TYPE_CHECKING:
    import pandas as pd

ELONGATED = "elongated"
_GLANCE_SIDE = 16  # any size shows whether a picture can be decoded; JPEG is fastest at a small one


def _folder(path: Path) -> FolderTable:
    """Read any folder that no other modality accepts; a folder without images is refused as such."""
    from automl.data.images.table import read_folder

    return read_folder(path)


def _new_files(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    from automl.data.images.table import unlabelled_folder

    return unlabelled_folder(path)


def _open(given: FilesToOpen) -> OpenedFiles:
    from automl.data.images.table import ImageTable, open_images

    like = given.like
    return open_images(
        given.frame,
        given.columns,
        given.root,
        given.cache,
        outside=given.outside,
        side=int(like.store.pixels.shape[1]) if isinstance(like, ImageTable) else None,
        most_bytes=given.most_bytes,
        report=given.report,
    )


def _unreadable(pictures: Sequence[Any]) -> dict[int, str]:
    """The pictures that cannot be decoded, by their place, with the reason."""
    from automl.data.images.decode import decode
    from automl.data.images.pixels import bombs_are_errors, usable_threads

    def reason(picture: Any) -> str:
        try:
            if isinstance(picture, float) or picture is None or picture == "":
                raise DataError("no path is given")
            decode(picture, _GLANCE_SIDE)
        except DataError as error:
            return str(error)
        return ""

    with bombs_are_errors(), ThreadPoolExecutor(usable_threads()) as pool:
        reasons = list(pool.map(reason, pictures))
    return {place: why for place, why in enumerate(reasons) if why}


def _circumstances(table: Table) -> Circumstances:
    from automl.data.images.pixels import mostly_elongated

    if not mostly_elongated(table.images):
        return Circumstances()
    note = "Most pictures are tall or wide: whole ones are among the first views, beside squares."
    return Circumstances(frozenset({ELONGATED}), (note,))


MODALITY = Modality(
    name="images",
    kind=Kind.IMAGE,
    rows="images",
    # A net takes milliseconds per image, and seconds for as many rows as a table has in a millisecond.
    timed_rows=16,
    sample_rows=300,
    chunk_rows=1000,  # about 200 MB when decoded
    # Nets for images use all cores themselves, and share the features of frozen nets.
    side_by_side=False,
    # A net takes long to see all of them, and features are kept for others.
    trials_in_budget=(3, 3),
    # Heads on frozen features are similar and fast: more of them than of models for tables.
    least_trials=40,
    # Such a search is about nets for images.
    waits_for_libraries=True,
    # With 4,000 images in ten minutes, only a single holdout leaves a trial the time to train the last stages
    # of a net (.85 on cifar10_5k; frozen features .77).
    folds_up_to=(0, 2.0),
    # Few images are better learned from than kept apart.
    holdout_rows=1_000,
    test_rows_from=20_000,
    example="unsorted/",
    value="'unsorted/'",
    accepts="a folder, an image, or a list of them",
    suffixes=PATH_SUFFIXES,
    unread_suffixes=UNREAD_SUFFIXES,
    folder=_folder,
    new_files=_new_files,
    open=_open,
    portable=True,
    unreadable=_unreadable,
    numbers="automl.model.image_numbers:NUMBERS",
    blank="automl.data.images.pixels:blank_picture",
    circumstances=_circumstances,
    sheets="automl.report.figures.image_sheets:image_sheets",
    captions={
        "images/top_losses.png": (
            "The held-out images with the greatest losses: the true class, and below it what was predicted. "
            "Where a heat map stands beside an image, the bright parts spoke for the predicted class "
            "(Grad-CAM). All held-out images, by loss and with labels to check first, are "
            "listed with their paths in images/held_out.csv on the search's run."
        ),
        "images/classes.png": "Examples of each class.",
    },
)
