"""The commands of ``automl``: each is one call of a public function with the same names and defaults."""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from automl.cli.arguments import dialect_options, names, pairs, process_start, store_options
from automl.cli.check import check
from automl.cli.predict import predict
from automl.cli.reports import COMMANDS
from automl.cli.resume import conclude, resume
from automl.cli.terminal import printable, show_usage_error
from automl.cli.upkeep import COMMANDS as UPKEEP
from automl.core.errors import AutoMLError, did_you_mean
from automl.core.imports import uncollected
from automl.core.version import __version__

_SEARCH_EXAMPLES = """\b
Examples:
  automl search wine.csv --target class --time 60s
  automl search houses.csv --target price --metric mae --time 10m --test newer.csv
  automl search photos/ --time 3m              a folder of images per class
"""


class _Commands(click.Group):
    """A group that suggests the nearest command and prints our errors without a traceback."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(context, args[0]) is None:
            known = self.list_commands(context)
            raise click.UsageError(f"There is no command {args[0]!r}. {did_you_mean(args[0], known)}")
        return super().resolve_command(context, args)


def main() -> None:
    """Run the command line; exits with the codes of :mod:`automl.core.errors`."""
    debug = "--debug" in sys.argv
    # The interpreter's end would look through a million objects of libraries once more.
    atexit.register(gc.freeze)
    try:
        code = commands(prog_name="automl", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        show_usage_error(error)
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except KeyboardInterrupt as stop:
        click.echo("Interrupted.", err=True)
        # at once: a thread that still waits for a server would be joined by a regular exit
        sys.stdout.flush()
        os._exit(getattr(stop, "exit_code", 130))
    except SystemExit as stop:
        # click and rich answer a reader that went away (| head) with 1, which stands for a bug here
        gone = type(sys.stdout).__name__.endswith("PacifyFlushWrapper") or isinstance(
            stop.__context__, BrokenPipeError
        )
        sys.exit(0 if gone and stop.code == 1 else stop.code)
    except BrokenPipeError:
        # the same after the last command: point stdout elsewhere so that closing it says nothing
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except AutoMLError as error:
        if debug:
            raise
        click.echo(f"Error E{error.exit_code}: {printable(str(error))}", err=True)
        sys.exit(error.exit_code)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""AutoML with every trial on record.

    \b
    Examples:
      automl example wine && automl search wine.csv --target class --time 60s
      automl leaderboard wine
      automl predict wine new.csv -o predictions.csv
    """,
)
@click.version_option(__version__, prog_name="automl")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def commands(debug: bool) -> None:
    """Hold the commands; ``--debug`` is read in :func:`main`."""


commands.add_command(check)
commands.add_command(predict)
for _command in (*COMMANDS, *UPKEEP):
    commands.add_command(_command)
commands.add_command(resume)


@commands.command(epilog=None)
@click.argument("name")
@click.option("-o", "--out", default=".", show_default=True, metavar="FOLDER", help="Where to write it.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def example(name: str, out: str, force: bool) -> None:
    """Write a small data set that ships with scikit-learn: wine, breast_cancer, diabetes, digits.

    \b
    Examples:
      automl example wine
      automl example diabetes -o data
      automl example digits --force
    """
    from automl.cli.examples import EXAMPLES, write_example

    path = write_example(name, Path(out), force=force)
    click.echo(f"Wrote {path}.", err=True)
    target = next((item.target for item in EXAMPLES if item.name == name), None)
    if target:
        click.echo(f"Next: automl search {path} --target {target} --time 60s", err=True)


@commands.command(help=f"Search the best model for DATA and keep it.\n\n{_SEARCH_EXAMPLES}")
@click.argument("data")
@click.option("-t", "--target", metavar="COLUMN", help="Column to predict.")
@click.option("--time", metavar="60s", help="Time budget, imports and reading included. [default: 60s]")
@click.option(
    "--trials", type=int, metavar="N", help="Number of trials instead of time: repeatable by --seed."
)
@click.option("--name", help="Name of the search and of its registered model. [default: the file's name]")
@click.option("--metric", metavar="NAME", help="What to optimise. [default: by task, the reason is printed]")
@click.option("--task", metavar="TASK", help="classification or regression. [default: from the target]")
@click.option("--test", metavar="FILE", help="Rows to score once, at the end, instead of a tenth of DATA.")
@click.option("--folds", type=int, metavar="K", help="Folds of the cross-validation; 1 is a holdout.")
@click.option("--group", metavar="COLUMN", help="Rows with equal values stay on one side of every fold.")
@click.option("--time-column", metavar="COLUMN", help="Train on the past, judge on what follows.")
@click.option("--fold-column", metavar="COLUMN", help="Fold of each row.")
@click.option("--weight", metavar="COLUMN", hidden=True)  # refused with a reason that click cannot give
@click.option(
    "--kind", multiple=True, metavar="COLUMN=KIND", help="number, category, text, date, image or id."
)
@click.option("--image-root", metavar="FOLDER", help="Folder of the images that a column of paths names.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Keep a column that looks like an id.")
@click.option("--families", metavar="A,B", help="Only these families.")
@click.option("--without", metavar="A,B", help="All families but these.")
@click.option("--spaces", metavar="PATH", help="Search-space file or folder of your own.")
@click.option(
    "--prefer", default="best", show_default=True, metavar="best|fast|small", help="Kind of champion."
)
@click.option(
    "--promote",
    default="better",
    show_default=True,
    metavar="better|always|never",
    help="When it takes over from the name's champion.",
)
@click.option("--workers", type=int, metavar="N", help="Trials at once. [default: by cores and memory]")
@click.option(
    "--executor", default="local", show_default=True, metavar="local|inline", help="Where trials run."
)
@click.option("--memory", metavar="8GB", help="Memory of all workers. [default: 80 % of what is free]")
@click.option(
    "--keep-models",
    default="2GB",
    show_default=True,
    metavar="SIZE",
    help="Keep all models up to this; then the best.",
)
@click.option(
    "--cache-size",
    default="10GB",
    show_default=True,
    metavar="SIZE",
    help="Bound of decoded images and their features.",
)
@click.option("--weights-dir", metavar="FOLDER", help="Published weights of image backbones.")
@click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Device of the nets."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of folds, draws and models.")
@dialect_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("--events", metavar="FILE", help="Write what happens as JSON lines, for other programs.")
@store_options
def search(
    data: str,
    kind: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    events: str | None,
    families: str | None,
    without: str | None,
    **given: Any,
) -> int:
    """Search the best model for DATA and keep it."""
    with uncollected():
        from automl.cli.view import view_for
        from automl.controller.start import search as run
        from automl.problem.settings import memory_limit

    view = view_for(
        sys.stderr,
        quiet=quiet,
        events=events,
        trials=given["trials"],
        memory_bytes=memory_limit(given["memory"]),
    )
    with view:
        result = run(
            data,
            **given,
            kinds=pairs(kind),
            families=names(families),
            without=names(without),
            watcher=view,
            started=process_start(),
        )
        view.delivered(result)
    return conclude(result, view, as_json=as_json, quiet=quiet)


