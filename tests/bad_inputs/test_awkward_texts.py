"""Texts as they are found: what a check, a search, a prediction and a report make of each.

Every case is a column of texts of sixty rows, in which a word tells the class, searched with two trials.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import automl

Wrap = Callable[[str, int], object]
TOLD = {"good": ("superb", "lovely"), "bad": ("broken", "dreadful")}
FILLERS = ("chair", "lamp", "table", "shelf", "carpet", "mirror")
FAMILIES = ("--families", "text_linear", "--executor", "inline", "--trials", "2")


def plain(row: int) -> tuple[str, str]:
    """A short text and its class."""
    draw = np.random.default_rng(row)
    kind = ("good", "bad")[row % 2]
    words = [*draw.choice(FILLERS, 3), draw.choice(TOLD[kind])]
    return f"this {words[3]} {words[0]} came with a {words[1]} and a {words[2]}", kind


def frame_of(wrap: Wrap, rows: int = 60) -> pd.DataFrame:
    """Texts that ``wrap(text, row)`` made of the plain ones, with their classes."""
    made = [plain(row) for row in range(rows)]
    return pd.DataFrame(
        {"review": [wrap(text, i) for i, (text, _) in enumerate(made)], "y": [kind for _, kind in made]}
    )


ARABIC = {
    "this": "هذا",
    "came": "جاء",
    "with": "مع",
    "a": "واحد",
    "and": "و",
    "superb": "رائع",
    "lovely": "جميل",
}
HAN = {
    "superb": "很好",
    "lovely": "漂亮",
    "broken": "坏了",
    "dreadful": "糟糕",
    "this": "这个",
    "came": "来了",
    "with": "有",
    "a": "一",
    "and": "和",
}
CYRILLIC = {"superb": "отличный", "this": "этот", "came": "пришёл"}


def spelt(words: dict[str, str], between: str = " ") -> Wrap:
    return lambda text, row: between.join(words.get(word, word) for word in text.split())


READ: dict[str, Wrap] = {
    "some empty": lambda text, row: "" if row % 7 == 0 else text,
    "some missing": lambda text, row: None if row % 7 == 0 else text,
    "mixed scripts": spelt(CYRILLIC),
    "right to left": spelt(ARABIC),
    "Chinese without blanks": spelt(HAN, ""),
    "HTML": lambda text, row: f'<p class="x">{text}</p><script>alert({row})</script>&nbsp;',
    "emoji": lambda text, row: f"{text} {'😀' if row % 2 else '🔥'}👍🏽",
    "emoji alone": lambda text, row: (
        " ".join(("🔥", "👍🏽") if row % 2 else ("😀", "🎉")) + " 😐" * (row % 5) + f" {row}"
    ),
    "numbers alone": lambda text, row: f"{row * 37 % 101} {row * 53 % 97} {11 if row % 2 else 22} {row}",
    "links alone": lambda text, row: (
        f"https://shop.example/{text.split()[1]}/{row} https://x.example/a?b={row} http://y.example"
    ),
    "line breaks, tabs and quotes": lambda text, row: f'"{text}"\n\twith, a "quote"\r\nand more',
    "one very long among short": lambda text, row: text + (" word" * 100_000 if row == 8 else ""),
    "all of them long": lambda text, row: f"{'so it goes and goes ' * 400}{text}",
    "two spellings of blanks": lambda text, row: text.replace(" ", "\u00a0" if row % 3 else "\u2003"),
    "control characters": lambda text, row: f"{text} \x07\x1b[31m\x7f",
}


@pytest.mark.parametrize("case", READ)
def test_texts_as_they_are_found_are_read_searched_and_predicted(cli, write, case: str) -> None:
    name = write(frame_of(READ[case]))
    checked = cli("check", name, "--target", "y", "--json")
    columns = {column["name"]: column["kind"] for column in json.loads(checked.out)["columns"]}
    assert columns["review"] == "text", checked.out
    cli("search", name, "--target", "y", "--name", "case", *FAMILIES).worked("Best:")
    done = cli("predict", "case", name)
    done.worked()
    answers = done.out.split()[1:]
    assert np.mean([answer == plain(row)[1] for row, answer in enumerate(answers)]) > 0.8


def test_a_nul_in_a_file_is_refused_with_its_line_and_in_a_frame_it_is_text(cli, write, tmp_path) -> None:
    content = frame_of(lambda text, row: text.replace("came", "ca|me")).to_csv(index=False)
    done = cli("search", write(content.replace("|", "\0").encode()), "--target", "y", *FAMILIES)
    done.refused(3, "line 2", "NUL")
    frame = frame_of(lambda text, row: f"{text} \0")
    options = {"families": ["text_linear"], "trials": 2, "executor": "inline", "store": tmp_path / "mlruns"}
    predicted = automl.search(frame, target="y", name="nul", **options).predictor.predict(frame)
    assert (predicted == frame["y"]).mean() > 0.8


def test_lone_surrogates_in_a_frame_are_searched_predicted_and_reported(tmp_path) -> None:
    frame = frame_of(lambda text, row: text).astype(object)
    frame["review"] = pd.Series([f"{text} \ud83d \ud800" for text in frame["review"]], dtype=object)
    options = {"families": ["text_linear"], "trials": 2, "executor": "inline", "store": tmp_path / "mlruns"}
    result = automl.search(frame, target="y", name="case", **options)
    assert (result.predictor.predict(frame) == frame["y"]).mean() > 0.8
    explained = result.predictor.explain(frame.iloc[:2])
    assert len(explained.text_parts())


def test_one_word_per_cell_is_a_category_unless_it_is_declared_a_text(cli, write) -> None:
    name = write(frame_of(lambda text, row: text.split()[1]))
    columns = json.loads(cli("check", name, "--target", "y", "--json").out)["columns"]
    assert [column["kind"] for column in columns] == ["category"]
    refused = cli("search", name, "--target", "y", *FAMILIES)
    refused.refused(2, "text_linear", "can handle binary on these columns")
    cli("search", name, "--target", "y", "--kind", "review=text", *FAMILIES).worked("Best:")


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (lambda text, row: "", "constant"),
        (lambda text, row: "the same text in every row", "constant"),
        (lambda text, row: f"{row * 7919 + 65536:08x}", "id"),
    ],
    ids=["all empty", "all equal", "ids"],
)
def test_columns_that_tell_nothing_are_left_out_by_name(cli, write, wrap: Wrap, kind: str) -> None:
    frame = frame_of(wrap).assign(size=np.arange(60) % 13 + 10 * (np.arange(60) % 2))
    done = cli("search", write(frame), "--target", "y", "--families", "linear", "--trials", "2")
    done.worked(f"left out 'review' ({kind})", "Best:")


def test_ids_may_be_read_as_texts_on_request(cli, write) -> None:
    name = write(frame_of(lambda text, row: f"{('ok', 'no')[row % 2]}-{row * 7919 + 65536:08x}"))
    cli("search", name, "--target", "y", "--kind", "review=text", *FAMILIES).worked("Best:")


def test_a_text_as_the_target_is_refused_with_what_to_do(cli, write) -> None:
    done = cli("search", write(frame_of(lambda text, row: f"{text} {row}")), "--target", "review", *FAMILIES)
    done.refused(3, "'review'")


def test_a_text_that_is_the_target_is_left_out(cli, write) -> None:
    frame = frame_of(lambda text, row: text).assign(
        verdict=lambda rows: "they said it was " + rows["y"] + " in the end"
    )
    done = cli("search", write(frame), "--target", "y", *FAMILIES)
    done.worked("'verdict' is the target under another name: it was left out", "Best:")


def test_the_same_and_nearly_the_same_texts_in_data_and_test_part_are_reported(cli, write) -> None:
    frame = frame_of(lambda text, row: f"{text}, and this is what happened to us on day {row} of that year")
    data = write(frame)
    near = frame.iloc[:6].assign(review=lambda rows: rows["review"] + " honestly")
    test = write(pd.concat([near, frame.iloc[10:14]]), "test.csv")
    found = json.loads(cli("check", data, "--target", "y", "--test", test, "--json").out)["findings"]
    assert {"overlap", "near_copies"} <= {finding["code"] for finding in found}
    cli("search", data, "--target", "y", "--test", test, *FAMILIES).worked("nearly the same text", "Best:")


ODD = [
    "",
    " ",
    "x",
    "\ud800",
    "a\0b",
    "😀",
    "12 34",
    "日本語",
    "שלום",
    "<b>&amp;</b>",
    "http://a.b/c?d=e",
    '\n\t"',
    "w " * 100_000,
]


def test_a_model_of_plain_texts_predicts_explains_and_reports_odd_ones(tmp_path) -> None:
    frame = frame_of(lambda text, row: text)
    odd = pd.DataFrame({"review": [*ODD, None, np.nan, 3.5]})
    options = {"families": ["text_linear"], "trials": 2, "executor": "inline", "store": tmp_path / "mlruns"}
    model = automl.search(frame, target="y", name="case", **options).predictor
    shares = model.predict_proba(odd)
    assert np.isfinite(shares.to_numpy()).all()
    explained = model.explain(odd, seconds=20)
    total = explained.base + explained.contributions.sum(axis=1)
    np.testing.assert_allclose(total, explained.prediction, atol=1e-9)
    parts = explained.text_parts()
    assert set(parts.loc[parts["row"] == 13, "part"].str.strip().str[0]) == {"w"}
    json.dumps(explained.to_json())
