"""Choice of the champion when another version is registered: the better one, or a person's choice."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.core.text import score_text
from automl.tracker.reconcile import process_is_gone
from automl.tracker.store.lookups import find_alias, find_run, find_version_run
from automl.tracker.tags import (
    ALIAS,
    COLUMNS,
    DATA,
    GIVEN,
    OLD_DATA,
    PARENT,
    PROMOTED_AT,
    PROMOTED_BY,
    SCORE,
    SETTLED,
    recorded_score,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_PATIENCE_SECONDS, _PAUSE_SECONDS = 2.0, 0.15
_TURNS = 8
_AROUND = 4


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Scores of two champions on the same rows, and the gain of the second.

    Attributes
    ----------
    before, after:
        Scores in the metric's own unit.
    low:
        Lower end of the 95 % interval of the gain, with the sign such that more is better.
    rows:
        Description of the rows: ``178 held-out rows``.
    """

    metric: str
    before: float
    after: float
    gain: float
    low: float
    rows: str


Judge = Callable[[str], "Gain | str"]
"""Compares the champion of the search with this run id with the new one; a text says why it cannot."""


@dataclass(frozen=True)
class Succession:
    """The decision about the champion.

    Attributes
    ----------
    version:
        The version that has the alias; empty if none has it.
    taken:
        True if that is the new version.
    note:
        The decision in one sentence for people; empty for the first version of a name.
    before:
        The version that had the alias until now.
    """

    version: str
    taken: bool
    note: str = ""
    before: ModelVersion | None = None


def settle(
    client: MlflowClient, name: str, version: str, run: Run, *, promote: str, judge: Judge | None
) -> Succession:
    """Give the new version the alias ``champion`` if it is due, and return the decision.

    With ``always`` it is due; with ``better`` it is due if no version has the alias, if the version that has
    it is of the same search before it was resumed, or if the new one is better on shared rows by more than
    chance explains. A version that a person promoted stays, except with ``always``.

    Searches that end at the same time meet here: the lower number goes first, and a search that gave the
    alias checks whether another one did so at the same moment, and then compares again.
    """
    rivals = _unsettled(client, name, int(version))
    if rivals:
        _wait_for_lower(client, name, int(version))
    for _ in range(_TURNS):
        before = find_alias(client, name, ALIAS)
        taken, why = _due(client, name, before, version, run, promote=promote, judge=judge, rivals=rivals)
        if _number(find_alias(client, name, ALIAS)) != _number(before):
            continue  # another search changed the alias in the meantime
        if not taken:
            break
        give_alias(client, name, version)
        if not rivals or _stays(client, name, version):
            return Succession(version, True, why, before)
    return _kept(name, before, run, why)


def _kept(name: str, before: ModelVersion | None, run: Run, why: str) -> Succession:
    held = _number(before)
    take = f"`automl promote {shlex.quote(name)} {run.info.run_id[:8]}` takes the new one"
    if before is None:
        return Succession("", False, f"No version of {name!r} is the champion ({why}); {take}.")
    return Succession(held, False, f"Kept version {held} as champion ({why}); {take}.")


def _number(held: ModelVersion | None) -> str:
    return "" if held is None else str(held.version)


def _unsettled(client: MlflowClient, name: str, own: int) -> set[str]:
    """Numbers of versions around this one whose searches are just deciding about the alias."""
    around = [*range(max(1, own - _AROUND), own), own + 1, own + 2]
    unsettled = set()
    for number in map(str, around):
        run = find_run(client, find_version_run(client, name, number))
        if run is None or run.info.status != "RUNNING" or run.data.tags.get(SETTLED) == number:
            continue
        if not process_is_gone(run.data.tags):
            unsettled.add(number)
    return unsettled


