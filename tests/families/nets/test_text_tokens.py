"""Texts as tokens: windows of long ones, what is never split, batches without padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_encoders import MARKS, WORDS, write_encoder

from automl.core.errors import UsageError
from automl.families.nets.texts.batches import LengthBatches
from automl.families.nets.texts.tokens import MOST_WINDOWS, Cut, Splitter, batches_by_length

NUMBER = {word: place for place, word in enumerate((*MARKS, *WORDS))}
LONG = " ".join(["good"] * 20 + ["bad"] * 20)


@pytest.fixture(scope="module")
def splitter(tmp_path_factory: pytest.TempPathFactory) -> Splitter:
    return Splitter(write_encoder(tmp_path_factory.mktemp("encoders") / "small"))


def words(ids: np.ndarray) -> list[str]:
    names = {number: word for word, number in NUMBER.items()}
    return [names[int(number)] for number in ids]


def test_a_text_is_split_between_its_marks(splitter: Splitter) -> None:
    (windows,) = splitter.windows(["Good films, bad FILM"], Cut(tokens=16))
    assert words(windows[0]) == ["[CLS]", "good", "film", "##s", "[UNK]", "bad", "film", "[SEP]"]


@pytest.mark.parametrize(
    ("long", "counts"),
    [("head", [(8, 0)]), ("ends", [(4, 4)]), ("windows", [(8, 0), (8, 0), (4, 4), (0, 8), (0, 8)])],
)
def test_long_texts_are_cut_as_asked(splitter: Splitter, long: str, counts: list[tuple[int, int]]) -> None:
    (windows,) = splitter.windows([LONG], Cut(tokens=10, long=long))
    assert all(len(ids) == 10 for ids in windows)
    assert [(words(ids).count("good"), words(ids).count("bad")) for ids in windows] == counts


def test_the_longest_texts_cost_no_more_than_what_is_read(splitter: Splitter) -> None:
    text = "stone " * 100_000 + "river"
    for long in ("head", "ends", "windows"):
        (windows,) = splitter.windows([text], Cut(tokens=16, long=long))
        assert len(windows) == (MOST_WINDOWS if long == "windows" else 1)
    (ends,) = splitter.windows([text], Cut(tokens=16, long="ends"))
    assert words(ends[0])[-2] == "river"


@pytest.mark.parametrize(
    "text",
    ["", " ", "\0", "\ud800 good", "🎬" * 50, "שלום עולם", "电影很好", "<b>good</b>", "1 2 3", "é" * 1000],
)
def test_any_text_has_tokens(splitter: Splitter, text: str) -> None:
    (windows,) = splitter.windows([text], Cut(tokens=8))
    assert 2 <= len(windows[0]) <= 8


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "broken")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match=r"tokenizer\.json of .* cannot be read"):
        Splitter(folder)


def test_batches_hold_equally_long_inputs_the_longest_first() -> None:
    lengths = [3, 9, 3, 3, 9, 5]
    batches = [batch.tolist() for batch in batches_by_length(lengths, 7)]
    assert batches == [[1], [4], [5], [0, 2], [3]]


def test_training_batches_differ_by_epoch_and_hold_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 500)
    source = LengthBatches(lengths, 16, torch.Generator().manual_seed(0))
    epochs = [[batch[0][0] for batch in source.epoch()] for _ in range(2)]
    for batches in epochs:
        assert len(batches) == source.steps
        assert torch.cat(batches).sort().values.tolist() == list(range(500))
    assert not torch.equal(epochs[0][0], epochs[1][0])
    padded = sum(len(batch) * lengths[batch].max() for batch in epochs[0])
    assert padded < 1.2 * lengths.sum()
    first = [lengths[batch].max() for batch in epochs[0]]
    assert abs(np.mean(first[:3]) - np.mean(first)) < 8
