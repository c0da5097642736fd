from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.controller.strategy.space_files import load_space
from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.family import FitContext
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.families import text_linear
from automl.testing.families import check_family

BINARY = BinaryTask(METRICS["log_loss"], (0, 1))
THREE = MulticlassTask(METRICS["log_loss"], (0, 1, 2))
REGRESSION = RegressionTask(METRICS["rmse"])
GOOD, BAD, FILLER = ("lovely", "superb"), ("dreadful", "broken"), ("chair", "lamp", "table", "rug", "shelf")


def table_of(*columns: list[str], numbers: np.ndarray | None = None) -> Table:
    rows = len(columns[0])
    numbers = np.empty((rows, 0)) if numbers is None else numbers
    names = tuple(f"x{i}" for i in range(numbers.shape[1]))
    features = Features(names, texts=tuple(f"t{i}" for i in range(len(columns))))
    texts = tuple(np.array(column, dtype=object) for column in columns)
    return Table(features, numbers, np.empty((rows, 0), np.int32), texts)


def opinions(rows: int = 200) -> tuple[list[str], np.ndarray]:
    """Short reviews, and whether they are good."""
    generator = np.random.default_rng(0)
    target = generator.integers(0, 2, rows)
    return [
        f"a {generator.choice((BAD, GOOD)[kind])} {generator.choice(FILLER)} {generator.choice(FILLER)}"
        for kind in target
    ], target


def test_text_linear_keeps_the_contract() -> None:
    check_family(text_linear.FAMILY, space=load_space("text_linear", text_linear.Params))


@pytest.mark.parametrize("characters", [0, 4])
@pytest.mark.parametrize("words", [0, 2])
@pytest.mark.parametrize("weighting", ["idf", "target"])
def test_words_and_characters_tell_opinions_apart(words: int, characters: int, weighting: str) -> None:
    texts, target = opinions()
    params = text_linear.Params(words=words, characters=characters, weighting=weighting)  # type: ignore[arg-type]
    model = text_linear.fit(params, table_of(texts[:150]), target[:150], BINARY, FitContext())
    assert (model.predict(table_of(texts[150:])).argmax(axis=1) == target[150:]).all()


def test_a_second_text_column_and_numbers_are_read_too() -> None:
    texts, good = opinions()
    generator = np.random.default_rng(1)
    size, other = generator.normal(size=200), generator.permutation(texts).tolist()
    second = np.array([any(word in text for word in GOOD) for text in other])
    target = 3.0 * size + 2.0 * good + second
    table = table_of(texts, other, numbers=size[:, None])
    model = text_linear.fit(text_linear.Params(), table, target, REGRESSION, FitContext())
    assert np.corrcoef(model.predict(table)[:, 0], target)[0, 1] > 0.99


def test_several_classes_are_told_apart_and_loaded_as_saved(tmp_path: Path) -> None:
    texts, good = opinions()
    target = np.where(np.arange(200) % 3 == 0, 2, good)
    texts = [f"{text} {'extra' * bool(kind == 2)}" for text, kind in zip(texts, target, strict=True)]
    table = table_of(texts)
    params = text_linear.Params(weighting="target")
    model = text_linear.fit(params, table, target, THREE, FitContext())
    model.save(tmp_path)
    loaded = text_linear.load(tmp_path).predict(table)
    assert (loaded == model.predict(table)).all()
    assert (loaded.argmax(axis=1) == target).mean() > 0.95


def test_the_terms_of_features_add_up_to_the_score() -> None:
    texts, target = opinions()
    numbers = np.random.default_rng(2).normal(size=(200, 2))
    table = table_of(texts, numbers=numbers)
    model = text_linear.fit(text_linear.Params(weighting="target"), table, target, BINARY, FitContext())
    terms = text_linear.terms(model, table, table.take(slice(0, 50)))
    assert terms is not None
    share = model.predict(table)[:, 1].astype(np.float64)
    np.testing.assert_allclose(terms.base + terms.values.sum(axis=1), np.log(share / (1 - share)), atol=1e-3)
    assert np.abs(terms.values[:, 2]).mean() > 5 * np.abs(terms.values[:, :2]).mean()


def test_the_end_of_a_long_text_counts() -> None:
    texts, target = opinions()
    long = [f"{'so it goes ' * 5000}{text}" for text in texts]
    model = text_linear.fit(text_linear.Params(), table_of(long), target, BINARY, FitContext())
    assert (model.predict(table_of(long)).argmax(axis=1) == target).mean() > 0.95


def test_numbers_at_the_end_of_their_range_are_predicted() -> None:
    texts, target = opinions()
    table = table_of(texts, numbers=np.random.default_rng(2).normal(size=(200, 1)))
    model = text_linear.fit(text_linear.Params(), table, target, BINARY, FitContext())
    far = replace(table, numbers=np.full((200, 1), np.finfo(np.float64).max))
    assert np.isfinite(model.predict(far)).all()


def test_rows_count_by_their_weights() -> None:
    target = opinions()[1]
    weights = np.where(target == 1, 3.0, 1.0)
    weights /= weights.mean()
    table = table_of(["the same"] * 200)
    model = text_linear.fit(text_linear.Params(), table, target, BINARY, FitContext(weights=weights))
    expected = weights[target == 1].sum() / weights.sum()
    assert model.predict(table)[0, 1] == pytest.approx(expected, abs=0.02)
