"""``automl search`` and ``automl resume``: begin or continue a search, print its result."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from automl.cli.click_options import address_option, following_options, settings_options, store_options
from automl.cli.process_age import process_age
from automl.core.lazy_imports import uncollected
from automl.core.text import printable
from automl.problem.settings import Settings

if TYPE_CHECKING:
    from automl.cli.view import View
    from automl.controller.result import SearchResult

ALL_FAILED = 5


@click.command()
@click.argument("data")
@settings_options(Settings)
@following_options
def search(data: str, as_json: bool, quiet: bool, events: str | None, **given: Any) -> int:
    """Search the best model for DATA and keep it.

    \b
    Examples:
      automl search wine.csv --target class --time 60s
      automl search houses.csv --target price --metric mae --time 10m --test newer.csv
      automl search photos/ --time 3m              a folder of images per class
    """
    with uncollected():
        from automl.controller.worker_plan import begin_early

        begin_early(Settings.from_choices({"data": data, **given}))
        from automl.cli.live_view import view_for
        from automl.controller.start import search as run

    view = view_for(sys.stderr, quiet=quiet, events=events, trials=given["trials"])
    with view:
        result = run(data, **given, watcher=view, started=process_age())
        view.delivered(result)
    return conclude(result, view, as_json=as_json, quiet=quiet)


@click.command()
@click.argument("name", required=False)
@click.option("--data", metavar="FILE", help="Where the data is now, if it was moved.")
@address_option
@click.option("--list", "listed", is_flag=True, help="List the unfinished searches, and continue none.")
@click.option("--discard", is_flag=True, help="Delete the unfinished search; trials on record stay.")
@following_options
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
    """Continue a search that was interrupted or killed; by default the newest one.

    Finished trials are not run again, and the budget continues from the time already spent.

    \b
    Examples:
      automl resume
      automl resume wine
      automl resume --list
      automl resume wine --discard
    """
    with uncollected():
        from automl.cli.live_view import view_for
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
        result = run(name, **given, watcher=view, started=process_age())
        view.delivered(result)
    return conclude(result, view, as_json=as_json, quiet=quiet)


def _print_unfinished(name: str | None, *, tracking_uri: str | None, store: str) -> None:
    from automl.controller.folder import unfinished_folders
    from automl.tracker import locate_store

    folders = unfinished_folders(locate_store(tracking_uri, store).root, name)
    for folder in folders:
        click.echo(printable(folder.description + (f", run by {folder.owner}" if folder.in_use else "")))
    if not folders:
        click.echo("There is no unfinished search.", err=True)


def conclude(result: SearchResult, view: View, *, as_json: bool, quiet: bool) -> int:
    """Print the result; returns the exit code."""
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


COMMANDS = (search, resume)
