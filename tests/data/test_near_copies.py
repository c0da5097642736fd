from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.core.table import Features, Table
from automl.data.checks.near_copies import find_near_copies, near_copies_between, near_copies_within

TOPICS = ("river", "engine", "garden", "market", "winter", "letter", "window", "doctor", "island", "music")


def letters(rows: int, seed: int = 0) -> list[str]:
    """Texts of thirty words, no two of them alike."""
    generator = np.random.default_rng(seed)
    return [
        " ".join(f"{word}{generator.integers(50)}" for word in generator.choice(TOPICS, 30))
        for _ in range(rows)
    ]


def table_of(*columns: list[str]) -> Table:
    rows = len(columns[0])
    texts = tuple(np.array(column, dtype=object) for column in columns)
    features = Features(texts=tuple(f"t{i}" for i in range(len(columns))))
    return Table(features, np.empty((rows, 0)), np.empty((rows, 0), np.int32), texts)


def test_a_text_with_a_changed_word_is_a_near_copy() -> None:
    texts = letters(50)
    texts[30] = texts[7].replace(texts[7].split()[-1], "elsewhere").upper()
    copies = find_near_copies([np.array(texts, dtype=object)])
    assert np.flatnonzero(copies.copied).tolist() == [7, 30]
    assert copies.groups[7] == copies.groups[30]


def test_equal_texts_and_short_ones_are_no_near_copies() -> None:
    texts = letters(20)
    texts[3] = texts[4]
    short = [*texts, "call me back", "call me back please", ""]
    assert not find_near_copies([np.array(short, dtype=object)]).copied.any()


def test_texts_without_blanks_are_compared_by_their_characters() -> None:
    texts = np.array(
        ["昨日は川のそばで古い友人に会いました。", "昨日は川のそばで古い友人に会いましたよ。", *letters(5)],
        dtype=object,
    )
    assert find_near_copies([texts]).copied.tolist() == [True, True] + [False] * 5


def test_the_finding_names_two_rows_and_what_to_do() -> None:
    texts = letters(200)
    texts[150] = f"{texts[20]} again"
    table, frame = table_of(texts), pd.DataFrame({"t0": texts})
    (finding,) = near_copies_within(table, frame, dealt=True)
    assert (finding.code, finding.severity) == ("near_copies", "note")
    assert "2 of 200 rows" in finding.evidence
    assert "rows 21 and 151" in finding.evidence
    assert "--group" in finding.remedy
    (given,) = near_copies_within(table, frame, dealt=False)
    assert "--group" not in given.remedy


def test_a_test_part_with_edited_texts_of_the_data_is_warned_of() -> None:
    data, test = letters(60), letters(20, seed=1)
    test[5:10] = [f"re: {text}" for text in data[:5]]
    test[0] = data[50]  # an exact copy, which another finding counts
    (finding,) = near_copies_between(table_of(data), table_of(test))
    assert finding.severity == "warning"
    assert "5 of 20 rows of the test part" in finding.evidence
    assert "row 6 of the test part and row 1 of the data" in finding.evidence
    assert not list(near_copies_between(table_of(data), table_of(letters(20, seed=2))))


@pytest.mark.parametrize("text", ["\ud800 " * 20, "a\0b " * 20, "😀 " * 20, "1234 " * 20])
def test_odd_texts_are_compared_too(text: str) -> None:
    texts = np.array([text, f"{text}x", *letters(5)], dtype=object)
    assert not find_near_copies([texts]).copied[2:].any()


def test_several_columns_count_as_one_text() -> None:
    first, second = letters(30), letters(30, seed=1)
    second[9] = f"{second[8]} again"
    assert not find_near_copies([np.array(first, dtype=object), np.array(second, dtype=object)]).copied.any()
    first[9] = first[8]
    assert (
        find_near_copies([np.array(first, dtype=object), np.array(second, dtype=object)]).copied[[8, 9]].all()
    )
