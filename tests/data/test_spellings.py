"""Labels that differ in case alone: slips, or classes of their own."""

from __future__ import annotations

import numpy as np
import pytest

from automl.core.errors import DataError
from automl.core.task_choice import choose_task
from automl.data.spellings import merge_spellings


def joined(*labels: str) -> tuple[list[str], list[str]]:
    values, notes = merge_spellings(np.array(labels, dtype=object))
    return values.tolist(), notes


@pytest.mark.parametrize("labels", [("AA", "Aa", "aa"), ("a", "A", "b"), ("K", "k", "Q", "q")])
def test_spellings_that_repeat_are_classes_of_their_own_and_that_is_said(labels: tuple[str, ...]) -> None:
    values, notes = joined(*labels * 9)
    assert values == list(labels * 9)
    assert "separate classes" in notes[0]
    task = choose_task(np.array(values, dtype=object)).task
    assert sorted(map(str, task.labels)) == sorted(labels)
    assert task.decode(np.eye(len(labels))[task.encode(np.array(labels, dtype=object))]).tolist() == [*labels]


def test_a_rare_spelling_is_a_slip() -> None:
    values, notes = joined(*["Setosa"] * 400, *["SETOSA"] * 3, "setosa", *["other"] * 9)
    assert set(values) == {"Setosa", "other"}
    assert "merged in 4 rows" in notes[0]


def test_yes_and_no_are_words_in_any_case() -> None:
    values, _ = joined(*["Yes", "yes", "NO", "no "] * 9)
    assert len(set(values)) == 2


def test_blanks_around_labels_never_tell_them_apart() -> None:
    assert set(joined(*["aa", " aa", "bb"] * 9)[0]) == {"aa", "bb"}


def test_new_labels_are_found_in_any_case_where_one_class_alone_can_be_meant() -> None:
    task = choose_task(np.array(["Cat", "dog", "DOG"] * 9, dtype=object)).task
    codes = task.encode(np.array(["cat", "dog", "DOG"], dtype=object))
    assert [task.labels[code] for code in codes] == ["Cat", "dog", "DOG"]
    with pytest.raises(DataError, match="'Dog'"):
        task.encode(np.array(["Dog"], dtype=object))
