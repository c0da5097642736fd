"""Single predictions in the report: which rows, and what their columns contribute."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from subjects import Searched

from automl.core.errors import UsageError
from automl.report.build import open_search, read_evidence
from automl.report.facts.inputs import read_rows, with_features
from automl.report.facts.single_rows import SingleRow, single_rows
from automl.report.facts.subject import Subject
from automl.report.figures.single_rows import contributions_plot
from automl.report.sections.single_rows import predictions_section
from automl.tracker.reading.report_material import search_material


def explained(searched: Searched, seconds: float = 30.0) -> tuple[Subject, tuple[SingleRow, ...]]:
    """A search's subject without importance, and its explained rows."""
    subject = open_search(searched.record, searched.name, explained=False)
    material = search_material(searched.record, searched.name)
    evidence = read_evidence(searched.record, material)
    assert evidence is not None
    predictor = searched.result.predictor
    seen = with_features(evidence, read_rows(material, evidence), predictor)
    return subject, single_rows(predictor, seen, seconds=seconds)


@pytest.mark.parametrize("kind", ["multiclass", "binary", "regression"])
def test_contributions_add_up_to_the_held_out_prediction(kind: str, request: pytest.FixtureRequest) -> None:
    searched = request.getfixturevalue(kind)
    subject, rows = explained(searched)
    assert subject.evidence is not None
    titles = [row.title for row in rows]
    assert titles == (
        ["Smallest error", "Largest error", "Typical"]
        if kind == "regression"
        else ["Most confident, and right", "Most wrong", "Typical"]
    )
    assert len({row.number for row in rows}) == 3
    labels = [str(label) for label in subject.evidence.task.labels]
    for row in rows:
        made = row.contributions
        assert made.base + made.values.sum() == pytest.approx(made.prediction)
        assert list(np.abs(made.values)) == sorted(np.abs(made.values), reverse=True)
        assert set(row.names) == set(searched.result.predictor.layout.inputs)
        place = list(subject.evidence.rows).index(row.number - 1)
        code = labels.index(row.answer) if labels else 0
        assert made.prediction == pytest.approx(float(subject.evidence.raw[place, code]), abs=1e-5)
        if labels and row.title != "Typical":
            assert (row.truth == row.answer) == (row.title == "Most confident, and right")


def test_the_section_shows_a_picture_and_the_numbers_of_each_row(binary: Searched) -> None:
    _, rows = explained(binary)
    subject = Subject(material=search_material(binary.record, binary.name), single_rows=rows)
    html = predictions_section(subject)
    assert html.count('data-plot="contributions-') == 3
    assert len(re.findall(r"<tr>", html)) == 1 + 3 * 5
    assert "automl explain sales FILE" in html
    assert predictions_section(Subject(material=subject.material)) == ""


def test_a_bar_stands_for_all_columns_beyond_the_first(binary: Searched) -> None:
    _, rows = explained(binary)
    axes = contributions_plot(rows[0]).axes[0]
    assert len(axes.patches) == len(rows[0].names)
    many = SingleRow(
        title="Typical",
        number=1,
        truth="a",
        answer="a",
        unit="probability of a",
        names=rows[0].names * 3,
        cells=rows[0].cells * 3,
        contributions=rows[0].contributions.__class__(
            values=np.tile(rows[0].contributions.values, 3),
            errors=np.tile(rows[0].contributions.errors, 3),
            base=0.0,
            prediction=1.0,
            pairs=4,
        ),
    )
    axes = contributions_plot(many).axes[0]
    assert len(axes.patches) == 9
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "7 others"


def test_without_time_or_with_pictures_there_are_none(binary: Searched, images: Searched) -> None:
    assert explained(binary, seconds=0.0)[1] == ()
    predictor = images.result.predictor
    assert images.result.evidence is not None
    assert single_rows(predictor, images.result.evidence) == ()


def test_a_photo_is_one_column_beside_others_and_alone_nothing_is_shared(images: Searched) -> None:
    predictor = images.result.predictor
    frame = pd.read_csv(images.folder / "data.csv").iloc[:2]
    made = predictor.explain(frame, image_root=images.folder / "files", seconds=60)
    assert list(made.contributions.columns) == list(predictor.layout.inputs)
    assert "photo" in made.contributions.columns
    total = made.base + made.contributions.sum(axis=1)
    proba = predictor.predict_proba(frame, image_root=images.folder / "files")
    np.testing.assert_allclose(total, proba.max(axis=1), atol=1e-6)
    plans = tuple(plan for plan in predictor.layout.plans if plan.column == "photo")
    alone = dataclasses.replace(predictor.layout, plans=plans)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "layout", alone)
        with pytest.raises(UsageError, match=r"nothing but the column 'photo'.*automl report shapes"):
            predictor.explain(frame, image_root=images.folder / "files")
