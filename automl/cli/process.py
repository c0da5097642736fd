"""The process ``automl``: run a command, and end with the exit code of what came of it."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from types import TracebackType

import click

from automl.cli.commands import commands
from automl.cli.terminal import show_usage_error
from automl.core.credentials import without_secrets
from automl.core.errors import AutoMLError
from automl.core.text import printable


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a bug, or an error with ``--debug``: a library's message may have a password in it."""
    text = "".join(traceback.format_exception(kind, error, trace))
    print(without_secrets(text), end="", file=sys.stderr, flush=True)


def main() -> None:
    """Run the command line; exits with the codes of :mod:`automl.core.errors`."""
    debug = "--debug" in sys.argv
    sys.excepthook = _print_traceback
    # Libraries make a million objects that stay: looking for garbage after every 700 new ones, as Python does
    # by default, took an eighth of the time of `automl predict`.
    gc.set_threshold(100_000, 50, 50)
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
