"""The first trials of a search, as the families state them."""

from __future__ import annotations

from itertools import zip_longest

from automl.controller.strategy.allocator import opening_of
from automl.core.family import BASELINE
from automl.core.table import Kind
from automl.families import families, quick_families

FIRST = ["linear", "kernel", "lightgbm", "catboost", "extra_trees", "tabm", "xgboost", "lightgbm"]
NEXT = ["tabular_net", "random_forest", "catboost", "linear", "tabm", "kernel", "lightgbm", "xgboost"]
LAST = ["catboost", "tabm", "lightgbm", "linear", "tabular_net", "extra_trees", "random_forest"]
TABLES = [*FIRST, *NEXT, *LAST]
HEADS = ["image_probe"] * 4
NETS = ["image_tail", "image_scratch", "image_finetune"]
IMAGES = [*HEADS, "image_tail", "image_probe", "image_finetune", *HEADS, *NETS]


def of_kind(kind: Kind) -> list[str]:
    return [name for name, item in families().items() if name != BASELINE and kind in item.kinds]


def test_tables_begin_with_cheap_and_diverse_families() -> None:
    assert opening_of([BASELINE, *of_kind(Kind.NUMBER)]) == [BASELINE, *TABLES]


def test_images_begin_with_heads_on_frozen_features() -> None:
    assert opening_of([BASELINE, *of_kind(Kind.IMAGE)]) == [BASELINE, *IMAGES]


def test_families_of_images_and_of_tables_take_turns() -> None:
    turns = zip_longest([BASELINE, *IMAGES], TABLES)
    both = [name for name, item in families().items() if item.kinds != {Kind.TEXT}]
    assert opening_of(both) == [name for turn in turns for name in turn if name]


def test_tables_with_texts_begin_with_linear_models_of_their_words() -> None:
    without_encoders = [name for name in of_kind(Kind.TEXT) if not families()[name].pretrained]
    opening = opening_of([BASELINE, *without_encoders])
    assert opening[:4] == [BASELINE, "linear", "text_linear", "lightgbm"]
    assert opening.count("text_linear") == 3


def test_on_texts_heads_on_a_frozen_encoder_come_early_and_its_training_soon() -> None:
    opening = opening_of([BASELINE, *of_kind(Kind.TEXT)])
    assert "text_probe" in opening[:5]
    assert "text_finetune" in opening[:20]


def test_a_family_without_a_place_is_tried_twice_after_the_others() -> None:
    assert opening_of([BASELINE, "linear", "new"]) == [BASELINE, *["linear"] * 3, "new", "new"]
    assert opening_of(["new"]) == ["new", "new"]
    assert opening_of([BASELINE]) == [BASELINE]


def test_a_few_seconds_are_enough_for_the_baseline_and_linear_models() -> None:
    assert quick_families() == {BASELINE, "linear", "text_linear"}


def test_nets_that_begin_with_published_weights_say_so() -> None:
    pretrained = {name for name, item in families().items() if item.pretrained}
    assert pretrained == {"image_probe", "image_tail", "image_finetune", "text_probe", "text_finetune"}
