"""Names of folders that are parts of a split, and names that are not."""

from __future__ import annotations

import pytest

from automl.data.images.split_folders import part_of, parts_of, says_nothing, stems_of


@pytest.mark.parametrize(
    ("part", "names"),
    [
        (
            "train",
            "train Training TRN training_set seg_train train2017 x_train trainset trainval Train-Images.v2",
        ),
        ("val", "val Valid validation_split dev my-eval-data Val-2017"),
        ("test", "test testing tst test1 test_set test_128x128 held_out hold-out-test PublicTest"),
        ("predict", "predict prediction seg_pred unlabelled unlabeled_images test_unlabelled"),
        ("", "cat contest latest trainer strain testis device value data images 训练 val_test"),
    ],
)
def test_the_usual_names_of_parts_are_known_and_words_that_hold_them_are_not(part: str, names: str) -> None:
    assert {name: part_of(name) for name in names.split()} == dict.fromkeys(names.split(), part)


def test_a_train_part_and_another_make_a_split() -> None:
    assert parts_of(["training_set", "test_set"]) == {"training_set": "train", "test_set": "test"}
    assert parts_of(["train"]) == {"train": "train"}
    assert set(parts_of(["train", "val", "annotations"])) == {"train", "val"}
    for classes in (["cat", "dog", "test"], ["bus", "train"], ["val", "test"], ["valid", "invalid"]):
        assert parts_of(classes) == {}


def test_a_word_that_all_parts_share_does_not_hide_them() -> None:
    assert parts_of(["asl_train", "asl_test"]) == {"asl_train": "train", "asl_test": "test"}
    assert parts_of(["freight_train", "steam_train"]) == {}
    assert set(stems_of(["cat_train", "cat_test", "dog_train", "dog_test"])) == {"cat", "dog"}


def test_names_of_heaps_say_nothing_about_a_class() -> None:
    assert all(map(says_nothing, ("images", "all", "unknown", "1", "test")))
    assert not says_nothing("cat")


def test_long_names_are_judged_quickly() -> None:
    for word in ("x", "traindev", "datasets", "evaluationimages"):
        assert part_of(word * (255 // len(word)) + "q") == ""