def _wait_for_lower(client: MlflowClient, name: str, own: int) -> None:
    """Wait until the searches that registered before this one have decided, for at most two seconds."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        if all(int(number) > own for number in _unsettled(client, name, own)):
            return
        time.sleep(_PAUSE_SECONDS)


def _stays(client: MlflowClient, name: str, version: str) -> bool:
    """True if the version still has the alias after a moment in which another search may have moved it."""
    time.sleep(2 * _PAUSE_SECONDS)
    if _number(find_alias(client, name, ALIAS)) != version:
        return False
    client.set_registered_model_tag(name, GIVEN, version)  # the other search may have set it last
    return True


def give_alias(client: MlflowClient, name: str, version: str, *, by: str = "") -> None:
    """Make a version the champion, and record that automl did it; ``by`` is the person who asked for it."""
    if by:
        client.set_model_version_tag(name, version, PROMOTED_BY, by)
        client.set_model_version_tag(name, version, PROMOTED_AT, time.strftime("%Y-%m-%d %H:%M"))
    client.set_registered_model_tag(name, GIVEN, version)
    client.set_registered_model_alias(name, ALIAS, version)


def promoted(client: MlflowClient, name: str, held: ModelVersion) -> str:
    """``promoted by anna on 2026-11-30`` if a person chose this champion; else an empty text."""
    by, at = held.tags.get(PROMOTED_BY), str(held.tags.get(PROMOTED_AT, ""))
    if by:
        return f"promoted by {by} on {at[:10]}"
    given = client.get_registered_model(name).tags.get(GIVEN)
    if given is not None and given != str(held.version):
        return "promoted in MLflow"
    if given is None and held.run_id:  # automl before 0.2 recorded nothing, but only people promote trials
        run = find_run(client, held.run_id)
        if run is not None and PARENT in run.data.tags:
            return "a trial that was promoted"
    return ""


def what_gives_way(
    client: MlflowClient, name: str, before: ModelVersion, search: str, tags: Mapping[str, str]
) -> str:
    """The version that a person replaces, in a sentence: its score, and how its search differs.

    Parameters
    ----------
    search, tags:
        The run of the new champion's search.
    """
    facts = (_known_score(client, before).strip(" ()"), promoted(client, name, before))
    words = ", ".join(part for part in facts if part)
    text = f"It replaces version {before.version}" + (f" ({words})" if words else "")
    old = find_run(client, before.run_id or "")
    if old is not None and PARENT in old.data.tags:  # a trial's: its search has read the data
        old = find_run(client, old.data.tags[PARENT])
    if old is None or old.info.run_id == search:
        return f"{text}."
    unlike = _unlike(old.data.tags, tags)
    if not unlike and _data(old.data.tags) != _data(tags):
        unlike = "its search read other rows"
    return f"{text}, whose score cannot be compared: {unlike}." if unlike else f"{text}."


def _data(tags: Mapping[str, str]) -> str:
    return tags.get(DATA, tags.get(OLD_DATA, ""))


def _due(
    client: MlflowClient,
    name: str,
    before: ModelVersion | None,
    version: str,
    run: Run,
    *,
    promote: str,
    judge: Judge | None,
    rivals: Collection[str],
) -> tuple[bool, str]:
    """Decide whether the new version takes the alias, with the reason.

    ``rivals`` are versions of searches that ended at the same moment: nobody had the time to promote one.
    """
    if before is None:
        if promote == "never":
            return False, "--promote never"
        first = version == "1" or GIVEN not in client.get_registered_model(name).tags
        return True, "" if first else f"Version {version} is the champion: no version had that alias."
    if str(before.version) == version:
        return True, ""  # an earlier attempt gave it the alias and was interrupted
    score = _known_score(client, before)
    chosen = "" if str(before.version) in rivals else promoted(client, name, before)
    if promote == "always":
        over = f"{score}, {chosen}" if chosen else score
        return True, f"Version {version} took over from version {before.version}{over}: --promote always."
    facts = ", ".join(part for part in (score.strip(" ()"), chosen) if part)
    if promote == "never":
        return False, ", ".join(part for part in (facts, "--promote never") if part)
    if chosen:
        return False, facts
    if before.run_id == run.info.run_id:
        return True, ""
    return _better(client, before, version, run, facts=facts, judge=judge)


def _better(
    client: MlflowClient,
    before: ModelVersion,
    version: str,
    run: Run,
    *,
    facts: str,
    judge: Judge | None,
) -> tuple[bool, str]:
    """Decide by scores of both versions on the same rows."""
    old = find_run(client, before.run_id or "")
    if old is None or old.info.lifecycle_stage == "deleted":
        why = f"the search of version {before.version} was deleted in MLflow"
        return True, f"Version {version} is the champion: {why}."
    why = _unlike(old.data.tags, run.data.tags)
    comparison = why or ("no score of both is known" if judge is None else judge(old.info.run_id))
    if isinstance(comparison, str):
        return False, ", ".join(part for part in (facts, f"not comparable: {comparison}") if part)
    after, earlier = score_text(comparison.after), score_text(comparison.before)
    scores = f"{comparison.metric} {after} against {earlier} on the same {comparison.rows}"
    if comparison.low > 0:
        return True, f"Version {version} took over from version {before.version}: {scores}."
    if comparison.gain == 0:
        return (
            False,
            f"the new one is equal: {comparison.metric} {after} of both on the same {comparison.rows}",
        )
    verdict = "no better" if comparison.gain < 0 else "better by no more than chance explains"
    if after == earlier:
        scores = f"{scores} (rounded)"
    return False, f"the new one is {verdict}: {scores}"


def _unlike(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """The reason why scores of two searches cannot be compared; empty if they can."""
    for tag, item in (("automl.target", "target"), ("automl.task", "task"), ("automl.metric", "metric")):
        if old.get(tag) != new.get(tag):
            return f"its {item} was {old.get(tag)!r}, the {item} of this search is {new.get(tag)!r}"
    if COLUMNS in old and old[COLUMNS] != new.get(COLUMNS):
        return "it has other columns"
    return ""


def _known_score(client: MlflowClient, version: ModelVersion) -> str:
    """`` (accuracy 0.994)`` if that was recorded."""
    if SCORE in version.tags:
        return f" ({version.tags[SCORE]})"
    run = find_run(client, version.run_id or "")
    if run is None:
        return ""
    metric = run.data.tags.get("automl.metric", "")
    score = recorded_score(metric, run.data.metrics)
    return "" if score is None else f" ({metric} {score_text(score[1])})"
