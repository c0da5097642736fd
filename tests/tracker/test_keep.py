from __future__ import annotations

from automl.tracker.writing.model_retention import KeepModels, KeptModel


def models(*losses: float | None, family: str = "a", size: int = 100) -> list[KeptModel]:
    return [KeptModel(number, family, loss, size) for number, loss in enumerate(losses)]


def test_all_models_stay_below_the_bound() -> None:
    assert KeepModels(bytes=300, best=1).to_drop(models(0.1, 0.2, 0.3)) == []
    assert KeepModels(bytes=None, best=0).to_drop(models(0.1, 0.2, 0.3)) == []


def test_above_it_the_best_stay() -> None:
    assert KeepModels(bytes=299, best=2).to_drop(models(0.3, 0.1, 0.2)) == [0]


def test_the_best_of_each_family_stays() -> None:
    kept = [*models(0.1, 0.2), KeptModel(7, "b", 0.9, 100), KeptModel(8, "b", 0.8, 100)]
    assert KeepModels(bytes=0, best=1).to_drop(kept) == [7, 1]


def test_members_of_the_ensemble_stay() -> None:
    assert KeepModels(bytes=0, best=1).to_drop(models(0.1, 0.2, 0.3), protected={2}) == [1]


def test_models_without_a_score_go_first() -> None:
    assert KeepModels(bytes=0, best=1).to_drop(models(None, 0.2, 0.1)) == [0, 1]
