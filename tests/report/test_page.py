"""The report as a browser gets it: parsed, with every section, nothing from elsewhere, nothing unescaped."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from subjects import HOSTILE_CLASS, HOSTILE_COLUMN

from automl.core.errors import UsageError
from automl.report.build import write_report
from automl.report.page import SECTIONS

_VOID = {"meta", "br", "hr", "path", "use", "rect", "circle", "line", "stop", "image"}
_URLS = re.compile(r"(?:https?:)?//|\burl\(\s*['\"]?(?!#)", re.IGNORECASE)


class Page(HTMLParser):
    """Collects what a valid page must not get wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.feed(text)
        self.close()
        if self.open:
            self.problems.append(f"never closed: {self.open}")
        self.problems += [f"id twice: {i}" for i in {i for i in self.ids if self.ids.count(i) > 1}]
        self.problems += [f"link to nowhere: {i}" for i in self.links if i[0] != "#" or i[1:] not in self.ids]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br", "hr", "img"):
            self.open.append(tag)
        self._attributes(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._attributes(tag, attrs)

    def _attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if len(given) != len(attrs):
            self.problems.append(f"attribute twice: {attrs}")
        if "id" in given:
            self.ids.append(given["id"] or "")
        for name, value in attrs:
            embedded = tag == "img" and name == "src" and (value or "").startswith("data:image/jpeg;base64,")
            if (name.startswith("on") or name in ("src", "srcset", "action")) and not embedded:
                self.problems.append(f"{tag} {name}={value}")
            if name in ("href", "xlink:href"):
                self.links.append(value or "")
            if name == "style" and _URLS.search(value or ""):
                self.problems.append(f"{tag} style={value}")
        if (given.get("role") == "img" and not given.get("aria-label")) or (
            tag == "img" and not given["alt"]
        ):
            self.problems.append("a picture without words")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            if _URLS.search(data) or "@import" in data:
                self.problems.append("the style asks for something")
        else:
            self.text.append(data)


def report_of(searched, folder: Path, **given: object) -> tuple[str, Page]:
    path = write_report(searched.name, out=folder / "report.html", store=searched.store, **given)
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def report(request, tmp_path_factory):
    """The report of a search by its fixture's name; each is made once."""
    made: dict[str, tuple[str, Page]] = {}

    def of(which: str) -> tuple[str, Page]:
        if which not in made:
            made[which] = report_of(request.getfixturevalue(which), tmp_path_factory.mktemp(which))
        return made[which]

    return of


SILENT = {"parameters", "failures", "texts"}  # where there is nothing to say
KINDS = ("binary", "multiclass", "regression", "images", "texts")


@pytest.mark.parametrize("which", KINDS)
def test_a_report_is_valid_complete_small_and_asks_nothing_of_the_network(which, report):
    text, page = report(which)
    assert page.problems == []
    assert {"script", "link", "iframe", "object", "embed", "base"} & page.tags == set()
    assert ("img" in page.tags) == (which == "images")
    shown = {*SECTIONS} - {"groups", *SILENT}
    assert (shown - {"drivers", "predictions"} | {"images"} if which == "images" else shown) <= set(page.ids)
    assert text.startswith("<!DOCTYPE html>")
    assert "Content-Security-Policy" in text
    assert len(text) < 3_000_000
    assert text.count("<svg") >= 8
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+|[a-z]+nan", "", " ".join(page.text).lower()).split()


@pytest.mark.parametrize("which", KINDS)
def test_a_strict_parser_finds_no_fault(which, request, tmp_path):
    html5lib = pytest.importorskip("html5lib", reason="pip install html5lib")
    groups = {"binary": ("region",), "images": ("station",)}.get(which, ())
    text, _ = report_of(request.getfixturevalue(which), tmp_path, slices=groups)
    parser = html5lib.HTMLParser()
    parser.parse(text)
    assert parser.errors == []


def test_names_from_the_data_are_text_and_nothing_else(report):
    text, page = report("multiclass")
    words = " ".join(page.text)
    assert HOSTILE_COLUMN in words
    assert HOSTILE_CLASS in words
    assert "$a_{1}$" in words  # no formula made of it
    assert "<script" not in text
    assert "<img" not in text
    assert "日本語" in words


def test_the_sentences_say_what_the_summary_says(regression, report):
    _, page = report("regression")
    words = " ".join(page.text)
    best, honest = regression.result.best, regression.result.honest
    assert f"On new rows expect rmse {honest.value:.5g}" in words
    assert f"Expected on new rows: {honest.how}" in words
    assert "it leans most on x0" in words
    assert all(f"#{member.trial}" in words for member in best.members)


def test_the_threshold_in_use_is_shown(report):
    _, page = report("binary")
    words = " ".join(page.text)
    assert "predicted as yes at a probability of" in words
    assert "Chosen on held-out rows for" in words


def test_groups_are_scored_on_request_and_unknown_columns_are_named(binary, tmp_path):
    _, page = report_of(binary, tmp_path, slices=("region", "x1"))
    assert "groups" in page.ids
    words = " ".join(page.text)
    assert "north" in words
    assert "By x1" in words
    with pytest.raises(UsageError, match="regoin"):
        report_of(binary, tmp_path, slices=("regoin",))


def test_without_the_data_the_report_says_what_is_missing(regression, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(regression.folder, moved)
    data = moved / "data.csv"
    lines = data.read_text().splitlines()
    data.write_text("\n".join(lines[:-1]))  # one row less than was searched
    with pytest.raises(UsageError, match="was changed"):
        write_report(regression.name, out=tmp_path / "r.html", data=str(data), store=moved / "mlruns")


def test_sheets_of_images_are_part_of_the_page(multiclass):
    from dataclasses import replace

    from automl.report.build import open_search
    from automl.report.page import render

    subject = open_search(multiclass.record, multiclass.name, explained=False)
    picture = multiclass.result.plot_confusion()._repr_png_()
    text = render(replace(subject, pictures={"images/top_losses.png": picture}))
    assert 'src="data:image/jpeg;base64,' in text
    assert text.count("greatest losses") == 2  # for those who see it and for those who do not
    assert "Not computed" not in text


def test_the_report_lies_on_the_run_too(binary, tmp_path):
    text, _ = report_of(binary, tmp_path)
    from automl.tracker import locate_store
    from automl.tracker.reading.query import Record
    from automl.tracker.reading.report_material import read_file

    record = Record(locate_store(None, binary.store))
    assert read_file(record, binary.result.run_id, "report.html") == text.encode()


@pytest.mark.parametrize("which", KINDS)
def test_the_reports_plots_are_files_on_the_run_and_images_in_its_description(which, request, report):
    from xml.etree import ElementTree

    from automl.tracker import locate_store
    from automl.tracker.reading.query import Record
    from automl.tracker.reading.report_material import read_file

    searched = request.getfixturevalue(which)
    text, _ = report(which)
    record, run_id = Record(locate_store(None, searched.store)), searched.result.run_id
    note = record.run(run_id).data.tags["mlflow.note.content"]
    shown = re.findall(r"!\[\]\(get-artifact\?path=plots%2F([a-z]+)\.svg&run_uuid=(\w+)\)", note)
    assert 3 <= len(shown) <= 4
    assert note.count("| trial") == 1
    for name, of in shown:
        assert of == run_id
        assert ElementTree.fromstring(read_file(record, run_id, f"plots/{name}.svg")).tag.endswith("svg")
    assert text.count("data-plot=") == len(set(re.findall('data-plot="([^"]+)"', text)))
    fitted = read_file(record, run_id, "plots/seconds.svg").decode()
    assert "var(--" not in fitted


def test_a_report_that_changes_no_description_loads_no_mlflow(binary, report):
    from automl.report.figures.files import plots_of_page, put_plots
    from automl.tracker import locate_store
    from automl.tracker.reading.query import Record

    text, _ = report("binary")
    record = Record(locate_store(None, binary.store))
    put_plots(record, binary.result.run_id, plots_of_page(text))
    assert "client" not in vars(record)


def test_names_that_begin_alike_stay_apart_in_a_plot_and_wide_letters_count_twice():
    from automl.report.figures.style import label, labels, with_room

    names = [f"measurement of the station north-west, question {number}" for number in range(9)]
    cut = labels(names, 24)
    assert len(set(cut)) == 9
    assert all(len(name) <= 24 for name in cut)
    assert labels(["a", "b"], 24) == ["a", "b"]
    alike = [f"class number {number:03d} of the hundred" for number in (48, 7)]
    assert labels(alike, 12) == ["…048…", "…007…"]
    assert labels(["a very long name that stands alone"], 12) == ["a very long…"]
    assert label("日本語の列名", 7) == "日本語…"
    assert len(with_room("日本語")) > len("日本語")
    assert with_room("abc") == "abc"


def test_a_search_that_did_not_end_has_a_report_of_what_it_tried(binary, tmp_path):
    moved = tmp_path / "copy"
    shutil.copytree(binary.store, moved)
    for name in ("summary.json", "arrays.npz", "story.json"):
        for found in moved.rglob(name):
            found.unlink()
    path = write_report(binary.name, out=tmp_path / "report.html", store=moved)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.problems == []
    words = " ".join(page.text)
    assert "This search has no champion" in words
    assert {"leaderboard", "search", "use"} <= set(page.ids)


def test_a_search_of_one_trial_has_no_plots_of_one_point_and_says_that_it_is_the_baseline(tmp_path):
    import automl

    (tmp_path / "data.csv").write_text("a,b\n" + "\n".join(f"{n % 7},{n % 2}" for n in range(60)))
    store = tmp_path / "mlruns"
    automl.search(tmp_path / "data.csv", target="b", trials=1, folds=2, executor="inline", store=store)
    page = Page(write_report("data", out=tmp_path / "report.html", store=store).read_text(encoding="utf-8"))
    assert page.problems == []
    words = " ".join(page.text)
    assert "trial 0, dummy, the only trial" in words
    assert "the baseline itself" in words
    assert "What the score costs" not in words


def test_failed_trials_are_listed_by_their_reason_whatever_that_says(multiclass):
    from dataclasses import replace

    from automl.report.build import open_search
    from automl.report.page import render

    subject = open_search(multiclass.record, multiclass.name, explained=False)
    reason = "ValueError: <b>$x$</b> 値が " + "long " * 60
    failed = [
        replace(
            trial,
            error=reason,
            row=replace(trial.row, trial=90 + place, state="failed", validation=None, standard_error=None),
        )
        for place, trial in enumerate(subject.material.trials[:2])
    ]
    material = replace(subject.material, trials=(*subject.material.trials, *failed))
    page = Page(render(replace(subject, material=material)))
    assert page.problems == []
    words = " ".join(page.text)
    assert "<b>$x$</b> 値が" in words
    assert "#90, #91" in words
    assert "2 failed" in words


def test_a_trials_description_shows_its_own_plots(multiclass):
    from automl.tracker import locate_store
    from automl.tracker.library import describe
    from automl.tracker.reading.query import Record

    row = multiclass.result.rows[0]
    note = Record(locate_store(None, multiclass.store)).run(row.run_id).data.tags["mlflow.note.content"]
    assert f"![](get-artifact?path=plots%2Fconfusion.svg&run_uuid={row.run_id})" in note
    assert "plots" in describe(row.run_id, store=multiclass.store).artifacts


def test_a_search_loads_no_plotting_library():
    code = (
        "import sys, automl.controller.search, automl.cli.commands; "
        "assert not [name for name in sys.modules if name.startswith('matplotlib')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_duration_of_a_search_is_everywhere_the_same(regression, report):
    import io

    from automl.cli.pages import summarise
    from automl.cli.show import print_description
    from automl.core.text import duration
    from automl.tracker.library import describe

    seconds = regression.result.seconds
    described = describe(regression.name, store=regression.store)
    assert described.seconds == pytest.approx(seconds, abs=1e-3)
    assert described.summary["seconds"] == pytest.approx(seconds, abs=1e-3)
    shown, closing = io.StringIO(), io.StringIO()
    print_description(described, shown, as_json=False)
    summarise(regression.result, closing)
    _, page = report("regression")
    for text in (shown.getvalue(), closing.getvalue(), regression.result._repr_html_(), " ".join(page.text)):
        assert duration(seconds) in text
    assert f"How the {duration(seconds)} were spent" in " ".join(page.text)


def test_the_champion_is_the_leaderboards_first_row_with_its_members_weights(multiclass, report):
    text, _ = report("multiclass")
    board = text[text.index('id="leaderboard"') : text.index('id="search"')]
    first, *rest = re.findall(r"<tr>(.*?)</tr>", board[board.index("<tbody>") : board.index("</tbody>")])
    assert "<b>champion</b>" in first
    assert "<b>100%</b>" in first
    weights = [float(weight) for weight in re.findall(r">([\d.]+)%<", " ".join(rest))]
    assert len(weights) == len(multiclass.result.best.members)
    assert sum(weights) == pytest.approx(100)


def test_a_section_without_content_is_left_out_and_the_end_is_explained(report):
    _, page = report("regression")
    assert SILENT & set(page.ids) == set()
    words = " ".join(page.text)
    assert "It ended because 5 trials were asked for." in words
    assert "No family has the" not in words


def test_parameters_are_told_as_the_terminal_tells_them():
    from automl.cli.show import _pairs
    from automl.report.sections.champion import _params

    params = {"extra_trees": False, "log": True, "depth": 6, "rate": 0.031, "limit": None, "sizes": [8, 4]}
    words = "extra_trees no, log yes, depth 6, rate 0.031, limit none, sizes 8 4"
    assert _params(params) == _pairs(params) == words


def test_no_legend_lies_on_the_lines_and_long_ticks_stay_apart(multiclass, regression):
    from dataclasses import replace
    from itertools import pairwise

    from automl.report.facts.dependence import Dependence
    from automl.report.figures import champion as figures

    some = multiclass.result.evidence
    mean = np.linspace([0.1, 0.8, 0.1], [0.7, 0.2, 0.1], 5)
    moved = figures.dependence_plot(Dependence("x", tuple(map(float, range(5))), mean), some)
    assert all(figure.axes[0].get_legend() is None for figure in (*figures.rates_plots(some), moved))
    long = [f"area-System.{name}ization" for name in ("Global", "Serial", "Local")]
    named = replace(some, task=replace(some.task, labels=tuple(long)))
    for figure in figures.rates_plots(named):
        figure.draw_without_rendering()
        inside = figure.legends[0].get_window_extent()
        assert 0 <= inside.x0 < inside.x1 <= figure.bbox.width
    evidence = regression.result.evidence
    for scale, word in ((1e4, "200,000"), (1e7, " M"), (1e9, " bn")):
        large = replace(evidence, target=scale * evidence.target, raw=scale * evidence.raw)
        for figure in figures.residual_plots(large):
            figure.draw_without_rendering()
            texts = [text for text in figure.axes[0].get_xticklabels() if text.get_text()]
            assert any(word in text.get_text() for text in texts)
            inside = [text.get_window_extent() for text in texts]
            assert all(left.x1 < right.x0 for left, right in pairwise(inside))


def test_a_trial_that_was_pruned_says_why_and_not_that_somebody_asked_for_it(multiclass):
    from dataclasses import replace

    from automl.report.build import open_search
    from automl.report.page import render

    subject = open_search(multiclass.record, multiclass.name, explained=False)
    one = subject.material.trials[0]
    row = replace(one.row, trial=90, state="pruned", validation=None, standard_error=None)
    pruned = replace(one, error="stopped on request", row=row)
    material = replace(subject.material, trials=(*subject.material.trials, pruned))
    words = " ".join(Page(render(replace(subject, material=material))).text)
    assert "Stopped early: it was so far behind" in words
    assert "on request" not in words


def test_a_score_that_is_too_good_is_not_vouched_for(regression):
    from dataclasses import replace

    from automl.report.build import open_search
    from automl.report.page import render

    subject = open_search(regression.record, regression.name, explained=False)
    before = " ".join(Page(render(subject)).text)
    assert "the features do carry information about the target" in before
    warned = {**subject.material.search.summary, "warnings": ["This is too good to be true: look at x0."]}
    search = replace(subject.material.search, summary=warned)
    after = " ".join(Page(render(replace(subject, material=replace(subject.material, search=search)))).text)
    assert "too good to be true" in after
    assert "do carry information" not in after
    assert "found no problems" not in after


def test_columns_are_counted_as_inputs_and_those_left_out():
    from automl.report.facts.inputs import columns_words

    kinds = ["number", "number", "category", "id", "constant"]
    assert columns_words([{"kind": kind} for kind in kinds]) == (
        "3 input columns (2 numbers, 1 category; 2 left out)"
    )
    assert columns_words([{"kind": "number"}]) == "1 input column (1 number)"


def test_every_wide_plot_has_a_twin_for_phones_that_is_no_file_of_its_own(report):
    from automl.report.figures.files import plots_of_page

    text, _ = report("regression")
    drawn = set(re.findall(r'data-plot="([^"]+)"', text))
    assert {"history-narrow", "front-narrow", "seconds-narrow"} <= drawn
    assert set(plots_of_page(text)) == {name for name in drawn if not name.endswith("-narrow")}
    assert '<th class="number spare" scope="col">ms per 1,000</th>' in text
