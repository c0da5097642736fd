"""Few combinations of values, and amounts in other notations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from driving import (
    SMALL_TABLE,
    Case,
    Expectation,
    Floats,
    Judge,
    RowsExpected,
    Run,
    each,
    expectation_wrong,
    guarded,
    noisy,
    number,
    write,
)


def make_likert(folder: Path) -> None:
    r = np.random.default_rng(101)

    def draw(rows: int) -> dict[str, Iterable[object]]:
        answer = r.choice([1, 2, 3, 4, 5], rows, p=[0.14, 0.26, 0.18, 0.24, 0.18])
        channel = r.choice(["paper", "web"], rows)
        stays = np.isin(answer, [1, 3, 5]) ^ (r.random(rows) < 0.06)
        return {
            "branch": ["Graz"] * rows,
            "satisfaction": answer,
            "channel": channel,
            "renewed": np.where(stays, "renewed", "left"),
        }

    write(folder / "members.csv", draw(420))
    fresh = draw(300)
    write(folder / "truth.csv", {"renewed": fresh.pop("renewed")})
    write(folder / "new.csv", fresh)


def judge_likert(run: Run) -> list[str]:
    want = Expectation("members.csv", "renewed", quick=SMALL_TABLE, accuracy=(0.88, 0.985))
    complaints = expectation_wrong(run, want)
    if complaints:
        return complaints
    best = run.scores(want.name, higher_is_better=True).best
    truth = pd.read_csv(run.folder / "truth.csv")["renewed"].tolist()
    done, got = run.predict(want.name, "new.csv")
    if done.code or len(got) != len(truth):
        return [f"new.csv: predict ended with {done.code}, {len(got)} of {len(truth)} rows"]
    found = float(np.mean([a == b for a, b in zip(got, truth, strict=True)]))
    return [] if abs(found - best) <= 0.06 else [f"validation says {best:.3f}, new rows get {found:.3f}"]


RENTS = {1: 400, 2: 900, 3: 550, 4: 1250, 5: 700, 6: 1500}


def make_one_feature(folder: Path) -> None:
    r = np.random.default_rng(102)
    rooms = r.integers(1, 7, 330)
    rent = np.array([RENTS[int(k)] for k in rooms]) + r.normal(0, 45, 330)
    write(folder / "rents.csv", {"rooms": rooms, "rent": rent.round(2)})
    write(folder / "new.csv", {"rooms": list(RENTS)})
    # the same 130 rows exported three times, of a target that has nothing to do with the inputs
    once = {
        "ph": r.normal(7, 0.4, 130).round(3),
        "salt": r.uniform(0, 3, 130).round(3),
        "depth": r.uniform(0, 9, 130).round(3),
    }
    thrice = {
        name: np.tile(cells, 3) for name, cells in (once | {"yield": r.normal(50, 9, 130).round(2)}).items()
    }
    order = r.permutation(390)
    write(folder / "appended.csv", {name: cells[order] for name, cells in thrice.items()})


@dataclass(frozen=True)
class Notation:
    """A column of amounts; ``cells`` are new ones, with their targets, that differ in what may get lost."""

    file: str
    column: str
    target: str
    must_count: bool
    cells: tuple[tuple[str, float], ...]
    how: tuple[tuple[str, str], ...] = ()


def write_notation(folder: Path, notation: Notation, cells: Iterable[str], y: Floats, other: Floats) -> None:
    how: dict[str, Any] = dict(notation.how)
    write(
        folder / notation.file, {notation.column: cells, "other": other, notation.target: y.round(3)}, **how
    )
    asked = [cell for cell, _ in notation.cells]
    write(folder / f"new-{notation.file}", {notation.column: asked, "other": [0.0] * len(asked)}, **how)


def notation_wrong(run: Run, notation: Notation) -> list[str]:
    """A cell is a number with its unit, or it is named as something else: never a part of it."""
    name = notation.file[:-4]
    done = run.search(notation.file, notation.target, name=name)
    if done.code == 3 and not notation.must_count and done.says(notation.column):
        return []
    if done.code:
        return [f"{notation.file}: search ended with {done.code}: {done.err.strip()[-160:]}"]
    ratio = run.scores(name).ratio
    predicted, got = run.predict(name, f"new-{notation.file}")
    right = not predicted.code and len(got) == len(notation.cells)
    right = right and all(abs(number(g) - y) <= 4.5 for g, (_, y) in zip(got, notation.cells, strict=True))
    if ratio <= 0.35 and right:
        return []
    other = "text|categor|words?|no numbers?|not (a )?number|missing|left out|unit"
    if not notation.must_count and done.line_with(rf"\b{notation.column}\b", other):
        return []
    asked = "; ".join(f"{cell} {g} (right {y})" for g, (cell, y) in zip(got, notation.cells, strict=False))
    return [f"{notation.file}: best/baseline error {ratio:.2f}, predict {predicted.code}: {asked}"]


def notations(*listed: Notation) -> Judge:
    def judge(run: Run) -> list[str]:
        return [complaint for one in listed for complaint in guarded(notation_wrong, run, one)]

    return judge


def indian(value: float) -> str:
    """1,23,456.00: three digits, then groups of two."""
    whole, cents = f"{value:.2f}".split(".")
    head, tail = whole[:-3], whole[-3:]
    groups = [head[max(0, i - 2) : i] for i in range(len(head), 0, -2)][::-1]
    return ",".join([*groups, tail]) + "." + cents


def german(value: float, digits: int = 2) -> str:
    return f"{value:,.{digits}f}".translate(str.maketrans(",.", ".,"))


SEMICOLON = (("sep", ";"), ("decimal", ","))


RUPEES = Notation(
    "gst.csv",
    "invoice_value",
    "days_to_pay",
    True,
    (("₹1,00,500.00", 3.35), ("₹8,00,500.00", 26.68), ("₹4,23,456.50", 14.12)),
)


FRENCH = Notation(
    "devis.csv",
    "montant",
    "heures",
    True,
    (("1\u202f250,00\u00a0€", 3.75), ("9\u202f250,00\u00a0€", 27.75), ("640,00\u00a0€", 1.92)),
    SEMICOLON,
)


SWISS = Notation(
    "lohn.csv",
    "bonus",
    "score",
    True,
    (("CHF 1’914.50", 5.74), ("CHF 8’914.50", 26.74), ("CHF 430.00", 1.29)),
)


CODE_BEHIND = Notation(
    "orders.csv",
    "total",
    "weight",
    True,
    (("1,914.52 USD", 5.74), ("8,914.52 USD", 26.74), ("430.00 USD", 1.29)),
)


def make_ledgers(folder: Path) -> None:
    r, other = noisy(103)
    v = r.uniform(300, 10_000, 400)
    y = v * 0.003 + r.normal(0, 0.4, 400)
    write_notation(folder, RUPEES, [f"₹{indian(x * 90)}" for x in v], y, other)
    write_notation(
        folder,
        FRENCH,
        [f"{x:,.2f}".replace(",", "\u202f").replace(".", ",") + "\u00a0€" for x in v],
        y,
        other,
    )
    write_notation(folder, SWISS, [f"CHF {x:,.2f}".replace(",", "’") for x in v], y, other)
    write_notation(folder, CODE_BEHIND, [f"{x:,.2f} USD" for x in v], y, other)


BRACKETS = Notation(
    "cashflow.csv",
    "movement",
    "rating",
    False,
    (("(4,250.00)", 2.25), ("4,250.00", 27.75), ("(1,100.50)", 11.7)),
)


SAP = Notation(
    "fbl5n.csv",
    "saldo",
    "stufe",
    False,
    (("4.250,00-", 2.25), ("4.250,00", 27.75), ("1.100,50-", 11.7)),
    SEMICOLON,
)


TRUE_MINUS = Notation(
    "frost.csv", "night", "growth", False, (("\u221217.0", 2.25), ("17.0", 27.75), ("\u22124.4", 11.7))
)


DEBIT = Notation(
    "bank.csv",
    "booking",
    "risk",
    False,
    (("4,250.00 DR", 2.25), ("4,250.00 CR", 27.75), ("1,100.50 DR", 11.7)),
)


def make_signs(folder: Path) -> None:
    r, other = noisy(104, 500)
    v = r.uniform(-5000, 5000, 500)
    y = 15 + v * 0.003 + r.normal(0, 0.4, 500)
    write_notation(folder, BRACKETS, [f"({-x:,.2f})" if x < 0 else f"{x:,.2f}" for x in v], y, other)
    write_notation(folder, SAP, [german(abs(x)) + ("-" if x < 0 else "") for x in v], y, other)
    write_notation(folder, TRUE_MINUS, [f"{x / 250:.1f}".replace("-", "\u2212") for x in v], y, other)
    write_notation(folder, DEBIT, [f"{abs(x):,.2f} {'DR' if x < 0 else 'CR'}" for x in v], y, other)


PARCELS = Notation(
    "parcels.csv",
    "weight",
    "postage",
    False,
    (("450 g", 6.64), ("450 kg", 21.64), ("30 kg", 15.76), ("30 g", 0.76)),
)


FOLLOWERS = Notation(
    "creators.csv",
    "followers",
    "reach",
    False,
    (("150", 4.18), ("150K", 19.18), ("1.5M", 24.18), ("1.5K", 9.18)),
)


LATITUDES = Notation(
    "buoys.csv",
    "lat",
    "warmth",
    False,
    (("50.5° N", 26.7), ("50.5° S", 3.3), ("12.0° N", 17.8), ("12.0° S", 12.2)),
)


BELOW = Notation(
    "wells.csv", "chlorine", "colonies", False, (("<0.5", 30.0), ("0.5", 15.0), ("9.0", 2.0), ("", 8.0))
)


def make_units(folder: Path) -> None:
    r, other = noisy(105, 500)
    noise = r.normal(0, 0.4, 500)
    grams = 10 ** r.uniform(1.3, 5.8, 500)
    weight = [f"{g:.0f} g" if g < 950 else f"{g / 1000:.1f} kg" for g in grams]
    weight = [text.replace(".0 kg", " kg") for text in weight]
    write_notation(folder, PARCELS, weight, (np.log10(grams) - 1.3256) * 5 + noise, other)
    people = 10 ** r.uniform(1.4, 6.9, 500)
    short = [
        f"{p:.0f}" if p < 950 else f"{p / 1000:.1f}K" if p < 950_000 else f"{p / 1e6:.1f}M" for p in people
    ]
    write_notation(folder, FOLLOWERS, short, (np.log10(people) - 1.34) * 5 + noise, other)
    north = r.uniform(-65, 65, 500)
    degrees = [f"{abs(x):.1f}° {'N' if x >= 0 else 'S'}" for x in north]
    write_notation(folder, LATITUDES, degrees, 15 + north * 15 / 65 + noise, other)
    kind = r.choice(4, 500, p=[0.25, 0.2, 0.45, 0.1])
    chlorine = r.uniform(0.6, 9.9, 500)
    measured = [f"{c:.1f}" for c in chlorine]
    cells = np.select([kind == 0, kind == 1, kind == 2], ["<0.5", "0.5", measured], "")
    level = np.select(
        [kind == 0, kind == 1, kind == 2], [30.0, 15.0, 15 - 13 * np.minimum(chlorine, 9) / 9], 8.0
    )
    write_notation(folder, BELOW, [str(c) for c in cells], level + noise, other)


CASES: tuple[Case, ...] = (
    Case(
        "likert",
        "A1",
        "One ordinal answer of five, a useless binary and a constant; the score is near what new rows get.",
        make_likert,
        judge_likert,
    ),
    Case(
        "one-feature",
        "A1",
        "Rent by the number of rooms alone; as a control, a table of noise appended three times.",
        make_one_feature,
        each(
            Expectation(
                "rents.csv",
                "rent",
                task="regression",
                quick=SMALL_TABLE,
                ratio=(0, 0.3),
                rows=(RowsExpected("new.csv", tuple(map(float, RENTS.values())), 90),),
            ),
            Expectation("appended.csv", "yield", ratio=(0.9, 2.0)),
        ),
    ),
    Case(
        "ledgers",
        "A2",
        "Rupees in lakhs, French euros with thin blanks, Swiss apostrophes, a currency's code behind.",
        make_ledgers,
        notations(RUPEES, FRENCH, SWISS, CODE_BEHIND),
    ),
    Case(
        "signs",
        "A2",
        "Brackets, a minus behind, a true minus sign, DR and CR.",
        make_signs,
        notations(BRACKETS, SAP, TRUE_MINUS, DEBIT),
    ),
    Case(
        "units",
        "A2",
        "g and kg, K and M, N and S, below the limit: the number alone means something else.",
        make_units,
        notations(PARCELS, FOLLOWERS, LATITUDES, BELOW),
    ),
)
