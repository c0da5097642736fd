"""How the thirty cases are driven and judged: commands in a folder, and what is right as data."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

SECONDS_PER_COMMAND = 300


TABLE = ("--trials", "3", "--families", "lightgbm", "--executor", "inline")


SMALL_TABLE = ("--trials", "4", "--families", "linear,lightgbm", "--executor", "inline")


IMAGES = ("--trials", "2")


Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Done:
    """A command that ended, with everything that it said."""

    command: str
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + "\n" + self.err

    def says(self, *patterns: str) -> bool:
        """Whether each pattern is found somewhere, however the lines were broken."""
        flat = " ".join(self.text.split())
        return all(re.search(pattern, flat, re.IGNORECASE) for pattern in patterns)

    def line_with(self, *patterns: str) -> bool:
        """Whether one line has all the patterns."""
        return any(
            all(re.search(pattern, line, re.IGNORECASE) for pattern in patterns)
            for line in self.text.splitlines()
        )


@dataclass(frozen=True)
class Scores:
    """The best validation score of a search, and that of its baseline."""

    best: float
    dummy: float

    @property
    def ratio(self) -> float:
        return self.best / self.dummy if self.dummy else float("inf")


@dataclass
class Run:
    """Runs the command line and Python in the folder of a case, and keeps what they say."""

    folder: Path
    bin: Path
    log: list[str] = field(default_factory=list)
    ended: list[Done] = field(default_factory=list)

    def command(self, *args: str | Path, cwd: Path | None = None) -> Done:
        shown = " ".join(str(a) for a in args)
        env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "MLFLOW_TRACKING_URI"}}
        env |= {"COLUMNS": "220", "NO_COLOR": "1", "PATH": f"{self.bin}{os.pathsep}{env.get('PATH', '')}"}
        try:
            ended = subprocess.run(
                [str(a) for a in args],
                cwd=cwd or self.folder,
                env=env,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=SECONDS_PER_COMMAND,
                check=False,
            )
            done = Done(shown, ended.returncode, ended.stdout, ended.stderr)
        except subprocess.TimeoutExpired:
            done = Done(shown, 124, "", f"no end within {SECONDS_PER_COMMAND} s")
        self.log.append(f"$ {shown}\n-> {done.code}\n{done.out}\n{done.err}\n")
        self.ended.append(done)
        return done

    def searched(self, data: str) -> Done:
        """The latest search of a file."""
        return next(done for done in reversed(self.ended) if f"automl search {data} " in done.command)

    def automl(self, *args: str | Path, cwd: Path | None = None) -> Done:
        return self.command(self.bin / "automl", *args, cwd=cwd)

    def python(self, code: str) -> Done:
        return self.command(self.bin / "python", "-c", code)

    def search(
        self, data: str, target: str | None, *options: str, quick: Sequence[str] = TABLE, name: str
    ) -> Done:
        aim = ("--target", target) if target else ()
        return self.automl("search", data, *aim, "--name", name, *quick, *options)

    def scores(self, name: str, higher_is_better: bool = False) -> Scores:
        rows = json.loads(self.automl("leaderboard", name, "--json").out)
        scored = [row for row in rows if row["kind"] == "trial" and row["validation"] is not None]
        models = [float(row["validation"]) for row in scored if row["family"] != "dummy"]
        dummies = [float(row["validation"]) for row in scored if row["family"] == "dummy"]
        if not models or not dummies:
            raise Wrong("the leaderboard has no scored model beside the baseline")
        return Scores(max(models) if higher_is_better else min(models), dummies[0])

    def classes(self, name: str) -> list[str] | None:
        """The labels that a model can predict; None for a regression."""
        done = self.python(
            "import automl, json\n"
            f"found = automl.load({name!r}).classes\n"
            "found = [] if found is None else [str(c) for c in found]\n"
            "print('CLASSES', json.dumps(found))"
        )
        marked = re.search(r"^CLASSES (.*)$", done.out, re.MULTILINE)
        if marked is None:
            raise Wrong(f"automl.load({name!r}).classes failed: {done.err.strip()[-200:]}")
        labels: list[str] = json.loads(marked.group(1))
        return labels or None

    def predict(self, name: str, data: str) -> tuple[Done, list[str]]:
        done, rows = self._predict(name, data)
        return done, [row[-1] for row in rows]

    def predict_files(self, name: str, data: str) -> tuple[Done, dict[str, str]]:
        """The class of each picture, by its path in the folder."""
        done, rows = self._predict(name, data)
        return done, {row[0]: row[-1] for row in rows}

    def _predict(self, name: str, data: str) -> tuple[Done, list[list[str]]]:
        out = self.folder / "predicted.csv"
        out.unlink(missing_ok=True)
        done = self.automl("predict", name, data, "-o", out.name)
        if done.code or not out.exists():
            return done, []
        with out.open(newline="", encoding="utf-8") as file:
            return done, list(csv.reader(file))[1:]


class Wrong(Exception):
    """What a case found wrong when it cannot go on."""


Judge = Callable[[Run], list[str]]


@dataclass(frozen=True)
class Case:
    """An input, its story, and who judges what was made of it."""

    name: str
    kind: str
    story: str
    make: Callable[[Path], None]
    judge: Judge


@dataclass(frozen=True)
class Expectation:
    """A search, and what is right about its end.

    With ``refusal`` an error of exit code 3 that says all of these is right as well; an empty one takes any.
    """

    data: str
    target: str | None
    options: tuple[str, ...] = ()
    quick: tuple[str, ...] = TABLE
    task: Literal["regression", "classification"] | None = None
    classes: frozenset[str] | None = None
    ratio: tuple[float, float] | None = None  # of the best and the baseline's validation error
    accuracy: tuple[float, float] | None = None  # asks for --metric accuracy
    said: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    refusal: tuple[str, ...] | None = None
    rows: tuple[RowsExpected, ...] = ()
    suffix: str = ""  # of the search's name, where a file is searched twice

    @property
    def name(self) -> str:
        return re.sub(r"\W+", "-", Path(self.data).stem).strip("-").lower() + self.suffix


@dataclass(frozen=True)
class RowsExpected:
    """New rows, and what must be predicted for them."""

    data: str
    values: tuple[float, ...] = ()
    tolerance: float = 0.0
    labels: tuple[str, ...] = ()
    at_least: float = 1.0  # the part of the labels that must be right
    refusal: tuple[str, ...] | None = None
    or_said: tuple[str, ...] = ()  # other values are right, too, where the output says this


def number(text: str) -> float:
    """A predicted value; a decimal comma and a sign of money or per cent are forgiven."""
    try:
        return float(text)
    except ValueError:
        pass
    kept = re.sub(r"[^\d.,+-]", "", text.replace("\u2212", "-"))
    if kept.rfind(",") > kept.rfind("."):
        kept = kept.replace(".", "").replace(",", ".")
    try:
        return float(kept.replace(",", ""))
    except ValueError:
        return float("nan")


def rows_wrong(run: Run, name: str, rows: RowsExpected) -> list[str]:
    done, got = run.predict(name, rows.data)
    if done.code == 3 and rows.refusal is not None and done.says(*rows.refusal):
        return []
    if done.code:
        return [f"predict {rows.data} ended with {done.code}: {done.err.strip()[-160:]}"]
    excused = bool(rows.or_said) and done.says(*rows.or_said)
    if rows.labels:
        right = (
            sum(a == b for a, b in zip(got, rows.labels, strict=False)) if len(got) == len(rows.labels) else 0
        )
        if right < rows.at_least * len(rows.labels) and not excused:
            return [f"{rows.data}: {right} of {len(rows.labels)} labels are right, {shorten(got)}"]
    if rows.values:
        found = [number(text) for text in got]
        near = len(found) == len(rows.values) and all(
            abs(a - b) <= rows.tolerance for a, b in zip(found, rows.values, strict=True)
        )
        if not near and not excused:
            return [f"{rows.data}: predicted {shorten(got)}, right is {shorten(map(str, rows.values))}"]
    return []


def shorten(texts: Iterable[str], most: int = 8) -> str:
    listed = list(texts)
    return "[" + ", ".join(listed[:most]) + (", …]" if len(listed) > most else "]")


def expectation_wrong(run: Run, want: Expectation) -> list[str]:
    """The complaints about one search, empty when it is right."""
    metric = ("--metric", "accuracy") if want.accuracy else ()
    label = want.data + (f" {' '.join(want.options)}" if want.options else "")
    done = run.search(want.data, want.target, *want.options, *metric, quick=want.quick, name=want.name)
    complaints = [f"{label}: {word!r} should not be said" for word in want.unsaid if done.says(word)]
    if done.code == 3 and want.refusal is not None:
        missing = [word for word in want.refusal if not done.says(word)]
        return complaints + [f"{label}: the refusal does not say {word!r}" for word in missing]
    if done.code:
        return [*complaints, f"{label}: search ended with {done.code}: {done.err.strip()[-200:]}"]
    complaints += [f"{label}: {word!r} is not said" for word in want.said if not done.says(word)]
    if want.task or want.classes:
        classes = run.classes(want.name)
        task = "regression" if classes is None else "classification"
        if want.task and task != want.task:
            return [*complaints, f"{label}: taken for a {task}, classes {shorten(classes or [])}"]
        if want.classes and frozenset(classes or ()) != want.classes:
            return [
                *complaints,
                f"{label}: classes {shorten(classes or [])}, not {shorten(sorted(want.classes))}",
            ]
    if want.ratio:
        ratio = run.scores(want.name).ratio
        if not want.ratio[0] <= ratio <= want.ratio[1]:
            complaints.append(
                f"{label}: best/baseline error {ratio:.3f}, right is {want.ratio[0]} to {want.ratio[1]}"
            )
    if want.accuracy:
        best = run.scores(want.name, higher_is_better=True).best
        if not want.accuracy[0] <= best <= want.accuracy[1]:
            complaints.append(
                f"{label}: accuracy {best:.3f}, right is {want.accuracy[0]} to {want.accuracy[1]}"
            )
    for rows in want.rows:
        complaints += rows_wrong(run, want.name, rows)
    return complaints


def each(*wanted: Expectation) -> Judge:
    """A judge of several searches."""

    def judge(run: Run) -> list[str]:
        return [complaint for want in wanted for complaint in guarded(expectation_wrong, run, want)]

    return judge


def guarded(judge: Callable[..., list[str]], *args: Any) -> list[str]:
    try:
        return judge(*args)
    except Wrong as wrong:
        return [str(wrong)]
    except Exception as problem:  # noqa: BLE001  output in an unexpected form is a complaint, too
        where = traceback.format_exc().splitlines()[-3].strip()
        return [f"could not be judged: {type(problem).__name__}: {problem} ({where})"]


def both(*judges: Judge) -> Judge:
    def judge(run: Run) -> list[str]:
        return [complaint for one in judges for complaint in guarded(one, run)]

    return judge


def write(path: Path, columns: Mapping[str, Iterable[object]], **how: Any) -> None:
    """A csv file; ``sep=";"`` and ``decimal=","`` as pandas has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({name: list(cells) for name, cells in columns.items()}).to_csv(path, index=False, **how)


def noisy(seed: int, rows: int = 400) -> tuple[np.random.Generator, Floats]:
    """A generator, and a column that tells nothing."""
    r = np.random.default_rng(seed)
    return r, r.normal(size=rows).round(3)


COLOURS = {"red": (190, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200), "yellow": (210, 200, 50)}


def picture(r: np.random.Generator, colour: str, size: int = 40) -> Image.Image:
    """A patch of one colour with noise, a little lighter or darker each time."""
    base = np.array(COLOURS[colour]) + r.integers(-25, 26)
    return Image.fromarray(np.clip(base + r.normal(0, 18, (size, size, 3)), 0, 255).astype(np.uint8))


def pictures(
    folder: Path, r: np.random.Generator, colour: str, count: int, suffix: str = "jpg", start: int = 0
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(start, start + count):
        picture(r, colour).save(folder / f"{i:03d}.{suffix}", format="PNG" if suffix == "png" else "JPEG")
