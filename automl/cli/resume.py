"""``automl resume``, and how a search that was begun or continued ends: its words and its exit code."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from automl.cli.arguments import process_start, store_options
from automl.cli.terminal import printable
from automl.core.imports import uncollected

if TYPE_CHECKING:
    from automl.cli.view import View
    from automl.controller.result import SearchResult

ALL_FAILED = 5


@click.command()
@click.argument("name", required=False)
@click.option("--data", metavar="FILE", help="Where the data is now, if it was moved.")
@click.option("--list", "listed", is_flag=True, help="List what is unfinished, and go on with nothing.")
@click.option("--discard", is_flag=True, help="Delete what is unfinished; trials on record stay.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("--events", metavar="FILE", help="Write what happens as JSON lines, for other programs.")
@store_options
def resume(
    name: str | None,
    listed: bool,
    discard: bool,
    as_json: bool,
    quiet: bool,
    events: str | None,
    **given: Any,
) -> int:
    """Go on with a search that was interrupted or killed; by default with the newest one.

    Nothing that was finished is done twice, and the budget continues from the time already spent.

    \b
    Examples:
      automl resume
      automl resume wine
      automl resume --list
      automl resume wine --discard
    """
    with uncollected():
        from automl.cli.view import view_for
        from automl.controller.start import resume as run
        from automl.controller.start import unfinished

    store = {key: given[key] for key in ("tracking_uri", "store")}
    if listed:
        _print_unfinished(name, **store)
        return 0
    if discard:
        folder = unfinished(name, **store)
        folder.claim()
        folder.remove()
        click.echo(f"Deleted the unfinished search {folder.outset.name!r}.", err=True)
        return 0
    view = view_for(sys.stderr, quiet=quiet, events=events)
    with view:
        result = run(name, **given, watcher=view, started=process_start())
        view.delivered(result)
    return conclude(result, view, as_json=as_json, quiet=quiet)


def _print_unfinished(name: str | None, *, tracking_uri: str | None, store: str) -> None:
    from automl.controller.folder import unfinished_folders
    from automl.tracker import locate_store

    found = unfinished_folders(locate_store(tracking_uri, store).root, name)
    for folder in found:
        click.echo(printable(folder.description + (f", run by {folder.owner}" if folder.in_use else "")))
    if not found:
        click.echo("Nothing is unfinished.", err=True)


def conclude(result: SearchResult, view: View, *, as_json: bool, quiet: bool) -> int:
    """Print what was found; returns the exit code."""
    from automl.cli.pages import summarise

    if as_json:
        click.echo(json.dumps(result.to_json()))
    if not quiet:
        summarise(result, sys.stderr)
    if result.interrupted:
        return view.exit_code
    if result.nothing_succeeded:
        click.echo(
            f"Error E{ALL_FAILED}: No model but the baseline succeeded; it was kept. See the warnings above.",
            err=True,
        )
        return ALL_FAILED
    return 0
