"""A walk through a folder of images: files used, files counted and left out, links followed."""

from __future__ import annotations

import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from automl.core.errors import DataError
from automl.data.cells.names import listed
from automl.data.images.formats import is_unread_picture, read_suffixes, remedy_for

_RUBBISH = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"})
_SHOWN = 3


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


@dataclass(kw_only=True)
class Scan:
    """The outcome of a walk through a folder.

    Attributes
    ----------
    files:
        The images, sorted by path.
    refused:
        Reason by path of entries that were not opened: links, pipes and the like.
    repeated:
        Links to folders that had been read already.
    ignored:
        Number of hidden files and of files that operating systems leave behind.
    others:
        Number of files by suffix that are not images, or images that are not read.
    layout:
        Sentences on how the layout was understood.
    """

    files: list[ImageFile] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    ignored: int = 0
    others: Counter[str] = field(default_factory=Counter)
    layout: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Sentences on the layout and on files that were left out."""
        sentences = list(self.layout)
        if self.ignored:
            hidden = (
                "1 hidden file or folder was"
                if self.ignored == 1
                else f"{self.ignored} hidden files and folders were"
            )
            sentences.append(f"{hidden} ignored.")
        plain = {suffix: count for suffix, count in self.others.items() if not is_unread_picture(suffix)}
        if plain:
            sentences.append(f"Files that are not images were ignored: {counted(plain)}.")
        if self.repeated:
            sentences.append(f"Links to folders that had been read already: {listed(self.repeated, _SHOWN)}.")
        return sentences

    def unread(self) -> dict[str, int]:
        """Images in formats that are not read, by suffix."""
        return {suffix: count for suffix, count in self.others.items() if is_unread_picture(suffix)}


@dataclass(frozen=True)
class Listing:
    """Direct contents of a folder, sorted by name; links to folders are among the folders."""

    folders: tuple[Path, ...]
    images: tuple[Path, ...]
    others: Counter[str]


class Tree:
    """A folder of images whose subfolders are listed once, however often they are asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scan = Scan()
        self.links: dict[Path, Path] = {}  # links that are followed, and their targets
        self._real_root = root.resolve()
        self._suffixes = read_suffixes()
        self._listings: dict[Path, Listing] = {}
        self._below: dict[Path, list[str]] = {}

    def listing(self, folder: Path) -> Listing:
        """Contents of a folder without hidden entries; pipes and links that lead out are refused by name."""
        if folder not in self._listings:
            self._listings[folder] = self._list(folder)
        return self._listings[folder]

    def images_below(self, folder: Path) -> list[str]:
        """Relative paths of the images in a folder and all below it, sorted.

        Links to folders inside the root are followed. Each folder is read once, in its own place
        rather than through a link, so circles of links end.
        """
        if folder not in self._below:
            self._below[folder] = self._walk(folder)
        return self._below[folder]

    def name(self, path: Path) -> str:
        """A path for people: relative to the root, with ``/``."""
        return path.relative_to(self.root).as_posix()

    def instead_of_images(self, folder: Path) -> str:
        """A sentence on the contents of a folder without images; empty if there are none."""
        others: Counter[str] = Counter()
        for listed_folder, listing in self._listings.items():
            if listed_folder.is_relative_to(folder):
                others.update(listing.others)
        refused = {
            path: why for path, why in self.scan.refused.items() if (self.root / path).is_relative_to(folder)
        }
        contents = [counted(others)] if others else []
        if refused:
            path, why = next(iter(sorted(refused.items())))
            contents.append(f"{len(refused):,} not opened, such as {path!r} ({why})")
        if not contents:
            return ""
        remedy = ""
        if unread := {suffix for suffix in others if is_unread_picture(suffix)}:
            remedy = f" To use them, {remedy_for(unread)}."
        if any("link" in why for why in refused.values()):
            remedy += " Links are only followed within the folder: copy the files into it."
        return f" Found: {' and '.join(contents)}.{remedy}"

    def _walk(self, folder: Path) -> list[str]:
        images: list[str] = []
        seen: set[Path] = set()
        linked = [folder]
        while linked:
            waiting = [linked.pop(0)]
            while waiting:
                current = waiting.pop()
                real = current.resolve()
                if real in seen:
                    self.scan.repeated.append(self.name(current))
                    continue
                seen.add(real)
                listing = self.listing(current)
                images += map(self.name, listing.images)
                waiting += [below for below in listing.folders if not below.is_symlink()]
                linked += [below for below in listing.folders if below.is_symlink()]
        return sorted(images)

    def _list(self, folder: Path) -> Listing:
        folders, images = [], []
        others: Counter[str] = Counter()
        for entry in self._entries(folder):
            if entry.is_dir():
                folders.append(entry)
            elif entry.suffix.lower() in self._suffixes:
                images.append(entry)
            else:
                others[entry.suffix.lower()] += 1
        self.scan.others.update(others)
        return Listing(tuple(folders), tuple(images), others)

    def _entries(self, folder: Path) -> list[Path]:
        """Entries of a folder that are used; the others are counted or named."""
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
                self.scan.ignored += 1
            elif why := self._unwanted(entry):
                self.scan.refused[self.name(entry)] = why
            else:
                kept.append(entry)
        return kept

    def _unwanted(self, entry: Path) -> str:
        """The reason not to open an entry, or an empty string."""
        try:
            mode = entry.lstat().st_mode
            if not stat.S_ISDIR(mode) and not _is_unicode(entry.name):
                return "a name that is not in UTF-8"
            if stat.S_ISLNK(mode):
                target = entry.resolve(strict=True)
                if not target.is_relative_to(self._real_root):
                    return "a link that leads out of the folder"
                mode = target.stat().st_mode
                if stat.S_ISDIR(mode) and entry.parent.resolve().is_relative_to(target):
                    return "a link back to a folder that contains it"
                self.links[entry] = target
        except (OSError, RuntimeError):  # RuntimeError: a loop of links, up to Python 3.12
            return "a broken link, or one that leads to itself"
        return "" if stat.S_ISDIR(mode) or stat.S_ISREG(mode) else "not a regular file"


def counted(suffixes: dict[str, int] | Counter[str]) -> str:
    """Numbers of files by suffix, the most frequent first: ``12 .heic, 3 .txt``."""
    ranked = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    return listed([f"{count:,} {suffix or 'without suffix'}" for suffix, count in ranked], 10)


def _is_unicode(name: str) -> bool:
    """Return whether a name from the file system can be encoded; its bytes need not be UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
