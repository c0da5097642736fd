"""Families on encoders keep the contract, learn, and find again what was computed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from small_encoders import write_encoder

from automl.controller.strategy.space_files import load_space
from automl.core.built_in_tasks import BinaryTask, RegressionTask
from automl.core.environment import CACHE_DIR, WEIGHTS_DIR
from automl.core.errors import ModelFileError
from automl.core.family import Family, FitContext, Scope, TrialStopped
from automl.core.machine import cores
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.data.cache import set_bound, unused_since
from automl.families import families, lightgbm, tabular_net, text_finetune, text_probe
from automl.families.nets.texts import features as text_features
from automl.families.nets.texts.columns import EmbeddedModel
from automl.families.nets.texts.costs import TokenCosts
from automl.families.nets.texts.needs import row_milliseconds
from automl.testing.families import check_family

ROWS = 120
TASK = BinaryTask(METRICS["log_loss"], ("poor", "fine"))


@dataclass(frozen=True, kw_only=True)
class SmallProbe(text_probe.Params):
    encoder: str = "own"


@dataclass(frozen=True, kw_only=True)
class SmallFinetune(text_finetune.Params):
    encoder: str = "own"
    epochs: int = 2
    learning_rate: float = 2e-3


@dataclass(frozen=True)
class Embedding(lightgbm.Params):
    texts: Literal["terms", "embedding", "both"] = "embedding"


SMALL: dict[str, type[Any]] = {
    "text_probe": SmallProbe,
    "text_finetune": SmallFinetune,
    "lightgbm": Embedding,
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoders") / "small")


@pytest.fixture(autouse=True)
def own(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(WEIGHTS_DIR, str(encoder))
    yield
    text_features._memory.clear()


def reviews(seed: int = 0, columns: int = 1) -> tuple[Table, np.ndarray]:
    """Texts of a good or a bad film; with a second column that says nothing."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, 2, ROWS)
    things = generator.choice(["red stone", "river", "green cloud film"], ROWS)
    texts = [
        np.array(
            [f"{thing} {('bad', 'good')[k]}" for thing, k in zip(things, target, strict=True)], dtype=object
        )
    ]
    texts += [np.array([str(thing) for thing in things], dtype=object)] * (columns - 1)
    names = ("review", "thing")[:columns]
    empty = np.empty((ROWS, 0))
    return Table(Features(texts=names), empty, empty.astype(np.int32), tuple(texts)), target


def made(name: str, **params: Any) -> tuple[Family, Any]:
    family = families()[name]
    return family, SMALL[name](**params)


@pytest.mark.parametrize("name", list(SMALL))
def test_the_family_keeps_the_contract(name: str) -> None:
    tasks = frozenset({"multiclass"} if name == "text_probe" else {"binary"})
    check_family(replace(families()[name], params=SMALL[name], tasks=tasks))


@pytest.mark.parametrize("name", ["text_probe", "text_finetune"])
def test_settings_of_the_portfolio_fit(name: str) -> None:
    family, _ = made(name)
    space = load_space(name, family.params).for_task("binary", ROWS)
    table, target = reviews()
    for entry in space.portfolio[:3] if name == "text_finetune" else space.portfolio:
        params = replace(space.bind(entry.params), encoder="own")
        model = family.fit(params, table, target, TASK, FitContext(seed=1, valid=(table, target)))
        assert ((model.predict(table)[:, 1] > 0.5) == target).mean() > 0.7, entry.name


@pytest.mark.parametrize("name", list(SMALL))
def test_several_columns_are_read(name: str) -> None:
    family, params = made(name)
    table, target = reviews(columns=2)
    predictions = family.fit(params, table, target, TASK, FitContext(seed=1)).predict(table)
    assert ((predictions[:, 1] > 0.5) == target).mean() > 0.8


def test_training_improves_on_what_it_begins_with() -> None:
    family, params = made("text_finetune", epochs=4, learning_rate=5e-3, c=1e-4)
    table, target = reviews()
    context = FitContext(seed=1, valid=reviews(seed=1))
    family.fit(params, table, target, TASK, context)
    curve = {one.name: one.values for one in context.curves}["valid_loss"]
    assert curve[-1] < 0.5 * np.log(2)
    assert context.facts["best_epoch"] <= context.facts["epochs"] == 4


def test_regression_learns_from_texts() -> None:
    table, target = reviews()
    values = 10.0 * target + 3
    for name in ("text_probe", "text_finetune"):
        family, params = made(name, **({"c": 1.0} if name == "text_probe" else {"epochs": 4}))
        model = family.fit(params, table, values, RegressionTask(METRICS["rmse"]), FitContext(seed=1))
        assert np.abs(model.predict(table)[:, 0] - values).mean() < 4


