"""Frames and files of the same rows, lines above the header, and scripts of the user's own."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from amount_cases import german
from driving import (
    SMALL_TABLE,
    Case,
    Expectation,
    RowsExpected,
    Run,
    each,
    expectation_wrong,
    number,
    shorten,
    write,
)


def make_german_frame(folder: Path) -> None:
    r = np.random.default_rng(129)
    amount, rate = r.uniform(1000, 90_000, 350), r.uniform(0.5, 9.5, 350)
    months = r.choice([12, 24, 36, 48, 60], 350)
    y = amount / 5000 + 2 * rate + r.normal(0, 0.5, 350)

    def columns(rows: slice) -> dict[str, Iterable[object]]:
        return {
            "betrag": [german(a) for a in amount[rows]],
            "zins": [german(p) for p in rate[rows]],
            "laufzeit": months[rows],
            "zweck": [("Auto", "Küche", "Umzug")[int(m) // 12 % 3] for m in months[rows]],
        }

    write(folder / "kredite.csv", columns(slice(0, 330)) | {"risiko": [german(v) for v in y[:330]]}, sep=";")
    write(folder / "neu.csv", columns(slice(330, 350)), sep=";")
    write(folder / "truth.csv", {"risiko": y[330:]})


FRAME_SAYS = """
import json, sys
import pandas as pd, automl, mlflow
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
name, file, ways = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = automl.load(name)
served = mlflow.pyfunc.load_model(f"models:/{name}@champion")
said = {"file": model.predict(file)}
for how in ways:
    for who, ask in (("automl", model.predict), ("mlflow", served.predict)):
        try:
            said[f"{who} {json.dumps(how)}"] = ask(pd.read_csv(file, **how))
        except Exception as problem:
            said[f"{who} {json.dumps(how)}"] = [f"{type(problem).__name__}: {problem}"[:200]]
