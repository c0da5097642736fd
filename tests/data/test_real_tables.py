"""The kinds of real tables, as a data scientist would have them."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.core.table import Kind
from automl.core.task_choice import choose_task
from automl.data.checks import check_frame
from automl.data.digest import duplicate_groups
from automl.data.files.readers import read_table
from automl.data.layout import Layout
from automl.data.target import clean_target

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the development data sets are not beside the project"),
]
NUMBER, CATEGORY, TEXT, DATE, ID = Kind.NUMBER, Kind.CATEGORY, Kind.TEXT, Kind.DATE, Kind.ID
# table: target, number of features by kind, and the columns whose kind is a decision
TABLES: dict[str, tuple[str, tuple[int, int, int], dict[str, Kind]]] = {
    "bike_sharing_hour.csv.gz": ("cnt", (12, 5, 0), {"dteday": DATE, "hr": NUMBER, "weekday": CATEGORY}),
    "california_housing.csv.gz": ("median_house_value", (8, 1, 0), {"housing_median_age": NUMBER}),
    "diamonds.csv.gz": ("price", (6, 3, 0), {"clarity": CATEGORY}),
    "issues_text.csv.gz": ("Area", (0, 0, 2), {"ID": ID, "Title": TEXT, "Description": TEXT}),
    "penguins.csv": ("species", (4, 2, 0), {"sex": CATEGORY}),
    "spaceship_titanic.csv": (
        "Transported",
        (9, 6, 0),
        {"Name": ID, "PassengerId": CATEGORY, "Cabin": CATEGORY, "CryoSleep": CATEGORY, "Age": NUMBER},
    ),
    "taxi_fare_200k.csv.gz": ("fare_amount", (4, 2, 0), {"rate_code": NUMBER, "payment_type": CATEGORY}),
    "taxis.csv.gz": ("total", (16, 6, 0), {"pickup": DATE, "dropoff": DATE, "pickup_zone": CATEGORY}),
    "telco_churn.csv.gz": (
        "Churn",
        (4, 15, 0),
        {"customerID": ID, "TotalCharges": NUMBER, "SeniorCitizen": NUMBER, "PaymentMethod": CATEGORY},
    ),
    "titanic.csv": (
        "Survived",
        (7, 4, 1),
        {"PassengerId": ID, "Name": TEXT, "Ticket": CATEGORY, "Cabin": CATEGORY, "Pclass": NUMBER},
    ),
    "wine_quality.csv": ("quality", (11, 1, 0), {"colour": CATEGORY, "density": NUMBER}),
}


@functools.cache
def learn(name: str) -> tuple[pd.DataFrame, Layout]:
    """The table, which no test changes, and its layout."""
    frame = read_table(FOLDER / name).frame
    return frame, Layout.infer(frame, target=TABLES[name][0])


@pytest.mark.parametrize("name", TABLES)
def test_kinds_are_sensible(name: str) -> None:
    _, counts, expected = TABLES[name]
    _, layout = learn(name)
    kinds = {column.name: column.kind for column in layout.columns}
    assert {column: kinds[column] for column in expected} == expected
    features = layout.features
    assert (len(features.numbers), len(features.categories), len(features.texts)) == counts


def test_spaceship_ids_fall_into_their_parts() -> None:
    frame, layout = learn("spaceship_titanic.csv")
    features = layout.features
    assert {"PassengerId.1", "PassengerId.2", "Cabin.2"} <= set(features.numbers)
    levels = dict(zip(features.categories, features.levels, strict=True))
    assert levels["Cabin.1"] == tuple("ABCDEFGT")
    assert levels["Cabin.3"] == ("P", "S")
    assert levels["CryoSleep"] == ("False", "True")
    table = layout.encode(frame).table
    group = table.numbers[:, features.numbers.index("PassengerId.1")]
    assert group.tolist() == [int(value[:4]) for value in frame["PassengerId"]]


def test_bike_hours_and_weekdays_are_in_their_order() -> None:
    frame, layout = learn("bike_sharing_hour.csv.gz")
    table = layout.encode(frame).table
    assert set(table.numbers[:, layout.features.numbers.index("hr")]) == set(range(24))
    levels = dict(zip(layout.features.categories, layout.features.levels, strict=True))
    assert levels["weekday"] == ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def test_taxi_trips_get_their_length() -> None:
    frame, layout = learn("taxis.csv.gz")
    name = "dropoff - pickup (hours)"
    hours = layout.encode(frame).table.numbers[:, layout.features.numbers.index(name)]
    assert np.median(hours) == pytest.approx(0.18, abs=0.05)


@pytest.mark.parametrize("name", TABLES)
def test_training_rows_encode_without_notes(name: str) -> None:
    frame, layout = learn(name)
    assert layout.encode(frame.head(1000)).notes == ()


@pytest.mark.parametrize("name", TABLES)
def test_no_honest_column_is_called_a_leak(name: str) -> None:
    target, _, _ = TABLES[name]
    clean = clean_target(learn(name)[0], target)
    layout = Layout.infer(clean.frame, target=target)
    found = check_frame(clean.frame, clean.values, choose_task(clean.values).task, layout)
    warnings = {finding.code: finding for finding in found if finding.severity != "note"}
    # rents by members and by others are what the hours' rents are the sum of
    made = warnings.pop("composition", None)
    assert (made is not None) == (name == "bike_sharing_hour.csv.gz")
    assert made is None or "'casual' and 'registered'" in made.evidence
    assert set(warnings) <= {"duplicates", "conflicts", "rare_classes", "target_outliers"}


def test_duplicates_of_a_long_table_are_found() -> None:
    frame, layout = learn("taxi_fare_200k.csv.gz")
    inputs = frame.drop(columns="fare_amount")
    groups = duplicate_groups(layout.encode(frame).table)
    assert len(np.unique(groups)) == len(inputs.drop_duplicates())
