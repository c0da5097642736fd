"""click's options: those of a search from its settings, and the few that other commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from automl.core.errors import UsageError
from automl.problem.options import Form, Option, options_of
from automl.problem.settings import Settings, TextFormat

F = TypeVar("F", bound=Callable[..., Any])
Adding = Callable[[Any], Any]


def settings_options(group: type) -> Callable[[F], F]:
    """An option for every field of a group of settings that states one."""
    return lambda command: _with(command, map(click_option, options_of(group).values()))


def click_option(option: Option, help: str = "") -> Adding:
    """One option, with its keyword as the name of the argument; ``help`` in place of its own."""
    more: dict[str, Any] = {}
    if option.form is Form.WHOLE:
        more["type"] = int
    elif option.form is Form.SWITCH:
        more["is_flag"] = True
    elif option.form is Form.LIST:
        more["callback"] = _list
    elif option.form is Form.EACH:
        more["multiple"] = True
    elif option.form is Form.PAIRS:
        more |= {"multiple": True, "callback": _pairs}
    if option.default is not None and option.form in (Form.ONE, Form.WHOLE):
        more |= {"default": option.default, "show_default": True}
    names = [name for name in (option.short, option.flag, option.keyword) if name]
    metavar = option.metavar or "|".join(option.choices) or None
    shown = help or option.full_help
    return click.option(*names, metavar=metavar, help=shown, hidden=option.hidden, **more)


def check_options(command: F) -> F:
    """The options of ``automl check``: those of a search that decide what is read and compared."""
    options = [option for option in options_of(Settings).values() if option.checked]
    helps = [option.checked if isinstance(option.checked, str) else "" for option in options]
    return _with(command, map(click_option, options, helps))


def dialect_options(command: F) -> F:
    """The options that say how a text file is written."""
    return settings_options(TextFormat)(command)


def store_options(command: F) -> F:
    """The options that say where the record is."""
    options = options_of(Settings)
    return _with(command, map(click_option, (options["tracking_uri"], options["store"])))


def address_option(command: F) -> F:
    """The option that says where the cluster is."""
    return _with(command, (click_option(options_of(Settings)["address"]),))


def page_options(command: F) -> F:
    """The options of the pages that are made of a search and its data."""
    data = click.option("--data", metavar="FILE", help="The file that was searched, where it has moved.")
    slices = click.option(
        "--slice", "slices", multiple=True, metavar="COLUMN", help="Score the groups of a column."
    )
    return _with(command, (data, slices))


def following_options(command: F) -> F:
    """The options that say how a search tells what it does."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
    quiet = click.option("-q", "--quiet", is_flag=True, help="No progress.")
    events = click.option("--events", metavar="FILE", help="Write events as JSON lines, for other programs.")
    return _with(command, (as_json, quiet, events))


def _with(command: F, options: Iterable[Adding]) -> F:
    """The command with these options, in the order of its help."""
    for option in reversed(tuple(options)):
        command = option(command)
    return command


def _pairs(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """``--kind zip=category`` as ``{"zip": "category"}``."""
    kinds = {}
    for item in value:
        column, mark, kind = item.rpartition("=")
        if not mark or not column:
            flag = parameter.opts[0]
            raise UsageError(f"{flag} {item!r} must read COLUMN=KIND, e.g. {flag} zip=category.")
        kinds[column] = kind
    return kinds


def _list(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """``NA,n/d`` as ``("NA", "n/d")``, nothing as ``()``; None where the option was not given."""
    if value is None:
        return None
    return tuple(name.strip() for name in value.split(",") if name.strip())


def named_file(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The name of a file to write; ``-``, which other programs take for standard output, is none.

    Raises
    ------
    UsageError
        For ``-``.
    """
    if value == "-":
        option = parameter.opts[0]
        raise UsageError(f"{option} - is not the name of a file. Next: {option} FILE, which is then written.")
    return value
