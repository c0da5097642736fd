"""From turns to standings: ranks, normalised scores and the tables of RESULTS.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from contestants import CONTESTANTS, Turn
from scoring import GREATER_IS_BETTER

FOREST = "forest"
WORST = -1.0


@dataclass(frozen=True)
class Standing:
    """One contestant on one table, averaged over seeds; ``score`` is None when a turn of it failed."""

    table: str
    contestant: str
    metric: str
    score: float | None
    fit_seconds: float | None
    peak_bytes: float | None
    predict_ms: float | None
    rank: float = 0.0
    normalised: float = WORST
    error: str = ""


def standings(turns: Sequence[Turn]) -> dict[str, list[Standing]]:
    """Per table, in the order of first appearance: its standings, the best first."""
    grouped: dict[str, dict[str, list[Turn]]] = defaultdict(lambda: defaultdict(list))
    for turn in turns:
        grouped[turn.table][turn.contestant].append(turn)
    return {
        table: _ranked([_mean_of(turns) for turns in entries.values()]) for table, entries in grouped.items()
    }


def _mean_of(turns: Sequence[Turn]) -> Standing:
    first = turns[0]
    errors = [turn.error for turn in turns if turn.score is None]

    def average(name: str) -> float | None:
        values = [getattr(turn, name) for turn in turns]
        return None if None in values else mean(values)

    return Standing(
        first.table,
        first.contestant,
        first.metric,
        average("score"),
        average("fit_seconds"),
        average("peak_bytes"),
        average("predict_ms_per_1000_rows"),
        error=errors[0] if errors else "",
    )


def _ranked(entries: Sequence[Standing]) -> list[Standing]:
    losses = {entry.contestant: _loss(entry) for entry in entries}
    forest, best = losses.get(FOREST, float("inf")), min(losses.values())
    ranked = []
    for entry in entries:
        loss = losses[entry.contestant]
        better = sum(other < loss for other in losses.values())
        equal = sum(other == loss for other in losses.values())
        rank = better + (equal + 1) / 2
        ranked.append(_with(entry, rank, normalised(loss, forest, best)))
    return sorted(ranked, key=lambda entry: entry.rank)


def _loss(entry: Standing) -> float:
    if entry.score is None:
        return float("inf")
    return -entry.score if GREATER_IS_BETTER[entry.metric] else entry.score


def _with(entry: Standing, rank: float, value: float) -> Standing:
    return Standing(**{**entry.__dict__, "rank": rank, "normalised": value})


def normalised(loss: float, forest: float, best: float) -> float:
    """0 for the untuned forest, 1 for the table's best, in between and below by the loss; never under -1.

    Where nobody beats the forest, its equals have 0 and everybody else -1. No score counts as -1.
    """
    if loss == float("inf"):
        return WORST
    if forest <= best:
        return 0.0 if loss <= forest else WORST
    if forest == float("inf"):
        return 1.0 if loss == best else 0.0
    return max(WORST, (forest - loss) / (forest - best))


HEADINGS = ("", "score", "rank", "normalised", "wall s", "peak MiB", "ms / 1000 rows")


def table_lines(entries: Sequence[Standing]) -> list[list[str]]:
    """One line of text cells per contestant of a table."""
    return [
        [
            CONTESTANTS[entry.contestant].title,
            "failed" if entry.error else _number(entry.score, 5),
            f"{entry.rank:g}",
            f"{entry.normalised:.3f}",
            *_costs(entry.fit_seconds, entry.peak_bytes, entry.predict_ms),
        ]
        for entry in entries
    ]


def mean_lines(tables: dict[str, list[Standing]]) -> list[list[str]]:
    """One line per contestant over the tables that all contestants of the run were given; best first."""
    by_contestant: dict[str, list[Standing]] = defaultdict(list)
    for entries in tables.values():
        for entry in entries:
            by_contestant[entry.contestant].append(entry)
    lines = []
    for name, entries in by_contestant.items():
        costs = [_mean_known([getattr(entry, field) for entry in entries]) for field in _COSTS]
        lines.append(
            (
                -mean(entry.normalised for entry in entries),
                [
                    CONTESTANTS[name].title,
                    f"{len(entries)} tables",
                    f"{mean(entry.rank for entry in entries):.2f}",
                    f"{mean(entry.normalised for entry in entries):.3f}",
                    *_costs(*costs),
                ],
            )
        )
    return [line for _, line in sorted(lines)]


_COSTS = ("fit_seconds", "peak_bytes", "predict_ms")


def _mean_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _costs(seconds: float | None, peak: float | None, milliseconds: float | None) -> list[str]:
    return [
        "–" if seconds is None else f"{seconds:.1f}",
        "–" if peak is None else f"{peak / 2**20:.0f}",
        "–" if milliseconds is None else f"{milliseconds:.1f}",
    ]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def as_text(lines: Sequence[Sequence[str]]) -> str:
    """Aligned columns for a terminal."""
    rows = [HEADINGS, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not i else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def as_markdown(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [HEADINGS, ["---", *["---:"] * (len(HEADINGS) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
