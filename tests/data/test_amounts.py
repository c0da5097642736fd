"""Numbers with signs, units and separators: read whole, or left as text."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from automl.core.errors import DataError
from automl.core.table import Kind
from automl.data.cells.amounts import Notation, cuts_numbers, find_amounts
from automl.data.layout import Layout


def words(cells: list[str | None]) -> pa.Array:
    return pa.array(cells, pa.large_string())


READ = {
    "codes of currencies": (["USD 1,914.52", "USD 3.00"], [1914.52, 3.0], "USD"),
    "signs of currencies": (["₹1,914.52", "₹5"], [1914.52, 5.0], "₹"),
    "Indian groups": (["₹1,23,456.00", "₹12,34,56,789", "₹5"], [123456.0, 123456789.0, 5.0], "₹"),
    "short forms": (["Rs. 500", "Rs. 1,200"], [500.0, 1200.0], "Rs."),
    "a sign of two letters": (["US$ 5", "US$ 7"], [5.0, 7.0], "US$"),
    "no-break blanks": (["1\u00a0914.52", "12.00"], [1914.52, 12.0], ""),
    "narrow blanks": (["1\u202f914,52 €", "3,00 €"], [1914.52, 3.0], "€"),
    "plain blanks": (["1 914,52", "3 000,00", "12,5"], [1914.52, 3000.0, 12.5], ""),
    "apostrophes": (["1'914.52", "12.00"], [1914.52, 12.0], ""),
    "curly apostrophes": (["CHF 1’914.50", "CHF 12"], [1914.5, 12.0], "CHF"),
    "points and comma": (["1.234,50 €", "3,00 €"], [1234.5, 3.0], "€"),
    "points between thousands alone": (["1.234 €", "999 €", "12.345 €"], [1234.0, 999.0, 12345.0], "€"),
    "three decimals": (["1.234 kg", "0.5 kg"], [1.234, 0.5], "kg"),
    "a true minus": (["\u22125.2", "3.1", "\u2013 4"], [-5.2, 3.1, -4.0], ""),
    "a minus behind": (["5-", "6.5", "7\u2212"], [-5.0, 6.5, -7.0], ""),
    "brackets": (["(1,234.50)", "12.00"], [-1234.5, 12.0], ""),
    "brackets around a currency": (["($5.00)", "$3", "-$2", "$-1"], [-5.0, 3.0, -2.0, -1.0], "$"),
    "about": (["~5.2", "ca. 6", "≈7.1"], [5.2, 6.0, 7.1], ""),
    "percent": (["47.9%", "3 %", "-1%"], [47.9, 3.0, -1.0], "%"),
    "one word behind": (["12 sq ft", "5 sq ft"], [12.0, 5.0], "sqft"),
    "a plural": (["1 day", "3 days"], [1.0, 3.0], "days"),
    "points of ten": (["8/10", "7.5/10"], [8.0, 7.5], "/10"),
    "exponents": (["1e-3 mg", "2E+4 mg"], [0.001, 20000.0], "mg"),
    "wide digits": (["￥１２３", "￥５"], [123.0, 5.0], "¥"),
    "strokes for no cents": (["Rs. 1,500/-", "Rs. 20/-"], [1500.0, 20.0], "Rs."),
    "dashes for no cents": (["€ 1.500,-", "€ 12,50"], [1500.0, 12.5], "€"),
    "at least": (["1,000+", "50+"], [1000.0, 50.0], "+"),
    "ordinals": (["1st", "2nd", "3rd", "11th"], [1.0, 2.0, 3.0, 11.0], ""),
}


@pytest.mark.parametrize("case", READ)
def test_a_notation_is_read_whole(case: str) -> None:
    cells, expected, unit = READ[case]
    found = find_amounts(words([*cells, None, "?"]))
    assert found is not None
    assert found.values.tolist()[: len(cells)] == pytest.approx(expected)
    assert np.isnan(found.values[len(cells) :]).all()
    assert (found.notation.unit, found.bad.any()) == (unit, False)
    assert Notation.from_json(json.loads(json.dumps(found.notation.to_json()))) == found.notation


CONVERTED = {
    "thousands and millions": (["1.5K", "2.0M", "300K"], [1500.0, 2e6, 300e3], ""),
    "lakh and crore": (["1.5 Lakh", "2 Cr"], [1.5e5, 2e7], ""),
    "some without": (["$950", "$1.2k", "$3M"], [950.0, 1200.0, 3e6], "$"),
    "German ones": (["3,5 Mio. €", "200 Tsd. €"], [3.5e6, 2e5], "€"),
    "words": (["5 million", "3 billion"], [5e6, 3e9], ""),
    "grams": (["5 kg", "300 g"], [5000.0, 300.0], "g"),
    "bytes": (["5 GB", "300 MB"], [5e9, 3e8], "B"),
    "spans of time": (["2 weeks", "36 hours"], [14.0, 1.5], "days"),
    "north and south": (["20.7° N", "10.5° S"], [20.7, -10.5], "°"),
    "east and west": (["20.7E", "10.5W"], [20.7, -10.5], "°"),
    "minutes of an angle": (["40°26'46\" N", "12°30' S"], [40.446111, -12.5], "°"),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_units_of_one_quantity_become_one(case: str) -> None:
    cells, expected, unit = CONVERTED[case]
    found = find_amounts(words(cells))
    assert found is not None
    assert found.values.tolist() == pytest.approx(expected, rel=1e-6)
    assert found.notation.unit == unit
    assert " as " in found.notation.described


def test_units_that_cannot_be_converted_are_a_category_beside_the_number() -> None:
    frame = pd.DataFrame({"price": [f"{'$€'[i % 2]}{i / 7:.2f}" for i in range(90)]})
    layout = Layout.infer(frame)
    assert layout.features.levels == (("$", "€"),)
    table = layout.encode(frame).table
    assert table.numbers[:3, 0].tolist() == [0.0, 0.14, 0.29]
    assert table.codes[:3, 0].tolist() == [0, 1, 0]
    again = Layout.from_json(json.loads(json.dumps(layout.to_json())))
    assert again.encode(frame.head()).table.codes[:, 0].tolist() == [0, 1, 0, 1, 0]


def test_words_behind_numbers_that_nobody_can_convert_are_units_too() -> None:
    frame = pd.DataFrame({"m": [f"{i / 7:.2f} {['km/kg', 'kmpl'][i % 2]}" for i in range(90)]})
    layout = Layout.infer(frame)
    assert (layout.features.numbers, layout.features.levels) == (("m",), (("km/kg", "kmpl"),))


def test_limits_of_detection_are_told_apart_from_values() -> None:
    frame = pd.DataFrame({"lead": [f"{'<' if i % 3 == 0 else ''}{i / 7:.2f}" for i in range(90)]})
    layout = Layout.infer(frame)
    assert layout.features.levels == (("<", "no unit"),)
    assert layout.encode(frame).table.codes[:4, 0].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    "cells",
    [
        ["C123", "C124"],
        ["12A", "7B"],
        ["Room 5", "Room 7"],
        ["10.0.0.1", "10.0.0.2"],
        ["5-10", "6-12"],
        ["555-1234", "555-3333"],
        ["007 kg", "008 kg"],
        ["3/4", "1/2"],
        ["5'11\"", "6'2\""],
        ["10:30", "11:20"],
        ["2024-01-05", "2024-02-07"],
        ["1,23", "4,5,6"],
    ],
)
def test_codes_ranges_and_dates_are_no_amounts(cells: list[str]) -> None:
    found = find_amounts(words(cells * 9))
    assert found is None or found.bad.any()


@pytest.mark.parametrize("sample", ["USD 1,914.52", "ref. 1,914 x", "20.7° N", "1 914,5 zzz"])
def test_a_number_is_never_cut(sample: str) -> None:
    place = next(i for i, sign in enumerate(sample) if sign.isdigit()) + 1
    assert cuts_numbers(sample, {place})
    values = ["lot " + sample.replace("914", f"{100 + i}").replace("20", f"{i}") for i in range(90)]
    layout = Layout.infer(pd.DataFrame({"s": values, "x": np.linspace(0, 1, 90)}))
    assert layout.features.numbers == ("x",)


def test_new_rows_are_read_in_the_notation_of_training_and_plainly() -> None:
    layout = Layout.infer(pd.DataFrame({"p": ["1.234,50 €", "3,25 €", "7 €"] * 9}))
    new = pd.DataFrame({"p": ["2.000 €", "5", "1234.5", None]})
    assert layout.encode(new).table.numbers[:, 0].tolist()[:3] == [2000.0, 5.0, 1234.5]
    assert layout.encode(pd.DataFrame({"p": [1.5]})).table.numbers[0, 0] == 1.5
    with pytest.raises(DataError, match=r"'p' held numbers \(in €\).*'\$5' in row 2"):
        layout.encode(pd.DataFrame({"p": ["1 €", "$5"]}))


def test_a_word_among_numbers_is_a_category_beside_them() -> None:
    cells = ["n/d" if i % 30 == 7 else f"{i * 1.5:.1f}" for i in range(120)]
    layout = Layout.infer(pd.DataFrame({"x": cells}))
    assert layout.columns[0].kind is Kind.NUMBER
    assert "'n/d' (4)" in layout.columns[0].reason
    table = layout.encode(pd.DataFrame({"x": ["n/d", "2.5"]})).table
    assert np.isnan(table.numbers[0, 0])
    assert (table.numbers[1, 0], table.codes[:, 0].tolist()) == (2.5, [0, -1])
    with pytest.raises(DataError, match="'later' in row 1"):
        layout.encode(pd.DataFrame({"x": ["later"]}))


def test_models_of_the_first_format_keep_their_notation() -> None:
    body = Layout.infer(pd.DataFrame({"p": ["$5", "$7"] * 9})).to_json()
    body["plans"] = [{"type": "number", "column": "p", "decimal": "1,000", "unit": "$", "lenient": False}]
    old = Layout.from_json(json.loads(json.dumps(body)))
    cells = pd.DataFrame({"p": ["$1,200.50", "3", "5 $"]})
    assert old.encode(cells).table.numbers[:, 0].tolist() == [1200.5, 3.0, 5.0]
