"""Words that mean no value or a class, words among numbers, labels that differ in case alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from driving import (
    SMALL_TABLE,
    TABLE,
    Case,
    Expectation,
    RowsExpected,
    Run,
    each,
    expectation_wrong,
    guarded,
    number,
    rows_wrong,
    shorten,
    write,
)


def make_r_quoted(folder: Path) -> None:
    r = np.random.default_rng(121)
    level = {
        '"NA"': 20.0,
        '"EU"': 8.0,
        '"APAC"': 14.0,
        "NA": 1.0,
    }  # a region called NA, and cells that are missing
    cells = r.choice(list(level), 400, p=[0.3, 0.3, 0.25, 0.15])
    lines = ['"","region","reps","margin"']
    for i, cell in enumerate(cells, 1):
        reps = "NA" if i % 23 == 0 else str(r.integers(1, 30))
        lines.append(f'"{i}",{cell},{reps},{level[cell] + r.normal(0, 0.5):.3f}')
    (folder / "regions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    new = ['"","region","reps"', *(f'"{i}",{cell},12' for i, cell in enumerate(level, 1))]
    (folder / "new.csv").write_text("\n".join(new) + "\n", encoding="utf-8")
    lines = ['"hours","seats","plan"']
    for i in range(400):
        hours, seats = r.uniform(0, 30), r.integers(1, 9)
        plan = '"None"' if hours < 10 else '"Basic"' if hours < 20 else '"Pro"'
        lines.append(f"{hours:.2f},{seats},{'NA' if i % 40 == 9 else plan}")
    (folder / "plans.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


R_QUOTED = (
    Expectation(
        "regions.csv",
        "margin",
        quick=SMALL_TABLE,
        ratio=(0, 0.3),
        rows=(RowsExpected("new.csv", (20, 8, 14, 1), 2.5),),
    ),
    Expectation("plans.csv", "plan", classes=frozenset({"None", "Basic", "Pro"}), accuracy=(0.88, 1.0)),
)


def make_unquoted_words(folder: Path) -> None:
    r = np.random.default_rng(122)
    heat, load = r.uniform(20, 90, 420).round(1), r.uniform(0, 10, 420).round(2)
    fault = np.select([heat > 65, load > 7], ["overheat", "jam"], "null")
    write(folder / "machines.csv", {"heat": heat, "load": load, "fault": fault})
    level = {"None": 20.0, "Brick": 8.0, "Stone": 14.0, "": 1.0}
    veneer = r.choice(list(level), 420, p=[0.35, 0.3, 0.2, 0.15])
    price = [level[str(v)] + r.normal(0, 0.5) for v in veneer]
    write(folder / "houses.csv", {"veneer": veneer, "load": load, "price": np.round(price, 2)})
    write(folder / "new-houses.csv", {"veneer": list(level), "load": [5.0] * 4})
    sick = np.where(heat + r.normal(0, 6, 420) > 55, "yes", "no").astype(object)
    sick[::29] = "NA"
    milk = [("NA" if i % 17 == 3 else f"{x:.1f}") for i, x in enumerate(heat)]
    write(folder / "herd.csv", {"milk": milk, "load": load, "sick": sick})


def judge_unquoted_words(run: Run) -> list[str]:
    null = Expectation(
        "machines.csv", "fault", classes=frozenset({"null", "overheat", "jam"}), refusal=(r"null|missing",)
    )
    complaints = guarded(expectation_wrong, run, null)
    houses = Expectation("houses.csv", "price", quick=SMALL_TABLE, ratio=(0, 0.3))
    found = guarded(expectation_wrong, run, houses)
    said = run.searched("houses.csv").line_with("veneer", r"\bNone\b")
    if not found:
        found = rows_wrong(run, houses.name, RowsExpected("new-houses.csv", (20, 8, 14, 1), 2.5))
    complaints += [] if said else found
    herd = Expectation("herd.csv", "sick", quick=TABLE, accuracy=(0.78, 1.0))
    complaints += guarded(expectation_wrong, run, herd)
    classes = run.classes(herd.name)
    named = run.searched("herd.csv").line_with("sick", r"\bNA\b")
    if set(classes or ()) != {"yes", "no"} and not (set(classes or ()) == {"yes", "no", "NA"} and named):
        complaints.append(f"herd.csv: classes {classes}, R's NA is missing")
    return complaints


def make_words_in_target(folder: Path) -> None:
    r = np.random.default_rng(123)
    flow, temp = r.uniform(1, 50, 380).round(2), r.normal(15, 4, 380).round(1)
    y = 3 * flow + temp + r.normal(0, 2, 380)

    def target(word: str, at: Sequence[int], form: Callable[[float], str]) -> list[str]:
        return [word if i in at else form(v) for i, v in enumerate(y)]

    def comma(value: float) -> str:
        return f"{value:.2f}".replace(".", ",")

    inputs: dict[str, Iterable[object]] = {"flow": flow, "temp": temp}
    write(folder / "excel.csv", inputs | {"yield": target("#WERT!", (137, 290), comma)}, sep=";", decimal=",")
    write(
        folder / "lab.csv",
        inputs | {"yield": target("n.b.", (141, 142, 203, 260, 301), lambda v: f"{v:.2f}")},
    )
    write(folder / "audit.csv", inputs | {"yield": target("pending", (188, 230), lambda v: f"{v:.1f}")})
    write(
        folder / "mixed.csv",
        inputs
        | {
            "yield": [
                ("#DIV/0!" if i == 133 else "k.A." if i == 251 else f"{v:.0f}") for i, v in enumerate(y)
            ]
        },
    )


def words_in_target_wrong(run: Run, data: str, word: str, first: int) -> list[str]:
    done = run.search(data, "yield", name=data[:-4])
    rows = rf"\b({first}|{first + 1}|{first + 2})\b"
    complaints = []
    if done.says(r"\bjoin\w*\b.{0,40}class|class\w*.{0,60}\bjoin"):
        complaints.append(f"{data}: classes should be joined, it says; the target is a number")
    if done.code == 0 and run.classes(data[:-4]) is not None:
        complaints.append(f"{data}: a number with {word} in a few cells is taken for classes")
    elif done.code not in (0, 3):
        complaints.append(f"{data}: search ended with {done.code}")
    if not done.says(re.escape(word)):
        complaints.append(f"{data}: {word} is not named")
    if not done.says(rows):
        complaints.append(f"{data}: row {first} (line {first + 2}) is not named")
    return complaints


def judge_words_in_target(run: Run) -> list[str]:
    listed = (
        ("excel.csv", "#WERT!", 137),
        ("lab.csv", "n.b.", 141),
        ("audit.csv", "pending", 188),
        ("mixed.csv", "#DIV/0!", 133),
    )
    return [
        found
        for data, word, first in listed
        for found in guarded(words_in_target_wrong, run, data, word, first)
    ]


def make_words_in_features(folder: Path) -> None:
    r = np.random.default_rng(124)
    v = r.uniform(0, 100, 450)
    y = (0.3 * v + r.normal(0, 0.6, 450)).round(2)
    other = r.normal(size=450).round(2)
    words = {"refs": "#REF!", "keine": "k.A.", "dash": "-", "slash": "n/d"}
    for file, word in words.items():
        cells = [word if i % 45 == 7 else f"{x:.2f}" for i, x in enumerate(v)]
        write(folder / f"{file}.csv", {"ratio": cells, "other": other, "score": y})
    write(folder / "clean.csv", {"ratio": [10.0, 50.0, 90.0], "other": [0.0] * 3})
    write(folder / "dirty.csv", {"ratio": ["10.0", "#REF!", "90.0"], "other": [0.0] * 3})


def judge_words_in_features(run: Run) -> list[str]:
    clean = RowsExpected("clean.csv", (3, 15, 27), 3)
    named = r"\bratio\b.{0,160}(words?|text|missing|no numbers?|not numbers?)|#REF!|k\.A\.|n/d"
    wanted = [
        Expectation(f"{file}.csv", "score", ratio=(0, 0.4), said=(named,) * (file != "dash"), rows=(clean,))
        for file in ("refs", "keine", "dash", "slash")
    ]
    complaints = [found for want in wanted for found in guarded(expectation_wrong, run, want)]
    done, got = run.predict("refs", "dirty.csv")
    if done.code == 3 and not done.says("ratio"):
        complaints.append("dirty.csv: the refusal does not name the column")
    elif done.code not in (0, 3):
        complaints.append(f"dirty.csv: predict ended with {done.code}")
    elif done.code == 0 and (len(got) != 3 or abs(number(got[0]) - 3) > 3 or abs(number(got[2]) - 27) > 3):
        complaints.append(f"dirty.csv: predicted {shorten(got)}, right are 3, anything, 27")
    return complaints


PIECES = "KQRBNPkqrbnp"


def make_chess(folder: Path) -> None:
    r = np.random.default_rng(127)
    drawn = r.permutation(np.repeat(np.arange(12), 40))
    height = (drawn % 6) * 2 + r.normal(0, 0.25, 480)
    shade = np.where(drawn < 6, 10, 2) + r.normal(0, 0.8, 480)
    write(
        folder / "pieces.csv",
        {"height": height.round(3), "shade": shade.round(3), "piece": [PIECES[k] for k in drawn]},
    )
    new = {"height": [(k % 6) * 2.0 for k in range(12)], "shade": [10.0 if k < 6 else 2.0 for k in range(12)]}
    write(folder / "new.csv", new)


CHESS = Expectation(
    "pieces.csv",
    "piece",
    classes=frozenset(PIECES),
    accuracy=(0.85, 1.0),
    rows=(RowsExpected("new.csv", labels=tuple(PIECES), at_least=0.9),),
)


def make_slips(folder: Path) -> None:
    r = np.random.default_rng(128)
    hours = r.uniform(0, 30, 420)
    answer = np.select([hours < 10, hours < 20], ["Yes", "No"], "Unknown").astype(object)
    yes, no = np.flatnonzero(answer == "Yes"), np.flatnonzero(answer == "No")
    answer[yes[5]], answer[yes[60]], answer[no[9]], answer[no[40]] = "YES", "yes", "NO", "No "
    write(
        folder / "poll.csv", {"hours": hours.round(2), "other": r.normal(size=420).round(2), "vote": answer}
    )
    # one slip of a genotype's own spelling is no other class than it says: Bb is not BB
    gene = r.choice(["BB", "Bb", "bb"], 420, p=[0.49, 0.49, 0.02])
    signal = np.select([gene == "BB", gene == "Bb"], [0.0, 5.0], 10.0) + r.normal(0, 0.4, 420)
    write(
        folder / "crosses.csv",
        {"signal": signal.round(3), "other": r.normal(size=420).round(2), "gene": gene},
    )
    write(folder / "new-poll.csv", {"hours": [4.0, 15.0, 26.0], "other": [0.0] * 3})
    write(folder / "new-crosses.csv", {"signal": [0.0, 5.0], "other": [0.0] * 2})


SLIPS = (
    Expectation(
        "poll.csv",
        "vote",
        classes=frozenset({"Yes", "No", "Unknown"}),
        accuracy=(0.9, 1.0),
        said=(r"YES|\byes\b|\bNO\b|spelling|join",),
        rows=(RowsExpected("new-poll.csv", labels=("Yes", "No", "Unknown")),),
    ),
    Expectation(
        "crosses.csv",
        "gene",
        classes=frozenset({"BB", "Bb", "bb"}),
        accuracy=(0.93, 1.0),
        rows=(RowsExpected("new-crosses.csv", labels=("BB", "Bb")),),
    ),
)


CASES: tuple[Case, ...] = (
    Case(
        "r-quoted",
        "B8",
        'R\'s write.csv: the region "NA" beside a missing NA, the plan "None" beside missing plans.',
        make_r_quoted,
        each(*R_QUOTED),
    ),
    Case(
        "unquoted-words",
        "B8",
        "The fault null, the veneer None beside empty cells, R's bare NA, all without quotes.",
        make_unquoted_words,
        judge_unquoted_words,
    ),
    Case(
        "words-in-target",
        "B9",
        "#WERT!, n.b., pending, #DIV/0! and k.A. in a few cells of a numeric target.",
        make_words_in_target,
        judge_words_in_target,
    ),
    Case(
        "words-in-features",
        "B9",
        "#REF!, k.A., a dash and n/d in a few cells of the feature that matters.",
        make_words_in_features,
        judge_words_in_features,
    ),
    Case(
        "chess-pieces",
        "B12",
        "Twelve pieces as in FEN: capitals are white, small letters black.",
        make_chess,
        each(CHESS),
    ),
    Case(
        "slips",
        "B12",
        "YES once among Yes, No, Unknown are slips; a rare bb beside BB and Bb is a class.",
        make_slips,
        each(*SLIPS),
    ),
)
