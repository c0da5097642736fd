"""The commands of ``automl``: each is one call of a public function with the same names and defaults."""

from __future__ import annotations

from collections.abc import Sequence

import click

from automl.cli.browse import COMMANDS as RECORD
from automl.cli.check import check
from automl.cli.examples import example
from automl.cli.executors import executors
from automl.cli.explain import explain
from automl.cli.predict import predict
from automl.cli.results import COMMANDS as REPORTS
from automl.cli.search import COMMANDS as SEARCHES
from automl.cli.spaces import families, spaces
from automl.cli.tasks import tasks
from automl.cli.upkeep import COMMANDS as UPKEEP
from automl.cli.watch import watch
from automl.core.errors import did_you_mean
from automl.core.version import __version__


class _Commands(click.Group):
    """A group that suggests the nearest command and prints our errors without a traceback."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(context, args[0]) is None:
            names = self.list_commands(context)
            raise click.UsageError(f"There is no command {args[0]!r}. {did_you_mean(args[0], names)}")
        name, command, rest = super().resolve_command(context, args)
        if command is not None:
            _check_values(command, rest)
        return name, command, rest


def _check_values(command: click.Command, args: Sequence[str]) -> None:
    """Refuse an option whose value is missing, so that it would take the next option for it.

    Raises
    ------
    click.UsageError
        With both of them.
    """
    options = [each for each in command.params if isinstance(each, click.Option)]
    names = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    taking = {name for option in options if not (option.is_flag or option.count) for name in option.opts}
    before = ""
    for arg in args:
        if arg == "--":
            return
        if before in taking and arg in names:
            raise click.UsageError(
                f"{before} needs a value, and got {arg}, which is an option. Next: {before} VALUE {arg} …; "
                f"or {before}={arg}, where that is the value."
            )
        before = "" if before in taking else arg


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
    """Hold the commands; ``--debug`` is read in :func:`automl.cli.process.main`."""


_LISTS = (families, tasks, spaces, executors)
for _command in (check, predict, explain, example, *_LISTS, *SEARCHES, watch, *RECORD, *REPORTS, *UPKEEP):
    commands.add_command(_command)
