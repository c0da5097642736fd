from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from automl.controller.strategy.search_space import SearchSpace
from automl.controller.strategy.space_files import copy_space, list_spaces, load_space, read_space_text
from automl.core.errors import SpaceError, UsageError
from automl.core.table import Kind
from automl.families import families


@dataclass(frozen=True)
class GardenParams:
    rate: float = 0.1
    depth: int = 6
    policy: Literal["no", "loss"] = "loss"
    leaves: int = 31
    layers: str = "200-100"
    bag: float | None = None
    balanced: bool = False


GARDEN = """\
family: garden
params:
  rate: {float: [1e-4, .5], log: true, default: 5e-2}
  policy: {choice: ["no", loss], default: loss}
  depth: {int: [2, 12], step: 2}
  leaves: {int: [8, 64], log: true, default: 16, when: {policy: loss}}
  bag: {choice: [null, 0.5], tasks: [binary]}
portfolio:
  - {name: G1, depth: 4}
  - {name: G2, tasks: [regression], log_target: true, rate: 1e-3, policy: "no"}
  - {name: G3, rows: [1000, null], layers: 800-400}
"""


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write the text as ``./search_spaces/garden.yaml`` and load it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search_spaces").mkdir()

    def load(text: str = GARDEN):
        (tmp_path / "search_spaces" / "garden.yaml").write_text(text, encoding="utf-8")
        return load_space("garden", GardenParams)

    return load


def test_ranges_and_exponents_without_a_point_are_numbers(garden) -> None:
    rate = garden().params[0]
    assert (rate.kind, rate.low, rate.high, rate.log, rate.default) == ("float", 1e-4, 0.5, True, 0.05)


def test_a_default_of_the_file_wins_over_that_of_the_family(garden) -> None:
    assert garden().bind({"depth": 4}) == GardenParams(rate=0.05, depth=4, leaves=16)


def test_an_entry_carries_the_defaults_that_the_file_states_for_itself(garden) -> None:
    assert garden().portfolio[0].params == {"depth": 4, "rate": 0.05, "leaves": 16}


def test_a_default_whose_condition_fails_is_left_to_the_family(garden) -> None:
    assert "leaves" not in garden().portfolio[1].params


@pytest.mark.parametrize(
    ("task", "rows", "names"),
    [("binary", 10, ["G1"]), ("regression", 10, ["G1", "G2"]), ("binary", 5000, ["G1", "G3"])],
)
def test_entries_are_kept_by_task_and_rows(garden, task: str, rows: int, names: list[str]) -> None:
    assert [entry.name for entry in garden().for_task(task, rows).portfolio] == names


def test_parameters_are_kept_by_task(garden) -> None:
    assert "bag" in [param.name for param in garden().for_task("binary", 10).params]
    assert "bag" not in [param.name for param in garden().for_task("regression", 10).params]


def test_entries_that_differ_only_in_the_preparation_of_numbers_count_once_without_numbers() -> None:
    space = load_space("linear", families()["linear"].params).for_task("regression", 1000)
    assert space.for_kinds({Kind.NUMBER, Kind.TEXT}) == space
    texts = space.for_kinds({Kind.TEXT})
    assert "numeric" not in {param.name for param in texts.params}
    names = [entry.name for entry in texts.portfolio]
    assert "LIN1" in names
    assert "LIN2" not in names
    assert "LIN2-log" in names  # its target differs
    assert len(names) > 4
    assert all(texts.bind(entry.params) for entry in texts.portfolio)


@pytest.mark.parametrize("name", ["text_probe", "text_finetune"])
def test_settings_that_take_the_default_encoder_take_the_one_that_is_left(name: str) -> None:
    space = load_space(name, families()[name].params)
    left = space.without("encoder", {"own"})
    assert left is not None
    assert [entry.name for entry in left.portfolio] == [entry.name for entry in space.portfolio]
    assert {left.bind(entry.params).encoder for entry in left.portfolio} == {"all-MiniLM-L6-v2"}
    assert {space.bind(entry.params).encoder for entry in space.portfolio} == {"own"}


