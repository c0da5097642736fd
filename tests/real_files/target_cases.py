"""Targets with a sign or a date, measurements that look like ids, and ids."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from amount_cases import german
from driving import (
    Case,
    Expectation,
    RowsExpected,
    Run,
    both,
    each,
    expectation_wrong,
    guarded,
    noisy,
    number,
    shorten,
    write,
)


def clock(seconds: float, form: Literal["split", "pandas", "words"]) -> str:
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, seconds - whole // 60 * 60
    if form == "split":
        return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
    if form == "pandas":
        return str(pd.Timedelta(seconds=whole))
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m"


def make_durations(folder: Path) -> None:
    r = np.random.default_rng(106)
    km, climb = r.uniform(3, 21, 320).round(2), r.integers(0, 400, 320)
    seconds = 230 * km + 1.5 * climb + r.normal(0, 40, 320)
    inputs: dict[str, Iterable[object]] = {"distance_km": km, "climb_m": climb}
    write(folder / "relay.csv", inputs | {"split": [clock(s, "split") for s in seconds]})
    write(folder / "clinic.csv", inputs | {"waited": [clock(s, "pandas") for s in seconds]})
    write(folder / "buses.csv", inputs | {"travel": [clock(s * 2, "words") for s in seconds]})
    absent = np.isin(np.arange(320), [17, 90, 201])
    lasted = pd.to_timedelta(np.where(absent, np.nan, seconds.round()), unit="s").astype("timedelta64[ms]")
    pd.DataFrame(inputs | {"lasted": lasted}).to_parquet(folder / "calls.parquet")
    write(folder / "new.csv", {"distance_km": [6.0, 12.0, 18.0], "climb_m": [200, 200, 200]})


DURATION_REFUSED = (
    r"duration|time|second|minute|hour",
    r"--task|--kind|convert|as a number|seconds|minutes|number of",
)


def judge_durations(run: Run) -> list[str]:
    complaints: list[str] = []
    listed = (
        ("relay.csv", "split"),
        ("clinic.csv", "waited"),
        ("buses.csv", "travel"),
        ("calls.parquet", "lasted"),
    )
    for data, target in listed:
        want = Expectation(data, target, task="regression", ratio=(0, 0.4), refusal=DURATION_REFUSED)
        found = guarded(expectation_wrong, run, want)
        complaints += found
        if found or run.searched(data).code == 3:
            continue
        done, got = run.predict(want.name, "new.csv")
        values = [duration(text) for text in got]
        scale = [value / right for value, right in zip(values, (1680, 3060, 4440), strict=False)]
        if done.code or len(scale) != 3 or not max(scale) <= 1.25 * min(scale) or min(scale) <= 0:
            complaints.append(f"{data}: predicted {shorten(got)}, not in proportion to 28, 51 and 74 minutes")
    return complaints


def duration(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    parts = text.split(":")
    if len(parts) == 2 and all(re.fullmatch(r"\d+(\.\d+)?", part) for part in parts):
        return 60 * float(parts[0]) + float(parts[1])
    try:
        return float(pd.to_timedelta(text).total_seconds())
    except ValueError:
        return float("nan")


def make_signed_targets(folder: Path) -> None:
    r = np.random.default_rng(107)
    area, age = r.uniform(20, 140, 360).round(1), r.integers(0, 60, 360)
    price = 300 + 22 * area - 8 * age + r.normal(0, 60, 360)
    share = np.clip(5 + 0.6 * area - 0.2 * age + r.normal(0, 2, 360), 0.1, 99)
    write(
        folder / "miete.csv",
        {"flaeche": area, "alter": age, "miete": [f"{german(p)} €" for p in price]},
        sep=";",
        decimal=",",
    )
    write(
        folder / "quote.csv",
        {"flaeche": area, "alter": age, "auslastung": [f"{german(s, 1)} %" for s in share]},
        sep=";",
        decimal=",",
    )
    write(folder / "rent.csv", {"area": area, "age": age, "rent": [f"USD {p:,.2f}" for p in price]})
    write(folder / "neu.csv", {"flaeche": [40.5, 80.5, 120.5], "alter": [30, 30, 30]}, sep=";", decimal=",")
    write(folder / "new.csv", {"area": [40.5, 80.5, 120.5], "age": [30, 30, 30]})


def judge_signed_targets(run: Run) -> list[str]:
    complaints: list[str] = []
    listed = (
        ("miete.csv", "miete", "neu.csv", (951.0, 1831.0, 2711.0), 200.0),
        ("quote.csv", "auslastung", "neu.csv", (23.3, 47.3, 71.3), 6.0),
        ("rent.csv", "rent", "new.csv", (951.0, 1831.0, 2711.0), 200.0),
    )
    for data, target, new, values, tolerance in listed:
        unasked = Expectation(
            data, target, task="regression", ratio=(0, 0.3), refusal=(target, r"--task|number|currenc|sign")
        )
        complaints += guarded(expectation_wrong, run, unasked)
        asked = Expectation(
            data, target, ("--task", "regression"), task="regression", ratio=(0, 0.3), suffix="-asked"
        )
        found = guarded(expectation_wrong, run, asked)
        complaints += found
        if found:
            continue
        done, got = run.predict(asked.name, new)
        ways = [1.0, 100.0] if target == "auslastung" else [1.0]  # 47.3 or 0.473
        numbers = [number(text) for text in got]
        near = any(
            all(abs(g * way - y) <= tolerance for g, y in zip(numbers, values, strict=False)) for way in ways
        )
        if done.code or len(got) != 3 or not near:
            complaints.append(f"{data}: predicted {shorten(got)}, right is {values}")
    return complaints


def make_dates_and_names(folder: Path) -> None:
    r = np.random.default_rng(108)
    size, rush = r.uniform(1, 60, 300).round(1), r.choice(["no", "yes"], 300)
    days = 3 * size + np.where(rush == "yes", 0, 40) + r.normal(0, 3, 300)
    when = pd.Timestamp("2024-01-02 08:00") + pd.to_timedelta((days * 24).round(), unit="h")
    inputs: dict[str, Iterable[object]] = {"size": size, "rush": rush}
    write(folder / "orders.csv", inputs | {"delivered": when.strftime("%d.%m.%Y")})
    write(folder / "jobs.csv", inputs | {"finished": when.strftime("%Y-%m-%d %H:%M")})
    surnames = [
        f"{a}{b}"
        for a in ("Ash", "Black", "Cold", "Dun", "East", "Fair", "Green", "Hart")
        for b in ("by", "field", "ford", "ham", "ley", "more", "ton", "well", "wick", "worth")
    ]
    named = [f"{first} {last}" for first in ("A.", "B.", "C.", "D.") for last in surnames]  # 320 customers
    drawn = [named[k] for k in r.permutation(320)[:240]] + [named[k] for k in r.integers(0, 320, 60)]
    write(folder / "customers.csv", inputs | {"customer": [drawn[k] for k in r.permutation(300)]})
    # a control: three odd rows among 300 are no reason to refuse
    grade = np.select([size < 20, size < 40], ["small", "medium"], "large").astype(object)
    grade[[11, 120, 250]] = ["tiny?", "see note", "XXL"]
    write(folder / "grades.csv", inputs | {"grade": grade})


DATE_REFUSED = (
    r"\bdates?\b|date.?time|time",
    r"--task|days|seconds|number|difference|column|convert|subtract",
)


DATES = (
    Expectation("orders.csv", "delivered", task="regression", ratio=(0, 0.5), refusal=DATE_REFUSED),
    Expectation("jobs.csv", "finished", task="regression", ratio=(0, 0.5), refusal=DATE_REFUSED),
)


GRADES = Expectation(
    "grades.csv",
    "grade",
    classes=frozenset({"small", "medium", "large"}),
    said=(r"tiny\?|see note|XXL|left out|single|one row",),
)


def judge_names(run: Run) -> list[str]:
    done = run.search("customers.csv", "customer", name="customers")
    if done.code != 3:
        return [f"customers.csv: most classes are single rows, yet the search ended with {done.code}, not 3"]
    said = done.says(r"class|row|differ|distinct|unique")
    return [] if said else ["customers.csv: the refusal does not speak of classes or rows"]


def make_measurements(folder: Path) -> None:
    r, other = noisy(109)
    epoch = 1_714_521_600 + np.cumsum(r.integers(120, 360, 400))
    tide = 2.5 * np.sin((epoch - epoch[0]) / 44_700 * 2 * np.pi) + r.normal(0, 0.15, 400)
    write(folder / "gauge.csv", {"epoch": epoch, "wind": other, "level_m": tide.round(3)})
    # a core that was logged from the bottom up, every quarter of a metre
    depth = np.arange(400, 0, -1) * 0.25
    clay = 40 + 25 * np.sin(depth / 14) + r.normal(0, 2, 400)
    write(folder / "core.csv", {"depth_m": depth, "lamp": other, "clay_pct": clay.round(2)})
    load = r.permutation(np.arange(3000, 9000))[:400]
    write(
        folder / "power.csv",
        {"grid_load": load, "other": other, "price": (load * 0.01 + r.normal(0, 1, 400)).round(2)},
    )
    index = (r.permutation(4000)[:400] + 8000) / 100
    write(
        folder / "market.csv",
        {"price_index": index, "other": other, "sales": (index * 3 + r.normal(0, 4, 400)).round(2)},
    )
    mass = r.permutation(np.arange(15_000, 42_000))[:400]  # in thousandths
    write(
        folder / "gym.csv",
        {"body_mass_index": mass, "other": other, "pulse": (40 + mass / 500 + r.normal(0, 2, 400)).round(1)},
    )


def make_true_ids(folder: Path) -> None:
    r = np.random.default_rng(110)
    dose = r.uniform(0, 10, 360)
    # sorted by the outcome when it was exported: row names and numbers would give it away
    pain = 8 - 0.5 * dose + r.normal(0, 1.5, 360)
    order = np.argsort(pain)
    lines = ['"","patient_id","dose","ward","pain"']
    for i, k in enumerate(order):
        lines.append(f'"{i + 1}",{100_001 + i},{dose[k]:.2f},"{"NSEW"[int(k) % 4]}",{pain[k]:.3f}')
    (folder / "trial.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ids = r.permutation(np.arange(200_000, 999_999))[:360]
    spend = r.uniform(0, 100, 360)
    keys = ["".join(r.choice(list("0123456789abcdef"), 32)) for _ in range(360)]
    keys = [f"{k[:8]}-{k[8:12]}-{k[12:16]}-{k[16:20]}-{k[20:]}" for k in keys]
    churn = np.where(spend + r.normal(0, 10, 360) < 40, "left", "stayed")
    write(folder / "shop.csv", {"customer_id": ids, "uuid": keys, "spend": spend.round(2), "churn": churn})
    write(
        folder / "shop-new.csv",
        {"customer_id": [200_001, 999_998] * 2, "uuid": keys[:4], "spend": [10, 10, 90, 90]},
    )


def judge_true_ids(run: Run) -> list[str]:
    complaints = expectation_wrong(run, Expectation("trial.csv", "pain", ratio=(0.55, 1.1)))
    low = '"","patient_id","dose","ward"\n"1",100001,5.0,"N"\n"360",100360,5.0,"N"\n'
    (run.folder / "trial-new.csv").write_text(low, encoding="utf-8")
    done, got = run.predict("trial", "trial-new.csv")
    if done.code or len(got) != 2 or abs(number(got[0]) - number(got[1])) > 1e-6:
        complaints.append(f"trial.csv: the patient's number alone changes the prediction: {shorten(got)}")
    labels = RowsExpected("shop-new.csv", labels=("left", "left", "stayed", "stayed"))
    return complaints + expectation_wrong(
        run, Expectation("shop.csv", "churn", accuracy=(0.8, 1.0), rows=(labels,))
    )


CASES: tuple[Case, ...] = (
    Case(
        "durations",
        "A3",
        "Relay splits, pandas' durations as csv, 1h 20m, and parquet's with missing ones as targets.",
        make_durations,
        judge_durations,
    ),
    Case(
        "signed-targets",
        "A3",
        "A rent in decimal-comma euro, a share in per cent and US dollars by their code as targets.",
        make_signed_targets,
        judge_signed_targets,
    ),
    Case(
        "dates-and-names",
        "A3",
        "A date, a date-time and customers' names as targets; three odd rows among classes as a control.",
        make_dates_and_names,
        both(each(*DATES, GRADES), judge_names),
    ),
    Case(
        "measurements",
        "A4",
        "Unique epoch seconds, even depths logged upwards, grid_load, price_index and body_mass_index.",
        make_measurements,
        each(
            Expectation("gauge.csv", "level_m", ratio=(0, 0.5)),
            Expectation("core.csv", "clay_pct", ratio=(0, 0.5)),
            Expectation("power.csv", "price", ratio=(0, 0.35)),
            Expectation("market.csv", "sales", ratio=(0, 0.35)),
            Expectation("gym.csv", "pulse", ratio=(0, 0.4)),
        ),
    ),
    Case(
        "true-ids",
        "A4",
        "R's row names and patients' numbers of a table sorted by its outcome; customers' ids and UUIDs.",
        make_true_ids,
        judge_true_ids,
    ),
)
