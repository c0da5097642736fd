"""The command that lists the tasks and their metrics."""

from __future__ import annotations

import click


@click.command()
def tasks() -> None:
    """List the tasks that a target can be, each with the metrics that may judge it.

    \b
    Examples:
      automl tasks
      automl search data.csv --target y --task regression --metric mae
    """
    from automl.core.metrics import broken_metrics, metrics
    from automl.core.task_choice import broken_tasks, task_classes

    for name, kind in task_classes().items():
        taken = [metric.name for metric in metrics().values() if kind.takes(metric)]
        click.echo(f"{name:15} {', '.join(taken)}")
    for broken in (*broken_tasks(), *broken_metrics()):
        click.echo(f"{broken.name:15} BROKEN: {broken.error}", err=True)
