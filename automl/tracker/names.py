"""The name of a search among the others of a store: one name per table, and another for another table."""

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
from automl.tracker.claims import Claim, claim_name, claims
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
class SearchedTable:
    """The table of a search with its target and task: two searches of one name must agree on it.

    Attributes
    ----------
    columns:
        All columns of the data, including the target, in any order.
    """

    user: str
    target: str
    task: str
    columns: tuple[str, ...]
    data_digest: str

    @classmethod
    def of(cls, layout: Layout, task: str, digest: str) -> SearchedTable:
        """The table that this process is about to search."""
        return cls(user_name(), layout.target_name, task, all_columns(layout), digest)


def all_columns(layout: Layout) -> tuple[str, ...]:
    """All columns of the data, including those that are not inputs, in alphabetical order."""
    names = {*(column.name for column in layout.columns), *layout.ignored, layout.target_name}
    return tuple(sorted(names - {""}))


def data_digest(entry: SearchEntry) -> str:
    """Digest of a search's data, also as earlier versions recorded it."""
    return entry.tags.get(DATA, entry.tags.get(OLD_DATA, ""))


def claimed_name(
    location: StoreLocation, wanted: str, subject: SearchedTable, *, given: bool, metric: str
) -> tuple[str, str]:
    """``name_for``, and the name is kept from others from now on, before the search is on record."""
    claim = Claim(
        subject.user, subject.target, subject.task, columns_digest(subject.columns), subject.data_digest
    )
    name, note = name_for(location, wanted, subject, given=given)
    while not claim_name(location, name, metric, claim):
        before = name  # which another search may have claimed since the store was read
        name, note = name_for(location, wanted, subject, given=given)
        if name == before:
            break
    return name, note


def name_for(location: StoreLocation, wanted: str, subject: SearchedTable, *, given: bool) -> tuple[str, str]:
    """``(name, note)``: the name to search under, and a sentence if it is not the name that was wanted.

    A search shares a name with the latest search of that name if both have the same columns, target and
    task. A name taken from the file is also left to another user if the data differ: different files often
    have the same name.

    Parameters
    ----------
    given:
        True if the user chose the name: it is then used as it is, or refused with an error.

    Raises
    ------
    UsageError
        If the name was chosen and belongs to other data, or to another target or task.
    StorageError
        If the store cannot be read.
    """
    entries: dict[str, list[SearchEntry]] = {}

    def alive(name: str) -> list[SearchEntry]:
        if name not in entries:
            searches = [entry for entry in search_entries(location, name) if not entry.deleted]
            entries[name] = searches or claims(location, name)
        return entries[name]

    def latest(name: str) -> SearchEntry | None:
        return next(iter(alive(name)), None)

    before = latest(wanted)
    if before is None:
        return wanted, ""
    mine = f"{wanted}-{_word(subject.user)}"
    stranger = None if given else _stranger(alive(wanted), subject)
    if stranger is not None and _searched(alive(mine), subject) and not _other(alive(mine)[0], subject):
        return mine, _called(mine, wanted, f"{_whose(stranger)} used other rows")
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
        holder = latest(name)
        if holder is None or not (_other(holder, subject) or _foreign(alive(name), subject)):
            other = bool(_other(before, subject))
            return name, _called(name, wanted, f"{_whose(before)} {why}", other=other)
    raise UsageError(f"{wanted!r} and {_MOST_NAMES} names like it are taken: choose one with --name.")


def _other(before: SearchEntry, subject: SearchedTable) -> str:
    """The difference that keeps two searches from sharing a name; empty if they can."""
    target, task = before.tags.get("automl.target", ""), before.tags.get("automl.task", "")
    if target and target != subject.target:
        return f"predicts {target!r}, this one {subject.target!r}"
    if task and task != subject.task:
        return f"has the task {task}, this one {subject.task}"
    digest = before.tags.get(COLUMNS)
    if digest is None or digest == columns_digest(subject.columns):
        return ""
    if COLUMN_NAMES not in before.tags:
        return f"has columns other than the {len(subject.columns)} here"
    columns = json.loads(before.tags[COLUMN_NAMES])
    gone = sorted({*columns} - {*subject.columns})
    new = sorted({*subject.columns} - {*columns})
    parts = [f"{words} {_listed(names)}" for words, names in (("has", gone), ("lacks", new)) if names]
    return f"used other data ({'; '.join(parts)})"


def _called(name: str, wanted: str, why: str, *, other: bool = False) -> str:
    ways = "Choose another name with --name." if other else f"--name {wanted} continues under that name."
    return f"called {name!r}, because {wanted!r} is taken: {why}. {ways}"


def _stranger(entries: Sequence[SearchEntry], subject: SearchedTable) -> SearchEntry | None:
    """The latest search of other rows by another user."""
    others = (entry for entry in entries if entry.user not in ("", subject.user))
    return next((entry for entry in others if data_digest(entry) != subject.data_digest), None)


def _searched(entries: Sequence[SearchEntry], subject: SearchedTable) -> bool:
    """True if the user has searched exactly these rows under a name."""
    return any((entry.user, data_digest(entry)) == (subject.user, subject.data_digest) for entry in entries)


def _own_to_delete(name: str, entries: Sequence[SearchEntry], subject: SearchedTable) -> str:
    """A remark that the name can be freed by deleting, if only the user's own searches would be deleted."""
    if any(entry.user != subject.user for entry in entries):
        return ""
    many = counted(len(entries), "search", "searches")
    return f", or delete your own {many} of this name: `automl delete {shlex.quote(name)}`"


def _foreign(entries: Sequence[SearchEntry], subject: SearchedTable) -> str:
    """A reason if the name belongs to another user's file: theirs is the latest, and none used these rows.

    The decision is by identical rows and by the user of the latest search: a table that grew keeps its name.
    """
    if not entries or entries[0].user in ("", subject.user):
        return ""
    if any(data_digest(entry) == subject.data_digest for entry in entries):
        return ""
    return "used other rows"


def _own_names(wanted: str, before: SearchEntry, subject: SearchedTable) -> Iterator[str]:
    """Names with what distinguishes the searches: the user, the target, the task; then with numbers."""
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
    """Text for a name, without characters that MLflow refuses in names of registered models."""
    return re.sub(r"[/:.%\"'\\\s\x00-\x1f]+", "_", text).strip("_")[:60] or "own"


def _whose(entry: SearchEntry) -> str:
    day = time.strftime("%Y-%m-%d", time.localtime(entry.started))
    return f"the search of {day}{f' by {entry.user}' if entry.user else ''}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    more = len(names) - _SHOWN
    return shown if more <= 0 else f"{shown} and {counted(more, 'other')}"
