"""Numbers as people read them."""

from __future__ import annotations

import pytest

from automl.wording import counted, score_text, signed_text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.983146, 5, "0.98315"),
        (28450.4, 5, "28450"),
        (245678.4, 5, "245678"),
        (99999.7, 5, "100000"),
        (-1234567, 5, "-1234567"),
        (1.5e12, 5, "1.5e+12"),
        (1.0058e-12, 5, "1.0058e-12"),
        (1234.5, 2, "1234"),
        (0.00743, 2, "0.0074"),
        (float("nan"), 5, "nan"),
        (float("inf"), 5, "inf"),
    ],
)
def test_a_score_has_no_exponent_where_people_write_none(value: float, digits: int, text: str) -> None:
    assert score_text(value, digits) == text


def test_things_are_counted_in_english() -> None:
    given = ((1, "category"), (1234, "category"), (0, "text"))
    assert [counted(number, noun) for number, noun in given] == ["1 category", "1,234 categories", "0 texts"]


def test_a_difference_has_its_sign() -> None:
    assert [signed_text(value) for value in (0.01, 0.0, -0.028094, 12345.6)] == [
        "+0.01",
        "+0",
        "-0.02809",
        "+12346",
    ]
