"""`automl search` on texts beside two simple recipes with a logistic regression, on the same rows.

    python benchmarks/texts.py --data DIR --weights FOLDER --sentences PYTHON --time 60 300
    python benchmarks/texts.py --data DIR --weights FOLDER --sentences PYTHON --encode

DIR holds the sets of SETS below. FOLDER is an encoder in the hub's layout, which sentence-transformers reads;
ours reads the same weights from the package that brings them. PYTHON is the interpreter of an environment
with sentence-transformers, scikit-learn and psutil. Every contestant gets the same training rows, is scored
once on the same others by accuracy, and runs alone as a process of its own on `--threads` cores. `--ours`
says which of our searches run: with all families, with frozen encoders at most, with fine-tuned ones alone.
The recipes, TF-IDF and sentence-transformers, take the time that they take. `--autogluon PYTHON` adds
AutoGluon's predictor for texts, which needs a network.

With `--encode` it prints texts per second of our encoder and of sentence-transformers' `encode`, each on the
same texts in a process of its own, and the cosine of the two results.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from contestants import OURS as RUNNER
from contestants import Contestant, Turn, take_turn
from tables import Job, held_out_rows

_PEERS = Path(__file__).resolve().parent / "peers"


@dataclass(frozen=True)
class TextSet:
    """A file, its target, the texts that are read, and the column of a split of its own, if it has one.

    Of a split into ``train``, ``dev`` and ``test`` our search learns and judges as it says; the recipes,
    which divide rows by themselves, learn from both parts. The test rows are those that are scored.
    """

    file: str
    target: str
    texts: tuple[str, ...]
    split: str = ""


SETS = {
    "sms_spam": TextSet("text/sms_spam.csv.gz", "label", ("message",)),
    "ag_news_7600": TextSet("text/ag_news_7600.csv.gz", "label", ("title", "description")),
    "sst2": TextSet("text/sst2.csv.gz", "label", ("sentence",), split="split"),
    "issues_text": TextSet("tabular/issues_text.csv.gz", "Area", ("Title", "Description")),
}
RECIPES = ("tfidf", "sentences")
OURS = {
    "automl": ("automl", ""),
    "frozen": ("automl, frozen encoder", "text_linear,text_probe"),
    "finetuned": ("automl, fine-tuned encoder", "text_finetune"),
}


def main() -> int:
    """Run what is asked for and print it as Markdown."""
    arguments = _parse()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    with tempfile.TemporaryDirectory(prefix="texts-") as scratch:
        work = (arguments.work or Path(scratch)).resolve()
        if arguments.encode:
            print(_encoding(arguments, work))
            return 0
        print("| set | seconds | contestant | accuracy | wall s | ms / 1000 texts |")
        print("|---|---:|---|---:|---:|---:|", flush=True)
        for name in arguments.sets:
            job = make_text_job(name, arguments.data, arguments.seed, work / name)
            for turn, title in _turns(arguments, job, work / name):
                print(_row(turn, title), flush=True)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with text/ and tabular/")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--time", nargs="+", type=float, default=[60.0], help="seconds of each search")
    parser.add_argument("--ours", nargs="*", choices=OURS, default=["automl"], help="which of our searches")
    parser.add_argument("--weights", type=Path, help="folder of the encoder in the hub's layout")
    parser.add_argument("--sentences", metavar="PYTHON", help="interpreter that has sentence-transformers")
    parser.add_argument("--autogluon", metavar="PYTHON", help="interpreter that has autogluon.multimodal")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encode", action="store_true", help="compare the encoders' speed instead")
    parser.add_argument("--work", type=Path, help="folder for splits, models and logs (a temporary one)")
    return parser.parse_args()


def make_text_job(name: str, data: Path, seed: int, folder: Path) -> Job:
    """The rows to train on and the others, in files: by the set's own split, else a fifth of every class."""
    source = SETS[name]
    frame = pd.read_csv(data / source.file)
    if source.split:
        train, test = (frame[(frame[source.split] == "test") == held] for held in (False, True))
    else:
        held_out = held_out_rows(frame[source.target].to_numpy(), seed)
        train, test = frame[~held_out], frame[held_out]
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "train.csv", folder / "test.csv"
    train[[source.target, *source.texts]].to_csv(paths[0], index=False)
    test[[*source.texts]].to_csv(paths[1], index=False)
    divided = folder / "divided.csv" if source.split else None
    if divided is not None:
        train[[source.target, *source.texts, source.split]].to_csv(divided, index=False)
    return Job(
        name=name,
        seed=seed,
        train=paths[0],
        test=paths[1],
        target=source.target,
        task="binary" if train[source.target].nunique() == 2 else "multiclass",
        metric="accuracy",
        dates=(),
        answers=test[source.target].reset_index(drop=True),
        divided=divided,
        fold_column=source.split,
    )


