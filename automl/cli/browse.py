"""Commands that show what is on record: the leaderboard, one search or trial, the MLflow UI."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from automl.cli.click_options import store_options
from automl.core.text import printable


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array on stdout.")
@click.option("-n", "--rows", type=int, default=25, show_default=True, help="Rows to print; 0 for all.")
@click.option(
    "--sort", default="score", show_default=True, metavar="KEY", help="score, latency, size, time or trial."
)
@click.option("--family", default="", metavar="NAME", help="Only trials of this family.")
@click.option("--state", default="", metavar="STATE", help="Only done, failed, timeout, pruned or oom ones.")
@store_options
def leaderboard(
    name: str,
    *,
    as_json: bool,
    rows: int,
    sort: str,
    family: str,
    state: str,
    tracking_uri: str | None,
    store: str,
) -> None:
    """List the result of a search and its trials, best first.

    The result is the first line, and with --json the last entry (its kind is "result", that of the others
    "trial"). The weight is a trial's share in it. The champion, which `automl predict NAME` uses, is named
    below; its row, where it is among these, has that state, and with --json `is_champion`.

    Sorted by latency, size or time, a star marks each trial that no other beats in that and in score.

    \b
    Examples:
      automl leaderboard wine
      automl leaderboard wine --sort latency
      automl leaderboard wine --family lightgbm -n 0
    """
    from automl.cli.pages import print_leaderboard
    from automl.controller.upkeep import which_search
    from automl.tracker.library import read_leaderboard
    from automl.tracker.reading.leaderboard import check_order, front

    check_order(sort)
    # a star is earned against all trials; the best ones alone are read for the order of their scores
    most = rows if rows > 0 and sort == "score" and not as_json else None
    best_first = read_leaderboard(
        name, most=most, family=family, state=state, tracking_uri=tracking_uri, store=Path(store)
    )
    board = best_first.sorted_by(sort)
    if as_json:
        click.echo(json.dumps(board.to_json()))
    else:
        marked = front(best_first.trials, sort)
        print_leaderboard(board, sys.stdout, rows=rows, marked=marked)
        if (family or state) and not board.trials:
            click.echo("No trial is of that family and state.", err=True)
        if which := which_search(name, tracking_uri=tracking_uri, store=store):
            click.echo(printable(which), err=True)


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@store_options
def show(name: str, as_json: bool, tracking_uri: str | None, store: str) -> None:
    """Show a search by its name, or one trial by its run id.

    \b
    Examples:
      automl show wine
      automl show 4f0c2a…            a trial's run id, from `automl leaderboard`
      automl show wine --json
    """
    from automl.cli.show import print_description
    from automl.controller.upkeep import which_search
    from automl.tracker.library import describe

    described = describe(name, trials=as_json, tracking_uri=tracking_uri, store=Path(store))
    print_description(described, sys.stdout, as_json=as_json)
    if which := which_search(name, tracking_uri=tracking_uri, store=store):
        click.echo(printable(which), err=True)


@click.command()
@click.argument("name", required=False)
@click.option("--port", type=int, default=5000, show_default=True, help="Port; the next free one if taken.")
@store_options
def ui(name: str | None, port: int, tracking_uri: str | None, store: str) -> None:
    """Open the MLflow UI on the right store, on 127.0.0.1; Ctrl-C stops it.

    A tracking server has these pages already: then the address is printed, and that is all.

    \b
    Examples:
      automl ui
      automl ui wine
      automl ui --port 5050
    """
    from automl.tracker.library import UiServer, serve_ui

    def announce(server: UiServer) -> None:
        click.echo(server.page)
        click.echo(
            "Press Ctrl-C to stop it." if server.command else "The tracking server shows it.", err=True
        )

    serve_ui(name, announce=announce, port=port, tracking_uri=tracking_uri, store=Path(store))


COMMANDS = (leaderboard, show, ui)
