"""Folders of images: their classes, and the part of a given split that each image is in."""

from __future__ import annotations

from pathlib import Path

from automl.core.errors import DataError
from automl.data.cells.names import listed
from automl.data.images.formats import read_suffixes
from automl.data.images.layout import LAYOUT, class_folders
from automl.data.images.walk import ImageFile, Scan, Tree

IMAGE = "image"
"""Name of the column of paths."""


def scan_classes(root: Path) -> Scan:
    """The images of a folder with a folder per class, or with train, val and test above them.

    Raises
    ------
    DataError
        If the folder has another layout, or a class has no images.
    """
    tree = Tree(root)
    for folder, label, part in class_folders(tree):
        files = [ImageFile(path, label, part) for path in tree.images_below(folder)]
        if not files and part in ("", "train"):
            raise DataError(
                f"The class folder {tree.name(folder)!r} in {root} contains no images."
                f"{tree.instead_of_images(folder)} Next: fill or remove it. {LAYOUT}"
            )
        tree.scan.files += files
    tree.scan.files.sort(key=lambda file: file.path)
    _check_layout(tree)
    return tree.scan


def scan_images(root: Path) -> Scan:
    """All images below a folder, whatever its layout; for prediction.

    Raises
    ------
    DataError
        If there are none.
    """
    tree = Tree(root)
    tree.scan.files += [ImageFile(path) for path in tree.images_below(root)]
    if not tree.scan.files:
        raise DataError(f"{_no_image(tree)} Next: check the path.")
    return tree.scan


def _check_layout(tree: Tree) -> None:
    root, scan = tree.root, tree.scan
    if not scan.files:
        raise DataError(f"{_no_image(tree)} {LAYOUT}")
    trained = {file.label for file in scan.files if file.part in ("", "train")}
    if len(trained) < 2:
        raise DataError(
            f"{root} has only one class ({', '.join(sorted(trained)) or 'none'}): nothing to classify."
            f"{tree.instead_of_images(root)} {LAYOUT}"
        )
    strange = sorted({file.label for file in scan.files} - trained)
    if strange:
        raise DataError(
            f"{root}: the classes {listed([repr(name) for name in strange])} are in val or test, but not in "
            "train. Next: rename or remove their folders."
        )


def _no_image(tree: Tree) -> str:
    read = ", ".join(read_suffixes())
    return f"{tree.root} contains no images ({read}).{tree.instead_of_images(tree.root)}"