def _turns(arguments: argparse.Namespace, job: Job, folder: Path) -> Iterator[tuple[Turn, str]]:
    def turn(contestant: Contestant, python: str, seconds: float) -> tuple[Turn, str]:
        made = take_turn(
            contestant,
            job,
            python=python,
            seconds=seconds,
            threads=arguments.threads,
            folder=folder / f"{contestant.name}-{seconds:g}",
        )
        return made, contestant.title

    for seconds in arguments.time:
        for name in arguments.ours:
            title, families = OURS[name]
            options = {"families": families} if families else {}
            yield turn(Contestant(name, title, RUNNER, "", options), sys.executable, seconds)
    simple = {"recipe": "tfidf"}
    tfidf = Contestant("tfidf", "TF-IDF + logistic regression", "texts_runner.py", "", simple)
    longest = max(arguments.time)  # a recipe is ended at five times of it
    yield turn(tfidf, sys.executable, longest)
    if arguments.sentences:
        options = {"recipe": "sentences", "weights": str(arguments.weights)}
        title = "sentence-transformers + logistic regression"
        peer = Contestant("sentences", title, "texts_runner.py", "sentences", options)
        yield turn(peer, arguments.sentences, longest)
    if arguments.autogluon:
        peer = Contestant("autogluon", "AutoGluon for texts", "autogluon_texts_runner.py", "autogluon")
        for seconds in arguments.time:
            yield turn(peer, arguments.autogluon, seconds)


def _row(turn: Turn, title: str) -> str:
    budget = "" if turn.contestant in RECIPES else f"{turn.seconds:g}"
    if turn.score is None:
        return f"| {turn.table} | {budget} | {title} | {turn.error} | | |"
    cells = f"{turn.score:.4f} | {turn.fit_seconds:.0f} | {turn.predict_ms_per_1000_rows:.0f}"
    return f"| {turn.table} | {budget} | {title} | {cells} |"


def _encoding(arguments: argparse.Namespace, work: Path) -> str:
    """Texts per second of both, and how well their vectors agree."""
    lines = [
        "| set | texts | ours, texts / s | sentence-transformers, texts / s | ratio | least cosine |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in arguments.sets:
        job = make_text_job(name, arguments.data, arguments.seed, work / name)
        texts = pd.read_csv(job.train)[SETS[name].texts[-1]].fillna("").astype(str).tolist()
        (work / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        rates, vectors = [], []
        for python, runner in ((sys.executable, "encode_ours.py"), (arguments.sentences, "encode_theirs.py")):
            out = work / f"{runner}.npy"
            command = [python, str(_PEERS / runner), str(work / "texts.json"), str(out)]
            command += [str(arguments.weights), str(arguments.threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{runner} failed:\n{done.stderr[-2000:]}")
            rates.append(float(done.stdout.split()[-1]))
            vectors.append(np.load(out))
        cosine = float((_unit(vectors[0]) * _unit(vectors[1])).sum(axis=1).min())
        lines.append(
            f"| {name} | {len(texts):,} | {rates[0]:.0f} | {rates[1]:.0f} | {rates[0] / rates[1]:.2f} | "
            f"{cosine:.4f} |"
        )
    return "\n".join(lines)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


if __name__ == "__main__":
    sys.exit(main())
