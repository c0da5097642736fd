"""Equal rows: which are copies, and which come again by nature; what folds of each are worth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from automl.data.layout import Layout
from automl.data.repeats import Repeats, find_repeats
from automl.problem.preparation import prepare
from automl.problem.settings import Settings

Population = Callable[[np.random.Generator, int], tuple[pd.DataFrame, np.ndarray]]


def named(values: np.ndarray, letters: str = "abcdefgh") -> pd.DataFrame:
    columns = {f"q{i}": np.array(list(letters))[values[:, i]] for i in range(values.shape[1])}
    return pd.DataFrame(columns)


def two_binaries(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    values = rng.integers(0, 2, (rows, 2))
    return named(values), values[:, 0] ^ values[:, 1]


def one_question(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    values = rng.integers(0, 8, (rows, 1))
    return named(values), np.isin(values[:, 0], [1, 2, 4, 7]).astype(int)


def survey(questions: int, answers: int) -> Population:
    def draw(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
        values = rng.integers(0, answers, (rows, questions))
        return named(values), (values[:, 0] * values[:, 1] > values[:, 2]).astype(int)

    return draw


def ordinal(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    values = rng.integers(1, 6, (rows, 4))
    return pd.DataFrame(values, columns=list("abcd")), (values[:, 0] + values[:, 1] > values[:, 2] * 2) * 1


def counts(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    values = rng.poisson(1.5, (rows, 2))
    return pd.DataFrame(values, columns=["visits", "calls"]), (values[:, 0] > values[:, 1]).astype(int)


def age_and_sex(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    age, sex = rng.integers(18, 90, rows), rng.integers(0, 2, rows)
    return named(sex[:, None]).assign(age=age), (age > 50) ^ sex


def rare_signs(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    values = (rng.random((rows, 12)) < 0.04).astype(int)
    return pd.DataFrame(values).add_prefix("sign"), (values[:, :4].sum(axis=1) > 0).astype(int)


def one_hot(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    frame, target = survey(3, 4)(rng, rows)
    return pd.get_dummies(frame).astype(int), target


def shops_in_cities(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    shop = rng.integers(0, 60, rows)
    frame = pd.DataFrame({name: [f"{name} {i // size}" for i in shop] for name, size in PLACES.items()})
    return frame, np.random.default_rng(3).integers(0, 2, 60)[shop]


def sometimes_measured(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    frame, target = two_binaries(rng, rows)
    return frame.assign(lab=np.where(rng.random(rows) < 0.6, np.nan, rng.normal(size=rows))), target


def measured(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    values = rng.normal(size=(rows, 5)).round(3)
    return pd.DataFrame(values).add_prefix("x"), (values[:, 0] + values[:, 1] * values[:, 2] > 0).astype(int)


def copied(population: Population, share: float) -> Population:
    def draw(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
        frame, target = population(rng, round(rows * (1 - share)))
        rest = rng.integers(0, len(frame), rows - len(frame))
        at = rng.permutation(np.concatenate([np.arange(len(frame)), rest]))
        return frame.iloc[at].reset_index(drop=True), target[at]

    return draw


PLACES = {"shop": 1, "city": 5, "region": 20}
BY_NATURE = (
    (two_binaries, 400), (one_question, 300), (survey(3, 4), 500), (survey(5, 4), 1000), (ordinal, 800),
    (counts, 600), (age_and_sex, 900), (rare_signs, 800), (one_hot, 500), (shops_in_cities, 900),
    (sometimes_measured, 600),
)  # fmt: skip
COPIES = tuple(
    (copied(population, share), 900, population)
    for population in (measured, survey(8, 5))
    for share in (0.05, 0.2, 0.4, 0.8)
)


def judge(population: Population, rows: int, fresh: Population) -> tuple[Repeats, float, float]:
    """The repeats of a table, the score on its folds, and that on 5,000 new rows."""
    rng = np.random.default_rng(rows)
    (frame, labels), (others, others_target) = population(rng, rows), fresh(rng, 5_000)
    prepared = prepare(Settings(frame.assign(y=labels), target="y", task="binary"))
    table, layout = prepared.problem.table, prepared.layout
    numbers = np.nan_to_num(np.c_[table.numbers, table.codes], nan=-9)
    found = layout.encode(others).table
    new = np.nan_to_num(np.c_[found.numbers, found.codes], nan=-9)
    right = [
        (_forest(numbers[fold.train], labels[fold.train]).predict(numbers[fold.valid]) == labels[fold.valid])
        for fold in prepared.problem.split.folds
    ]
    score = float((_forest(numbers, labels).predict(new) == others_target).mean())
    return find_repeats(table, layout.plans), float(np.concatenate(right).mean()), score


def _forest(numbers: np.ndarray, labels: np.ndarray) -> ExtraTreesClassifier:
    return ExtraTreesClassifier(20, random_state=0).fit(numbers, labels)


@pytest.mark.parametrize(("population", "rows"), BY_NATURE)
def test_where_combinations_are_few_the_folds_score_what_new_rows_get(population, rows):
    repeats, on_folds, on_new_rows = judge(population, rows, population)
    assert repeats.natural.any()
    assert repeats.copies == 0
    assert on_folds == pytest.approx(on_new_rows, abs=0.05)


@pytest.mark.parametrize(("population", "rows", "fresh"), COPIES)
def test_copies_of_records_do_not_flatter_the_folds(population, rows, fresh):
    repeats, on_folds, on_new_rows = judge(population, rows, fresh)
    assert not repeats.natural.any()
    assert repeats.copies >= 0.05 * rows
    assert on_folds == pytest.approx(on_new_rows, abs=0.08)


def test_a_column_with_one_value_that_is_kept_trains():
    frame = pd.DataFrame({"same": 1, "y": np.random.default_rng(0).integers(0, 2, 200)})
    prepared = prepare(Settings(frame, target="y", keep=("same",)))
    assert len(prepared.problem.split.scored) == 200
    assert "200 rows repeat 1 combination of values and are dealt one by one" in prepared.problem.split.reason


@pytest.mark.parametrize("rows", [6_000, 120_000])
def test_the_test_part_and_a_holdout_hold_every_combination(rows):
    frame, target = two_binaries(np.random.default_rng(0), rows)
    prepared = prepare(Settings(frame.assign(y=target), target="y", folds=1))
    split = prepared.problem.split
    assert prepared.test is not None
    assert prepared.test.table.rows == pytest.approx(rows / 10, rel=0.01)
    for rows_of in (split.folds[0].train, split.folds[0].valid):
        assert len(np.unique(prepared.problem.table.codes[rows_of], axis=0)) == 4


def test_texts_that_return_are_few_answers_or_copies():
    said = np.array(
        [f"the person called about matter number {i} and was helped" for i in range(300)], dtype=object
    )
    rng = np.random.default_rng(0)
    answers = pd.DataFrame({"said": said[rng.integers(0, 12, 600)]})
    assert find_repeats(Layout.infer(answers).encode(answers).table).natural.all()
    copies = pd.DataFrame({"said": np.tile(said, 3)})
    assert find_repeats(Layout.infer(copies).encode(copies).table).copies == 600


def test_the_remedy_says_what_becomes_of_repeats():
    rng = np.random.default_rng(0)
    natural, target = two_binaries(rng, 400)
    copies, other = copied(measured, 0.3)(rng, 400)
    said = {
        name: next(f for f in prepare(settings).findings if f.code == "duplicates")
        for name, settings in {
            "natural": Settings(natural.assign(y=target), target="y"),
            "copies": Settings(copies.assign(y=other), target="y"),
            "given": Settings(
                copies.assign(y=other, part=np.arange(400) % 4), target="y", fold_column="part"
            ),
        }.items()
    }
    assert said["natural"].severity == "note"
    assert "400 rows repeat 4 combinations of values" in said["natural"].evidence
    assert "row by row" in said["natural"].remedy
    assert said["copies"].severity == "warning"
    assert "stay on the same side of every fold" in said["copies"].remedy
    assert "stay on the same side" not in said["given"].remedy
