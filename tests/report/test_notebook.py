"""What a notebook shows of a result."""

from __future__ import annotations

import pytest
from subjects import hostile_frame

from automl.core.errors import UsageError


def test_the_result_shows_its_scores_as_a_table(multiclass):
    shown = multiclass.result._repr_html_()
    assert "<table>" in shown
    assert f"{multiclass.result.best.validation:.5g}" in shown
    assert "classes &amp; more" in shown  # its name, escaped
    assert "<script" not in shown


def test_the_plots_are_figures_that_any_notebook_shows(multiclass):
    for figure in (
        multiclass.result.plot_history(),
        multiclass.result.plot_importance(),
        multiclass.result.plot_confusion(),
        multiclass.result.plot_front(),
    ):
        assert figure._repr_png_().startswith(b"\x89PNG")
        assert figure.axes[0].has_data()


def test_the_strongest_feature_is_at_the_top_of_the_importances(multiclass):
    first = multiclass.result.explanation.importances[0].feature
    assert first == hostile_frame().columns[0]


def test_a_regression_has_no_confusion_and_says_so(regression):
    with pytest.raises(UsageError, match="regression"):
        regression.result.plot_confusion()
    assert "rmse" in regression.result._repr_html_()
