"""Layout of a folder of images: its class folders, and the parts of a split that they are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from automl.core.errors import DataError
from automl.data.cells.names import listed
from automl.data.images.split_folders import (
    PREDICT,
    TEST,
    TRAIN,
    VAL,
    part_of,
    parts_of,
    says_nothing,
    stems_of,
)
from automl.data.images.walk import Tree

ClassFolder = tuple[Path, str, str]  # the folder, its class, its part

LAYOUT = (
    "Expected: FOLDER/CLASS/*.jpg, or FOLDER/train/CLASS/*.jpg with val and test beside train, or a table "
    "with a column of image paths (automl search table.csv --target COLUMN --image-root FOLDER)."
)

_RENAME = (
    "name parts train, val, test or predict; if the folders are the classes, put the images of each "
    "directly into its folder"
)


def class_folders(tree: Tree) -> list[ClassFolder]:
    """The class folders, with the part of each, which is empty if there is no split.

    A single folder around all others is skipped. The parts of a split are never taken for classes.

    Raises
    ------
    DataError
        If the classes are unclear: images beside the folders, a split without train, folders that look like
        parts under other names.
    """
    base = _unwrapped(tree, tree.root, lambda folder: part_of(folder.name) and not _holds_parts(tree, folder))
    if base != tree.root:
        tree.scan.layout.append(
            f"The folder {tree.name(base)!r} was taken for the root, because it holds everything."
        )
    tops = _sorted_in(tree, base)
    parts = parts_of([top.name for top in tops])
    return _of_parts(tree, tops, parts) if parts else _without_parts(tree, base, tops)


def _unwrapped(tree: Tree, folder: Path, keep: Callable[[Path], object]) -> Path:
    """The first folder below with several folders in it; a folder with images is a class, and is kept."""
    seen: set[Path] = set()
    while len(tree.listing(folder).folders) == 1 and not tree.listing(folder).images:
        (inside,) = tree.listing(folder).folders
        below = tree.listing(inside)
        if below.images or not below.folders or keep(inside) or inside.resolve() in seen:
            break
        seen.add(inside.resolve())
        folder = inside
    return folder


def _sorted_in(tree: Tree, folder: Path) -> list[Path]:
    """The folders directly inside; raise for images beside them, which have no class."""
    listing = tree.listing(folder)
    if listing.images:
        count = len(listing.images)
        beside = "beside the class folders" if listing.folders else "without class folders"
        raise DataError(
            f"{tree.root}: {count} image{'s are' if count > 1 else ' is'} in {tree.name(folder)!r} "
            f"{beside}, so the class is unknown. {LAYOUT}"
        )
    return list(listing.folders)


def _of_parts(tree: Tree, tops: Sequence[Path], parts: dict[str, str]) -> list[ClassFolder]:
    """The class folders below the parts of a split."""
    _say_parts(tree, parts)
    tops_of = {
        part: [top for top in tops if parts.get(top.name) == part] for part in (TRAIN, VAL, TEST, PREDICT)
    }
    strangers = [top for top in tops if top.name not in parts]
    _refuse_classes_beside(tree, tops_of[TRAIN], strangers)
    folders: list[ClassFolder] = []
    for top in tops_of[TRAIN]:
        level = _unwrapped(tree, top, lambda folder: False)
        inside = _sorted_in(tree, level)
        if parts_of([folder.name for folder in inside]) and len(inside) > 1:
            names = listed([folder.name for folder in inside])
            raise _refusal(
                tree,
                f"{tree.name(level)!r} is a part of a split and contains parts again ({names})",
                "remove one of the two splits",
            )
        folders += [(folder, folder.name, TRAIN) for folder in inside]
    classes = {label for _, label, _ in folders}
    for part in (VAL, TEST):
        for top in tops_of[part]:
            folders += [(folder, folder.name, part) for folder in _labelled(tree, top, part, classes)]
    if not any(part != TRAIN for _, label, part in folders if label in classes):
        _refuse_repeated(tree, [folder for folder, _, _ in folders])
    for top in tops_of[PREDICT]:
        _leave_out(tree, top, "is to be predicted")
    _judge_strangers(tree, strangers, [folder for folder, _, _ in folders])
    return folders


def _labelled(tree: Tree, top: Path, part: str, classes: set[str]) -> list[Path]:
    """The class folders of val or test; none for a test part without classes."""

    def is_class(folder: Path) -> bool:
        return folder.name in classes

    def is_heap(folder: Path) -> bool:
        return says_nothing(folder.name) or folder.name.casefold() == top.name.casefold()

    level = _unwrapped(tree, top, is_class)
    listing = tree.listing(level)
    heap = [folder for folder in listing.folders if not is_class(folder) and is_heap(folder)]
    loose = bool(listing.images) and not listing.folders
    if not loose and not (heap and len(listing.folders) == 1):
        return _sorted_in(tree, level)
    if part == VAL:
        raise _refusal(
            tree,
            f"the images in {tree.name(level)!r} are not in a class folder, so they cannot judge",
            "sort them into class folders, or move them away",
        )
    _leave_out(tree, top, "has no class folders")
    return []


def _leave_out(tree: Tree, top: Path, why: str) -> None:
    count = len(tree.images_below(top))
    if count:
        tree.scan.layout.append(
            f"{tree.name(top)!r} {why}: {'its image is' if count == 1 else f'its {count:,} images are'} left "
            "out of the search."
        )


def _say_parts(tree: Tree, parts: dict[str, str]) -> None:
    """Note which folder is which part, unless they have the standard names."""
    if any(name.lower() != part for name, part in parts.items()):
        listing = ", ".join(f"{name!r} is {part}" for name, part in sorted(parts.items()))
        tree.scan.layout.append(f"The folders are the parts of a split: {listing}.")


def _refuse_classes_beside(tree: Tree, trains: Sequence[Path], strangers: Sequence[Path]) -> None:
    """Refuse images in train itself and in the folders beside it: all of them could be classes."""
    beside = [folder for folder in strangers if tree.listing(folder).images]
    if beside and (classes := [top for top in trains if tree.listing(top).images]):
        raise _refusal(
            tree,
            f"{tree.name(classes[0])!r} has the name of a part of a split, but holds images, as "
            f"{tree.name(beside[0])!r} does: are they classes?",
            "rename classes that have the name of a part (train, val, test), or sort the images of the part "
            "into class folders",
        )


def _judge_strangers(tree: Tree, strangers: Sequence[Path], classes: Sequence[Path]) -> None:
    """Leave out folders beside the parts if they have no images or are the targets of links; else refuse."""
    for folder in strangers:
        images = tree.images_below(folder)
        if images and not _linked(tree, folder, classes):
            count = "1 image" if len(images) == 1 else f"{len(images):,} images"
            raise _refusal(
                tree,
                f"beside the parts of a split there is {tree.name(folder)!r} with {count}",
                "move it away, or rename it as the part that it is (train, val, test or predict)",
            )
        why = "links in the parts lead into it" if images else "it has no images"
        tree.scan.layout.append(f"{tree.name(folder)!r} is not a part of the split: {why}.")


def _without_parts(tree: Tree, base: Path, tops: list[Path]) -> list[ClassFolder]:
    """The class folders in ``base`` itself; raise if they look like parts."""
    names = [top.name for top in tops]
    if names and all(map(part_of, names)):
        what = "are parts" if len(names) > 1 else "is a part"
        raise _refusal(
            tree,
            f"{listed([repr(name) for name in names])} {what} of a split, but there is no train",
            "add the part train, or pass the folder that holds the class folders",
        )
    if stems := stems_of(names):
        mixed = sorted(name for parts in stems.values() for name in parts)
        raise _refusal(
            tree,
            f"the names {listed([repr(name) for name in mixed])} contain both a class and a part of a split",
            f"put the folders of each part into one folder (train/{next(iter(stems))})",
        )
    if folders := _parts_in_classes(tree, tops):
        return folders
    stores = _stores(tree, tops)
    for store in stores:
        tree.scan.layout.append(
            f"{tree.name(store)!r} is not a class: links in the other folders lead into it."
        )
    tops = [top for top in tops if top not in stores]
    _refuse_repeated(tree, tops)
    _refuse_sorted_beside_heap(tree, tops)
    return [(top, top.name, "") for top in tops]


def _parts_in_classes(tree: Tree, tops: Sequence[Path]) -> list[ClassFolder]:
    """The class folders of the opposite layout: a folder per class with train and test in each."""
    inside = {top: tree.listing(top).folders for top in tops if not tree.listing(top).images}
    parts = {top: parts_of([folder.name for folder in folders]) for top, folders in inside.items()}
    split = [top for top, given in parts.items() if len(given) > 1]
    if not split:
        return []
    whole = [top for top in split if len(parts[top]) == len(inside[top])]
    if len(whole) < len(tops):
        other = next(top for top in tops if top not in whole)
        raise _refusal(
            tree,
            f"{tree.name(split[0])!r} contains the parts of a split ({listed(sorted(parts[split[0]]))}), and "
            f"{tree.name(other)!r} does not, or not only",
            "give all classes the same parts",
        )
    tree.scan.layout.append(
        f"Each class folder contains the parts of a split ({listed(sorted(parts[tops[0]]))})."
    )
    _refuse_repeated(
        tree, [folder for top in tops for folder in inside[top] if parts[top][folder.name] == TRAIN]
    )
    members = []
    for top in tops:
        for folder in inside[top]:
            if (part := parts[top][folder.name]) == PREDICT:
                _leave_out(tree, folder, "is to be predicted")
            else:
                members.append((folder, top.name, part))
    return members


def _refuse_repeated(tree: Tree, tops: Sequence[Path]) -> None:
    """Refuse folders that contain the same folders: these are probably the classes, and those the parts."""
    inside = {}
    for top in tops:
        listing = tree.listing(_unwrapped(tree, top, lambda folder: False))
        if not listing.images and len(listing.folders) > 1:
            inside[top] = {folder.name.casefold() for folder in listing.folders}
    for number, (first, held) in enumerate(inside.items()):
        for second in list(inside)[number + 1 :]:
            shared = sorted(held & inside[second])
            if len(shared) > 1:
                raise _refusal(
                    tree,
                    f"the folders {tree.name(first)!r} and {tree.name(second)!r} contain the same folders "
                    f"({listed(shared)}): are they parts?",
                    _RENAME,
                )


def _refuse_sorted_beside_heap(tree: Tree, tops: Sequence[Path]) -> None:
    """Refuse train with subfolders beside a single folder without: the other is probably a part, too."""
    train = [top for top in tops if part_of(top.name) == TRAIN]
    if len(tops) != 2 or len(train) != 1:
        return
    (other,) = (top for top in tops if top not in train)
    inside = tree.listing(_unwrapped(tree, train[0], lambda folder: False))
    if len(inside.folders) > 1 and not inside.images and not tree.listing(other).folders:
        names = listed([folder.name for folder in inside.folders])
        raise _refusal(
            tree,
            f"the folder {tree.name(train[0])!r} contains folders ({names}), and {tree.name(other)!r} does "
            "not: are they parts?",
            _RENAME,
        )


def _stores(tree: Tree, tops: Sequence[Path]) -> list[Path]:
    """Folders that only hold the targets of links: at least two others are, or contain, links into them."""
    for top in tops:
        tree.images_below(top)  # lists all folders below, and their links
    among = set(tops)
    real = {top.resolve(): top for top in tops if not top.is_symlink()}
    sources: dict[Path, set[Path]] = defaultdict(set)
    for link, target in tree.links.items():
        into = next((real[folder] for folder in target.parents if folder in real), None)
        source = next((folder for folder in (link, *link.parents) if folder in among), None)
        if into is not None and source is not None and source != into:
            sources[into].add(source)
    targets = set(tree.links.values())

    def is_mostly_linked(store: Path) -> bool:
        paths = [tree.root / path for path in tree.images_below(store)]
        resolved = {folder: folder.resolve() for folder in {image.parent for image in paths}}
        images = [resolved[image.parent] / image.name for image in paths]
        reached = sum(not targets.isdisjoint((image, *image.parents)) for image in images)
        return 2 * reached >= len(images)

    linking = set().union(*sources.values())  # a folder that links to others is a class
    stores = [store for store, from_these in sources.items() if len(from_these) > 1 and store not in linking]
    return [store for store in stores if is_mostly_linked(store)]


def _linked(tree: Tree, folder: Path, sources: Sequence[Path]) -> bool:
    """Return whether links in these folders, or these folders, lead to something below ``folder``."""
    for source in sources:
        tree.images_below(source)
    real, within = folder.resolve(), set(sources)
    return any(
        real in target.parents and not within.isdisjoint((link, *link.parents))
        for link, target in tree.links.items()
    )


def _refusal(tree: Tree, what: str, remedy: str) -> DataError:
    end = "" if what.endswith("?") else "."
    return DataError(f"{tree.root}: {what}{end} Next: {remedy}. {LAYOUT}")


def _holds_parts(tree: Tree, folder: Path) -> bool:
    return len(parts_of([inside.name for inside in tree.listing(folder).folders])) > 1
