"""Labels to check stand first among the held-out images, with paths and copies."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np

from automl.core.built_in_tasks import MulticlassTask
from automl.core.metrics import METRICS
from automl.report.facts.evidence import Evidence, Story
from automl.report.facts.label_errors import COLUMNS, held_out_table, probably_wrong, short_path

ROWS = 90
FLIPPED = (4, 31, 77)


def judged() -> tuple[np.ndarray, np.ndarray]:
    """Labels, three of them wrong, and probabilities by a model that sees the truth; one class is hard."""
    generator = np.random.default_rng(0)
    truth = np.arange(ROWS) % 3
    sure = np.where(truth == 2, 0.45, 0.8) + generator.uniform(-0.05, 0.05, ROWS)
    sure[list(FLIPPED)] += 0.1
    probabilities = np.repeat((1 - sure[:, None]) / 2, 3, axis=1)
    probabilities[np.arange(ROWS), truth] = sure
    target = truth.copy()
    target[list(FLIPPED)] = (truth[list(FLIPPED)] + 1) % 3
    return target, probabilities


def test_wrong_labels_are_found_and_hard_ones_are_not_taken_for_them() -> None:
    target, probabilities = judged()
    assert tuple(np.flatnonzero(probably_wrong(target, probabilities))) == FLIPPED
    right = np.delete(np.arange(ROWS), FLIPPED)
    assert not probably_wrong(target[right], probabilities[right]).any()


def test_heavy_rows_say_how_sure_a_label_usually_is() -> None:
    target = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.1, 0.9]])
    assert not probably_wrong(target, probabilities).any()
    assert probably_wrong(target, probabilities, np.array([1.0, 9.0, 1.0, 1.0])).tolist() == [
        False,
        False,
        True,
        False,
    ]


def evidence(**given: Any) -> Evidence:
    target, probabilities = judged()
    story = Story(**{field.name: () if "tuple" in str(field.type) else 0 for field in fields(Story)})
    task = MulticlassTask(METRICS["accuracy"], ("ant", "bee", "cat"))
    rows = np.arange(ROWS)
    return Evidence(
        task=task,
        target=target,
        raw=probabilities,
        positions=rows,
        rows=rows,
        folds=np.zeros((1, ROWS), np.int16),
        story=story,
        **given,
    )


def test_the_table_names_paths_and_copies_and_survives_the_store() -> None:
    paths = np.array([f"bee/{row:02}.jpg" for row in range(ROWS)])
    same = np.array(["bee/00.jpg" if row == 9 else "" for row in range(ROWS)])
    found = evidence(paths=paths, same_as=same)
    kept = Evidence.load(*found.files().values())
    assert kept is not None
    table = held_out_table(kept).decode()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert tuple(rows[0]) == COLUMNS
    assert {row["image"] for row in rows[:3]} == {f"bee/{row:02}.jpg" for row in FLIPPED}
    assert [row["label_probably_wrong"] for row in rows[:4]] == ["yes"] * 3 + [""]
    losses = [float(row["loss"]) for row in rows[3:]]
    assert losses == sorted(losses, reverse=True)
    assert [row["image"] for row in rows if row["same_image_as"] == "bee/00.jpg"] == ["bee/09.jpg"]
    assert held_out_table(evidence()) == b""


def test_a_long_path_keeps_its_end() -> None:
    assert short_path("photos/train/ants/1.jpg", 30) == "ants/1.jpg"
    assert short_path("ants/" + "x" * 60 + ".jpg", 30).endswith("xxx.jpg")
    assert len(short_path("ants/" + "x" * 60 + ".jpg", 30)) == 30


def test_copies_are_named_by_the_first_of_them() -> None:
    from automl.report.facts.evidence import _same_files

    table = SimpleNamespace(files={"image": (np.array(["s#0", "s#1", "s#0"], dtype=object),)})
    prepared: Any = SimpleNamespace(
        paths=np.array(["a.jpg", "b.jpg", "c.jpg"], dtype=object), problem=SimpleNamespace(table=table)
    )
    found = _same_files(prepared, np.array([0, 1, 2]))
    assert found is not None
    assert list(found) == ["", "", "a.jpg"]
