"""What frozen encoders say of texts: the same whatever stands beside them, found by what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl.core.environment import CACHE_DIR
from automl.families.nets.surroundings import Surroundings
from automl.families.nets.texts.encoders import PACKAGED
from automl.families.nets.texts.features import frozen_outputs, keep_outputs
from automl.families.nets.texts.needs import view_of

AROUND = Surroundings(1)


def test_texts_are_found_in_every_view_that_reads_them_whole_and_others_in_their_own() -> None:
    """By tokens, not by bytes: a sentence of 150 letters has some thirty of them."""
    texts = np.array(
        ["good", "a fine film " * 12, "\ud800" * 60, "one two " * 70, "stone," * 70],
        dtype=object,
    )
    head, ends, longer = (
        view_of(PACKAGED, *cut).keys(texts) for cut in ((128, "head"), (128, "ends"), (256, "ends"))
    )
    assert list(head == ends) == [True, True, True, False, False]
    assert list(head == longer) == [True, True, True, False, False]
    assert len(set(longer)) == len(texts)


@pytest.mark.parametrize("first", [1, 9, 14])
def test_kept_features_do_not_depend_on_what_was_missing_with_them(
    first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass that was killed goes on with other batches than one that was not."""
    view = view_of(PACKAGED, 128, "head")
    texts = np.array([f"{word} film and a fine evening " * 4 for word in "abcdefghijklmnop"], dtype=object)
    made = []
    for place, parts in (("whole", [texts]), ("parts", [texts[:first], texts])):
        monkeypatch.setenv(CACHE_DIR, str(tmp_path / place))
        for part in parts:
            keep_outputs(part, view, AROUND)
        made.append(frozen_outputs(texts, view, AROUND))
    np.testing.assert_array_equal(made[0], made[1])


def test_parts_of_the_outputs_are_those_of_all_with_a_cache_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, texts = view_of(PACKAGED, 128, "head"), np.array(["a good film", "rain"], dtype=object)
    kinds = (slice(0, 1), slice(-2, None))
    for cache in (None, str(tmp_path)):
        if cache is not None:
            monkeypatch.setenv(CACHE_DIR, cache)
        every = frozen_outputs(texts, view, AROUND)
        np.testing.assert_array_equal(frozen_outputs(texts, view, AROUND, kinds), every[:, [0, -2, -1]])
    assert frozen_outputs(texts[:0], view, AROUND, kinds).shape == (0, 3, every.shape[2])
