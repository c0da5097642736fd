"""Plots of a search: what they show of few trials and of many."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from subjects import Searched

from automl.report.facts.importance import Importance
from automl.report.facts.subject import Subject
from automl.report.facts.timeline import DRAWN, drawn_rows, drawn_words, seconds_by_part
from automl.report.figures.champion import importance_plot
from automl.report.figures.search import front_plot, history_plot, seconds_plot
from automl.report.figures.style import Plot
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import TimedTrial, search_material
from automl.tracker.store.location import locate_store


@pytest.fixture(scope="module")
def subject(multiclass: Searched) -> Subject:
    record = Record(locate_store(None, multiclass.store))
    return Subject(material=search_material(record, multiclass.name))


def history(subject: Subject, scores: list[float], *, greater_is_better: bool = True) -> Plot:
    """The plot of trials with these scores, one a second."""
    one = next(trial for trial in subject.material.trials if trial.row.family == "linear")
    trials = [
        TimedTrial(replace(one.row, trial=number, validation=score), one.started, one.started + number)
        for number, score in enumerate(scores)
    ]
    best = [(one.started + 1.0, (max if greater_is_better else min)(scores))]
    clock = replace(subject.clock, began=one.started, trials_to=float(len(scores)))
    return history_plot(
        trials, best, clock, metric="x", greater_is_better=greater_is_better, colours=subject.colours
    )


@pytest.mark.parametrize("greater_is_better", [True, False])
@pytest.mark.parametrize(("number", "hidden"), [(2, 0), (5, 0), (10, 0), (11, 1)])
def test_at_most_the_worst_tenth_is_off_the_scale(
    subject: Subject, number: int, hidden: int, greater_is_better: bool
) -> None:
    sign = 1 if greater_is_better else -1
    scores = [sign * float(score) for score in np.linspace(1, 2, number)]
    low, high = history(subject, scores, greater_is_better=greater_is_better).axes[0].get_ylim()
    assert sum(not low <= score <= high for score in scores) == hidden


def test_the_ensemble_lasts_as_long_as_the_trials(subject: Subject) -> None:
    lines = {line.get_label(): line for line in history(subject, [0.7, 0.8, 0.9]).axes[0].lines}
    assert lines["ensemble"].get_xdata()[-1] == lines["linear"].get_xdata()[-1] == 3


@pytest.mark.parametrize(("milliseconds", "side"), [(1e3, "right"), (1e-3, "left")])
def test_the_champion_is_named_inside_the_plot(subject: Subject, milliseconds: float, side: str) -> None:
    rows = [trial.row for trial in subject.material.trials]
    figure = front_plot(
        rows, (milliseconds, 0.9, 1e6), metric="x", greater_is_better=True, colours=subject.colours
    )
    (named,) = [text for text in figure.axes[0].texts if text.get_text() == "champion"]
    assert named.get_horizontalalignment() == side


def test_long_numbers_of_an_axis_do_not_touch() -> None:
    figure = importance_plot([Importance("a name", "number", 687_009.0, 632_439.0, 729_784.0)], "rmse")
    figure.draw_without_rendering()
    drawn = [text.get_window_extent() for text in figure.axes[0].get_xticklabels() if text.get_text()]
    assert len(drawn) > 2
    assert all(left.x1 < right.x0 for left, right in pairwise(drawn))


@pytest.mark.parametrize(("low", "high"), [(21.0, 45.0), (3, 30), (110, 890), (0.4, 90), (1, 1e6)])
def test_a_logarithmic_axis_has_labels_whatever_its_range(subject: Subject, low: float, high: float) -> None:
    one = next(trial.row for trial in subject.material.trials if trial.row.family == "linear")
    rows = [replace(one, trial=n, predict_ms_per_1000_rows=value) for n, value in enumerate((low, high))]
    for narrow in (False, True):
        figure = front_plot(
            rows, None, metric="x", greater_is_better=True, colours=subject.colours, narrow=narrow
        )
        figure.draw_without_rendering()
        axes = figure.axes[0]
        left, right = axes.get_xlim()
        labels = [text for text in axes.get_xticklabels() if left <= text.get_position()[0] <= right]
        assert sum(bool(text.get_text()) for text in labels) >= 3
        drawn = [text.get_window_extent() for text in labels]
        assert all(one.x1 < other.x0 for one, other in pairwise(drawn))


def test_the_seconds_of_trials_that_overlap_add_up_to_the_whole(subject: Subject) -> None:
    trials = subject.material.trials
    spent = sum(trial.row.seconds for trial in trials)
    clock = replace(subject.clock, seconds=spent / 2, trials_from=0.0, trials_to=spent / 2, slots=1)
    assert sum(seconds for _, seconds in seconds_by_part(trials, clock)) == pytest.approx(clock.seconds)
    shown = [text.get_text() for text in seconds_plot(trials, clock, subject.colours).axes[0].texts]
    assert 98 <= sum(int(text.split()[-1][:-1]) for text in shown if "less" not in text) <= 100


def test_of_thousands_of_trials_a_plot_draws_a_bounded_number_with_the_best(subject: Subject) -> None:
    scores = np.random.default_rng(0).random(3_000).tolist()
    lines = history(subject, scores).axes[0].lines
    points = [line.get_ydata() for line in lines if line.get_linestyle() == "None"]
    steps = [line.get_ydata() for line in lines if line.get_linestyle() != "None"]
    drawn = np.concatenate(points)
    assert len(drawn) <= DRAWN
    assert {*sorted(scores)[-DRAWN // 2 :]} <= {*drawn.tolist()}
    assert all(len(values) < 50 for values in steps), "a step that changes nothing is left out"
    assert max(scores) == max(max(values) for values in steps)


def test_a_caption_says_how_many_trials_a_plot_leaves_out(subject: Subject) -> None:
    one = next(trial.row for trial in subject.material.trials if trial.row.family == "linear")
    rows = [replace(one, trial=number, validation=float(number)) for number in range(DRAWN + 1)]
    assert drawn_words(rows[:-1]) == ""
    assert f"Of {DRAWN + 1} trials at most {DRAWN} are drawn" in drawn_words(rows)
    assert len(drawn_rows(rows[:-1], greater_is_better=True)) == DRAWN
