"""Single predictions in the report: which rows, and what their columns contribute."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from subjects import Searched

from automl import search
from automl.core.errors import UsageError
from automl.core.text import score_text
from automl.report.build import open_search, read_evidence
from automl.report.facts.inputs import read_rows, with_features
from automl.report.facts.single_rows import SingleRow, single_rows
from automl.report.facts.subject import Subject
from automl.report.facts.text_losses import text_losses
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
        is_number=False,
        is_whole=True,
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
    made = many.contributions
    made = dataclasses.replace(made, values=made.values[:9], errors=made.errors[:9])
    nine = dataclasses.replace(many, names=many.names[:9], cells=many.cells[:9], contributions=made)
    last = contributions_plot(nine).axes[0].get_yticklabels()[-1].get_text()
    assert "other" not in last
    assert " = " in last


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_prediction_by_a_part_of_the_ensemble_is_called_that(
    kind: str, request: pytest.FixtureRequest
) -> None:
    searched = request.getfixturevalue(kind)
    subject, rows = explained(searched)
    assert all(row.is_whole for row in rows)
    whole = predictions_section(dataclasses.replace(subject, single_rows=rows))
    assert "Explained is" not in whole
    assert ("For typical values the prediction is" in whole) == (kind == "regression")

    # As if a member without a model that is blind to these rows had moved the held-out predictions.
    assert subject.evidence is not None
    seen = with_features(
        subject.evidence, read_rows(subject.material, subject.evidence), searched.result.predictor
    )
    moved = dataclasses.replace(seen, raw=seen.raw * 0.8 + 0.05)
    parts = single_rows(searched.result.predictor, moved, seconds=30.0)
    assert len(parts) == 3
    assert not any(row.is_whole for row in parts)
    words = predictions_section(dataclasses.replace(subject, single_rows=parts))
    assert words.count("of the ensemble that were kept and did not train on this row") == 2 * 3  # also in alt
    assert "The prediction is" not in words


def test_rows_have_their_numbers_in_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=120), "price": rng.normal(size=120).round(3)})
    frame["note"] = [
        f"house {number} by the {word}" for number, word in zip(range(120), ["sea", "lake"] * 60, strict=True)
    ]
    frame.loc[rng.random(120) < 0.3, "price"] = np.nan
    frame.to_csv(tmp_path / "houses.csv", index=False)
    result = search(
        tmp_path / "houses.csv",
        target="price",
        trials=2,
        folds=3,
        executor="inline",
        store=tmp_path / "mlruns",
        families=("linear",),
        kinds={"note": "text"},
    )
    searched = Searched(tmp_path, "houses", result)
    subject, rows = explained(searched)
    own = result.evidence
    assert own is not None
    losses = text_losses(own, result.predictor.layout).rows
    assert len(losses) == 10
    for row in (*rows, *losses):
        assert score_text(frame["price"][row.number - 1]) == row.truth
    assert subject.evidence is not None
    assert [subject.evidence.number(place) for place in range(5)] == [own.number(place) for place in range(5)]
    assert own.number(0) == int(np.flatnonzero(frame["price"].notna())[0]) + 1


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
