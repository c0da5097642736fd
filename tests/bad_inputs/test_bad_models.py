"""Cases 76, 77, 79 and 80: model folders that were changed, foreign or of another version; formulas."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.core.errors import DataError, ModelFileError, UsageError
from automl.core.sealed import seal
from automl.core.table import Kind
from automl.families import families


class Bomb:
    """What a planted pickle would do when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture
def model(searched, tmp_path) -> Path:
    """A saved champion, in ``model/``."""
    automl.load("data").save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def refused(cli, model):
    def check(*words: str) -> None:
        cli("predict", "./model", "data.csv").refused(3, *words)

    return check


def files(model: Path) -> list[Path]:
    return sorted(path for path in model.rglob("*") if path.is_file() and path.name != "manifest.json")


def test_the_model_as_it_was_saved_predicts(cli, model):
    cli("predict", "./model", "data.csv").worked()


def test_case_76_a_planted_pickle_is_refused_and_never_opened(model, refused, tmp_path):
    mark = tmp_path / "exploded"
    for place in (model / "extra.pkl", model / "members" / "0" / "fold_0" / "model.pkl"):
        place.write_bytes(pickle.dumps(Bomb(mark)))
        refused(place.name, "the model was changed after it was saved")
        place.unlink()
    assert not mark.exists()


def test_case_76_a_pickle_in_the_place_of_a_file_is_refused_even_with_a_new_manifest(cli, model, tmp_path):
    mark = tmp_path / "exploded"
    for path in files(model):
        before = path.read_bytes()
        path.write_bytes(pickle.dumps(Bomb(mark)))
        seal(model, kind="predictor")
        done = cli("predict", "./model", "data.csv")
        assert done.code == 3, (path, done.err)
        path.write_bytes(before)
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["../outside.bin", "/etc/hostname", "members/../../outside.bin", "..\\outside"]
)
def test_case_76_a_path_that_leaves_the_folder_is_refused(model, refused, name):
    manifest = model / "manifest.json"
    body = json.loads(manifest.read_text())
    body["files"][name] = "0" * 64
    manifest.write_text(json.dumps(body))
    refused("a path outside the folder")


def test_case_76_links_are_refused(model, refused, tmp_path):
    target = files(model)[-1]
    outside = tmp_path / "outside.bin"
    shutil.move(target, outside)
    target.symlink_to(outside)
    refused("is a link")
    target.unlink()
    shutil.move(outside, target)
    shutil.move(model / "members", tmp_path / "members")
    (model / "members").symlink_to(tmp_path / "members")
    refused("is a link")


def test_case_76_a_linked_manifest_a_missing_file_and_a_pipe_are_refused(model, refused, tmp_path):
    manifest = model / "manifest.json"
    shutil.copy(manifest, tmp_path / "other.json")
    manifest.unlink()
    manifest.symlink_to(tmp_path / "other.json")
    refused("no manifest.json")
    manifest.unlink()
    shutil.move(tmp_path / "other.json", manifest)
    files(model)[0].unlink()
    refused("lacks")
    os.mkfifo(model / "pipe")
    refused("the model was changed")


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"format": 1, "kind": "predictor", "files": [1]}', "\x00"])
def test_case_76_a_broken_manifest_is_refused(model, refused, body):
    (model / "manifest.json").write_text(body)
    refused("manifest.json")


