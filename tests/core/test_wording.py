"""Numbers as people read them."""

from __future__ import annotations

import pytest

from automl.core.text import (
    counted,
    flag,
    quoted,
    range_text,
    score_text,
    share_text,
    signed_text,
    wait_text,
    weight_texts,
)


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


def test_a_share_is_all_or_nothing_only_where_it_is() -> None:
    shares = (1.0, 0.9997, 0.999999, 0.995, 0.5, 0.004, 0.0000004, 0.0)
    assert [share_text(share) for share in shares] == [
        *("100%", "99.97%", "more than 99.99%", "99.5%", "50%", "0.4%", "less than 0.01%", "0%")
    ]
    assert score_text(0.9999987) == "0.999999"
    assert score_text(1.0) == "1"


def test_the_ends_of_an_interval_are_told_apart() -> None:
    assert range_text(0.99999990, 1.0) == "0.9999999 to 1"
    assert range_text(28450.1, 28450.4) == "28450.1 to 28450.4"
    assert range_text(1.0, 1.0) == "1"


@pytest.mark.parametrize(
    "weights",
    [
        (1 / 3, 1 / 3, 1 / 3),
        (0.125,) * 8,
        (0.999, 0.001),
        (0.5, 0.4996, 0.0004),
        (1.0,),
        (0.335, 0.335, 0.33),
    ],
)
def test_weights_add_up_to_a_hundred_as_they_are_printed(weights: tuple[float, ...]) -> None:
    texts = weight_texts(weights)
    assert round(sum(float(text[:-1]) for text in texts), 6) == 100
    assert all(float(text[:-1]) for text in texts)


def test_a_cell_that_is_cut_says_so() -> None:
    assert quoted("Mr. Owen") == "'Mr. Owen'"
    assert quoted("x" * 61) == "'" + "x" * 59 + "…'"


def test_a_long_wait_is_told_in_seconds() -> None:
    assert [wait_text(value) for value in (0.4, 96.2, 9_999, 30_977)] == ["0 ms", "96 ms", "9,999 ms", "31 s"]


def test_options_about_columns_are_quoted_for_a_shell() -> None:
    assert flag("drop", "age") == "--drop age"
    assert flag("kind", "Umsatz (€)", "category") == "--kind 'Umsatz (€)=category'"
    assert flag("keep", 3) == "--keep 3"
