"""What a card says of numbers beyond the range that was seen: what the models of each family do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from automl.report.build import open_search
from automl.report.card import model_card
from automl.report.facts.extrapolation import beyond_the_range


def test_each_kind_of_part_is_told_with_its_weight():
    members = [("linear", 0.5, {}), ("xgboost", 0.2, {}), ("random_forest", 0.1, {}), ("tabm", 0.2, {})]
    text = beyond_the_range(members, classes=False)
    assert text.startswith(
        "Beyond the training range of a number, its linear part (50%) continues in a straight"
    )
    assert "its trees (30%) predict as for the nearest training value" in text
    assert "its nets (20%) soon stop changing" in text
    squashed = beyond_the_range([("linear", 1.0, {"numeric": "squash"})], classes=False)
    assert squashed.endswith("its linear part on levelled numbers (100%) soon stops changing.")
    assert beyond_the_range([("dummy", 1.0, {}), ("of_a_plug_in", 1.0, {})], classes=True) == ""


def test_a_linear_model_goes_on_as_the_card_says(regression):
    predictor = regression.result.predictor
    model = next(member for member in predictor.preload().members if member.family == "linear")
    frame = pd.DataFrame(np.zeros((3, 4)), columns=["x0", "x1", "x2", "x3"])
    frame["x0"] = [3.5, 4.0, 4.5]
    assert np.ptp(model.folds[0].predict(predictor.encode(frame))[:, 0]) > 0.1


def test_the_card_of_a_linear_champion_does_not_say_that_it_levels_off(regression):
    subject = open_search(regression.record, regression.name, explained=False)
    assert {member["family"] for member in subject.members} & {"linear"}
    assert "continues in a straight line" in model_card(subject)
