"""The command that lists the executors."""

from __future__ import annotations

import click


@click.command()
def executors() -> None:
    """List the executors: where the trials of a search can run.

    \b
    Examples:
      automl executors
      automl search data.csv --target y --executor inline
    """
    from automl import executors as registry

    for name, kind in registry.executor_types().items():
        click.echo(f"{name:15} {kind.summary}")
    for broken in registry.broken_executors():
        click.echo(f"{broken.name:15} BROKEN: {broken.error}", err=True)
