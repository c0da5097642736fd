"""Errors of the command line, fit for a terminal."""

from __future__ import annotations

import click

from automl.core.text import printable


def show_usage_error(error: click.ClickException) -> None:
    """click's errors in the form of ours: the code, what was wrong, the next step."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    lines = error.format_message().split("\n")
    message = " ".join(line.strip() for line in lines if line.strip())
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "automl"
    end = "" if message.endswith((".", "?", "?)")) else "."
    click.echo(f"Error E{error.exit_code}: {printable(message)}{end} Next: `{command} --help`.", err=True)
