"""Folder names that mean a part of a split: ``training_set``, ``seg_test``, ``Val2017``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

TRAIN, VAL, TEST, PREDICT = "train", "val", "test", "predict"
_WORDS = {
    TRAIN: ("train", "training", "trn"),
    VAL: (
        *("val", "valid", "validation", "validate", "validating", "dev", "devel", "development"),
        *("eval", "evaluation", "evaluate", "evaluating"),
    ),
    TEST: ("test", "tests", "testing", "tst", "holdout", "heldout"),
    PREDICT: (
        *("predict", "prediction", "predictions", "predicting", "pred", "preds", "inference"),
        *("unlabelled", "unlabeled", "unsorted", "unseen"),
    ),
}
# Words beside them without a meaning of their own; "data" alone is not a part.
_FILLERS = (
    *("set", "sets", "seg", "data", "dataset", "datasets", "image", "images", "img", "imgs", "picture"),
    *("pictures", "pic", "pics", "photo", "photos", "folder", "folders", "dir", "split", "splits", "part"),
    *("subset", "sample", "samples", "file", "files", "stage", "final", "new", "full", "raw", "all", "my"),
    *("the", "for", "public", "private", "x", "jpg", "png", "px", "resized", "cropped", "version", "v"),
)
_HEAPS = ("unknown", "none", "class")
_PART_OF = {word: part for part, words in _WORDS.items() for word in words}
_EITHER = "|".join(sorted(_PART_OF, key=len, reverse=True))
_FILLER = "|".join(sorted(_FILLERS, key=len, reverse=True))
_ENDS = re.compile(
    rf"(?P<stem>.+?)(?P<word>{_EITHER})(?:{_FILLER}){{0,2}}|(?:{_FILLER}){{0,2}}(?P<first>{_EITHER})(?P<rest>.+)"
)


def part_of(name: str) -> str:
    """The part that a folder's name means: ``train``, ``val``, ``test`` or ``predict``; empty if none.

    Case, digits, punctuation and words such as ``set`` or ``images`` do not matter.
    """
    words = _split(_letters(name), (*_PART_OF, *_FILLERS)) or ()
    parts = {_PART_OF[word] for word in words if word in _PART_OF}
    if PREDICT in parts:
        return PREDICT
    if parts == {TRAIN, VAL}:  # "trainval": both together
        return TRAIN
    return parts.pop() if len(parts) == 1 else ""


def says_nothing(name: str) -> bool:
    """Return whether a name is not that of a class: ``images``, ``all``, ``unknown``, ``1``."""
    return bool(part_of(name)) or _split(_letters(name), (*_FILLERS, *_HEAPS)) is not None


def parts_of(names: Sequence[str]) -> dict[str, str]:
    """The part of each folder that is one; empty if the folders are not the parts of a split.

    A split needs a part ``train`` with another part beside it, or with nothing beside it. The names may share
    a word: ``flowers_train`` and ``flowers_test``.
    """
    parts = {name: part for name in names if (part := part_of(name))}
    if not parts:
        stems = stems_of(names)
        if len(stems) == 1:
            (parts,) = stems.values()
    train = TRAIN in parts.values()
    return dict(parts) if train and (len(set(parts.values())) > 1 or len(parts) == len(names)) else {}


def stems_of(names: Sequence[str]) -> Mapping[str, dict[str, str]]:
    """Names of a train and another part with the same stem, by stem: ``cat_train`` and ``cat_test``."""
    stems: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        if not part_of(name) and (match := _ENDS.fullmatch(_letters(name))):
            word, stem = match["word"] or match["first"], match["stem"] or match["rest"]
            stems[stem][name] = _PART_OF[word]
    return {
        stem: parts
        for stem, parts in stems.items()
        if TRAIN in parts.values() and len(set(parts.values())) > 1
    }


def _letters(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalpha())


def _split(letters: str, words: Sequence[str]) -> tuple[str, ...] | None:
    """The fewest words that make up a name completely; None if they cannot."""
    ways: list[tuple[str, ...] | None] = [()]
    for end in range(1, len(letters) + 1):
        before = [
            (*way, word)
            for word in words
            if letters.endswith(word, 0, end)
            and end >= len(word)
            and (way := ways[end - len(word)]) is not None
        ]
        ways.append(min(before, key=len, default=None))
    return ways[-1]
