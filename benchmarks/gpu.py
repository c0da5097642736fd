"""What a GPU brings: the tests for it, trials per minute of table nets, images per second of image nets.

    python benchmarks/gpu.py --out benchmarks/RESULTS-gpu.md
    python benchmarks/gpu.py --device cpu --small

Ends within `--seconds` (480): what there is no time for is listed as such. Three parts:

1. `pytest -m gpu`.
2. Table nets: trials (a configuration on all folds) per minute on the CPU and on the device, with the folds
   one after another, in one batch, and with several configurations of one shape in the same batch.
3. Image nets: images per second of training, augmentation and all, beside the device's limit: a bare loop of
   the same net on tensors in its memory, with the same batch size and number format. The training's figure is
   the difference between a short and a long fit, so that decoding and the first step do not count.

Without a GPU, `--device cpu` measures the CPU alone; `--small` shows in half a minute that it runs.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TABLE_NETS = ("tabm", "tabular_net")
TEST_SECONDS = 150.0
LATE = "no time was left"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    rows: int
    columns: int
    folds: int
    configurations: int
    epochs: int
    images: int
    image_params: dict[str, Any]
    loop_seconds: float


FULL = Size(
    rows=2500,
    columns=20,
    folds=5,
    configurations=4,
    epochs=20,
    images=2048,
    image_params={"px": 160, "batch_size": 64, "epochs": 2},
    loop_seconds=10.0,
)
SMALL = Size(
    rows=200,
    columns=4,
    folds=2,
    configurations=2,
    epochs=1,
    images=16,
    image_params={"px": 32, "batch_size": 8, "epochs": 1, "width": 8},
    loop_seconds=0.2,
)


@dataclass(frozen=True)
class Row:
    """One line of the results: what, on which device, the figure or why there is none, and its unit."""

    part: str
    what: str
    device: str
    figure: str
    unit: str


@dataclass(frozen=True)
class Until:
    """The moment at which the benchmark ends."""

    moment: float

    @property
    def left(self) -> float:
        """Seconds until then."""
        return self.moment - time.monotonic()


def main() -> None:
    """Measure, and print or write the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--small", action="store_true", help="a short run, whose figures say nothing")
    parser.add_argument("--no-tests", action="store_true", help="leave `pytest -m gpu` out")
    parser.add_argument("--out", type=Path, help="write the results here (Markdown)")
    arguments = parser.parse_args()
    until = Until(time.monotonic() + arguments.seconds)
    refuse_missing(arguments.device)
    size = SMALL if arguments.small else FULL
    rows: list[Row] = []
    if not arguments.no_tests:
        rows.append(tests_row(min(TEST_SECONDS, 0.4 * until.left)))
    # Image nets first: they are what a GPU is bought for.
    rows += image_rows(arguments.device, size, until)
    for device in dict.fromkeys((arguments.device, "cpu")):
        rows += table_rows(device, size, until)
    text = page(rows, arguments.device, small=arguments.small)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text, encoding="utf-8")
        print(f"Wrote {arguments.out}.", file=sys.stderr)


def refuse_missing(device: str) -> None:
    """End with a sentence where the device is not there."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no NVIDIA GPU here. Next: --device cpu --small, to see that the script runs.")


def tests_row(seconds: float) -> Row:
    """Run the tests marked ``gpu``."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-n", "0", "-p", "no:cacheprovider"]
    # Only the files with such tests: collecting all takes a minute.
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    files = [str(path) for path in tests if "mark.gpu\n" in path.read_text("utf-8")]
    try:
        done = subprocess.run(
            [*command, *files], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Row("tests", "`pytest -m gpu`", "", f"not over after {seconds:.0f} s", "")
    last = (done.stdout.strip().splitlines() or ["nothing was said"])[-1].strip("= ")
    return Row("tests", "`pytest -m gpu`", "", last, "")


def table_rows(device: str, size: Size, until: Until) -> Iterator[Row]:
    """Trials per minute of each table net, in three ways."""
    for name in TABLE_NETS:
        for way, configurations in (
            ("folds one after another", 1),
            (f"{size.folds} folds in one batch", 1),
            (f"{size.configurations} configurations and their folds in one batch", size.configurations),
        ):
            apart = way.startswith("folds")
            seconds = timed(lambda: _fit_tables(name, device, size, configurations, apart, until), until)  # noqa: B023
            figure = LATE if seconds is None else f"{60 * configurations / seconds:,.1f}"
            yield Row("table nets", f"{name}, {way}", device, figure, "trials / min")


def timed(call: Callable[[], object], until: Until) -> float | None:
    """Seconds of a call; None where it was not over in time."""
    from automl.core.family import TrialStopped

    if until.left <= 0:
        return None
    began = time.monotonic()
    try:
        call()
    except TrialStopped:
        return None
    return time.monotonic() - began if until.left > 0 else None


def _fit_tables(name: str, device: str, size: Size, configurations: int, apart: bool, until: Until) -> None:
    from automl.core.family import FitContext
    from automl.core.machine import cores
    from automl.families import families

    family = families()[name]
    assert family.fit_folds is not None
    task, folds = _folds(size)
    params = family.params(epochs=size.epochs)
    taken = [fold for _ in range(configurations) for fold in folds]
    contexts = [
        FitContext(
            seed=number,
            fold=number,
            threads=cores(),
            device=device,
            deadline=until.moment,
            valid=(valid, truth),
        )
        for number, (_, _, valid, truth) in enumerate(taken)
    ]
    if apart:
        for (table, target, _, _), context in zip(taken, contexts, strict=True):
            family.fit(params, table, target, task, context)
    else:
        family.fit_folds(params, [(table, target) for table, target, _, _ in taken], task, contexts)


def _folds(size: Size) -> tuple[Any, list[tuple[Any, Any, Any, Any]]]:
    """A task of two classes, and the parts of each fold: rows and target to learn from and to judge."""
    from automl.core.built_in_tasks import BinaryTask
    from automl.core.metrics import METRICS
    from automl.core.table import Features, Table

    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(size.rows, size.columns))
    target = (numbers[:, 0] * numbers[:, 1] + numbers[:, 2] > 0).astype(np.int64)
    features = Features(tuple(f"x{place}" for place in range(size.columns)))
    table = Table(features, numbers, np.zeros((size.rows, 0), dtype=np.int32))
    fold = np.arange(size.rows) % size.folds
    parts = []
    for number in range(size.folds):
        train, valid = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        parts.append((table.take(train), target[train], table.take(valid), target[valid]))
    return BinaryTask(METRICS["log_loss"], ("no", "yes")), parts


