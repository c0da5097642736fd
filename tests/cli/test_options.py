"""Options are stated once, in the settings: all that people see of them follows, or is compared here."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import automl
from automl.cli.click_options import settings_options
from automl.cli.commands import commands
from automl.controller.saved_setup import Outset, given_settings, plain_settings
from automl.core.errors import UsageError
from automl.problem.options import Form, Option, duration, folder, option, options_of, share, size
from automl.problem.search_command import search_command
from automl.problem.settings import Settings
from automl.tracker.store.location import DEFAULT_ROOT

OPTIONS = options_of(Settings)
# What Settings.from_choices takes by the same keyword where no option gives it.
APART = {"data": inspect.Parameter.empty, "watcher": None, "started": 0.0}


@dataclass(frozen=True)
class Coloured(Settings):
    """The settings of a search, and one option more: nothing but this field states it."""

    paint_colour: str = option("red", choices=("red", "blue"), help="Colour of the models.")


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """Keyword → default, as a caller sees them."""
    return {name: item.default for name, item in inspect.signature(function).parameters.items()}


def test_search_takes_every_option_with_its_default() -> None:
    assert keywords(automl.search) == APART | {item.keyword: item.default for item in OPTIONS.values()}


def test_check_takes_the_options_that_say_so() -> None:
    checked = {item.keyword: item.default for item in OPTIONS.values() if item.checked}
    assert keywords(automl.check) == {"data": inspect.Parameter.empty} | checked


@pytest.mark.parametrize("function", [automl.search, automl.check])
def test_every_keyword_is_explained(function: Callable[..., Any]) -> None:
    text = inspect.getdoc(function) or ""
    listed = re.findall(r"^([a-z_]+(?:, [a-z_]+)*):$", text.split("Raises")[0], re.MULTILINE)
    assert {name for line in listed for name in line.split(", ")} == keywords(function).keys()


@pytest.mark.parametrize("name", ["search", "check"])
def test_every_option_is_on_the_command_line(name: str) -> None:
    flags = {flag for item in commands.commands[name].params for flag in item.opts}
    stated = {item.flag for item in OPTIONS.values() if name == "search" or item.checked}
    assert stated <= flags
    shared = {"data", "--json", "--quiet", "-q", "--events"}
    assert flags - stated - shared == {"-t"}


def test_fields_without_an_option_are_those_that_no_flag_gives() -> None:
    assert {item.name for item in fields(Settings)} - OPTIONS.keys() == {"source", "name_given"}


def test_the_store_is_where_every_command_looks_for_it() -> None:
    assert OPTIONS["store"].read(OPTIONS["store"].default, "--store") == DEFAULT_ROOT == Settings(None).store


def coloured(*arguments: str) -> Coloured:
    """The settings that a command line with the option more gives."""
    got: list[Coloured] = []

    @click.command()
    @click.argument("data")
    @settings_options(Coloured)
    def run(**choices: Any) -> None:
        got.append(Coloured.from_choices(choices))

    done = CliRunner().invoke(run, ["a.csv", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return got[0]


def test_a_new_option_is_one_field() -> None:
    """Its flag, its default, its check, its place in ``search.json`` and in the command that repeats it."""
    assert coloured().paint_colour == "red"
    settings = coloured("--paint-colour", "blue", "--trials", "3")
    assert settings.paint_colour == "blue"
    with pytest.raises(UsageError, match="--paint-colour cannot be 'bleu'"):
        coloured("--paint-colour", "bleu")
    assert settings.plain()["paint_colour"] == "blue"
    typed = search_command(settings.plain(), Coloured)
    assert typed == "automl search a.csv --name a --trials 3 --seed 0 --paint-colour blue"
    assert json.loads(json.dumps(plain_settings(settings)))["paint_colour"] == "blue"


def test_an_older_file_of_a_search_lacks_a_new_option_and_means_its_default() -> None:
    older = plain_settings(coloured("--trials", "3"))
    del older["paint_colour"]
    numbers: dict[str, Any] = {"slots": 1, "threads": 1, "created": 0.0}
    digests = dict.fromkeys(("data_digest", "problem_digest", "test_digest"), "")
    outset = Outset(name="a", settings=older, **digests, **numbers, device="cpu", tracking_uri=None)
    assert outset.same_command(coloured("--trials", "3"))
    assert not outset.same_command(coloured("--trials", "3", "--paint-colour", "blue"))


# The settings in a ``search.json`` of version 0.1: files like it are resumed as long as the format is 1.
WRITTEN = {
    **{"source": {"path": "/data/wine.csv"}, "target": "class", "seconds": None, "trials": 9, "name": "wine"},
    **{"name_given": False, "metric": {"python": "right"}, "task": None, "test": {"path": "/data/new.csv"}},
    **{"folds": 4, "group": None, "time_column": "day", "fold_column": None, "weight": None},
    **{"kinds": {"map": {"zip": "category"}}, "image_root": None, "cache_bytes": 10737418240},
    **{"weights_dir": None, "drop": ["a"], "keep": [], "families": ["linear"], "without": []},
    **{"spaces": {"path": "/data/spaces"}, "workers": 2, "memory_bytes": 6442450944, "executor": "local"},
    **{"device": "cpu", "prefer": "best", "promote": "better", "keep_models_bytes": 2147483648, "seed": 3},
    **{"tracking_uri": None, "store": {"path": "/data/mlruns"}, "encoding": None, "delimiter": ";"},
    **{"decimal": None, "header": 2, "skip_bad_rows": True, "missing": ["usual", "n/d"]},
}


def test_a_file_written_before_the_groups_is_read() -> None:
    settings = given_settings(WRITTEN, metric=max)
    assert settings == Settings.from_choices(
        {
            **{"data": Path("/data/wine.csv"), "target": "class", "trials": 9, "metric": max, "folds": 4},
            **{"test": Path("/data/new.csv"), "time_column": "day", "kinds": {"zip": "category"}},
            **{
                "drop": ["a"],
                "families": ["linear"],
                "spaces": "/data/spaces",
                "workers": 2,
                "memory": "6GB",
            },
            **{"device": "cpu", "seed": 3, "store": "/data/mlruns", "delimiter": ";", "header": 2},
            **{"skip_bad_rows": True, "missing": ["usual", "n/d"]},
        }
    )
    assert WRITTEN.keys() <= {item.name for item in fields(Settings)}


SAMPLES = {
    Form.WHOLE: ["3"],
    Form.LIST: ["a b,c"],
    Form.EACH: ["a", "two words"],
    Form.PAIRS: ["zip=code=category", "note=text"],
}


def example(item: Option) -> list[str]:
    """Words that give an option another value than its default."""
    if item.form is Form.SWITCH:
        return [item.flag]
    one = {duration: "90s", size: "3GB", share: "10%", folder: "."}.get(item.read, "a & b")
    values = SAMPLES.get(item.form, [next((word for word in item.choices if word != item.default), one)])
    return [word for value in values for word in (item.flag, value)]


def test_the_command_that_repeats_a_search_gives_the_same_settings() -> None:
    settings = given(["my data.csv", *(word for item in OPTIONS.values() for word in example(item))])
    unset = Settings(None)
    assert [name for name in OPTIONS if getattr(settings, name) == getattr(unset, name)] == []
    typed = shlex.split(search_command(json.loads(json.dumps(settings.plain()))))
    again = given(typed[2:])
    changed = {name for name in OPTIONS if getattr(again, name) != getattr(settings, name)}
    assert changed == {name for name, item in OPTIONS.items() if not item.repeated}


def given(words: list[str]) -> Settings:
    """The settings of ``automl search`` with these words."""
    search = commands.commands["search"]
    return Settings.from_choices(search.make_context("search", list(words)).params)


def test_a_text_in_the_place_of_a_list_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"--families takes a list of words in Python, not the text 'linear'"
    ):
        Settings.from_choices({"data": "a.csv", "families": "linear"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("predict wine new.csv --keep -o out.csv", "--keep needs a value, and got -o"),
        ("search a.csv --target --time 5s", "--target needs a value, and got --time"),
        ("report wine --data --slice x", "--data needs a value, and got --slice"),
    ],
)
def test_an_option_whose_value_is_missing_does_not_take_the_next_option_for_it(
    arguments: str, said: str
) -> None:
    done = CliRunner().invoke(commands, arguments.split())
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_a_value_that_is_called_like_an_option_can_be_given() -> None:
    done = CliRunner().invoke(commands, ["predict", "nothing", "no.csv", "--id=--keep", "-o", "out.csv"])
    assert "needs a value" not in done.output
