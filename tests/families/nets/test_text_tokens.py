"""Texts as tokens: windows of long ones, what is never split, batches without padding."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_encoders import MARKS, WORDS, write_encoder

from automl.core.errors import UsageError
from automl.core.family import TrialStopped
from automl.families.nets.texts import tokens as text_tokens
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


def test_what_is_remembered_may_begin_anew_while_texts_are_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splitter = Splitter(write_encoder(tmp_path / "small"))
    splitter.windows(["good film"], Cut(tokens=8))
    split = splitter._ids

    def while_another_thread_splits_more(texts: list[str]) -> dict[str, np.ndarray]:
        monkeypatch.setattr(text_tokens, "_CACHED_TOKENS", 0)
        splitter._keep({}, 0)
        return split(texts)

    monkeypatch.setattr(splitter, "_ids", while_another_thread_splits_more)
    windows = splitter.windows(["good film", "red stone"], Cut(tokens=8))
    assert [words(ids)[1:-1] for (ids,) in windows] == [["good", "film"], ["red", "stone"]]


def test_splitting_stops_when_asked_to(splitter: Splitter) -> None:
    texts = [f"stone {number}" for number in range(2000)]
    asked = iter([False] + [True] * 10)
    with pytest.raises(TrialStopped, match=r"after the tokens of 512 of 2,000 texts"):
        splitter.windows(texts, Cut(tokens=8), should_stop=lambda: next(asked))


def test_an_empty_text_is_one_token_where_nothing_is_put_around_texts(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "plain")
    body = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**body, "post_processor": None}))
    windows = Splitter(folder).windows(["", "good film"], Cut(tokens=8))
    assert [words(ids) for (ids,) in windows] == [["[PAD]"], ["good", "film"]]


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    splitter = Splitter(write_encoder(tmp_path / "short", vocab_size=NUMBER["good"]))
    splitter.windows(["red stone"], Cut(tokens=8))
    with pytest.raises(UsageError, match=r"a token number 10, and config\.json a vocab_size of 10"):
        splitter.windows(["good stone"], Cut(tokens=8))


def test_batches_hold_equally_long_inputs_the_longest_first() -> None:
    lengths = [3, 9, 3, 3, 9, 5]
    batches = [batch.tolist() for batch in batches_by_length(lengths, 7)]
    assert batches == [[1], [4], [5], [0, 2], [3]]
    assert list(batches_by_length([], 7)) == []


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
