"""Division of a search's time, the Pareto front of its trials, and the colours of families."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.report.palette import MUTED, SERIES
from automl.tracker import LeaderboardRow
from automl.tracker.reading.report_material import TimedTrial
from automl.tracker.record import best_first

_MOST_FAMILIES = len(SERIES)
DRAWN = 500
"""Trials that a plot draws at most: more of them cover each other, and make a page of megabytes."""


@dataclass(frozen=True)
class SearchTimes:
    """Start of a search (Unix seconds), its duration, and the seconds from its start to its trials.

    ``slots`` trials ran at once.
    """

    began: float
    seconds: float
    slots: int
    trials_from: float
    trials_to: float


def search_times(
    trials: Sequence[TimedTrial], *, began: float | None, to: float, seconds: float, slots: int
) -> SearchTimes:
    """The times of a search, which starts with its first trial if its own start was not recorded."""
    first = min((trial.started for trial in trials), default=began or 0.0)
    start = first if began is None else began
    return SearchTimes(start, seconds, max(1, slots), max(0.0, first - start), to)


def drawn_rows(rows: Sequence[LeaderboardRow], *, greater_is_better: bool) -> list[LeaderboardRow]:
    """Trials with a score for a plot: all, or of many the best ones and an even sample of the others.

    The order stays.
    """
    scored = [row for row in rows if row.validation is not None]
    if len(scored) <= DRAWN:
        return scored
    ranked = best_first(scored, greater_is_better)
    half, rest = ranked[: DRAWN // 2], ranked[DRAWN // 2 :]
    sampled = rest[:: -(-len(rest) // (DRAWN - DRAWN // 2))]
    drawn = {row.trial for row in (*half, *sampled)}
    return [row for row in scored if row.trial in drawn]


def drawn_words(rows: Sequence[LeaderboardRow]) -> str:
    """A sentence where a plot does not draw all trials with a score; else an empty text."""
    scored = sum(row.validation is not None for row in rows)
    if scored <= DRAWN:
        return ""
    return f" Of {scored:,} trials at most {DRAWN} are drawn: the best, and an even sample of the others."


def family_colours(rows: Sequence[LeaderboardRow]) -> Mapping[str, str]:
    """A colour per family, in the order of their best scores; grey for the baseline and after the eighth."""
    names = [name for name in dict.fromkeys(row.family for row in rows) if name != "dummy"]
    colours = {name: SERIES[number] for number, name in enumerate(names[:_MOST_FAMILIES])}
    return defaultdict(lambda: MUTED, colours)


def seconds_by_part(trials: Sequence[TimedTrial], clock: SearchTimes) -> list[tuple[str, float]]:
    """Parts that add up to the whole: reading and preparing, each family's trials, idle workers, the end.

    A family's part is the time of its trials divided by the number that ran at once, and at most the time of
    all trials together.
    """
    families: dict[str, float] = defaultdict(float)
    for trial in trials:
        families[trial.row.family] += trial.row.seconds / clock.slots
    span, spent = max(0.0, clock.trials_to - clock.trials_from), sum(families.values())
    idle, scale = max(0.0, span - spent), min(1.0, span / spent) if spent else 1.0
    ranked = [(name, scale * own) for name, own in sorted(families.items(), key=lambda item: -item[1])]
    return [
        ("reading, preparing", clock.trials_from),
        *ranked,
        ("workers waiting", idle),
        ("choosing, saving", max(0.0, clock.seconds - clock.trials_to)),
    ]


def front_rows(rows: Sequence[LeaderboardRow], greater_is_better: bool) -> list[LeaderboardRow]:
    """The trials that no other trial beats in both score and latency, the quickest first."""
    sign = -1.0 if greater_is_better else 1.0
    judged = [row for row in rows if row.validation is not None and row.predict_ms_per_1000_rows is not None]
    judged = [row for row in judged if row.family != "dummy"] or judged
    ordered = sorted(judged, key=lambda row: (row.predict_ms_per_1000_rows, sign * (row.validation or 0.0)))
    front: list[LeaderboardRow] = []
    for row in ordered:
        if not front or sign * (row.validation or 0.0) < sign * (front[-1].validation or 0.0):
            front.append(row)
    return front
