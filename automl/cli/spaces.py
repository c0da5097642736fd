"""Commands on the model families and their search-space files."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
def families() -> None:
    """List the model families that a search can try.

    \b
    Examples:
      automl families
      automl search data.csv --target y --families lightgbm,tabm
      automl search data.csv --target y --without catboost
    """
    from automl import families as registry
    from automl.data.modalities import broken_modalities

    for name, family in sorted(registry.families().items()):
        click.echo(f"{name:15} {family.summary}")
    for broken in (*registry.broken_families(), *broken_modalities()):
        click.echo(f"{broken.name:15} BROKEN: {broken.error}", err=True)


@click.group()
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
    from automl.controller.strategy.space_files import list_spaces

    for item in list_spaces():
        click.echo(f"{item.family:15} {item.path}")


@spaces.command("show")
@click.argument("name")
def spaces_show(name: str) -> None:
    """Print a file."""
    from automl.controller.strategy.space_files import read_space_text

    click.echo(read_space_text(name), nl=False)


@spaces.command("copy")
@click.argument("name")
@click.option("-o", "--out", default="search_spaces", show_default=True, metavar="FOLDER")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def spaces_copy(name: str, out: str, force: bool) -> None:
    """Copy a file into ./search_spaces, where a search finds it first."""
    from automl.controller.strategy.space_files import copy_space

    click.echo(f"Wrote {copy_space(name, Path(out), force=force)}: a search started here uses it.", err=True)
