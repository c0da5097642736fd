"""The benchmark on images: its split, its reading of the terminal, and one run of it on small pictures."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmark_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def shades(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name, shade in (("dark", 20), ("light", 120)):
        (tmp_path / "sets" / "shades" / name).mkdir(parents=True)
        for number in range(12):
            noise = generator.integers(0, 60, (32, 32, 3)) + shade
            Image.fromarray(noise.astype(np.uint8)).save(
                tmp_path / "sets" / "shades" / name / f"{number}.png"
            )
    return tmp_path / "sets" / "shades"


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*.png")}


def test_a_quarter_of_every_class_is_held_out_by_the_seed(shades: Path, tmp_path: Path) -> None:
    from images import split

    train, held = split(shades, tmp_path / "one", 0)
    assert files(train) | files(held) == files(shades)
    assert not files(train) & files(held)
    assert len(list((held / "dark").iterdir())) == 3
    assert files(split(shades, tmp_path / "again", 0)[1]) == files(held)
    assert files(split(shades, tmp_path / "other", 1)[1]) != files(held)


def test_a_given_split_is_kept(shades: Path, tmp_path: Path) -> None:
    from images import split

    train, held = split(shades, tmp_path / "one", 0)
    (tmp_path / "given").mkdir()
    train.rename(tmp_path / "given" / "train")
    held.rename(tmp_path / "given" / "val")
    for seed in (0, 1):
        again = split(tmp_path / "given", tmp_path / f"copy{seed}", seed)
        assert files(again[1]) == files(tmp_path / "given" / "val")


@pytest.mark.parametrize(
    ("line", "number", "family", "seconds"),
    [
        (
            "   11.2s  #1   image_probe    accuracy 0.875 ±0.021   7.8s  best 0.875  2m48s left",
            1,
            "image_probe",
            7.8,
        ),
        ("   80.1s  #13  image_probe    pruned 1.5s  best 0.92  100s left", 13, "image_probe", 1.5),
        (
            "  200.0s  #20  image_tail     accuracy 0.9 ±0.02  2m05s  best 0.92  100s left",
            20,
            "image_tail",
            125,
        ),
    ],
)
def test_a_trials_end_is_read_off_the_terminal(line: str, number: int, family: str, seconds: float) -> None:
    from images import trial_end

    found = trial_end(line, 30.0)
    assert found is not None
    assert (found.number, found.family, found.seconds, found.at) == (number, family, seconds, 30.0)
    assert trial_end("  note    200 images in 5 classes.", 1.0) is None


@pytest.mark.slow  # a search of 40 seconds
def test_the_benchmark_runs_and_makes_no_turn_twice(shades: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "images.py"), "compare", str(shades.parent), "--time", "40"]
    command += ["--tools", "automl", "--turns", str(tmp_path / "turns.json"), "--threads", "1"]
    outputs = [
        subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
        for _ in range(2)
    ]
    assert outputs[0] == outputs[1]
    (turn,) = json.loads((tmp_path / "turns.json").read_text()).values()
    assert turn["accuracy"] > 0.8
    assert math.isfinite(turn["train_rate"])  # a difference of two times, which noise may turn round
    assert turn["predict_rate"] > 0
