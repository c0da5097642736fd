"""The leaderboard: a search's champion with its members, and its trials, as rows and as a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from automl.errors import UsageError, did_you_mean
from automl.tracker.record import LeaderboardRow
from automl.wording import whole_percents

if TYPE_CHECKING:
    import pandas as pd

CHAMPION, ENSEMBLE = "champion", "ensemble"
NO_TRIAL = -1
SORTS = {
    "score": "",
    "latency": "predict_ms_per_1000_rows",
    "size": "model_bytes",
    "time": "seconds",
    "trial": "trial",
}


@dataclass(frozen=True)
class MemberShare:
    """One trial of the champion; the ``percent`` of all members add up to 100."""

    trial: int
    run_id: str
    family: str
    weight: float
    percent: int


@dataclass(frozen=True)
class ChampionRow:
    """What a search delivered, with the fields of a trial's row.

    Attributes
    ----------
    run_id:
        The search's own run.
    family:
        ``ensemble``, or that of the only member.
    validation:
        Held-out score in the metric's own unit.
    seconds:
        All members' together.
    predict_ms_per_1000_rows, model_bytes:
        Of what was delivered, which may hold fewer folds than its trials.
    """

    run_id: str
    family: str
    validation: float | None
    seconds: float
    predict_ms_per_1000_rows: float | None
    model_bytes: int | None
    members: tuple[MemberShare, ...]
    trial: int = NO_TRIAL
    standard_error: None = None
    state: str = CHAMPION
    origin: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All keys of a trial's row; ``trial`` is -1, so that it is a whole number everywhere."""
        return {"kind": CHAMPION, **asdict(self), "percent": None}


@dataclass(frozen=True)
class Leaderboard:
    """A search's champion, None before it ended, and its trials.

    Attributes
    ----------
    other_version:
        The version of the registered model that has the alias ``champion`` where it is not this search's;
        else empty.
    """

    champion: ChampionRow | None
    trials: tuple[LeaderboardRow, ...]
    other_version: str = ""

    @property
    def percents(self) -> dict[int, int]:
        """Number of each trial that is in the champion → its share in whole percents."""
        members = self.champion.members if self.champion else ()
        return {member.trial: member.percent for member in members}

    def to_json(self) -> list[dict[str, Any]]:
        """The array of ``automl leaderboard --json``: the trials in their order, the champion after them."""
        percents = self.percents
        rows = [{"kind": "trial", **asdict(row), "percent": percents.get(row.trial)} for row in self.trials]
        return [*rows, self.champion.to_json()] if self.champion else rows

    def frame(self) -> pd.DataFrame:
        """One row per trial, below the champion's; see :func:`automl.history.leaderboard`."""
        from automl.leaderboard_frame import COLUMNS, LeaderboardFrame

        listed = self.to_json()
        if self.champion:
            listed = [listed[-1], *listed[:-1]]
        frame = LeaderboardFrame(listed, columns=list(COLUMNS))
        numbers = frame["trial"].astype("Int64")
        percents = frame["percent"].astype("Int64")
        return frame.assign(trial=numbers.mask(numbers == NO_TRIAL), percent=percents)

    def sorted_by(self, sort: str) -> Leaderboard:
        """The trials, which are best first, in another order."""
        return replace(self, trials=tuple(in_order(self.trials, sort)))


def champion_row(
    run_id: str, best: Mapping[str, Any], metrics: Mapping[str, float], trials: Sequence[LeaderboardRow]
) -> ChampionRow:
    """The champion of ``best``, which is that of ``automl search --json``.

    Parameters
    ----------
    run_id, metrics:
        Of the search's run.
    """
    members = best["members"]
    percents = whole_percents([member["weight"] for member in members])
    numbers = {member["trial"] for member in members}
    size = metrics.get("model_bytes")
    return ChampionRow(
        run_id,
        ENSEMBLE if len(members) > 1 else members[0]["family"],
        best["validation"],
        sum(row.seconds for row in trials if row.trial in numbers),
        metrics.get("predict_ms_per_1000_rows"),
        None if size is None else int(size),
        tuple(
            MemberShare(member["trial"], member["run_id"], member["family"], member["weight"], percent)
            for member, percent in zip(members, percents, strict=True)
        ),
    )


def in_order(rows: Sequence[LeaderboardRow], sort: str) -> list[LeaderboardRow]:
    """Rows that are best first in an order of :func:`automl.history.leaderboard_rows`."""
    field_name = check_order(sort)
    if not field_name:
        return list(rows)
    values = [getattr(row, field_name) for row in rows]
    order = sorted(range(len(rows)), key=lambda place: (values[place] is None, values[place] or 0.0))
    return [rows[place] for place in order]


def front(rows: Sequence[LeaderboardRow], sort: str) -> frozenset[int]:
    """Numbers of the trials that no other beats in both score and what an order is by.

    ``rows`` are best first. The baseline, which is the quickest and smallest, is none of them. Empty for
    the orders ``score`` and ``trial``.
    """
    field_name = check_order(sort)
    if sort in ("score", "trial"):
        return frozenset()
    found: list[LeaderboardRow] = []
    for row in rows:
        value = getattr(row, field_name)
        if row.validation is None or value is None or row.family == "dummy":
            continue
        if not found or value < getattr(found[-1], field_name):
            found.append(row)
    return frozenset(row.trial for row in found)


def check_order(sort: str) -> str:
    """The field that an order is by; empty for the score."""
    if sort not in SORTS:
        raise UsageError(f"There is no order {sort!r}. {did_you_mean(sort, SORTS)}")
    return SORTS[sort]
