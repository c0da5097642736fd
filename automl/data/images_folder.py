"""Folders of images: which files count, what their class is, and which part of a given split they are."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from automl.data.images import SUFFIXES
from automl.data.names import listed
from automl.errors import DataError

IMAGE, LABEL = "image", "label"
PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_RUBBISH = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"})
_LAYOUT = (
    "Expected is FOLDER/CLASS/*.jpg, or FOLDER/train/CLASS/*.jpg with val and test beside train, or a table "
    "with a column of image paths (automl search table.csv --target COLUMN --image-root FOLDER)."
)


@dataclass(frozen=True)
class ImageFile:
    """One image of a folder.

    Attributes
    ----------
    path:
        Relative to the root, with ``/``.
    label:
        Its class: the name of the folder.
    part:
        ``train``, ``val`` or ``test``; empty without a given split.
    """

    path: str
    label: str = ""
    part: str = ""


@dataclass
class Scan:
    """What was found in a folder.

    Attributes
    ----------
    files:
        The images, sorted by path.
    refused:
        Path → why it was not touched: links, pipes and the like.
    ignored:
        Hidden files and those that systems leave behind, by number.
    others:
        Files that are no images, by suffix.
    """

    files: list[ImageFile] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    ignored: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def notes(self) -> list[str]:
        """Sentences on what was left aside."""
        said = []
        if self.ignored:
            said.append(f"{self.ignored} hidden files and folders were ignored.")
        if self.others:
            kinds = listed([f"{count} {suffix or 'without suffix'}" for suffix, count in self.others.items()])
            said.append(f"Files that are no images were ignored: {kinds}.")
        return said


def scan_classes(root: Path) -> Scan:
    """The images of a folder with a folder per class, or with train, val and test above them.

    Raises
    ------
    DataError
        When the folder is laid out otherwise, or a class holds no image.
    """
    scan = Scan()
    tops = _folders(root, root, scan)
    names = {top.name.lower() for top in tops}
    split = bool(names) and names <= set(PARTS) and any(PARTS[name] == "train" for name in names)
    if not split:
        _add_classes(root, tops, "", scan)
    else:
        for top in tops:
            _add_classes(root, _folders(top, root, scan), PARTS[top.name.lower()], scan)
    scan.files.sort(key=lambda file: file.path)
    _check_layout(root, scan)
    return scan


def scan_images(root: Path) -> Scan:
    """All images below a folder, whatever its layout; for prediction.

    Raises
    ------
    DataError
        When there is none.
    """
    scan = Scan()
    scan.files += [ImageFile(path) for path in _walk(root, root, scan)]
    scan.files.sort(key=lambda file: file.path)
    if not scan.files:
        raise DataError(f"{root} holds no image ({', '.join(SUFFIXES)}). Next: check the path.")
    return scan


def refuse_path(path: str, root: Path, *, outside: bool = False) -> str:
    """Why a path from a table must not be opened, or an empty string.

    Parameters
    ----------
    outside:
        Whether paths may lead out of ``root``.
    """
    if "\x00" in path:
        return "holds a NUL character"
    if outside:
        return ""
    try:
        inside = (root / path).resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # a name that is too long, or a loop of links
        return f"cannot be followed ({getattr(error, 'strerror', None) or error})"
    return "" if inside else f"leads out of the images' folder {str(root)!r}"


def _folders(folder: Path, root: Path, scan: Scan) -> list[Path]:
    """The folders directly inside; files that lie beside them are counted or refused."""
    folders, loose = [], 0
    for entry in _entries(folder, root, scan):
        if entry.is_dir():
            folders.append(entry)
        elif entry.suffix.lower() in SUFFIXES:
            loose += 1
        else:
            scan.others[entry.suffix.lower()] += 1
    if loose:
        where = "." if folder == root else folder.name
        raise DataError(
            f"{root}: {loose} image{'s lie' if loose > 1 else ' lies'} in {where!r} beside the class "
            f"folders, so that their class is unknown. {_LAYOUT}"
        )
    return folders


def _add_classes(root: Path, classes: list[Path], part: str, scan: Scan) -> None:
    for folder in classes:
        found = [ImageFile(path, folder.name, part) for path in _walk(folder, root, scan)]
        if not found and part in ("", "train"):
            raise DataError(
                f"The class folder {folder.relative_to(root).as_posix()!r} in {root} holds no image. "
                f"Next: fill or remove it. {_LAYOUT}"
            )
        scan.files += found


def _check_layout(root: Path, scan: Scan) -> None:
    if not scan.files:
        raise DataError(f"{root} holds no image ({', '.join(SUFFIXES)}). {_LAYOUT}")
    trained = {file.label for file in scan.files if file.part in ("", "train")}
    if len(trained) < 2:
        raise DataError(
            f"{root} has one class only ({', '.join(sorted(trained)) or 'none'}): nothing to tell apart. "
            f"{_LAYOUT}"
        )
    strange = sorted({file.label for file in scan.files} - trained)
    if strange:
        raise DataError(
            f"{root}: the classes {listed([repr(name) for name in strange])} are in val or test, but not in "
            "train. Next: rename or remove their folders."
        )


def _walk(folder: Path, root: Path, scan: Scan) -> Iterator[str]:
    """Relative paths of the images below; links to folders are not followed."""
    for entry in _entries(folder, root, scan):
        if entry.is_dir():
            yield from _walk(entry, root, scan)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry.relative_to(root).as_posix()
        else:
            scan.others[entry.suffix.lower()] += 1


def _entries(folder: Path, root: Path, scan: Scan) -> list[Path]:
    """What lies in a folder, without hidden things; links and pipes are refused by name."""
    if not _is_unicode(str(folder)):
        raise DataError(
            f"The name of the folder {str(folder)!r} is not in UTF-8: it cannot be shown or recorded. "
            "Next: rename it."
        )
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror}. Next: check the path and its permissions."
        ) from error
    kept = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _RUBBISH:
            scan.ignored += 1
        elif why := _unwanted(entry, root):
            scan.refused[entry.relative_to(root).as_posix()] = why
        else:
            kept.append(entry)
    return kept


def _is_unicode(name: str) -> bool:
    """Whether a name that the system gave can be written: its bytes need not be UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unwanted(entry: Path, root: Path) -> str:
    """Why an entry is not opened, or an empty string."""
    try:
        mode = entry.lstat().st_mode
        if not stat.S_ISDIR(mode) and not _is_unicode(entry.name):
            return "a name that is not in UTF-8"
        if stat.S_ISLNK(mode):
            target = entry.resolve(strict=True)
            if not target.is_relative_to(root.resolve()):
                return "a link that leads out of the folder"
            if target.is_dir():
                return "a link to a folder"
            mode = target.stat().st_mode
    except (OSError, RuntimeError):  # RuntimeError: a loop of links, up to Python 3.12
        return "a broken link, or one that leads to itself"
    return "" if stat.S_ISDIR(mode) or stat.S_ISREG(mode) else "no regular file"
