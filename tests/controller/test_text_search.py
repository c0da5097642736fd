"""A search on texts with an encoder of one's own, as people run it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_encoders import write_encoder

import automl
from automl.core.environment import CACHE_DIR, WEIGHTS_DIR
from automl.core.errors import UsageError
from automl.families.nets.texts import features as text_features
from automl.report.build import origins_of
from automl.tracker.models.champion_page import CARD
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import read_file
from automl.tracker.store.location import locate_store

ROWS = 140
FAMILIES = ("text_linear", "text_probe", "text_finetune")
HOW = {"target": "verdict", "trials": 7, "seed": 3, "folds": 2, "executor": "inline"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoders") / "small")


@pytest.fixture(scope="module")
def reviews() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    good = generator.integers(0, 2, ROWS)
    things = [" ".join(generator.choice(["red", "stone", "river", "cloud"], 4)) for _ in range(ROWS)]
    return pd.DataFrame(
        {
            "review": [f"{thing} {('bad', 'good')[k]}" for thing, k in zip(things, good, strict=True)],
            "price": generator.normal(size=ROWS),
            "verdict": np.where(good == 1, "fine", "poor"),
        }
    )


@pytest.fixture(scope="module")
def searched(
    reviews: pd.DataFrame, encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[automl.SearchResult, Path]:
    place = tmp_path_factory.mktemp("store") / "mlruns"
    families = ("text_probe", "text_finetune", "lightgbm")
    result = automl.search(
        reviews, families=families, weights_dir=encoder, store=place, name="reviews", **HOW
    )
    return result, place


def test_a_text_column_is_read_by_encoders_and_by_trees(searched: tuple[automl.SearchResult, Path]) -> None:
    result, _ = searched
    board = result.leaderboard
    assert {"text_probe", "text_finetune", "lightgbm"} <= set(board["family"])
    assert result.best.validation > 0.9
    assert CACHE_DIR not in os.environ
    assert WEIGHTS_DIR not in os.environ


def test_features_are_kept_for_the_next_search_which_repeats_the_scores(
    searched: tuple[automl.SearchResult, Path],
    reviews: pd.DataFrame,
    encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, place = searched
    kept = list((place / "cache" / "texts").rglob("*.values.npy"))
    assert kept
    text_features._memory.clear()
    monkeypatch.setattr(text_features, "_outputs", None)  # nothing is computed from here on
    families = ("text_probe", "lightgbm")
    again = automl.search(reviews, families=families, weights_dir=encoder, store=place, name="again", **HOW)
    scores = [
        dict(zip(result.leaderboard["family"], result.leaderboard["validation"], strict=True))
        for result in (first, again)
    ]
    assert scores[0]["text_probe"] == scores[1]["text_probe"]


def test_families_of_texts_repeat_at_a_seed(
    reviews: pd.DataFrame, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaces = Path(__file__).resolve().parents[2] / "search_spaces"
    (tmp_path / "search_spaces").mkdir()
    for family in FAMILIES[1:]:  # the small encoder alone
        ranges = (spaces / f"{family}.yaml").read_text().replace("[own, all-MiniLM-L6-v2]", "[own]")
        (tmp_path / "search_spaces" / f"{family}.yaml").write_text(ranges)
    monkeypatch.chdir(tmp_path)
    boards = []
    for store in ("first", "second"):  # neither finds features that the other one kept
        text_features._memory.clear()
        result = automl.search(
            reviews, families=FAMILIES, weights_dir=encoder, store=tmp_path / store, **{**HOW, "trials": 9}
        )
        boards.append(result.leaderboard)
    assert set(FAMILIES) <= set(boards[0]["family"])
    same = ["trial", "family", "params", "validation"]
    pd.testing.assert_frame_equal(boards[0][same], boards[1][same], check_exact=True)


def test_the_card_lists_the_published_weights_with_licence_and_source(
    searched: tuple[automl.SearchResult, Path], encoder: Path
) -> None:
    result, place = searched
    (origin,) = origins_of(result.predictor)
    assert origin["source"] == str(encoder)
    card = read_file(Record(locate_store(None, place)), result.run_id, CARD)
    assert card is not None
    (line,) = [line for line in card.decode().splitlines() if origin["weights"] in line]
    assert "not stated in the folder" in line


def test_the_model_has_its_encoder_once_and_predicts_without_the_folder(
    searched: tuple[automl.SearchResult, Path], reviews: pd.DataFrame, tmp_path: Path
) -> None:
    result, _ = searched
    folder = result.predictor.folder
    assert len(list(folder.rglob("backbone-*"))) == 1
    shutil.copytree(folder, tmp_path / "model")
    model = automl.load(tmp_path / "model")
    assert (model.predict(reviews) == reviews["verdict"]).mean() > 0.9
    strange = pd.DataFrame(
        {"review": ["", None, "\0", "电影", "x" * 100_000, "🎬 <b>good</b>"], "price": 0.0}
    )
    assert len(model.predict(strange)) == len(strange)


def test_a_language_model_with_pickled_weights_is_refused_before_anything_runs(
    reviews: pd.DataFrame, tmp_path: Path
) -> None:
    folder = write_encoder(tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"pytorch_model\.bin is a pickle"):
        automl.search(reviews, weights_dir=folder, store=tmp_path / "mlruns", **HOW)