def test_case_77_one_changed_byte_in_any_file_is_a_hash_error(model, refused):
    for path in files(model):
        before = path.read_bytes()
        changed = bytearray(before)
        changed[len(changed) // 2] ^= 1
        path.write_bytes(bytes(changed))
        refused(path.name, "another SHA-256")
        path.write_bytes(before)


def test_case_77_a_changed_registered_model_is_refused_by_mlflow_too(cli, model, tmp_path):
    import mlflow

    weights = next((tmp_path / "mlruns").rglob("models/*/artifacts/predictor/members/0/fold_0/*"))
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.unlink()  # a hard link: the trial's own copy stays
    weights.write_bytes(bytes(content))
    cli("predict", "data", "data.csv").refused(3, "another SHA-256")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    try:
        with pytest.raises(ModelFileError, match="SHA-256"):
            mlflow.pyfunc.load_model("models:/data@champion")
    finally:
        mlflow.set_tracking_uri(None)


@pytest.mark.slow
def test_case_79_a_label_that_is_a_formula_is_kept_and_warned_of(cli, write, frame, tmp_path):
    name = write(frame.assign(y=frame["y"].map({"good": "=cmd|' /C calc'!A0", "bad": "plain"})))
    cli("search", name, "-t", "y", "--families", "linear", "--trials", "2", "--executor", "inline").worked()
    done = cli("predict", "data", name, "-o", "out.csv")
    done.worked("warning: \"=cmd|' /C calc'!A0\" begins as a formula does")
    assert set(pd.read_csv(tmp_path / "out.csv")["y"]) <= {"=cmd|' /C calc'!A0", "plain"}
    numbers = cli("search", write(frame, "n.csv"), "-t", "price")
    assert numbers.code == 0
    assert "formula" not in cli("predict", "n", "n.csv").err


def test_case_80_a_model_of_a_newer_version_gets_an_exact_message(model, refused):
    for name, key in (("predictor.json", "predictor format 99"), ("manifest.json", "model format 99")):
        path = model / name
        before = path.read_text()
        path.write_text(json.dumps({**json.loads(before), "format": 99}))
        if name != "manifest.json":
            seal(model, kind="predictor")
        refused(key, "reads", "Install the version that wrote it, or train again")
        path.write_text(before)
        seal(model, kind="predictor")


def test_case_80_a_member_of_a_library_that_cannot_read_it_names_the_versions(model, refused):
    for path in (model / "members" / "0").rglob("fold_0/*"):
        path.write_bytes(b"{}" if path.suffix == ".json" else b"of another version")
    seal(model, kind="predictor")
    refused("versions it was made with are in predictor.json")
    assert json.loads((model / "predictor.json").read_text())["versions"]["automl"] == automl.__version__


def test_a_saved_model_holds_no_format_that_can_run_code(model):
    assert {path.suffix for path in files(model)} <= {
        ".json",
        ".npy",
        ".npz",
        ".safetensors",
        ".skops",
        ".txt",
    }
    for path in model.rglob("*.npy"):
        np.load(path, allow_pickle=False)


def test_case_76_a_pipe_that_the_manifest_names_is_refused_without_waiting_for_it(model, refused):
    target = files(model)[-1]
    target.unlink()
    os.mkfifo(target)
    refused("is not a plain file")


def test_case_76_a_file_that_changes_after_the_model_was_loaded_is_refused(model, frame):
    loaded = automl.load(model)
    weights = next((model / "members" / "0" / "fold_0").iterdir())
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(ModelFileError, match="another SHA-256"):
        loaded.predict(frame)


def test_case_76_endless_nesting_is_refused(model, refused):
    for name in ("manifest.json", "predictor.json"):
        before = (model / name).read_text()
        (model / name).write_text("[" * 200_000)
        if name != "manifest.json":
            seal(model, kind="predictor")
        refused(name)
        (model / name).write_text(before)
        seal(model, kind="predictor")


def places(value: object, at: tuple = ()) -> list[tuple]:
    """Where the values of a JSON document stand."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, item in inside for place in places(item, (*at, key)))]


def changed(body: object, place: tuple, value: object) -> object:
    if not place:
        return value
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copy


@pytest.mark.parametrize("name", ["predictor.json", "members/0/member.json"])
def test_case_76_a_forged_description_is_refused_or_loads_without_harm(model, name):
    path = model / name
    body = json.loads(path.read_text())
    strange = (None, -1, 1e308, "../../etc", [], {}, [[["x"]]], True)
    random = np.random.default_rng(0)
    for place in places(body):
        for value in random.choice(np.array([*strange, None], dtype=object)[:-1], 2, replace=False):
            path.write_text(json.dumps(changed(body, place, value)))
            seal(model, kind="predictor")
            with suppress(DataError, UsageError):
                loaded = automl.load(model)
                assert all(member.folder.is_relative_to(model) for member in loaded.members)


@pytest.mark.parametrize(
    "family", [name for name in sorted(families()) if Kind.NUMBER in families()[name].kinds]
)
def test_case_76_a_pickle_in_the_place_of_any_familys_file_is_never_run(family, frame, tmp_path):
    from searched import finish_trials
    from shortened import short_candidate

    from automl.model.predictor import PredictorSource, build_predictor

    mark = tmp_path / "exploded"
    data = frame.drop(columns="price")
    finished = finish_trials(data, "y", [short_candidate(family)], tmp_path / "work")
    source = Path(finished.trials[0].result.model_folder)
    place = tmp_path / "model"
    build_predictor(
        place,
        PredictorSource(
            name="x", task=finished.problem.task, layout=finished.layout, members=((source, 1.0),)
        ),
    )
    for path in files(place):
        before = path.read_bytes()
        for planted in (before[: len(before) // 2], b"", pickle.dumps(Bomb(mark))):
            path.unlink()
            path.write_bytes(planted)
            seal(place, kind="predictor")
            with suppress(ModelFileError):  # LightGBM reads a text that ends early
                automl.load(place).preload()
        with pytest.raises(ModelFileError):
            automl.load(place).preload()
        path.write_bytes(before)
    assert not mark.exists()
