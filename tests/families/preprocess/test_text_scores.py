from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import automl.families.preprocess.text_scores as module
from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.metrics import METRICS
from automl.families.preprocess.text_scores import TextScores

BINARY = BinaryTask(METRICS["log_loss"], (0, 1))
CLASSES = MulticlassTask(METRICS["log_loss"], (0, 1, 2))
WORDS = ("engine", "apple", "cloud")


def documents(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    topic = generator.integers(0, 3, rows)
    noise = generator.integers(0, 1000, rows)
    texts = [f"{WORDS[kind]}s and word{number}" for kind, number in zip(topic, noise, strict=True)]
    return np.array(texts, dtype=object), topic


@pytest.mark.parametrize("rows_of_gram", [0, 10_000])
def test_scores_find_the_class_out_of_fold_and_on_new_rows(
    rows_of_gram: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_ROWS_OF_GRAM", rows_of_gram)
    texts, topic = documents()
    scores, held_out = TextScores.fit_transform([texts], topic, CLASSES)
    assert held_out.shape == (200, 3)
    assert np.mean(held_out.argmax(axis=1) == topic) > 0.95
    new = np.array(["apple", "some clouds", "engines"], dtype=object)
    assert scores.transform([new]).argmax(axis=1).tolist() == [1, 2, 0]


def test_random_texts_say_nothing_out_of_fold() -> None:
    generator = np.random.default_rng(0)
    texts = np.array([f"t{number}" for number in generator.integers(0, 10**6, 300)], dtype=object)
    target = generator.integers(0, 2, 300)
    _, held_out = TextScores.fit_transform([texts], target, BINARY)
    assert abs(np.corrcoef(held_out[:, 0], target)[0, 1]) < 0.2


def test_both_ways_are_ridge_regression_without_the_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STRENGTHS", (1.0,))
    texts, topic = documents()
    fold, outputs = np.arange(200) % 5, np.eye(3)[topic] - 1 / 3
    terms = module.TextTerms.fit([texts], words=False).transform([texts])
    train = fold != 0
    for solve, within in ((module._by_gram, 1e-5), (module._by_steps, 1e-2)):
        coefficients, held_out = solve(terms, outputs, fold)
        np.testing.assert_allclose(coefficients, ridge(terms, outputs), atol=within)
        alone = terms[~train] @ ridge(terms[train], outputs[train])
        np.testing.assert_allclose(held_out[~train], alone, atol=within)


def ridge(terms: Any, outputs: np.ndarray) -> np.ndarray:
    return np.linalg.solve((terms.T @ terms).toarray() + np.eye(terms.shape[1]), terms.T @ outputs)


def test_numbers_are_scored_in_their_unit_and_models_load_as_saved(tmp_path: Path) -> None:
    texts, topic = documents()
    task = RegressionTask(METRICS["rmse"])
    scores, held_out = TextScores.fit_transform([texts, texts[::-1]], 1000.0 + 10 * topic, task)
    assert np.corrcoef(held_out[:, 0], topic)[0, 1] > 0.9
    scores.save(tmp_path)
    columns = [texts[:5], texts[5:10]]
    np.testing.assert_array_equal(TextScores.load(tmp_path).transform(columns), scores.transform(columns))
