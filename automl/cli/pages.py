"""Pages about what is over: the closing summary, leaderboards, comparisons."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import IO, TYPE_CHECKING, Any

from automl.core.text import duration, range_text, score_text, signed_text, size_text, wait_text
from automl.tracker.reading.leaderboard import CHAMPION

_PIPED_COLUMNS = 160
_RUN_DIGITS = 8  # of an id: enough for every command that takes a run
_STAR = " "
_WORDS = (_STAR, "family", "state", "origin", "run")
_DISPENSABLE = ("origin", "size", "time", "±", "ms/1000", "weight", "state")
"""Columns that a narrow terminal does without, in this order."""

if TYPE_CHECKING:
    from automl.controller.result import SearchResult
    from automl.report.compare import Comparison, Scored
    from automl.tracker.reading.leaderboard import Leaderboard, ResultRow
    from automl.tracker.record import LeaderboardRow


def summarise(result: SearchResult, stream: IO[str]) -> None:
    """Print the closing summary: the result, how certain and how costly it is, and what to do next."""
    from automl.model.file_input import modality_of_rows

    best, rows = result.best, modality_of_rows(result.predictor.layout).rows
    lines = ["", f"Best: {best}"]
    lines += [f"  {title:10} {result.metric} {text}" for title, text in result.unbiased_scores]
    validation = f"{result.metric} {score_text(best.validation)}"
    lines.append(f"  validation {validation}  on the held-out rows that it was chosen by")
    lines += [f"  tie        {result.tie}"] if result.tie else []
    if result.baseline.validation is not None:
        lines.append(f"  baseline   {result.metric} {score_text(result.baseline.validation)} (no features)")
    if refits := sum(member.refit is not None for member in best.members):
        of = "" if len(best.members) == 1 else f"{refits} of {len(best.members)} members "
        lines.append(f"  refit      {of}on all rows, those that judged included")
    lines.append(
        f"  costs      {wait_text(result.predict_ms_per_1000_rows)} per 1000 {rows}, "
        f"{size_text(result.model_bytes)}"
    )
    counts = ", ".join(f"{count} {state}" for state, count in result.trials.items() if count)
    budget = "" if result.budget_seconds is None else f" of {duration(result.budget_seconds)}"
    lines.append(f"  trials     {counts} in {duration(result.seconds)}{budget}; {result.end_reason}")
    lines += [f"  champion   {result.ids.succession}"] if result.ids.succession else []
    lines += [f"  warning    {warning}" for warning in result.warnings]
    steps = _next_steps(result)
    width = max(len(command) for command, _ in steps)
    lines += ["", "What next", *(f"  {command:<{width}}  {what}" for command, what in steps)]
    print("\n".join(lines), file=stream, flush=True)


def _next_steps(result: SearchResult) -> list[tuple[str, str]]:
    """Commands and what each is for; a result that is not the champion is used by its run."""
    from automl.model.file_input import modality_of_rows

    name, run, held = shlex.quote(result.name), result.run_id[:_RUN_DIGITS], result.ids.champion_version
    modality = modality_of_rows(result.predictor.layout)
    what = modality.rows
    out = f"{modality.example} -o predictions.csv"
    steps = []
    if result.ids.is_champion:
        steps.append((f"automl predict {name} {out}", f"use it on new {what}"))
    else:
        steps.append((f"automl predict {run} {out}", f"use this result on new {what}"))
        if held:
            steps.append((f"automl predict {name} {out}", f"use the champion, version {held}"))
        steps.append((f"automl promote {name} {run}", "make this result the champion"))
    if result.interrupted:
        steps.append((f"automl resume {name}", "go on with this search"))
    return [
        *steps,
        (f"automl report {name}", "one page: how good, why, at what cost"),
        (f"automl ui {name}", "every trial in MLflow"),
        (f"automl leaderboard {name}", "every trial here"),
    ]


def print_leaderboard(
    board: Leaderboard, stream: IO[str], *, rows: int, marked: Collection[int] = ()
) -> None:
    """The result, then trials in their order, one line each; ``marked`` ones get a star.

    Where the terminal is narrow, whole columns are left out, the least important first; nothing is cut.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = board.trials if rows <= 0 else board.trials[:rows]
    console = Console(file=stream, width=None if stream.isatty() else _PIPED_COLUMNS)
    columns = _board_columns(board, shown, marked)
    for dispensable in _DISPENSABLE:
        if sum(max(map(cell_len, cells)) + 2 for cells in columns.values()) - 2 <= console.width:
            break
        columns.pop(dispensable, None)
    page = RichTable(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        page.add_column(title.strip(), justify="left" if title in _WORDS else "right", no_wrap=True)
    for place in range(1, 1 + len(shown) + (board.result is not None)):
        style = "bold" if board.result is not None and place == 1 else None
        page.add_row(*(Text(cells[place]) for cells in columns.values()), style=style)
    console.print(page)
    for line in _about_the_champion(board):
        print(line, file=stream)
    if marked:
        print("* no other trial is better in both this and the score.", file=stream)
    total = board.total or len(board.trials)
    if len(shown) < total:
        print(f"{len(shown):,} of {total:,} trials: -n 0 shows all.", file=stream)
    elif board.total is None and len(shown) == rows:
        print(f"The first {len(shown):,} trials: -n 0 shows all.", file=stream)


def _board_columns(
    board: Leaderboard, shown: Sequence[LeaderboardRow], marked: Collection[int]
) -> dict[str, list[str]]:
    """Title → the cells of its column, the title first."""
    result, percents = board.result, board.percents
    listed: list[ResultRow | LeaderboardRow] = [*([result] if result else []), *shown]
    columns: dict[str, list[str]] = {_STAR: [], "#": [], "family": [], "validation": [], "±": []}
    columns |= {"weight": [], "time": [], "ms/1000": [], "size": [], "state": [], "origin": [], "run": []}
    for row in listed:
        percent = percents.get(row.trial)
        milliseconds, size = row.predict_ms_per_1000_rows, row.model_bytes
        cells = (
            "*" if row.trial in marked else "",
            "" if row is result else str(row.trial),
            row.family,
            _number(row.validation),
            _number(row.standard_error, 2),
            "" if percent is None else f"{percent}%",
            duration(row.seconds),
            "" if milliseconds is None else f"{milliseconds:.0f}",
            "" if size is None else size_text(size),
            CHAMPION if board.is_champion(row) else row.state,
            row.origin,
            row.run_id[:_RUN_DIGITS],
        )
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    if not marked:
        columns.pop(_STAR)
    return {title: [title, *cells] for title, cells in columns.items()}


def _about_the_champion(board: Leaderboard) -> list[str]:
    """The members of the result, and the champion: this result or another model."""
    result, lines = board.result, []
    if result and len(result.members) > 1:
        members = ", ".join(f"#{one.trial} {one.family} {one.percent}%" for one in result.members)
        lines.append(f"The result is an ensemble of {members}.")
    elif result:
        lines.append(f"The result is trial #{result.members[0].trial}.")
    if result and (honest := result.honest):
        ends = range_text(honest["low"], honest["high"])
        lines.append(f"On new rows expect {score_text(honest['value'])} (95 % interval {ends}).")
    name = shlex.quote(board.name)
    if result and result.is_champion:
        lines.append(f"It is the champion of {board.name!r}: `automl predict {name}` uses it.")
    elif board.champion:
        it = "It is not" if result else "This search has no result"
        here = result.run_id if result else ""
        held = board.champion.words(here)
        verdict = f"{it} the champion of {board.name!r}" if result else it
        lines.append(f"{verdict}. The champion, which `automl predict {name}` uses, is {held}.")
    elif result:
        lines.append(
            f"No version of {board.name!r} is the champion, so `automl predict {name}` has no model."
        )
    if result and not result.is_champion:
        run = result.run_id[:_RUN_DIGITS]
        lines.append(
            f"`automl predict {run}` uses this result; `automl promote {name} {run}` makes it the champion."
        )
    return lines


def print_comparison(comparison: Comparison, stream: IO[str]) -> None:
    """Two runs side by side, and the difference of their scores."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    sides = (comparison.first, comparison.second)
    page = RichTable(box=None, pad_edge=False, header_style="bold")
    page.add_column("")
    for side in sides:
        page.add_column(Text(side.title), overflow="fold")
    rows = [
        ("run", *(side.run_id[:8] for side in sides)),
        *((item.metric, _number(item.first), _number(item.second)) for item in comparison.scored),
        ("seconds", *(f"{side.seconds:.1f}" for side in sides)),
        ("ms/1000", *(_number(side.predict_ms_per_1000_rows, 3) for side in sides)),
        ("size", *("" if side.model_bytes is None else size_text(side.model_bytes) for side in sides)),
        *((f"  {name}", _setting(first), _setting(second)) for name, first, second in comparison.changed),
    ]
    for row in rows:
        page.add_row(*map(Text, row))
    width = None if stream.isatty() else 160
    Console(file=stream, width=width, highlight=False).print(page)
    lines = [_gained(item, comparison.rows) for item in comparison.scored if item.gain is not None]
    lines += filter(None, (comparison.costs, comparison.verdict))
    print("\n".join(["", *lines]), file=stream)


def _gained(item: Scored, rows: int) -> str:
    """``The second is better by 0.01 accuracy; 95 % interval of the gain …``."""
    interval = ""
    if item.low is not None and item.high is not None:
        interval = (
            f"; 95 % interval of the gain {signed_text(item.low)} … {signed_text(item.high)} over "
            f"{rows:,} shared rows"
        )
    if not item.gain:
        return f"Both have the same {item.metric}{interval.replace('the gain', 'the difference')}."
    word = "better" if item.gain > 0 else "worse"
    return f"The second is {word} by {score_text(abs(item.gain), 4)} {item.metric}{interval}."


def _setting(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return score_text(value, 4) if isinstance(value, float) else str(value)


def _number(value: Any, digits: int = 5) -> str:
    return "" if value is None or value != value else score_text(float(value), digits)
