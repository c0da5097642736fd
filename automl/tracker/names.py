"""A search's name among the others of a store: the same table goes on under it, another gets its own."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.core.errors import UsageError
from automl.core.text import counted
from automl.tracker.people import user_name
from automl.tracker.reading.inventory import SearchEntry, search_entries
from automl.tracker.record import columns_digest
from automl.tracker.store.location import StoreLocation
from automl.tracker.tags import COLUMN_NAMES, COLUMNS, DATA, OLD_DATA

if TYPE_CHECKING:
    from automl.data.layout import Layout

_MOST_NAMES = 99
_SHOWN = 5


@dataclass(frozen=True)
class Subject:
    """What a search is of: two of the same name must agree on it.

    Attributes
    ----------
    columns:
        All columns of the data, the target among them; their order does not count.
    """

    user: str
    target: str
    task: str
    columns: tuple[str, ...]
    data_digest: str

    @classmethod
    def of(cls, layout: Layout, task: str, digest: str) -> Subject:
        """What this process is about to search."""
        return cls(user_name(), layout.target_name, task, all_columns(layout), digest)


def all_columns(layout: Layout) -> tuple[str, ...]:
    """Of the data, also those that are no inputs, in the order of the alphabet."""
    names = {*(column.name for column in layout.columns), *layout.ignored, layout.target_name}
    return tuple(sorted(names - {""}))


def data_digest(entry: SearchEntry) -> str:
    """Of a search's data, also as earlier versions recorded it."""
    return entry.tags.get(DATA, entry.tags.get(OLD_DATA, ""))


def name_for(location: StoreLocation, wanted: str, subject: Subject, *, given: bool) -> tuple[str, str]:
    """``(name, note)``: the name to search under, and a sentence where it is not the one wanted.

    A search goes on under a name whose latest search had the same columns, target and task. A name that
    came from the file is also left to another user whose data is not the same: two files are often called
    alike.

    Parameters
    ----------
    given:
        Whether the user chose the name, which is then that or an error.

    Raises
    ------
    UsageError
        When the name was chosen and belongs to other data, or to another target or task.
    StorageError
        When the store cannot be read.
    """
    known: dict[str, list[SearchEntry]] = {}

    def alive(name: str) -> list[SearchEntry]:
        if name not in known:
            known[name] = [entry for entry in search_entries(location, name) if not entry.deleted]
        return known[name]

    def latest(name: str) -> SearchEntry | None:
        return next(iter(alive(name)), None)

    before = latest(wanted)
    if before is None:
        return wanted, ""
    mine = f"{wanted}-{_word(subject.user)}"
    stranger = None if given else _stranger(alive(wanted), subject)
    if stranger is not None and _searched(alive(mine), subject) and not _other(alive(mine)[0], subject):
        return mine, _called(mine, wanted, f"{_whose(stranger)} is of other rows")
    why = _other(before, subject)
    if given:
        if why:
            raise UsageError(
                f"The name {wanted!r} is taken: {_whose(before)} {why}. Give this search a name of its own "
                f"with --name{_own_to_delete(wanted, alive(wanted), subject)}."
            )
        return wanted, ""
    why = why or _foreign(alive(wanted), subject)
    if not why:
        return wanted, ""
    for name in _own_names(wanted, before, subject):
        there = latest(name)
        if there is None or not (_other(there, subject) or _foreign(alive(name), subject)):
            other = bool(_other(before, subject))
            return name, _called(name, wanted, f"{_whose(before)} {why}", other=other)
    raise UsageError(f"{wanted!r} and {_MOST_NAMES} names like it are taken: choose one with --name.")


def _other(before: SearchEntry, subject: Subject) -> str:
    """How what was searched differs, so that the two cannot share a name; empty where they can."""
    target, task = before.tags.get("automl.target", ""), before.tags.get("automl.task", "")
    if target and target != subject.target:
        return f"predicts {target!r}, this one {subject.target!r}"
    if task and task != subject.task:
        return f"is a {task}, this one a {subject.task}"
    digest = before.tags.get(COLUMNS)
    if digest is None or digest == columns_digest(subject.columns):
        return ""
    if COLUMN_NAMES not in before.tags:
        return f"has other columns than the {len(subject.columns)} here"
    columns = json.loads(before.tags[COLUMN_NAMES])
    gone = sorted({*columns} - {*subject.columns})
    new = sorted({*subject.columns} - {*columns})
    parts = [f"{words} {_listed(names)}" for words, names in (("has", gone), ("lacks", new)) if names]
    return f"is of other data ({'; '.join(parts)})"


def _called(name: str, wanted: str, why: str, *, other: bool = False) -> str:
    ways = "--name gives it another name." if other else f"--name {wanted} goes on under that name."
    return f"called {name!r}, since {wanted!r} is taken: {why}. {ways}"


def _stranger(entries: Sequence[SearchEntry], subject: Subject) -> SearchEntry | None:
    """The latest search of other rows by another user."""
    others = (entry for entry in entries if entry.user not in ("", subject.user))
    return next((entry for entry in others if data_digest(entry) != subject.data_digest), None)


def _searched(entries: Sequence[SearchEntry], subject: Subject) -> bool:
    """Whether the user has searched these very rows under a name."""
    return any((entry.user, data_digest(entry)) == (subject.user, subject.data_digest) for entry in entries)


def _own_to_delete(name: str, entries: Sequence[SearchEntry], subject: Subject) -> str:
    """Deleting is a way out only for who deletes nobody else's work."""
    if any(entry.user != subject.user for entry in entries):
        return ""
    many = counted(len(entries), "search", "searches")
    return f", or remove what is there, your own {many}: `automl delete {shlex.quote(name)}`"


def _foreign(entries: Sequence[SearchEntry], subject: Subject) -> str:
    """Whether another user's file is only called alike: the latest search is hers, and none was of this one.

    The very same rows, and the user of the latest search, tell: rows that grew go on under their name.
    """
    if not entries or entries[0].user in ("", subject.user):
        return ""
    if any(data_digest(entry) == subject.data_digest for entry in entries):
        return ""
    return "is of other rows"


def _own_names(wanted: str, before: SearchEntry, subject: Subject) -> Iterator[str]:
    """By what tells them apart: the user, the target, the task; then by numbers."""
    own = wanted
    if before.user not in ("", subject.user):
        own = f"{wanted}-{_word(subject.user)}"
    elif before.tags.get("automl.target", subject.target) != subject.target:
        own = f"{wanted}-{_word(subject.target)}"
    elif before.tags.get("automl.task", subject.task) != subject.task:
        own = f"{wanted}-{subject.task}"
    if own != wanted:
        yield own
    for number in range(2, _MOST_NAMES + 1):
        yield f"{own}-{number}"


def _word(text: str) -> str:
    """Fit for a name: what a registered model cannot be called is left out."""
    return re.sub(r"[/:.%\"'\\\s\x00-\x1f]+", "_", text).strip("_")[:60] or "own"


def _whose(entry: SearchEntry) -> str:
    day = time.strftime("%Y-%m-%d", time.localtime(entry.started))
    return f"the search of {day}{f' by {entry.user}' if entry.user else ''}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    more = len(names) - _SHOWN
    return shown if more <= 0 else f"{shown} and {counted(more, 'other')}"
