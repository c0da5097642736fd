"""The small plots of trials: well-formed whatever the names and values are."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.core.built_in_tasks import BinaryTask
from automl.core.metrics import METRICS
from automl.core.trial import Curve
from automl.tracker.writing.sketches import (
    champion_sketches,
    confusion_sketch,
    curves_sketch,
    range_test_sketch,
    round_ticks,
    scatter_sketch,
    tick_texts,
)


def words(drawn: str) -> str:
    return " ".join(" ".join(ElementTree.fromstring(drawn).itertext()).split())


def test_a_confusion_shows_counts_and_escapes_its_classes():
    target = np.array([0, 0, 1, 1, 1])
    predictions = np.eye(2)[[0, 1, 1, 1, 1]]
    text = words(confusion_sketch(target, predictions, ("<b>", "a & \x00b"), "trial"))
    assert "<b>" in text
    assert "a & b" in text
    counts = [part for part in text.split() if part.isdigit()]
    assert counts == ["1", "1", "0", "3"]


def test_of_many_classes_the_most_confused_are_shown():
    target = np.repeat(np.arange(40), 3)
    predicted = np.where(target == 7, 23, target)
    drawn = confusion_sketch(target, np.eye(40)[predicted], [f"c{n}" for n in range(40)], "trial")
    text = words(drawn)
    assert "c7" in text
    assert "c23" in text
    assert drawn.count("<rect") == 12 * 12 + 1


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [0.0, 0.0, 0.0]])
def test_a_scatter_of_any_values_stays_inside_its_frame(values):
    drawn = ElementTree.fromstring(scatter_sketch(np.array(values), np.array(values)[:, None], "trial"))
    for circle in drawn.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(circle.get("cx")) <= 520
        assert 0 <= float(circle.get("cy")) <= 380


def test_curves_without_a_finite_value_have_no_plot_and_a_wild_start_does_not_flatten_the_rest():
    assert curves_sketch([Curve("loss", (0, 1), (float("nan"), float("inf")))], "loss") == ""
    steps = tuple(range(100))
    curve = Curve("loss", steps, (1e9, *(1 / (step + 1) for step in steps[1:])))
    drawn = curves_sketch([curve], "trial: loss")
    assert "1e+09" not in words(drawn)


def test_a_range_test_is_drawn_over_the_logarithm_of_its_rates():
    steps = tuple(range(5))
    losses = Curve("range_test_loss", steps, (1.0, 0.9, 0.5, 0.6, 1e6))
    rates = Curve("range_test_rate", steps, (1e-6, 1e-5, 1e-4, 1e-3, 1e-2))
    text = words(range_test_sketch(losses, rates, "#1 image_tail"))
    assert "log10 of the learning rate" in text
    assert "-6" in text
    assert "1e+06" not in text
    assert range_test_sketch(Curve("a", (0,), (1.0,)), Curve("b", (0,), (1.0,)), "trial") == ""


def test_a_champion_is_drawn_with_how_its_score_rose_and_without_the_baselines_step():
    target = np.array([0, 0, 1, 1, 1])
    best = [(1.0, 0.1), (4.0, 0.8), (9.0, 0.85), (20.0, 0.9)]
    task = BinaryTask(METRICS["accuracy"], ("a", "b"))
    drawn = champion_sketches(task, target, np.eye(2)[target], best)
    assert list(drawn) == ["confusion.svg", "history.svg"]
    told = words(drawn["history.svg"])
    assert "seconds" in told
    assert "0.1" not in told.split()
    assert list(champion_sketches(task, target, np.eye(2)[target], best[:1])) == ["confusion.svg"]


@pytest.mark.parametrize(
    ("ends", "texts"),
    [
        ((35310.0, 245678.0), ["50,000", "100,000", "150,000", "200,000"]),
        ((0.0131, 0.9871), ["0.2", "0.4", "0.6", "0.8"]),
        ((-6.0, -2.0), ["-6", "-5", "-4", "-3", "-2"]),
        ((0.98, 0.9838), ["0.980", "0.981", "0.982", "0.983"]),
    ],
)
def test_ticks_are_round_numbers_as_people_write_them(ends, texts):
    assert tick_texts(round_ticks(*ends)) == texts


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_ticks_of_any_axis_lie_within_it_and_differ(low, width):
    high = low + width
    ticks = round_ticks(low, high)
    assert all(low - 1e-6 * width <= tick <= high + 1e-6 * width for tick in ticks)
    assert 1 <= len(ticks) <= 11


def test_long_names_of_classes_are_written_in_full_within_the_picture():
    labels = ("cardiologist on call", "oncologist on duty", "neither of the two")
    drawn = confusion_sketch(np.array([0, 1, 2]), np.eye(3), labels, "trial")
    assert all(words(drawn).count(label) == 2 for label in labels)
    page = ElementTree.fromstring(drawn)
    for text in page.iter("{http://www.w3.org/2000/svg}text"):
        if text.get("text-anchor") == "end":
            assert float(text.get("x")) > 6 * len(text.text)
