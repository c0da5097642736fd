"""Keeping a store in order: list its searches, delete one, remove what old ones no longer need."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.errors import UsageError
from automl.core.text import counted, listed, size_text
from automl.tracker.people import user_name
from automl.tracker.reading.inventory import AliasHolder, SearchEntry, champions, model_bytes, search_entries
from automl.tracker.reading.not_found import deleted, unknown
from automl.tracker.reconcile import owner_words, process_is_gone
from automl.tracker.store.location import DEFAULT_ROOT, StoreLocation, locate_store

if TYPE_CHECKING:
    from automl.controller.folder import SearchFolder
    from automl.tracker.removal import Leftovers, OldRun

__all__ = ["Deletion", "Removable", "SearchLine", "deletion", "removable", "search_lines", "which_search"]

_ENDED = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}


@dataclass(frozen=True, kw_only=True)
class SearchLine:
    """One search of ``automl list``.

    Attributes
    ----------
    data:
        The file that was searched, or ``frame``.
    score, score_kind:
        The champion's: on ``test`` (untouched) rows, else the ``honest`` one, else ``validation``; None
        without an end.
    started:
        Unix seconds.
    models_bytes:
        The models of trials and champion, as they were measured.
    state:
        ``running``, ``finished``, ``interrupted`` or ``failed``.
    version, champion:
        What it registered, and whether that is the champion of its name now.
    champion_trial:
        The trial of this search that was promoted and is the champion now; None where it is none of them.
    """

    name: str
    run_id: str
    user: str
    data: str
    target: str
    metric: str
    score: float | None
    score_kind: str
    started: float
    models_bytes: int
    state: str
    version: str
    champion: bool
    champion_trial: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``automl list --json``."""
        return asdict(self)


def search_lines(
    name: str | None = None,
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> list[SearchLine]:
    """All searches on record, or those of one name, the latest first; what was deleted in MLflow is left out.

    Raises
    ------
    UsageError
        When there is none of this name.
    """
    location = locate_store(tracking_uri, store)
    entries = [entry for entry in search_entries(location, name) if not entry.deleted]
    if name is not None and not entries:
        raise _absent(location, name)
    sizes, held = model_bytes(location, entries), champions(location, (entry.name for entry in entries))
    promoted = _promoted_trials(location, entries, held)
    return [
        _line(entry, sizes.get(entry.run_id, 0), held.get(entry.name), promoted.get(entry.run_id))
        for entry in entries
    ]


def which_search(
    name: str, *, tracking_uri: str | None = None, store: str | os.PathLike[str] = DEFAULT_ROOT
) -> str:
    """A sentence on whose search a name stands for, where several have it; else an empty text."""
    location = locate_store(tracking_uri, store)
    entries = [entry for entry in search_entries(location, name) if not entry.deleted]
    if len(entries) < 2:
        return ""
    latest = entries[0]
    by = f" by {latest.user}" if latest.user else ""
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(latest.started))
    text = f"This is the latest of {len(entries)} searches of {name!r}: run {latest.run_id[:8]}{by}, {began}."
    return f"{text} `automl list {shlex.quote(name)}` lists all; a run instead of the name shows that one."


@dataclass(frozen=True)
class Deletion:
    """The searches, trials and models that deleting a name removes.

    Attributes
    ----------
    unfinished:
        Folders of work that could have been resumed.
    """

    location: StoreLocation
    leftovers: Leftovers
    unfinished: tuple[SearchFolder, ...]

    def __str__(self) -> str:
        remains = self.leftovers
        parts = [
            counted(len(remains.searches), "run") + " of searches",
            counted(remains.trials, "trial"),
            f"{counted(remains.versions, 'version')} of the model {remains.name!r}",
        ]
        if self.unfinished:
            many = len(self.unfinished)
            parts.append(f"{many} unfinished {'search' if many == 1 else 'searches'}")
        size = f" ({size_text(remains.bytes)} on this disk)" if remains.bytes else ""
        users = sorted({entry.user for entry in remains.searches} - {""})
        whose = f" of {listed(users)}" if users else ""
        return f"{', '.join(parts)}{whose} at {self.location.shown}{size}"

    @property
    def others(self) -> dict[str, int]:
        """Users other than this one → how many of the searches are theirs."""
        users = [entry.user for entry in self.leftovers.searches if entry.user not in ("", user_name())]
        return {user: users.count(user) for user in sorted(set(users))}

    def run(self) -> None:
        """Delete it all.

        Raises
        ------
        UsageError
            When a search of this name began meanwhile.
        StorageError
            When the store refuses.
        """
        from automl.tracker.removal import delete_search

        for folder in self.unfinished:
            folder.claim()
        delete_search(self.location, self.leftovers)
        for folder in self.unfinished:
            folder.remove()


