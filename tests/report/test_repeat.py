"""The report's command that repeats a search: the command line takes it, and asks for the same.

That every option comes back is held by tests/cli/test_options.py.
"""

from __future__ import annotations

import html
import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
from subjects import Searched

from automl.cli.search import search
from automl.problem.settings import Settings
from automl.report.facts.subject import Subject
from automl.report.sections.closing import use_section
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import search_material
from automl.tracker.store.location import locate_store


@pytest.fixture(scope="module")
def subject(multiclass: Searched) -> Subject:
    record = Record(locate_store(None, multiclass.store))
    return Subject(material=search_material(record, multiclass.name))


def repeated(subject: Subject, settings: Settings, **found: Any) -> dict[str, Any]:
    """What the command line reads from the page's command."""
    configuration, target = settings.plain(), settings.target or "label"
    asked = replace(subject.material.search, configuration=configuration, target=target, **found)
    page = use_section(replace(subject, material=replace(subject.material, search=asked)))
    command = html.unescape(re.findall(r"<code>(automl search .*?)</code>", page)[0])
    return search.make_context("search", shlex.split(command)[2:]).params


def test_what_is_usual_is_left_out(subject: Subject) -> None:
    given = repeated(subject, Settings("wine.csv", "class", seconds=None, trials=3, name="wine"))
    assert (given["data"], given["target"], given["trials"]) == ("wine.csv", "class", 3)
    assert given["time"] is None


def test_a_target_that_the_data_gave_is_named(subject: Subject) -> None:
    assert repeated(subject, Settings("photos", name="photos"))["target"] == "label"


def test_a_function_cannot_be_typed(subject: Subject) -> None:
    settings = Settings("wine.csv", "class", name="wine", metric=max)
    assert repeated(subject, settings, metric="custom_max")["metric"] is None
    assert repeated(subject, replace(settings, metric="f1_macro"), metric="f1_macro")["metric"] == "f1_macro"