def test_features_are_computed_once_for_all_trials_and_found_by_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_DIR, str(tmp_path))
    table, target = reviews()
    family, params = made("text_probe")
    scope = Scope(ROWS, 1, 60.0, "cpu")
    assert family.outlook is not None
    assert family.prepare is not None
    before = family.outlook(params, [table], scope)
    assert before is not None
    assert before.prepare > 0
    family.prepare(params, [table], FitContext())
    monkeypatch.setattr(text_features, "_outputs", None)  # nothing is computed from here on
    after = family.outlook(params, [table], scope)
    assert after is not None
    assert after.prepare == 0
    for name in ("text_probe", "lightgbm"):
        family, params = made(name)
        family.fit(params, table, target, TASK, FitContext(seed=1)).predict(table.take(slice(5, 20)))
    # Short texts are the same in every view that shows them whole.
    family, params = made("text_probe", tokens=40, long="windows")
    family.prepare(params, [table], FitContext())


def test_a_training_foresees_the_next_one_by_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_DIR, str(tmp_path))
    table, target = reviews()
    family, params = made("text_finetune", epochs=2)
    half = replace(params, frozen=0.5)
    scope = Scope(ROWS, 1, 60.0, "cpu", workers=cores())

    def foreseen(plan: Any) -> float:
        assert family.outlook is not None
        outlook = family.outlook(plan, [table], scope)
        assert outlook is not None
        return outlook.fit

    assert foreseen(half) < foreseen(params)
    began = time.process_time()
    family.fit(params, table, target, TASK, FitContext(seed=1))
    used = time.process_time() - began
    costs = [TokenCosts(path.parent).of(name) for path, name in trainings(tmp_path)]
    assert [cost is not None and cost.measured > 0 for cost in costs] == [True]
    assert foreseen(half) < foreseen(params) < used, "one epoch of the two that were trained"


def trainings(cache: Path) -> list[tuple[Path, str]]:
    """The entries of trainings in the files of costs."""
    files = sorted(cache.rglob("text-costs-*.json"))
    return [(path, name) for path in files for name in json.loads(path.read_text()) if "training" in name]


def test_a_long_pass_outweighs_a_moments_measurement(tmp_path: Path) -> None:
    costs = TokenCosts(tmp_path)
    slow = {"tokens": 1_000, "characters": 4_000, "seconds": 1.0, "processor_seconds": 2.0}
    costs.learn("net", **slow)
    costs.learn("net", tokens=99_000, characters=396_000, seconds=9.9, processor_seconds=19.8)
    cost = costs.of("net")
    assert cost is not None
    assert cost.seconds == pytest.approx(1e-4, rel=0.1)
    assert cost.processor_seconds == pytest.approx(2e-4, rel=0.1)
    assert cost.characters == pytest.approx(4.0)
    costs.learn("net", **slow)
    cost = costs.of("net")
    assert cost is not None
    assert cost.seconds == pytest.approx(1e-4, rel=0.2)
    costs.learn("net", **{name: 1000 * value for name, value in slow.items()})  # the machine is slower now
    cost = costs.of("net")
    assert cost is not None
    assert cost.seconds == pytest.approx(1e-3, rel=0.2)


def test_members_of_an_ensemble_encode_each_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table, target = reviews()
    texts = np.array([f"{text} {'stone river ' * 5}" for text in table.texts[0]], dtype=object)
    table = replace(table, texts=(texts,))  # of more characters than a view has tokens, but not more tokens
    models = [
        families()[name].fit(SMALL[name](**params), table, target, TASK, FitContext(seed=1))
        for name, params in (
            ("text_probe", {"tokens": 30}),
            ("text_probe", {"tokens": 40, "long": "windows"}),
            ("lightgbm", {}),
        )
    ]
    text_features._memory.clear()
    encoded, outputs = [], text_features._outputs
    monkeypatch.setattr(
        text_features, "_outputs", lambda *args: encoded.append(len(args[-1])) or outputs(*args)
    )
    for model in models:
        model.predict(table)
    assert sum(encoded) == len(set(texts))


def test_the_stated_time_of_an_encoder_is_that_of_texts_as_long_as_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_DIR, str(tmp_path))
    short, long = (np.array([f"good {x} {'stone ' * n}" for x in range(ROWS)]) for n in (2, 60))
    table, target = reviews()
    stated = []
    for texts in (short, long):
        family, params = made("text_probe", tokens=30)
        columns = (texts.astype(object),)
        model: Any = family.fit(params, replace(table, texts=columns), target, TASK, FitContext(seed=1))
        stated.append(model.frozen_ms)
    whole, cut = stated[0]
    assert stated[0][whole] > 0 == stated[0][cut]  # what all views share, and this one's own
    assert stated[1][cut] > 0 == stated[1][whole]
    view = model.reading.view
    rows = [row_milliseconds((texts,), view, "cpu") for texts in (short, long)]
    assert rows[1][cut] > 2 * rows[0][whole]


