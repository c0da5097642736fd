"""The page: its sections in one file that loads nothing from the network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.resources import files

from automl.core.version import __version__
from automl.report.facts.slices import Slice
from automl.report.facts.subject import Subject
from automl.report.sections.champion import champion_section, drivers_section, groups_section
from automl.report.sections.closing import data_section, failures_section, parameters_section, use_section
from automl.report.sections.files import files_sections
from automl.report.sections.markup import Markup, tag
from automl.report.sections.result import honest_section, leaderboard_section, result_section, search_section
from automl.report.sections.single_rows import predictions_section
from automl.report.sections.texts import texts_section

SECTIONS = {
    "result": "Result",
    "honest": "Honest score",
    "leaderboard": "Leaderboard",
    "search": "Search",
    "champion": "Champion",
    "groups": "Groups",
    "drivers": "Drivers",
    "predictions": "Predictions",
    "texts": "Texts",
    "parameters": "Hyperparameters",
    "data": "Data",
    "failures": "Failures",
    "use": "Use it",
}
_AFTER_FILES = "parameters"
# A browser that obeys it loads nothing, whatever the names in the data contain.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render(subject: Subject, slices: Sequence[Slice] = ()) -> str:
    """The whole report as HTML; ``slices`` are scores by group."""
    of_files = files_sections(subject)
    made = (
        result_section(subject),
        honest_section(subject) if subject.summary else Markup(""),
        leaderboard_section(subject),
        search_section(subject),
        champion_section(subject),
        groups_section(subject, slices) if slices else Markup(""),
        drivers_section(subject) if subject.summary else Markup(""),
        predictions_section(subject),
        texts_section(subject),
        *of_files.values(),
        parameters_section(subject),
        data_section(subject),
        failures_section(subject),
        use_section(subject),
    )
    before = [*SECTIONS].index(_AFTER_FILES)
    places = [*SECTIONS.items()]
    places[before:before] = [(modality.name, modality.name.capitalize()) for modality in of_files]
    links = [
        tag("a", name, href=f"#{place}") for (place, name), part in zip(places, made, strict=True) if part
    ]
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(subject.material.search.started))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"{subject.name}: report"),
        tag("style", Markup(files("automl.report").joinpath("report.css").read_text(encoding="utf-8"))),
    )
    body = tag(
        "body",
        tag(
            "header",
            tag("h1", subject.name),
            tag("p", f"Report of the search of {when}"),
            tag("nav", *links, aria_label="Sections"),
        ),
        tag("main", *made),
        tag(
            "footer",
            f"Made by automl {__version__} from the record; this page loads nothing from the network.",
        ),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
