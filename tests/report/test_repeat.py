"""The report's command that repeats a search: the command line takes it, and asks for the same."""

from __future__ import annotations

import html
import re
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from subjects import Searched

from automl.cli.commands import search
from automl.problem.settings import Settings
from automl.report.facts.subject import Subject
from automl.report.sections.closing import use_section
from automl.tracker.material import search_material
from automl.tracker.query import Record
from automl.tracker.store.location import locate_store

_EVERYTHING: dict[str, Any] = {
    "source": "my data.csv",
    "target": "the class",
    "seconds": 90.0,
    "trials": 7,
    "name": "a & b",
    "metric": "f1_macro",
    "task": "classification",
    "test": Path("newer.csv"),
    "folds": 4,
    "group": "site",
    "time_column": "day",
    "fold_column": "fold",
    "kinds": {"zip=code": "category", "note": "text"},
    "image_root": Path("photos"),
    "weights_dir": Path("/weights"),
    "drop": ("one", "two words"),
    "keep": ("id",),
    "families": ("linear", "tabm"),
    "without": ("dummy",),
    "spaces": Path("spaces"),
    "workers": 2,
    "executor": "inline",
    "device": "cpu",
    "prefer": "fast",
    "promote": "never",
    "seed": 11,
    "encoding": "latin-1",
    "delimiter": "\t",
    "decimal": ",",
    "header": 3,
    "skip_bad_rows": True,
    "missing": ("usual", "n/d"),
}
_ELSEWHERE = {
    *("weight", "store", "tracking_uri", "memory_bytes", "keep_models_bytes", "cache_bytes", "name_given"),
}


@pytest.fixture(scope="module")
def subject(multiclass: Searched) -> Subject:
    record = Record(locate_store(None, multiclass.store))
    return Subject(search_material(record, multiclass.name))


def repeated(subject: Subject, settings: Settings) -> dict[str, Any]:
    """What the command line reads from the page's command."""
    asked = replace(
        subject.material.search, configuration=settings.plain(), target=settings.target or "label"
    )
    page = use_section(replace(subject, material=replace(subject.material, search=asked)))
    command = html.unescape(re.findall(r"<code>(automl search .*?)</code>", page)[0])
    words = shlex.split(command)
    options = [word for word in words if word.startswith("--") and word not in ("--kind", "--drop")]
    assert len(options) == len(set(options)), command
    return search.make_context("search", words[2:]).params


def test_what_is_usual_is_left_out(subject: Subject) -> None:
    given = repeated(subject, Settings("wine.csv", "class", seconds=None, trials=3, name="wine"))
    assert (given["data"], given["target"], given["trials"]) == ("wine.csv", "class", 3)
    assert given["time"] is None


def test_every_choice_is_repeated(subject: Subject) -> None:
    assert {field.name for field in fields(Settings)} == _EVERYTHING.keys() | _ELSEWHERE
    given = repeated(subject, Settings(**_EVERYTHING))
    assert given.pop("data") == "my data.csv"
    assert given.pop("time") == "90s"
    assert given.pop("kind") == ("zip=code=category", "note=text")
    for name in ("families", "without"):
        assert given.pop(name) == ",".join(_EVERYTHING[name])
    for name, value in _EVERYTHING.items():
        if name in given:
            assert given[name] == (str(value) if isinstance(value, Path) else value), name
