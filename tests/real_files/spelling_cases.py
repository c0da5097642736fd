"""Dates that are spelled otherwise when predicting, and text in other encodings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from driving import (
    SMALL_TABLE,
    Case,
    Expectation,
    RowsExpected,
    Run,
    expectation_wrong,
    guarded,
    noisy,
    write,
)

DAYS = pd.to_datetime(["2023-03-25", "2022-07-19", "2023-10-28"])


ISO_VALUES = tuple(float((day - pd.Timestamp("2022-01-01")).days / 10) for day in DAYS)


ISO_SPELLINGS = {
    "dots.csv": "%d.%m.%Y",
    "short-month.csv": "%d %b %Y",
    "long-month.csv": "%B %d, %Y",
    "zulu.csv": "%Y-%m-%dT00:00:00Z",
    "compact.csv": "%Y%m%d",
    "slashes.csv": "%Y/%m/%d",
    "day-first.csv": "%d/%m/%Y",
}


def make_iso_dates(folder: Path) -> None:
    r, other = noisy(114, 500)
    day = r.integers(0, 730, 500)
    received = pd.Timestamp("2022-01-01") + pd.to_timedelta(day, unit="D")
    write(
        folder / "received.csv",
        {
            "received": received.strftime("%Y-%m-%d"),
            "other": other,
            "fee": (day / 10 + r.normal(0, 0.5, 500)).round(2),
        },
    )
    for file, form in ISO_SPELLINGS.items():
        write(folder / file, {"received": DAYS.strftime(form), "other": [0.0] * 3})


def judge_iso_dates(run: Run) -> list[str]:
    named = (r"\breceived\b.{0,200}(date|missing|cell|format|read)|(date|cell|missing).{0,200}\breceived\b",)
    rows = tuple(RowsExpected(file, ISO_VALUES, 6, refusal=named, or_said=named) for file in ISO_SPELLINGS)
    return expectation_wrong(run, Expectation("received.csv", "fee", ratio=(0, 0.25), rows=rows))


BOTH_WAYS = pd.to_datetime(["2023-11-02 09:00", "2023-02-11 09:00", "2023-12-01 09:00"])


BOTH_VALUES = tuple(float((day - pd.Timestamp("2022-01-01")).days / 10) for day in BOTH_WAYS)


DAY_FIRST_SPELLINGS = {
    "iso.csv": "%Y-%m-%dT%H:%M",
    "noon.csv": "%d/%m/%Y %I:%M %p",
    "month-name.csv": "%d-%b-%y",
    "no-time.csv": "%d/%m/%Y",
    "german-dots.csv": "%d.%m.%Y %H:%M",
}


def make_day_first(folder: Path) -> None:
    r, other = noisy(115, 500)
    minutes = r.integers(0, 730 * 1440, 500)
    when = pd.Timestamp("2022-01-01") + pd.to_timedelta(minutes, unit="min")
    write(
        folder / "tickets.csv",
        {
            "opened": when.strftime("%d/%m/%Y %H:%M"),
            "other": other,
            "queue": (minutes / 14400 + r.normal(0, 0.5, 500)).round(2),
        },
    )
    write(folder / "same.csv", {"opened": BOTH_WAYS.strftime("%d/%m/%Y %H:%M"), "other": [0.0] * 3})
    for file, form in DAY_FIRST_SPELLINGS.items():
        write(folder / file, {"opened": BOTH_WAYS.strftime(form), "other": [0.0] * 3})
    serial = [(day - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1) for day in BOTH_WAYS]
    write(folder / "excel-serial.csv", {"opened": [f"{s:.3f}" for s in serial], "other": [0.0] * 3})
    months = {11: "November", 2: "Februar", 12: "Dezember"}
    spoken = [f"{day.day}. {months[day.month]} {day.year}" for day in BOTH_WAYS]
    write(folder / "german-words.csv", {"opened": spoken, "other": [0.0] * 3})


def judge_day_first(run: Run) -> list[str]:
    named = (r"\bopened\b.{0,200}(date|missing|cell|format|read)|(date|cell|missing).{0,200}\bopened\b",)
    strict = (
        RowsExpected("same.csv", BOTH_VALUES, 6),
        RowsExpected("no-time.csv", BOTH_VALUES, 6, refusal=named),
    )
    free = (
        "iso.csv",
        "noon.csv",
        "month-name.csv",
        "german-dots.csv",
        "excel-serial.csv",
        "german-words.csv",
    )
    lenient = tuple(RowsExpected(file, BOTH_VALUES, 6, refusal=named, or_said=named) for file in free)
    return expectation_wrong(run, Expectation("tickets.csv", "queue", ratio=(0, 0.25), rows=strict + lenient))


def write_towns(
    folder: Path,
    file: str,
    towns: Sequence[str],
    encoding: str,
    columns: tuple[str, str, str],
    seed: int,
    sep: str = ",",
) -> None:
    """Rows whose target is 0, 4, 8 or 12 by the town; new rows in clean UTF-8."""
    r = np.random.default_rng(seed)
    drawn = r.integers(0, len(towns), 320)
    lines = [sep.join(columns)]
    for k in drawn:
        size, y = f"{r.normal():.3f}", f"{4 * k + r.normal(0, 0.3):.3f}"
        cells = [towns[k], size, y]
        lines.append(sep.join(c.replace(".", ",") if sep == ";" and i else c for i, c in enumerate(cells)))
    (folder / file).write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    new = [sep.join(columns[:2])] + [sep.join([town, "0,5" if sep == ";" else "0.5"]) for town in towns]
    (folder / f"new-{file}").write_text("\n".join(new) + "\n", encoding="utf-8")


RUSSIAN = ("Казань", "Пермь", "Самара", "Тверь")


POLISH = ("Łódź", "Żywiec", "Świdnik", "Kraków")


JAPANESE = ("東京都", "大阪府", "北海道", "福岡県")


CHINESE = ("北京市", "上海市", "广州市", "成都市")


def encoding_wrong(run: Run, file: str, target: str, encoding: str) -> list[str]:
    """Without help: refused with a word about encodings, or right. With --encoding: right."""
    rows = RowsExpected(f"new-{file}", (0, 4, 8, 12), 1.2, refusal=())
    refused = (r"encod|utf-?8|byte|cp\d+|charset|column",)
    complaints = expectation_wrong(
        run, Expectation(file, target, quick=SMALL_TABLE, refusal=refused, rows=(rows,))
    )
    told = RowsExpected(f"new-{file}", (0, 4, 8, 12), 1.2)
    asked = Expectation(
        file,
        target,
        ("--encoding", encoding),
        quick=SMALL_TABLE,
        ratio=(0, 0.3),
        rows=(told,),
        suffix="-told",
    )
    return complaints + expectation_wrong(run, asked)


def make_east(folder: Path) -> None:
    write_towns(folder, "sklad.csv", RUSSIAN, "cp1251", ("город", "объём", "цена"), 116, ";")
    write_towns(folder, "sklep.csv", POLISH, "cp1250", ("miasto", "wielkosc", "cena"), 117)


def judge_east(run: Run) -> list[str]:
    return guarded(encoding_wrong, run, "sklad.csv", "цена", "cp1251") + guarded(
        encoding_wrong, run, "sklep.csv", "cena", "cp1250"
    )


def make_far_east(folder: Path) -> None:
    write_towns(folder, "uriage.csv", JAPANESE, "cp932", ("city", "size", "sales"), 118)
    write_towns(folder, "dingdan.csv", CHINESE, "gbk", ("城市", "规模", "sales"), 119)
    # UTF-8 whose program cuts a field after so many bytes, once in the middle of a letter
    towns = ("Gänserndorf", "Mödling", "Wörgl", "Fürstenfeld")
    write_towns(folder, "kunden.csv", towns, "utf-8", ("town", "size", "sales"), 120)
    body = (folder / "kunden.csv").read_bytes().split(b"\r\n")
    body.insert(211, b"W" + "ö".encode()[:1] + b",0.3,8.0")
    (folder / "kunden.csv").write_bytes(b"\r\n".join(body))


def judge_far_east(run: Run) -> list[str]:
    cut = RowsExpected("new-kunden.csv", (0, 4, 8, 12), 1.2, refusal=())
    return (
        guarded(encoding_wrong, run, "uriage.csv", "sales", "cp932")
        + guarded(encoding_wrong, run, "dingdan.csv", "sales", "gbk")
        + guarded(
            expectation_wrong,
            run,
            Expectation(
                "kunden.csv", "sales", quick=SMALL_TABLE, refusal=(r"byte|encod|utf-?8|line",), rows=(cut,)
            ),
        )
    )


CASES: tuple[Case, ...] = (
    Case(
        "iso-dates",
        "A6",
        "Trained on 2023-03-25, asked with seven other spellings of a day.",
        make_iso_dates,
        judge_iso_dates,
    ),
    Case(
        "day-first",
        "A6",
        "Trained on 25/03/2023 14:30, asked with days that could be months, Excel's serial numbers and more.",
        make_day_first,
        judge_day_first,
    ),
    Case(
        "east",
        "A7",
        "A Russian file in cp1251 and a Polish one in cp1250, then clean UTF-8.",
        make_east,
        judge_east,
    ),
    Case(
        "far-east",
        "A7",
        "Shift-JIS, GBK, and UTF-8 with one letter cut in half, then clean UTF-8.",
        make_far_east,
        judge_far_east,
    ),
)