columns = {who: v.iloc[:, 0] if getattr(v, "ndim", 1) == 2 else v for who, v in said.items()}
print("SAID", json.dumps({who: [str(x) for x in v] for who, v in columns.items()}))
"""


def frames_wrong(
    run: Run, name: str, file: str, ways: Sequence[Mapping[str, object]], truth: Callable[[list[str]], str]
) -> list[str]:
    script = run.folder / "ask_frames.py"
    script.write_text(FRAME_SAYS, encoding="utf-8")
    done = run.command(run.bin / "python", script.name, name, file, json.dumps(list(ways)))
    marked = re.search(r"^SAID (.*)$", done.out, re.MULTILINE)
    if marked is None:
        return [f"{file}: predicting the file failed: {done.err.strip()[-200:]}"]
    said: dict[str, list[str]] = json.loads(marked.group(1))
    complaints = [f"{file}: {problem}"] if (problem := truth(said["file"])) else []
    for who, answers in said.items():
        if not same(answers, said["file"]):
            complaints.append(
                f"{file} through {who}: {shorten(answers, 3)}, of the file itself {shorten(said['file'], 3)}"
            )
    return complaints


def same(some: list[str], others: list[str]) -> bool:
    if len(some) != len(others):
        return False
    return all(
        a == b or abs(number(a) - number(b)) <= 1e-6 * (1 + abs(number(b)))
        for a, b in zip(some, others, strict=True)
    )


def judge_german_frame(run: Run) -> list[str]:
    complaints = expectation_wrong(run, Expectation("kredite.csv", "risiko", ratio=(0, 0.35)))
    right = pd.read_csv(run.folder / "truth.csv")["risiko"].to_numpy()

    def truth(got: list[str]) -> str:
        error = float(np.sqrt(np.mean((np.array([number(g) for g in got]) - right) ** 2)))
        return (
            ""
            if error < 0.4 * right.std()
            else f"rmse {error:.2f} on new rows, their spread is {right.std():.2f}"
        )

    ways = ({"sep": ";"}, {"sep": ";", "dtype": "str"}, {"sep": ";", "decimal": ",", "thousands": "."})
    return complaints + frames_wrong(run, "kredite", "neu.csv", ways, truth)


def make_us_frame(folder: Path) -> None:
    r = np.random.default_rng(130)
    income = r.uniform(200, 9000, 420)
    visits = r.integers(0, 12, 420)
    plan = r.choice(["gold", "silver"], 420)
    y = np.where(income / 1000 + visits / 4 + r.normal(0, 0.4, 420) > 6, "high", "low")
    write(
        folder / "claims.csv",
        {"income": [f"{v:,.2f}" for v in income], "visits": visits, "plan": plan, "level": y},
    )
    new = {
        "income": ["8,900.00", "310.00", "8,712.25", "1,020.50"],
        "visits": ["11", "0", "", "1"],
        "plan": ["gold", "", "silver", ""],
    }
    write(folder / "new.csv", new)
    small = {
        "income": ["310.00", "512.10"],
        "visits": ["0", "1"],
        "plan": ["", ""],
    }  # no comma, no plan in any row
    write(folder / "small.csv", small)


def judge_us_frame(run: Run) -> list[str]:
    complaints = expectation_wrong(run, Expectation("claims.csv", "level", accuracy=(0.85, 1.0)))

    def expect(*labels: str) -> Callable[[list[str]], str]:
        return lambda got: (
            "" if got == list(labels) else f"predicted {shorten(got)}, right is {shorten(labels)}"
        )

    ways: tuple[Mapping[str, object], ...] = ({}, {"thousands": ","}, {"dtype": "str"})
    complaints += frames_wrong(run, "claims", "new.csv", ways, expect("high", "low", "high", "low"))
    return complaints + frames_wrong(run, "claims", "small.csv", ways, expect("low", "low"))


TOWNS = {"Springfield, IL": 0.0, "Portland, OR": 6.0, "Austin, TX": 12.0, "Salem, MA": 18.0}


def make_blank_quote(folder: Path) -> None:
    r = np.random.default_rng(131)
    lines = ["size, town, agent, price"]
    for _ in range(360):
        town = str(r.choice(list(TOWNS)))
        size = r.uniform(0, 10)
        lines.append(f'{size:.2f}, "{town}", "O""Neil", {TOWNS[town] + size + r.normal(0, 0.4):.2f}')
    (folder / "homes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    new = ["size,town,agent"] + [f'5.0,"{town}","O""Neil"' for town in TOWNS]
    (folder / "new.csv").write_text("\n".join(new) + "\n", encoding="utf-8")
    spaced = ["size, town, agent"] + [f'5.0, "{town}", "O""Neil"' for town in TOWNS]
    (folder / "spaced.csv").write_text("\n".join(spaced) + "\n", encoding="utf-8")


BLANK_QUOTE = Expectation(
    "homes.csv",
    "price",
    quick=SMALL_TABLE,
    ratio=(0, 0.35),
    rows=(RowsExpected("new.csv", (5, 11, 17, 23), 3), RowsExpected("spaced.csv", (5, 11, 17, 23), 3)),
)


HEADER_REFUSED = (r"line|header|title|comment|row|field",)


def make_titles(folder: Path) -> None:
    r = np.random.default_rng(132)
    guests, warm = r.integers(20, 300, 320), r.normal(18, 6, 320)
    takings = 4.0 * guests + 6 * warm + r.normal(0, 25, 320)

    def body(sep: str) -> list[str]:
        rows = [sep.join(("guests", "warmth", "takings"))]
        for g, w, t in zip(guests, warm, takings, strict=True):
            row = sep.join((str(g), f"{w:.1f}", f"{t:.2f}"))
            rows.append(row.replace(".", ",") if sep == ";" else row)
        return rows

    def save(file: str, lines: Sequence[str]) -> None:
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")

    save("till.csv", ["Monthly takings - branch 7", "Exported 02.05.2024 10:14", "", *body(",")])
    save("logger.csv", ["# station: pier 4", "# made with logger 2.1, do not edit", *body(",")])
    save("padded.csv", ["Kassenbericht;;", ";;", *body(";")])
    units = body(",")
    save("units.csv", [units[0], "persons,°C,EUR", *units[1:]])
    save("new.csv", ["guests,warmth", "60,18.0", "160,18.0", "260,18.0"])
    save("neu.csv", ["guests;warmth", "60;18,0", "160;18,0", "260;18,0"])


def titled(data: str, new: str) -> Expectation:
    rows = RowsExpected(new, (348, 748, 1148), 130)
    return Expectation(
        data, "takings", task="regression", ratio=(0, 0.35), refusal=HEADER_REFUSED, rows=(rows,)
    )


SHADOW = """from pathlib import Path
Path(__file__).with_suffix(".imported").touch()
raise SystemExit("a script of the user's own was run")
"""


OWN_SCRIPTS = ("random", "torch", "statistics", "queue", "email", "lightgbm", "pandas", "code")


METRIC_SCRIPT = '''"""What a missed alarm costs."""
import sys
import pandas as pd
import automl


def missed(true, predicted):
    return float(((true == "alarm") & (predicted != "alarm")).mean())


missed.greater_is_better = False

if __name__ == "__main__":
    frame = pd.read_csv(sys.argv[1])
    found = automl.search(
        frame, target="state", metric=missed, trials=3, families=("lightgbm",), name="missed", workers=1
    )
    print("COST", float(found.leaderboard["validation"].min()))
'''


def make_own_scripts(folder: Path) -> None:
    r = np.random.default_rng(133)
    heat = r.uniform(0, 100, 300)
    state = np.where(heat + r.normal(0, 8, 300) > 60, "alarm", "calm")
    columns: dict[str, Iterable[object]] = {"heat": heat.round(2), "noise": r.normal(size=300).round(2)}
    for where in ("homework", "other place"):
        write(folder / where / "sensors.csv", columns | {"state": state})
    write(folder / "homework" / "new.csv", {"heat": [10.0, 95.0], "noise": [0.0, 0.0]})
    for name in OWN_SCRIPTS:
        (folder / "homework" / f"{name}.py").write_text(SHADOW, encoding="utf-8")
    script = folder / "my project (2)" / "fit model.py"
    script.parent.mkdir()
    script.write_text(METRIC_SCRIPT, encoding="utf-8")


def judge_own_scripts(run: Run) -> list[str]:
    at = run.folder / "homework"
    complaints: list[str] = []
    workers = ("--trials", "3", "--families", "linear,lightgbm", "--workers", "1")
    for args in (
        ("check", "sensors.csv", "--target", "state"),
        ("search", "sensors.csv", "--target", "state", *workers),
        ("leaderboard", "sensors"),
        ("predict", "sensors", "new.csv", "-o", "predicted.csv"),
    ):
        done = run.automl(*args, cwd=at)
        if done.code:
            complaints.append(
                f"automl {args[0]} beside random.py ended with {done.code}: {done.err.strip()[-160:]}"
            )
    touched = sorted(path.stem for path in at.glob("*.imported"))
    if touched:
        complaints.append(f"the user's own {', '.join(touched)} were imported")
    out = at / "predicted.csv"
    if out.exists():
        labels = [row[-1] for row in csv.reader(io.StringIO(out.read_text(encoding="utf-8")))][1:]
        if labels != ["calm", "alarm"]:
            complaints.append(f"predicted {labels}, right is calm, alarm")
    elif not complaints:
        complaints.append("predict wrote no file")
    script = run.folder / "my project (2)" / "fit model.py"
    done = run.command(run.bin / "python", script, "sensors.csv", cwd=run.folder / "other place")
    cost = re.search(r"^COST ([\d.e+-]+)$", done.out, re.MULTILINE)
    if done.code or cost is None or not 0 <= float(cost.group(1)) < 0.25:
        complaints.append(
            f"a metric in 'my project (2)/fit model.py': {done.code}, {done.text.strip()[-160:]}"
        )
    return complaints


CASES: tuple[Case, ...] = (
    Case(
        "german-frame",
        "B13",
        "A German file through pandas.read_csv, as it comes, as text, and with its decimal comma told.",
        make_german_frame,
        judge_german_frame,
    ),
    Case(
        "us-frame",
        "B13",
        "Commas for thousands, missing whole numbers and an empty column through pandas.read_csv.",
        make_us_frame,
        judge_us_frame,
    ),
    Case(
        "blank-before-quote",
        "B14",
        'Cells such as 12.5, "Springfield, IL" with a blank before the quote.',
        make_blank_quote,
        each(BLANK_QUOTE),
    ),
    Case(
        "titles",
        "B14",
        "Title lines, comment lines and padded titles above the header, units below it.",
        make_titles,
        each(
            titled("till.csv", "new.csv"),
            titled("logger.csv", "new.csv"),
            titled("padded.csv", "neu.csv"),
            titled("units.csv", "new.csv"),
        ),
    ),
    Case(
        "own-scripts",
        "B15",
        "Started beside the user's random.py, torch.py and more; a metric in a script in 'my project (2)'.",
        make_own_scripts,
        judge_own_scripts,
    ),
)