@commands.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array on stdout.")
@click.option("-n", "--rows", type=int, default=25, show_default=True, help="Rows to print; 0 for all.")
@click.option(
    "--sort", default="score", show_default=True, metavar="KEY", help="score, latency, size, time or trial."
)
@store_options
def leaderboard(name: str, as_json: bool, rows: int, sort: str, tracking_uri: str | None, store: str) -> None:
    """The result of a search and its trials, best first.

    The result is the first line, and with --json the last entry (its kind is "result", that of the others
    "trial"). The weight is a trial's share in it. The champion, which `automl predict NAME` uses, is named
    below; its row, where it is among these, has that state, and with --json `is_champion`.

    Sorted by latency, size or time, a star marks each trial that no other beats in that and in score.

    \b
    Examples:
      automl leaderboard wine
      automl leaderboard wine --sort latency
      automl leaderboard wine -n 0 --json
    """
    from automl.cli.pages import print_leaderboard
    from automl.controller.upkeep import which_search
    from automl.tracker.leaderboard import check_order, front
    from automl.tracker.library import read_leaderboard

    check_order(sort)
    best_first = read_leaderboard(name, tracking_uri=tracking_uri, store=Path(store))
    found = best_first.sorted_by(sort)
    if as_json:
        click.echo(json.dumps(found.to_json()))
    else:
        marked = front(best_first.trials, sort)
        print_leaderboard(found, sys.stdout, rows=rows, marked=marked)
        if which := which_search(name, tracking_uri=tracking_uri, store=store):
            click.echo(printable(which), err=True)


@commands.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@store_options
def show(name: str, as_json: bool, tracking_uri: str | None, store: str) -> None:
    """A search by its name, or one trial by its run id.

    \b
    Examples:
      automl show wine
      automl show 4f0c2a…            a trial's run id, from `automl leaderboard`
      automl show wine --json
    """
    from automl.cli.descriptions import print_description
    from automl.tracker.library import describe

    print_description(
        describe(name, tracking_uri=tracking_uri, store=Path(store)), sys.stdout, as_json=as_json
    )


@commands.command()
@click.argument("name", required=False)
@click.option("--port", type=int, default=5000, show_default=True, help="Port; the next free one if taken.")
@store_options
def ui(name: str | None, port: int, tracking_uri: str | None, store: str) -> None:
    """Open the MLflow UI on the right store, on 127.0.0.1; Ctrl-C ends it.

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
        click.echo("Ctrl-C ends it." if server.command else "The tracking server shows it.", err=True)

    serve_ui(name, announce=announce, port=port, tracking_uri=tracking_uri, store=Path(store))


@commands.command()
def families() -> None:
    """List the model families that a search can try.

    \b
    Examples:
      automl families
      automl search data.csv --target y --families lightgbm,tabm
      automl search data.csv --target y --without catboost
    """
    from automl.families import broken_families
    from automl.families import families as known

    for name, family in sorted(known().items()):
        click.echo(f"{name:15} {family.summary}")
    for broken in broken_families():
        click.echo(f"{broken.name:15} BROKEN: {broken.error}", err=True)


@commands.group()
def spaces() -> None:
    """List, show and copy the search-space files.

    \b
    Examples:
      automl spaces list
      automl spaces show lightgbm
      automl spaces copy lightgbm       then edit search_spaces/lightgbm.yaml
    """


@spaces.command("list")
def spaces_list() -> None:
    """Name the files and where each is read from."""
    from automl.controller.strategy.spaces import list_spaces

    for item in list_spaces():
        click.echo(f"{item.family:15} {item.path}")


@spaces.command("show")
@click.argument("name")
def spaces_show(name: str) -> None:
    """Print a file."""
    from automl.controller.strategy.spaces import read_space_text

    click.echo(read_space_text(name), nl=False)


@spaces.command("copy")
@click.argument("name")
@click.option("-o", "--out", default="search_spaces", show_default=True, metavar="FOLDER")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def spaces_copy(name: str, out: str, force: bool) -> None:
    """Copy a file into ./search_spaces, where a search finds it first."""
    from automl.controller.strategy.spaces import copy_space

    click.echo(f"Wrote {copy_space(name, Path(out), force=force)}: a search started here uses it.", err=True)
