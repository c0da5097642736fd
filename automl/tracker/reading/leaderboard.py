"""The leaderboard: a search's result with its members, and its trials, as rows and as a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from automl.core.errors import UsageError, did_you_mean
from automl.core.text import whole_percents
from automl.core.trial import Status
from automl.tracker.reading.alias_holder import NO_TRIAL, Holder
from automl.tracker.record import LeaderboardRow

if TYPE_CHECKING:
    import pandas as pd

CHAMPION, RESULT, ENSEMBLE = "champion", "result", "ensemble"
SORTS = {
    "score": "",
    "latency": "predict_ms_per_1000_rows",
    "size": "model_bytes",
    "time": "seconds",
    "trial": "trial",
}


@dataclass(frozen=True)
class MemberShare:
    """A trial's share in the result; the ``percent`` of all members add up to 100, their ``weight`` to 1."""

    trial: int
    run_id: str
    family: str
    weight: float
    percent: int


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """The result of a search, with the fields of a trial's row.

    Attributes
    ----------
    run_id:
        The search's own run.
    family:
        ``ensemble``, or the family of the only member.
    validation:
        Held-out score in the metric's own unit.
    seconds:
        Seconds of all members together.
    predict_ms_per_1000_rows, model_bytes:
        Cost of the delivered model, which may hold fewer folds than its trials.
    state:
        ``champion`` if its version has that alias, which predictions by name use; else ``result``.
    honest:
        The score to expect on new rows, with ``low``, ``high`` and ``how``; None for searches without one.
    """

    run_id: str
    family: str
    validation: float | None
    seconds: float
    predict_ms_per_1000_rows: float | None
    model_bytes: int | None
    members: tuple[MemberShare, ...]
    state: str
    trial: int = NO_TRIAL
    honest: Mapping[str, Any] | None = None
    standard_error: None = None
    origin: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_champion(self) -> bool:
        """True if its version has the alias."""
        return self.state == CHAMPION

    def to_json(self) -> dict[str, Any]:
        """The row with all keys of a trial's; ``trial`` is -1, so that it is always a whole number."""
        row = {"kind": RESULT, **asdict(self), "percent": None, "weight": None}
        del row["honest"]  # in the JSON of the search
        return {**row, "is_champion": self.is_champion}


@dataclass(frozen=True)
class Leaderboard:
    """The result of a search, None before it ended, and its trials.

    Attributes
    ----------
    champion:
        The current holder of the alias ``champion`` of the search's name: this result, one of these trials,
        or a model of another search; None if no version has it.
    name:
        Name of the search.
    total:
        How many trials the search has, where ``trials`` may be the first ones only; None where the store does
        not tell without reading them all.
    """

    result: ResultRow | None
    trials: tuple[LeaderboardRow, ...]
    champion: Holder | None = None
    name: str = ""
    total: int | None = None

    @property
    def percents(self) -> dict[int, int]:
        """Weights of the result's members in whole percents, by trial number."""
        return {member.trial: member.percent for member in self._members}

    @property
    def _members(self) -> tuple[MemberShare, ...]:
        return self.result.members if self.result else ()

    def is_champion(self, row: ResultRow | LeaderboardRow) -> bool:
        """True for the row of the champion: the result's, or that of a promoted trial."""
        if isinstance(row, ResultRow):
            return row.is_champion
        return self.champion is not None and row.run_id == self.champion.run_id

    def to_json(self) -> list[dict[str, Any]]:
        """The array of ``automl leaderboard --json``: the trials in order, then the result."""
        members = {member.trial: member for member in self._members}
        rows = []
        for row in self.trials:
            own = members.get(row.trial)
            share = (
                {"percent": own.percent, "weight": own.weight} if own else {"percent": None, "weight": None}
            )
            rows.append({"kind": "trial", **asdict(row), **share, "is_champion": self.is_champion(row)})
        return [*rows, self.result.to_json()] if self.result else rows

    def frame(self) -> pd.DataFrame:
        """The result's row, then one row per trial; see :func:`automl.tracker.library.leaderboard`."""
        from automl.tracker.reading.leaderboard_frame import COLUMNS, LeaderboardFrame

        listed = self.to_json()
        if self.result:
            listed = [listed[-1], *listed[:-1]]
        frame = LeaderboardFrame(listed, columns=[*COLUMNS, "percent"])
        numbers = frame["trial"].astype("Int64")
        weights = frame["percent"].astype("Float64") / 100
        frame = frame.assign(trial=numbers.mask(numbers == NO_TRIAL), weight=weights)
        return frame[list(COLUMNS)]

    def sorted_by(self, sort: str) -> Leaderboard:
        """A copy with the trials, which are best first, in another order."""
        return replace(self, trials=tuple(in_order(self.trials, sort)))


def result_row(
    run_id: str,
    best: Mapping[str, Any],
    metrics: Mapping[str, float],
    trials: Sequence[LeaderboardRow],
    *,
    is_champion: bool,
    honest: Mapping[str, Any] | None = None,
) -> ResultRow:
    """The row of the result ``best``, an entry of ``automl search --json``.

    Parameters
    ----------
    run_id, metrics:
        Id and metrics of the search's run.
    is_champion:
        True if the version that the search registered has the alias ``champion``.
    honest:
        Another entry of ``automl search --json``.
    """
    members = best["members"]
    percents = whole_percents([member["weight"] for member in members])
    numbers = {member["trial"] for member in members}
    size = metrics.get("model_bytes")
    return ResultRow(
        run_id=run_id,
        family=ENSEMBLE if len(members) > 1 else members[0]["family"],
        validation=best["validation"],
        seconds=sum(row.seconds for row in trials if row.trial in numbers),
        predict_ms_per_1000_rows=metrics.get("predict_ms_per_1000_rows"),
        model_bytes=None if size is None else int(size),
        members=tuple(
            MemberShare(member["trial"], member["run_id"], member["family"], member["weight"], percent)
            for member, percent in zip(members, percents, strict=True)
        ),
        state=CHAMPION if is_champion else RESULT,
        honest=honest,
    )


def in_order(rows: Sequence[LeaderboardRow], sort: str) -> list[LeaderboardRow]:
    """Rows, given best first, in an order of :func:`automl.tracker.library.leaderboard_rows`."""
    field_name = check_order(sort)
    if not field_name:
        return list(rows)
    values = [getattr(row, field_name) for row in rows]
    order = sorted(range(len(rows)), key=lambda place: (values[place] is None, values[place] or 0.0))
    return [rows[place] for place in order]


def front(rows: Sequence[LeaderboardRow], sort: str) -> frozenset[int]:
    """Numbers of the trials that no other trial beats in both score and the field of an order.

    ``rows`` are best first. The baseline, the quickest and smallest trial, is left out. Empty for the orders
    ``score`` and ``trial``.
    """
    field_name = check_order(sort)
    if sort in ("score", "trial"):
        return frozenset()
    best: list[LeaderboardRow] = []
    for row in rows:
        value = getattr(row, field_name)
        if row.validation is None or value is None or row.family == "dummy":
            continue
        if not best or value < getattr(best[-1], field_name):
            best.append(row)
    return frozenset(row.trial for row in best)


def check_state(state: str) -> None:
    """Refuse a state that no trial can have."""
    if state and state not in {*Status}:
        raise UsageError(f"There is no state {state!r} of trials. {did_you_mean(state, Status)}")


def check_order(sort: str) -> str:
    """The field of an order; empty for the score."""
    if sort not in SORTS:
        raise UsageError(f"There is no order {sort!r}. {did_you_mean(sort, SORTS)}")
    return SORTS[sort]
