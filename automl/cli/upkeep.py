"""``automl list``, ``delete`` and ``clean``: see the searches on record, and remove what is not needed."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

import click

from automl.cli.click_options import store_options
from automl.core.errors import UsageError
from automl.core.text import listed, printable, score_text, size_text

if TYPE_CHECKING:
    from automl.controller.upkeep import Removable, SearchLine

_WIDEST = 30
_LARGEST = 5
_PIPED_COLUMNS = 160


@click.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of all on stdout.")
@click.option("-n", "--rows", type=int, default=50, show_default=True, help="Searches to print; 0 for all.")
@store_options
def list_searches(name: str | None, as_json: bool, rows: int, tracking_uri: str | None, store: str) -> None:
    """List the searches on record, the latest first; only those of NAME where it is given.

    A star marks the search whose model is the champion of its name; "* #4" that whose trial 4 is.

    \b
    Examples:
      automl list
      automl list wine
      automl list --json
    """
    from automl.controller.upkeep import search_lines

    lines = search_lines(name, tracking_uri=tracking_uri, store=store)
    if as_json:
        click.echo(json.dumps([line.to_json() for line in lines]))
    elif lines:
        print_searches(lines[:rows] if rows > 0 else lines, sys.stdout)
        if 0 < rows < len(lines):
            click.echo(f"{rows:,} of {len(lines):,} searches: -n 0 shows all.")
    else:
        click.echo("Nothing was searched here yet.", err=True)


@click.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@store_options
def delete(name: str, yes: bool, tracking_uri: str | None, store: str) -> None:
    """Delete the searches of NAME: trials, models, registered versions and unfinished work.

    All of them go, also those of other users; their names stand in the question.

    \b
    Examples:
      automl delete wine
      automl delete wine --yes
      automl list
    """
    from automl.controller.upkeep import deletion

    planned = deletion(name, tracking_uri=tracking_uri, store=store)
    click.echo(f"{printable(str(planned))}.", err=True)
    theirs = printable(listed([f"{user} ({count})" for user, count in planned.others.items()]))
    if theirs:
        click.echo(f"Warning: these are searches of {theirs} too, who may still need them.", err=True)
    if not yes:
        whose = f", also the searches of {theirs}" if theirs else ""
        _confirm(
            f"Delete all of it{whose}? `automl predict {shlex.quote(name)}` and servers of it will fail."
        )
    planned.run()
    also = f", with the searches of {theirs}" if theirs else ""
    click.echo(f"Deleted {printable(name)!r}{also}.", err=True)


@click.command()
@click.option("--older", default="30d", show_default=True, metavar="AGE", help="Searches that ended before.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--all", "every", is_flag=True, help="List everything, not only the largest of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of everything on stdout.")
@store_options
def clean(
    older: str,
    dry_run: bool,
    yes: bool,
    every: bool,
    as_json: bool,
    tracking_uri: str | None,
    store: str,
) -> None:
    """Remove what old searches no longer need, on this disk, on a server and in a bucket.

    Models of trials, unfinished work, runs deleted in MLflow, files and models that nothing refers to,
    decoded images that were not used since. Scores, parameters and predictions of every trial stay.
    Champions, promoted versions and all other registered versions are never touched.

    \b
    Examples:
      automl clean --older 30d --dry-run
      automl clean --older 2w
      automl clean --older 0s --yes
    """
    from automl.controller.upkeep import removable

    items = removable(_age(older), tracking_uri=tracking_uri, store=store)
    if as_json and (dry_run or not items):
        click.echo(json.dumps([item.to_json() for item in items]))
    elif items and not as_json:
        click.echo("\n".join(_kinds(items, None if every else _LARGEST)))
    if not items:
        click.echo(f"Nothing older than {older} is left to remove.", err=True)
        return
    size = size_text(sum(item.bytes for item in items))
    click.echo(
        f"Champions, promoted and all other registered versions are never touched; {size} ",
        err=True,
        nl=False,
    )
    click.echo("would be removed." if dry_run else "are to be removed.", err=True)
    if dry_run:
        return
    if not yes:
        _confirm("Remove all of it?")
    gone: list[Removable] = []
    try:
        for item in items:
            item.remove()
            gone.append(item)
    finally:  # also of what went before the store refused
        if as_json:
            click.echo(json.dumps([item.to_json() for item in gone]))
        click.echo(f"Removed {_summary(gone)}.", err=True)


def _kinds(items: Sequence[Removable], most: int | None) -> list[str]:
    """A line for every kind of thing, with its number and size, and below it the largest ones."""
    lines = []
    for kind in dict.fromkeys(item.kind for item in items):
        alike = [item for item in items if item.kind == kind]
        size = size_text(sum(item.bytes for item in alike))
        lines.append(f"{len(alike):,} {_plurals(kind) if len(alike) > 1 else kind}, {size}")
        largest = sorted(alike, key=lambda item: -item.bytes)
        shown = largest[:most]
        lines += [f"  {printable(item.what)}  {size_text(item.bytes)}" for item in shown]
        if len(alike) > len(shown):
            lines.append(f"  and {len(alike) - len(shown):,} more, which --all lists")
    return lines


def _summary(items: Sequence[Removable]) -> str:
    """``12 trial models and 1 deleted run, 3.4 MB``."""
    kinds = Counter(item.kind for item in items)
    words = [f"{count:,} {_plurals(kind) if count > 1 else kind}" for kind, count in kinds.items()]
    return f"{listed(words) or 'nothing'}, {size_text(sum(item.bytes for item in items))}"


def _plurals(kind: str) -> str:
    return {
        "trial of a deleted search": "trials of deleted searches",
        "unfinished search": "unfinished searches",
        "dead search": "dead searches",
        "decoded images": "sets of decoded images",
        "computed features": "sets of computed features",
    }.get(kind, f"{kind}s")


def print_searches(searches: Sequence[SearchLine], stream: IO[str]) -> None:
    """One line each; where the terminal is narrow, the data goes first and then the user."""
    titles = ("", "name", "user", "data", "score", "began", "models", "state", "run")
    rows = [titles, *(_cells(line) for line in searches)]
    shown = list(range(len(titles)))
    columns = _columns(stream)
    for extra in (3, 2):  # the data's name, then the user's, where the terminal is narrow
        widths = [max(len(row[place]) for row in rows) for place in shown]
        if sum(widths) + 2 * len(widths) <= columns:
            break
        shown.remove(extra)
    wide = {place: max(len(row[place]) for row in rows) for place in shown}
    for row in rows:
        line = "  ".join(row[place].ljust(wide[place]) for place in shown)
        print(line.rstrip(), file=stream)
    if stream.isatty() and any(line.champion or line.champion_trial is not None for line in searches):
        print("* the model of the search, or of this trial of it, is the champion of its name", file=stream)


def _cells(line: SearchLine) -> tuple[str, ...]:
    score = ""
    if line.score is not None:
        score = f"{line.metric} {score_text(line.score)}{' (test)' if line.score_kind == 'test' else ''}"
    return tuple(
        map(
            printable,
            (
                "*" if line.champion else "" if line.champion_trial is None else f"* #{line.champion_trial}",
                _cut(line.name),
                _cut(line.user),
                _cut(line.data),
                score,
                time.strftime("%Y-%m-%d %H:%M", time.localtime(line.started)),
                size_text(line.models_bytes) if line.models_bytes else "",
                line.state,
                line.run_id[:8],
            ),
        )
    )


def _columns(stream: IO[str]) -> int:
    if not stream.isatty():
        return _PIPED_COLUMNS
    return os.get_terminal_size(stream.fileno()).columns


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask: pass --yes.")
    click.confirm(question, abort=True, err=True)


def _age(text: str) -> float:
    """Seconds of ``30d``, ``2w``, ``12h``, ``90m`` or ``0s``."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
    number, unit = text[:-1].strip(), text[-1:].lower()
    try:
        age = float(number) * units[unit]
    except (ValueError, KeyError):
        raise UsageError(f"--older {text!r} is not an age: write 30d, 2w or 12h.") from None
    if not 0 <= age < 1e12:
        raise UsageError(f"--older {text!r} is not an age: write 30d, 2w or 12h.")
    return age


COMMANDS = (list_searches, delete, clean)
