"""Commands about the result of a search: its report, its model card, two runs compared, another champion."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from automl.cli.click_options import named_file, page_options, store_options
from automl.core.text import printable


@click.command()
@click.argument("name")
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    callback=named_file,
    help="Where to write it. [default: NAME-report.html]",
)
@page_options
@store_options
def report(
    name: str,
    out: str | None,
    data: str | None,
    slices: tuple[str, ...],
    tracking_uri: str | None,
    store: str,
) -> None:
    """Write the report of a search as one HTML file, and put it on its run.

    NAME is a search, or the id of its run. The data is read again for what needs features.

    \b
    Examples:
      automl report wine
      automl report wine -o report.html
      automl report churn --slice region --slice age
    """
    from automl.report.build import write_report

    path = write_report(name, out=out, data=data, slices=slices, tracking_uri=tracking_uri, store=Path(store))
    click.echo(f"Wrote {path} ({path.stat().st_size / 1024:,.0f} KB).", err=True)


@click.command()
@click.argument("name")
@click.option(
    "-o", "--out", metavar="FILE", callback=named_file, help="Where to write it. [default: NAME-card.md]"
)
@page_options
@store_options
def card(
    name: str,
    out: str | None,
    data: str | None,
    slices: tuple[str, ...],
    tracking_uri: str | None,
    store: str,
) -> None:
    """Write the model card of a search's champion, and put it beside the model.

    \b
    Examples:
      automl card wine
      automl card wine -o MODEL_CARD.md
      automl card churn --slice region
    """
    from automl.report.build import write_card

    path = write_card(name, out=out, data=data, slices=slices, tracking_uri=tracking_uri, store=Path(store))
    click.echo(f"Wrote {path}.", err=True)


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@store_options
def compare(first: str, second: str, as_json: bool, tracking_uri: str | None, store: str) -> None:
    """Compare two runs: their settings, and whether their scores differ beyond chance.

    A run is the id of a trial's or a search's run, its first six digits, or the name of a search.

    \b
    Examples:
      automl compare 4f0c2a 91bd07
      automl compare wine wine-again
      automl compare wine 4f0c2a --json
    """
    from automl.cli.pages import print_comparison
    from automl.report.compare import compare as run

    comparison = run(first, second, tracking_uri=tracking_uri, store=Path(store))
    if as_json:
        click.echo(json.dumps(comparison.to_json()))
    else:
        print_comparison(comparison, sys.stdout)


@click.command()
@click.argument("name")
@click.argument("run")
@store_options
def promote(name: str, run: str, tracking_uri: str | None, store: str) -> None:
    """Make RUN's model the champion of NAME: what `automl predict NAME` and `automl.load` use.

    RUN is a trial's run, or an earlier search's, by its id or the first six digits.

    \b
    Examples:
      automl promote wine 4f0c2a
      automl leaderboard wine --sort latency
      automl show wine
    """
    from automl.tracker.models.promotion import promotion

    made = promotion(name, run, tracking_uri=tracking_uri, store=Path(store))
    words = f"models:/{name}@champion is now version {made.version}. {made.replaced}"
    click.echo(printable(words.rstrip()), err=True)


COMMANDS = (report, card, compare, promote)