def deletion(
    name: str, *, tracking_uri: str | None = None, store: str | os.PathLike[str] = DEFAULT_ROOT
) -> Deletion:
    """Find what deleting the searches of this name would remove; :meth:`Deletion.run` removes it.

    Raises
    ------
    UsageError
        When there is nothing of this name, or one of its searches is running.
    """
    from automl.controller.folder import unfinished_folders
    from automl.tracker.removal import leftovers

    location = locate_store(tracking_uri, store)
    unfinished = tuple(unfinished_folders(location.root, name))
    for folder in unfinished:
        if folder.in_use:
            raise UsageError(
                f"The search {name!r} is being run by {folder.owner}. Wait for it or stop it, then delete it."
            )
    if not location.exists and not unfinished:
        raise _absent(location, name)
    remains = leftovers(location, name)
    for entry in remains.searches:
        if entry.status == "RUNNING" and not entry.deleted and not process_is_gone(entry.tags):
            raise UsageError(
                f"The search {name!r} is being run by {owner_words(entry.tags)}. Wait for it or stop it, "
                f"then delete it; where that process is gone, delete its run {entry.run_id} in MLflow first."
            )
    if remains.nothing and not unfinished:
        raise _absent(location, name)
    return Deletion(location, remains, unfinished)


@dataclass(frozen=True, kw_only=True)
class Removable:
    """A file or run that old searches no longer need.

    Attributes
    ----------
    kind:
        ``trial model``, ``dead search``, ``unfinished search``, ``trial of a deleted search``,
        ``deleted run``, ``unregistered model``, ``unreferenced folder``, ``decoded images`` or ``computed
        features``.
    what:
        In words: the search, the family, the user, the day and the run.
    bytes:
        What it takes; a model of a trial as the trial measured it, where a server keeps the files.
    ended:
        Unix seconds.
    """

    kind: str
    what: str
    bytes: int
    remove: Callable[[], None] = field(repr=False)
    name: str = ""
    user: str = ""
    family: str = ""
    run_id: str = ""
    ended: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``automl clean --json``."""
        return {key: value for key, value in vars(self).items() if key != "remove"}


def removable(
    older_seconds: float,
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> list[Removable]:
    """Find what can be removed of searches that ended longer ago than this, wherever their files are.

    Models of trials (their scores, parameters and predictions stay, and so does every registered version
    with its members), trials that were left behind when their search's run was deleted in MLflow, runs that
    were deleted there themselves, with their files, folders of unfinished searches, files and models that
    nothing refers to, and decoded images and features that no search used since. Searches that died are
    closed.
    """
    from automl.tracker import removal, unreferenced

    location, before = locate_store(tracking_uri, store), time.time() - older_seconds
    if not location.exists:
        return [*_unfinished(location, before), *_unused(location, before)]
    registered = unreferenced.registered_places(location)
    items = list(_of_searches(location, before, registered))
    items += _unfinished(location, before)
    kinds = (
        ("trial of a deleted search", removal.orphaned_trials),
        ("deleted run", removal.deleted_runs),
    )
    for kind, look in kinds:
        for experiment, run in look(location, before, registered):
            items.append(_old(kind, experiment.name, run, _call(removal.purge_run, location, run.run_id)))
    rests = (
        ("unregistered model", unreferenced.unregistered_models),
        ("unreferenced folder", unreferenced.unreferenced_artifacts),
    )
    for kind, search in rests:
        for experiment, rest in search(location, before, registered):
            what = f"{experiment.name}, {rest.uri.rstrip('/').rpartition('/')[2]}"
            remove = _call(removal.remove_unreferenced, location, rest)
            items.append(
                Removable(
                    kind=kind,
                    what=what,
                    bytes=rest.bytes,
                    remove=remove,
                    name=experiment.name,
                    ended=rest.ended,
                )
            )
    return [*items, *_unused(location, before)]


def _of_searches(location: StoreLocation, before: float, registered: str) -> Iterator[Removable]:
    """The models of trials of old searches; searches that died, to be closed."""
    from automl.tracker.removal import remove_trial_model, trial_models
    from automl.tracker.unreferenced import close_dead, ended_at

    for entry in search_entries(location):
        ended = None if entry.deleted else ended_at(entry)
        if ended is None or ended >= before:
            continue
        if entry.ended is None:
            day = time.strftime("%Y-%m-%d", time.localtime(ended))
            parts = (entry.name, owner_words(entry.tags), day, f"run {entry.run_id[:8]}")
            yield Removable(
                kind="dead search",
                what=", ".join(parts),
                bytes=0,
                remove=_call(close_dead, location, entry.run_id),
                name=entry.name,
                user=entry.user,
                run_id=entry.run_id,
                ended=ended,
            )
        for run in trial_models(location, entry, registered):
            remove = _call(remove_trial_model, location, run.run_id, run.uri)
            yield _old("trial model", entry.name, run, remove)


def _unfinished(location: StoreLocation, before: float) -> Iterator[Removable]:
    """Searches on this disk that nobody resumed."""
    from automl.controller.folder import unfinished_folders
    from automl.tracker.unreferenced import artifact_bytes

    for folder in unfinished_folders(location.root):
        last = max(folder.outset.created, folder.path.stat().st_mtime)
        if last < before and not folder.in_use:
            yield Removable(
                kind="unfinished search",
                what=folder.description,
                bytes=artifact_bytes(location, str(folder.path)),
                remove=_call(_give_up, folder),
                name=folder.outset.name,
                ended=last,
            )


def _unused(location: StoreLocation, before: float) -> Iterator[Removable]:
    """Decoded images and their features on this disk, which are made again where they are needed."""
    from automl.data.cache import FEATURES, discard, unused_since

    for cache in sorted((location.root / "cache").glob("*/")):
        for folder, size, used in unused_since(cache, before):
            kind = "computed features" if folder.name.startswith(FEATURES) else "decoded images"
            day = time.strftime("%Y-%m-%d", time.localtime(used))
            yield Removable(
                kind=kind,
                what=f"{folder.name}, last used {day}",
                bytes=size,
                remove=_call(discard, folder),
                ended=used,
            )


def _old(kind: str, name: str, run: OldRun, remove: Callable[[], None]) -> Removable:
    day = time.strftime("%Y-%m-%d", time.localtime(run.ended))
    parts = (name, run.family, run.user, day, f"run {run.run_id[:8]}")
    what = ", ".join(part for part in parts if part)
    return Removable(
        kind=kind,
        what=what,
        bytes=run.bytes,
        remove=remove,
        name=name,
        user=run.user,
        family=run.family,
        run_id=run.run_id,
        ended=run.ended,
    )


def _call(function: Callable[..., object], *given: Any) -> Callable[[], None]:
    def call() -> None:
        function(*given)

    return call


def _give_up(folder: SearchFolder) -> None:
    folder.claim()
    folder.remove()


def _promoted_trials(
    location: StoreLocation, entries: Sequence[SearchEntry], held: Mapping[str, AliasHolder]
) -> dict[str, int]:
    """Run of a search → the number of its trial that is the champion of its name."""
    searches = {entry.run_id for entry in entries}
    names = {entry.name for entry in entries}
    others = [name for name in names & {*held} if held[name].run_id not in searches]
    if not others:
        return {}
    from automl.tracker.reading.alias_holder import NO_TRIAL, holder_of
    from automl.tracker.reading.query import Record

    record = Record(location)
    holders = [holder_of(record, name, held[name].version) for name in others]
    return {holder.search_run_id: holder.trial for holder in holders if holder.trial != NO_TRIAL}


def _line(entry: SearchEntry, size: int, champion: AliasHolder | None, promoted: int | None) -> SearchLine:
    state = _ENDED.get(entry.status, "running")
    if state == "running" and process_is_gone(entry.tags):
        state = "interrupted"
    version = entry.tags.get("automl.model_version", "")
    kind, score = entry.score or ("", None)
    return SearchLine(
        name=entry.name,
        run_id=entry.run_id,
        user=entry.user,
        data=Path(entry.data).name if entry.data else "frame",
        target=entry.tags.get("automl.target", ""),
        metric=entry.metric,
        score=score,
        score_kind=kind,
        started=entry.started,
        models_bytes=size,
        state=state,
        version=version,
        champion=champion is not None and champion.run_id == entry.run_id and champion.version == version,
        champion_trial=promoted,
    )


def _absent(location: StoreLocation, name: str) -> UsageError:
    entries = search_entries(location)
    if any(entry.name == name for entry in entries):
        return deleted(name)
    return unknown(location, name, list(dict.fromkeys(entry.name for entry in entries if not entry.deleted)))
