from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import automl.families.preprocess.text as text_module
from automl.families.preprocess.text import MAX_CHARACTERS, TermKind, TermWeights, TextTerms, TextVectors

WORDS = ("engine", "wheel", "brake", "apple", "pear", "plum")


def documents(rows: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Texts about cars (0) and fruit (1)."""
    generator = np.random.default_rng(0)
    topic = generator.integers(0, 2, rows)
    texts = [" ".join(WORDS[3 * kind + word] for word in generator.integers(0, 3, 8)) for kind in topic]
    return np.array(texts, dtype=object), topic


def test_vectors_separate_topics() -> None:
    texts, topic = documents()
    vectors = TextVectors.fit([texts], size=4).transform([texts])
    assert vectors.shape == (120, 4)
    assert vectors.dtype == np.float32
    best = max(abs(np.corrcoef(vectors[:, k], topic)[0, 1]) for k in range(4))
    assert best > 0.95


def test_word_weights_agree_with_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, _ = documents()
    ours = TermWeights.fit(texts, max_terms=20_000).transform(texts).toarray()
    theirs = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit_transform(texts).toarray()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-5)


@pytest.mark.parametrize("texts", [[""] * 10, ["same words here"] * 10, ["one"], ["x"] * 9 + [""]])
def test_texts_without_usable_terms_give_few_or_no_columns(texts: list[str]) -> None:
    column = np.array(texts, dtype=object)
    vectors = TextVectors.fit([column])
    assert vectors.transform([column]).shape == (len(column), sum(vectors.sizes))
    assert np.isfinite(TextTerms.fit([column]).transform([column]).toarray()).all()


def test_unseen_words_give_zeros() -> None:
    texts, _ = documents()
    unseen = np.array(["zebra quagga", ""], dtype=object)
    assert not TextVectors.fit([texts]).transform([unseen]).any()


def test_most_frequent_terms_are_kept() -> None:
    texts, _ = documents()
    assert len(TermWeights.fit(texts, max_terms=5).buckets) == 5


def test_a_documents_terms_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    found = text_module._word_hashes
    monkeypatch.setattr(
        text_module, "_word_hashes", lambda text, kind: (calls.append(text), found(text, kind))[1]
    )
    monkeypatch.setattr(text_module, "_cache", text_module._TermCache(1000))
    texts, _ = documents()
    vectors = TextVectors.fit([texts])
    vectors.transform([texts])
    assert len(calls) == len(set(texts))


def test_the_cache_forgets_when_it_is_full() -> None:
    cache = text_module._TermCache(20)
    for i in range(50):
        cache.get(f"word{i} word{i + 1}", text_module.WORDS)
    assert len(cache._terms) <= 10


def test_only_the_first_characters_are_read() -> None:
    long = "alpha " * MAX_CHARACTERS
    assert (text_module.WORDS.hashes(long) == text_module.WORDS.hashes(long + "omega")).all()


def test_both_ends_of_a_long_text_are_read_where_a_tail_is_asked_for() -> None:
    kind = TermKind(head=100, tail=12)
    assert kind.read("Alpha " * 50 + "the omega") == "alpha " * 16 + "alph ha the omega"


def test_signs_and_unspaced_scripts_count_as_words_on_request() -> None:
    signs = TermKind(longest=1, signs=True)
    assert len(signs.hashes("good :) 😀 日本語\ud800")) == 8
    assert len(TermKind(longest=1).hashes("good :) 😀 日本語\ud800")) == 2


def test_runs_of_several_lengths_stay_within_words() -> None:
    runs = TermKind(characters=True, shortest=3, longest=4)
    # " ab ": 2 runs of 3, 1 of 4; " c ": 1 run of 3
    assert len(runs.hashes("ab c")) == 4


def test_terms_of_earlier_versions_are_counted_as_then() -> None:
    texts, _ = documents()
    weights = TermWeights.fit(texts, max_terms=100, kind=text_module.RUNS)
    earlier = TermWeights(buckets=weights.buckets, idf=weights.idf, characters=True)
    assert abs(earlier.transform(texts) - weights.transform(texts)).max() == 0


def test_several_columns_and_odd_characters_load_as_saved(tmp_path: Path) -> None:
    texts, _ = documents()
    odd = np.array([f"naïve 日本語 {text} \ud800" for text in texts], dtype=object)[::-1]
    for fitted in (TextVectors.fit([texts, odd], size=3), TextTerms.fit([texts, odd])):
        fitted.save(tmp_path)
        before, after = (item.transform([texts, odd]) for item in (fitted, type(fitted).load(tmp_path)))
        assert abs(before - after).max() == 0


@pytest.mark.parametrize("rows", [0, 1, 37])
def test_terms_are_counted_a_block_at_a_time_with_the_same_result(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = documents()[0][:rows]
    at_once = TermWeights.fit(texts, max_terms=20_000)
    expected = at_once.transform(texts)
    held, count = [], text_module._terms
    monkeypatch.setattr(text_module, "_BLOCK", 10)
    monkeypatch.setattr(
        text_module, "_terms", lambda block, kind: held.append(len(block)) or count(block, kind)
    )
    weights = TermWeights.fit(texts, max_terms=20_000)
    np.testing.assert_array_equal(weights.buckets, at_once.buckets)
    np.testing.assert_array_equal(weights.idf, at_once.idf)
    made = weights.transform(texts)
    np.testing.assert_array_equal(made.toarray(), expected.toarray())
    assert max(held) <= 10
