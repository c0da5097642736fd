from __future__ import annotations

import time

import numpy as np
import pytest

from automl.core.table import Features, Table
from automl.model.prediction_pace import PredictionPace
from automl.model.text_parts import MarkedText, marked_texts, sentences_of, strongest

FAST = PredictionPace(1e-6)


def row_of(*texts: str) -> Table:
    features = Features(texts=tuple(f"t{i}" for i in range(len(texts))))
    columns = tuple(np.array([text], dtype=object) for text in texts)
    return Table(features, np.empty((1, 0)), np.empty((1, 0), np.int32), columns)


def shouting(rows: Table) -> np.ndarray:
    """How often the first text says good, less how often the second one says bad."""
    second = rows.texts[1] if len(rows.texts) > 1 else [""] * rows.rows
    return np.array(
        [
            text.split().count("good") - other.split().count("bad")
            for text, other in zip(rows.texts[0], second, strict=True)
        ],
        dtype=float,
    )


def marked(*texts: str, seconds: float = 60.0, pace: PredictionPace = FAST) -> tuple[MarkedText, ...]:
    names = [f"column {i}" for i in range(len(texts))]
    return marked_texts(shouting, row_of(*texts), names, until=time.monotonic() + seconds, pace=pace)


def effects(made: MarkedText) -> dict[str, float]:
    return {made.part(part): part.effect for part in made.words if part.effect}


def test_the_words_that_move_a_prediction_are_found_in_each_column() -> None:
    first, second = marked("a good old chair", "not bad at all")
    assert (first.column, effects(first)) == ("column 0", {"good": 1.0})
    assert (second.column, effects(second)) == ("column 1", {"bad": -1.0})
    assert [first.part(part) for part in first.words] == ["a", "good", "old", "chair"]


def test_the_strongest_sentences_of_a_long_text_are_cut_into_words() -> None:
    text = f"{'Nothing to see here. ' * 30}It is a good thing. {'Nothing more. ' * 10}"
    (made,) = marked(text)
    assert effects(made) == {"good": 1.0}
    (sentence,) = strongest(made.sentences, 5)
    assert made.part(sentence).strip() == "It is a good thing."


def test_a_text_without_sentences_is_cut_into_equal_pieces() -> None:
    words = ["word"] * 5000
    words[3210] = "good"
    (made,) = marked(" ".join(words))
    assert 0 < len(made.words) < 300
    assert sum(effects(made).values()) == 1.0


def test_scripts_without_blanks_are_cut_by_two_characters_and_into_their_sentences() -> None:
    (made,) = marked("私は猫が好きです。犬も。")
    assert [made.part(part) for part in made.words] == ["私は", "猫が", "好き", "です", "。", "犬も", "。"]
    assert [made.part(part) for part in made.sentences] == ["私は猫が好きです。", "犬も。"]


def test_a_short_text_of_one_sentence_is_left_whole() -> None:
    assert sentences_of("one good chair", [(0, 3), (4, 8), (9, 14)], 60) == []


@pytest.mark.parametrize("text", ["", " \n\t ", "\0"])
def test_texts_without_words_have_at_most_one_part(text: str) -> None:
    assert sum(len(made.words) for made in marked(text)) <= 1


def test_without_time_nothing_is_marked() -> None:
    assert marked("a good old chair", seconds=0.0) == ()
    slow = PredictionPace(1.0)
    assert marked(" ".join(["word"] * 100), seconds=3.0, pace=slow) == ()


def test_parts_are_told_as_plain_data() -> None:
    (made,) = marked("good chair")
    assert made.to_json() == {
        "column": "column 0",
        "words": [
            {"text": "good", "start": 0, "stop": 4, "effect": 1.0},
            {"text": "chair", "start": 5, "stop": 10, "effect": 0.0},
        ],
        "sentences": [],
    }