def test_a_pass_that_is_stopped_leaves_what_it_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_DIR, str(tmp_path))
    texts = np.array(["stone " * count for count in range(1, 31)], dtype=object)
    table = replace(reviews()[0].take(slice(0, 30)), texts=(texts,))
    family, params = made("text_probe")
    assert family.prepare is not None
    asked = iter([False] * 3 + [True] * 1000)
    with pytest.raises(TrialStopped, match=r"stopped after the features of \d+ of \d+ texts"):
        family.prepare(params, [table], FitContext(stop_requested=lambda: next(asked)))
    with pytest.raises(TrialStopped, match="the features take about"):
        family.prepare(params, [table], FitContext(deadline=time.monotonic() - 1))


def test_predictions_do_not_depend_on_the_texts_beside_them() -> None:
    table, target = reviews()
    family, params = made("text_finetune")
    model = family.fit(params, table, target, TASK, FitContext(seed=1))
    together = model.predict(table)
    alone = np.concatenate([model.predict(table.take(slice(row, row + 1))) for row in range(20)])
    np.testing.assert_allclose(alone, together[:20], atol=1e-3)
    assert model.predict(table.take(slice(0, 0))).shape == (0, 2)


def test_texts_that_were_just_predicted_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table, target = reviews()
    family, params = made("text_probe")
    model = family.fit(params, table, target, TASK, FitContext(seed=1))
    expected = model.predict(table)
    monkeypatch.setattr(text_features, "_outputs", None)  # nothing is computed from here on
    order = np.random.default_rng(0).permutation(ROWS)
    np.testing.assert_array_equal(model.predict(table.take(order)), expected[order])


@pytest.mark.parametrize("name", list(SMALL))
def test_a_model_brings_its_own_encoder_along(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, target = reviews()
    family, params = made(name)
    model = family.fit(params, table, target, TASK, FitContext(seed=1))
    expected = model.predict(table)
    for fold in ("fold_0", "fold_1"):
        (tmp_path / fold).mkdir()
        model.save(tmp_path / fold)
    assert len(list(tmp_path.rglob("backbone-*"))) == 1
    monkeypatch.delenv(WEIGHTS_DIR)
    np.testing.assert_allclose(family.load(tmp_path / "fold_1").predict(table), expected, atol=1e-6)


@pytest.mark.parametrize(("room", "kept"), [(1_000_000, 1), (10_000, 0)])
def test_trials_share_an_encoder_within_the_bound_of_the_cache(
    room: int, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_DIR, str(tmp_path / "cache"))
    set_bound(tmp_path / "cache", room)
    table, target = reviews()
    family, params = made("text_probe")
    model = family.fit(params, table, target, TASK, FitContext(seed=1))
    for trial in ("0", "1"):
        (tmp_path / trial / "fold_0").mkdir(parents=True)
        model.save(tmp_path / trial / "fold_0")
        family.load(tmp_path / trial / "fold_0")
    files = list((tmp_path / "cache").rglob("backbone-*.safetensors"))
    assert len(files) == kept
    found = unused_since(tmp_path / "cache" / "texts", time.time() + 1)
    assert sum("encoder" in folder.name for folder, _, _ in found) == kept  # `automl clean` removes it


def test_without_room_for_features_it_is_said_and_they_are_computed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_DIR, str(tmp_path))
    set_bound(tmp_path, 100)
    table, target = reviews()
    family, params = made("text_probe")
    context = FitContext(seed=1)
    assert family.prepare is not None
    family.prepare(params, [table], context)
    assert [note.split(":")[0] for note in context.notes] == [
        f"The cache has no room for the features of {ROWS} texts"
    ]
    model = family.fit(params, table, target, TASK, context)
    assert ((model.predict(table)[:, 1] > 0.5) == target).mean() > 0.8


def test_a_model_without_its_encoder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, target = reviews()
    family, params = made("text_probe")
    model = family.fit(params, table, target, TASK, FitContext(seed=1))
    (tmp_path / "fold_0").mkdir()
    model.save(tmp_path / "fold_0")
    (encoder,) = tmp_path.glob("backbone-*")
    encoder.unlink()
    other = write_encoder(tmp_path / "other", seed=1)
    monkeypatch.setenv(WEIGHTS_DIR, str(other))
    with pytest.raises(ModelFileError, match="was trained with the encoder own"):
        family.load(tmp_path / "fold_0")


def test_tables_without_texts_are_fitted_as_before() -> None:
    generator = np.random.default_rng(0)
    table = Table(Features(("n",)), generator.normal(size=(ROWS, 1)), np.empty((ROWS, 0), dtype=np.int32))
    target = (table.numbers[:, 0] > 0).astype(np.int64)
    for module in (lightgbm, tabular_net):
        model = module.FAMILY.fit(module.Params(texts="both"), table, target, TASK, FitContext(seed=1))
        assert not isinstance(model, EmbeddedModel)