def test_random_draws_bind_and_stay_in_range(garden) -> None:
    space, generator = garden(), np.random.default_rng(0)
    draws = [space.draw(generator) for _ in range(200)]
    assert all(space.bind(draw) for draw in draws)
    assert all(
        not param.problem_with(draw[param.name])
        for draw in draws
        for param in space.params
        if param.name in draw
    )
    assert all(("leaves" in draw) == (draw["policy"] == "loss") for draw in draws)
    assert {draw["depth"] for draw in draws} == {2, 4, 6, 8, 10, 12}


def test_defaults_bind_to_the_defaults(garden) -> None:
    assert garden().bind(garden().defaults()) == garden().bind({})


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("depth: {int", "detph: {int", r"garden.yaml, line 5, params.detph: .*Did you mean 'depth'"),
        ("step: 2", "stepp: 2", r"line 5, params.depth.stepp: unknown key 'stepp'. Did you mean 'step'"),
        ("step: 2", "step: 0.5", r"line 5, params.depth: the step of whole numbers must be one, not 0.5"),
        ("[2, 12]", "[2, 2001-99-99]", r"is not valid YAML"),
        ("[2, 12]", f"[2, {'9' * 400}]", r"should be \[low, high\]"),
        ("depth: 4}", f"depth: {'9' * 400}}}", r"is not a whole number"),
        ("[2, 12]", "[12, 2]", r"line 5, params.depth: the range 12 … 2 is empty"),
        ("[2, 12]", "[2.5, 12]", r"line 5, params.depth.int: both ends must be whole"),
        ("[1e-4, .5]", "[0, .5]", r"log: true needs a range of numbers above 0"),
        ("[1e-4, .5]", "[low, .5]", r"should be \[low, high\]"),
        ("default: 5e-2", "default: 5", r"line 3, params.rate.default: 5.0 is outside 0.0001 … 0.5"),
        ('["no", loss]', "[no, loss]", r"False is not 'no' or 'loss'. YAML reads yes, no, on, off"),
        ('["no", loss]', '["no", lose]', r"'lose' is not 'no' or 'loss'"),
        ("when: {policy: loss}", "when: {polcy: loss}", r"must be a parameter stated above"),
        ("when: {policy: loss}", "when: {policy: win}", r"'win' is not one of"),
        ("tasks: [binary]", "tasks: [binry]", r"there is no task 'binry'. Did you mean 'binary'"),
        ("tasks: [binary]", "kinds: [numbr]", r"there is no kind 'numbr'. Did you mean 'number'"),
        ("name: G1, depth: 4", "name: G1, dept: 4", r"line 9, portfolio.0.dept: unknown key 'dept'"),
        ("name: G1, depth: 4", "name: G1, depth: 4.5", r"portfolio.0.depth: 4.5 is not a whole number"),
        ("name: G1, depth: 4", "depth: 4", r"line 9, portfolio.0: an entry needs a name"),
        ("name: G1, depth: 4", "name: G1, balanced: 1", r"1 is not true or false"),
        ("layers: 800-400", "layers: 800", r"line 11, .*800 is not text. Put it in quotes"),
        ("log_target: true", "log_target: 1", r"must be true or false, not 1"),
        ("family: garden", "family: gardn", r"line 1, family: the file is for 'gardn'"),
        ("family: garden", "famly: garden", r"unknown key 'famly'. Did you mean 'family'"),
        ("portfolio:", "params:", r"the key 'params' stands twice, again in line 8"),
        ("family: garden", "family: [garden", r"is not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_place(garden, old: str, new: str, complaint: str) -> None:
    with pytest.raises(SpaceError, match=complaint):
        garden(GARDEN.replace(old, new))


def test_an_empty_file_says_what_belongs_there(garden) -> None:
    with pytest.raises(SpaceError, match="must hold the keys family, params and portfolio"):
        garden("")


def test_values_bind_by_name_and_type(garden) -> None:
    bound = garden().bind({"depth": 8.0, "bag": None, "rate": "1e-2"})
    assert (bound.depth, bound.bag, bound.rate) == (8, None, 0.01)
    with pytest.raises(SpaceError, match=r"no parameter 'dpth'. Did you mean 'depth'"):
        garden().bind({"dpth": 8})
    with pytest.raises(SpaceError, match=r"bag: 0.7 is not one of"):
        garden().bind({"bag": 0.7})
    with pytest.raises(SpaceError, match="nan"):
        garden().bind({"rate": math.nan})


def test_a_space_without_ranges_checks_names_and_types() -> None:
    bare = SearchSpace("garden", "trial 3", GardenParams, (), ())
    assert bare.bind({"depth": 3, "rate": 1}) == GardenParams(depth=3, rate=1.0)
    with pytest.raises(SpaceError, match=r"trial 3.depth: 'deep' is"):
        bare.bind({"depth": "deep"})


def test_a_given_file_comes_first_and_others_use_the_usual_ones(garden, tmp_path: Path) -> None:
    garden()
    mine = tmp_path / "mine.yaml"
    mine.write_text("family: garden\nparams: {depth: {int: [1, 9]}}\n", encoding="utf-8")
    assert load_space("garden", GardenParams, path=mine).source == str(mine)
    mine.write_text("family: lightgbm\n", encoding="utf-8")
    assert len(load_space("garden", GardenParams, path=mine).portfolio) == 3
    mine.write_text("family: gardner\n", encoding="utf-8")
    with pytest.raises(
        SpaceError, match=r"line 1, family: there is no family 'gardner'. Did you mean 'garden'"
    ):
        load_space("garden", GardenParams, path=mine)


def test_a_given_folder_comes_first(garden, tmp_path: Path) -> None:
    garden()
    (tmp_path / "mine").mkdir()
    assert len(load_space("garden", GardenParams, path=tmp_path / "mine").portfolio) == 3
    (tmp_path / "mine" / "garden.yaml").write_text("family: garden\n", encoding="utf-8")
    assert load_space("garden", GardenParams, path=tmp_path / "mine").portfolio == ()


def test_a_family_without_a_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(
        SpaceError, match=r"no search space for the family 'meadow'; looked for .*meadow.yaml"
    ):
        load_space("meadow", GardenParams)
    with pytest.raises(SpaceError, match="does not exist"):
        load_space("garden", GardenParams, path=tmp_path / "none.yaml")


def test_a_copied_space_is_used_and_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    copied = copy_space("lightgbm")
    assert copied.read_text(encoding="utf-8") == read_space_text("lightgbm")
    assert [file.shipped for file in list_spaces() if file.family == "lightgbm"] == [False]
    with pytest.raises(UsageError, match="exists already"):
        copy_space("lightgbm")
    assert copy_space("lightgbm", force=True) == copied
    with pytest.raises(UsageError, match="Did you mean 'lightgbm'"):
        read_space_text("lightgmb")


def test_the_file_of_an_installed_plug_in_is_listed_and_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    for folder in ("meadows", "meadows-1.0.dist-info"):
        (installed / folder).mkdir(parents=True)
    (installed / "meadows" / "__init__.py").write_text("raise ImportError('listing must not import it')")
    (installed / "meadows" / "meadow.yaml").write_text("family: meadow\n")
    metadata = installed / "meadows-1.0.dist-info"
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: meadows\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[automl.families]\nmeadow = meadows:FAMILY\ngone = no_such_package.module:FAMILY\n"
    )
    monkeypatch.syspath_prepend(installed)
    monkeypatch.chdir(tmp_path)
    assert [file.path.name for file in list_spaces() if file.shipped and file.family == "meadow"] == [
        "meadow.yaml"
    ]
    assert copy_space("meadow").read_text() == "family: meadow\n"
    assert [file.shipped for file in list_spaces() if file.family == "meadow"] == [False]


SHIPPED = sorted(path.stem for path in (Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_file_binds_to_its_family(name: str) -> None:
    params = families()[name].params
    space = load_space(name, params, path=Path(__file__).parents[2] / "search_spaces")
    assert space.bind(space.defaults()) == space.bind({})
    assert all(space.bind(entry.params) for entry in space.portfolio)
    generator = np.random.default_rng(0)
    assert all(space.bind(space.draw(generator)) for _ in range(20))
    for task in families()[name].tasks:
        for rows in (100, 15_000, 10**6):
            names = [entry.name for entry in space.for_task(task, rows).portfolio]
            assert len(names) == len(set(names))