def image_rows(device: str, size: Size, until: Until) -> list[Row]:
    """Images per second of training, of the bare loop, and their ratio."""
    from automl.families.nets.images.backbones import missing_weights

    name, what, params = "image_finetune", "EfficientNet-Lite0", size.image_params
    if "width" in params or missing_weights(["efficientnet_lite0"]):
        name, what = "image_scratch", "a small net without published weights"
    ours, model = _training_rate(name, params, device, size, until)
    bare = None if model is None else _bare_rate(model.net, params, device, size)
    rows = [
        Row("image nets", f"{what}: training", device, _rate(ours), "images / s"),
        Row("image nets", f"{what}: bare loop, tensors in memory", device, _rate(bare), "images / s"),
    ]
    share = LATE if ours is None or bare is None else f"{ours / bare:.0%}"
    return [*rows, Row("image nets", f"{what}: training in shares of the bare loop", device, share, "")]


def _rate(value: float | None) -> str:
    return LATE if value is None else f"{value:,.1f}"


def _training_rate(
    name: str, params: dict[str, Any], device: str, size: Size, until: Until
) -> tuple[float | None, Any]:
    """Images per second by the difference of two fits, and the fitted model."""
    from automl.core.built_in_tasks import BinaryTask
    from automl.core.family import FitContext
    from automl.core.machine import cores
    from automl.core.metrics import METRICS
    from automl.core.table import Features, Table
    from automl.families import families

    rng = np.random.default_rng(0)
    target = np.arange(size.images, dtype=np.int64) % 2
    side = params["px"]
    images = np.empty(size.images, dtype=object)
    for place in range(size.images):
        images[place] = rng.integers(0, 128, (side, side, 3), dtype=np.uint8) + np.uint8(100 * target[place])
    features = Features(files={"image": ("image",)})
    nothing = np.zeros((size.images, 0))
    table = Table(features, nothing, nothing.astype(np.int32), files={"image": (images,)})
    family = families()[name]
    task = BinaryTask(METRICS["log_loss"], ("dark", "light"))
    seen, seconds, model = [], [], None
    for factor in (1, 1, 3):  # the first one warms up
        # Not fold 0, whose range test would count.
        context = FitContext(fold=1, threads=cores(), device=device, deadline=until.moment)
        chosen = family.params(**{**params, "epochs": factor * params["epochs"]})
        taken: list[Any] = []
        spent = timed(lambda: taken.append(family.fit(chosen, table, target, task, context)), until)  # noqa: B023
        if spent is None:
            return None, model
        model = taken[0]
        seen.append(context.facts["steps"] * params["batch_size"])
        seconds.append(spent)
    longer = seconds[2] - seconds[1]
    return ((seen[2] - seen[1]) / longer if longer > 0 else None), model


def _bare_rate(net: Any, params: dict[str, Any], device: str, size: Size) -> float:
    """Images per second of forward, backward and a step of AdamW on random tensors."""
    import torch

    from automl.core.machine import cores
    from automl.families.nets import runtime

    torch.set_num_threads(cores())
    net = net.float().to(device).train()
    shape = (params["batch_size"], 3, params["px"], params["px"])
    images = torch.rand(shape, device=device).contiguous(memory_format=torch.channels_last)
    outputs = 1 if net.shape.outputs == 1 else net.shape.outputs
    target = torch.rand((params["batch_size"], outputs), device=device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-6)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with runtime.autocast(device):
            loss = (net(images).float() - target).square().mean()
        loss.backward()
        optimizer.step()

    for _ in range(3):
        step()
    _synchronise(device)
    steps, began = 0, time.monotonic()
    while time.monotonic() - began < size.loop_seconds:
        for _ in range(5):
            step()
        _synchronise(device)
        steps += 5
    return steps * params["batch_size"] / (time.monotonic() - began)


def _synchronise(device: str) -> None:
    import torch

    if device != "cpu":
        torch.cuda.synchronize()


def page(rows: list[Row], device: str, *, small: bool) -> str:
    """The results as Markdown."""
    import torch

    from automl import __version__

    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    lines = [
        "# GPU: results",
        "",
        f"- Device: {name}; Python {platform.python_version()}, {date.today().isoformat()}",
        f"- Versions: automl {__version__}, torch {torch.__version__}",
        *(["- A small run, whose figures say nothing"] if small else []),
        "",
        "| part | what | device | figure | unit |",
        "| --- | --- | --- | ---: | --- |",
        *(f"| {row.part} | {row.what} | {row.device} | {row.figure} | {row.unit} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
