"""What is called the champion, everywhere: real searches, a result that was not taken, a promoted trial."""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import command_line
import pytest
from searched import flowers

import automl
from automl.cli.pages import print_comparison, print_leaderboard, summarise
from automl.controller.result import best_of
from automl.controller.upkeep import search_lines
from automl.core.trial import Candidate, Trial
from automl.report.build import write_card, write_report
from automl.report.compare import compare
from automl.tracker.library import leaderboard, load_described, promote, read_leaderboard


@dataclass(frozen=True)
class Kept:
    """``flowers``: a second, worse result that was not taken. ``petals``: a trial that was promoted."""

    folder: Path
    first: automl.SearchResult
    second: automl.SearchResult
    petals: automl.SearchResult
    promoted: Any

    @property
    def store(self) -> Path:
        return self.folder / "mlruns"

    def automl(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = command_line.automl(*words, folder=self.folder)
        done.check_returncode()
        return done

    def board(self, name: str) -> list[str]:
        page = io.StringIO()
        print_leaderboard(read_leaderboard(name, store=self.store), page, rows=0)
        return page.getvalue().splitlines()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    flowers().to_csv(folder / "flowers.csv", index=False)

    def search(name: str, families: tuple[str, ...], trials: int) -> automl.SearchResult:
        return automl.search(
            folder / "flowers.csv",
            target="species",
            name=name,
            families=families,
            trials=trials,
            folds=2,
            executor="inline",
            store=folder / "mlruns",
        )

    first = search("flowers", ("linear",), 2)
    second = search("flowers", ("dummy",), 1)
    petals = search("petals", ("linear",), 3)
    members = {member.trial for member in petals.best.members}
    promoted = min(petals.rows, key=lambda row: (row.trial in members, row.trial))
    promote("petals", promoted.run_id, store=folder / "mlruns")
    return Kept(folder, first, second, petals, promoted)


def test_only_the_model_that_predictions_use_is_called_champion(kept: Kept) -> None:
    lines = kept.board("flowers")
    assert "result" in lines[1].split()
    used = f"is version 1: the result of the search {kept.first.run_id[:8]}"
    assert used in "".join(lines)
    assert not leaderboard("flowers", store=kept.store)["is_champion"].any()
    assert leaderboard(kept.first.run_id, store=kept.store)["state"].iloc[0] == "champion"
    assert kept.second.leaderboard["state"].iloc[0] == "result"


def test_a_promoted_trial_is_called_champion_and_its_search_has_the_star(kept: Kept) -> None:
    frame = leaderboard("petals", store=kept.store)
    assert list(frame.loc[frame["is_champion"], "run_id"]) == [kept.promoted.run_id]
    number = kept.promoted.trial
    assert f"is version 2: trial #{number} {kept.promoted.family} of this search" in "".join(
        kept.board("petals")
    )
    lines = {line.run_id: (line.champion, line.champion_trial) for line in search_lines(store=kept.store)}
    assert lines[kept.petals.run_id] == (False, number)
    assert lines[kept.first.run_id] == (True, None)
    assert lines[kept.second.run_id] == (False, None)
    assert f"* #{number}  petals" in kept.automl("list").stdout


def test_two_results_of_a_name_have_headings_of_their_own(kept: Kept) -> None:
    found = compare(kept.first.run_id, "flowers", store=kept.store)
    assert (found.first.title, found.second.title) == ("flowers, version 1 (champion)", "flowers, version 2")
    trial = compare("petals", kept.promoted.run_id, store=kept.store)
    assert trial.first.title == "petals, version 1"
    assert trial.second.title == f"petals #{kept.promoted.trial} (champion)"


def test_equal_scores_are_called_equal_and_costs_decide(kept: Kept) -> None:
    found = compare(kept.first.run_id, kept.second.run_id, store=kept.store)
    costs = {"predict_ms_per_1000_rows": 12.0, "model_bytes": 3_000_000}
    first, second = replace(found.first, **costs), replace(found.second, **{**costs, "model_bytes": 1_000})
    equal = replace(found.scored[0], gain=0.0, low=-0.02, high=0.02)
    same = replace(found, first=first, second=second, scored=(equal,))
    assert same.costs == "The second is smaller (1000 B against 2.9 MB)."
    assert same.verdict == "By accuracy they are equal."
    page = io.StringIO()
    print_comparison(same, page)
    lines = page.getvalue().splitlines()
    assert [line.split()[0] for line in lines[1:6]] == ["run", "accuracy", "seconds", "ms/1000", "size"]
    assert not [line for line in lines[6:] if line.split()[:1] in (["time"], ["seconds"])]
    assert "Both have the same accuracy; 95 % interval of the difference" in page.getvalue()
    assert "chance" not in page.getvalue()


def test_after_a_result_that_was_not_taken_both_models_have_their_command(kept: Kept) -> None:
    page = io.StringIO()
    summarise(kept.second, page)
    run = kept.second.run_id[:8]
    steps = page.getvalue().split("What next\n")[1].splitlines()
    assert steps[0].split("  ")[1] == f"automl predict {run} NEW.csv -o predictions.csv"
    assert steps[1].split("  ")[1] == "automl predict flowers NEW.csv -o predictions.csv"
    assert steps[1].endswith("use the champion, version 1")
    assert steps[2].startswith(f"  automl promote flowers {run} ")
    page = io.StringIO()
    summarise(replace(kept.first, interrupted=True), page)
    steps = page.getvalue().split("What next\n")[1].splitlines()
    assert steps[1].startswith("  automl resume flowers ")
    assert len({step.index(step.split("  ")[-1].strip()) for step in steps}) == 1  # aligned


def test_predict_says_which_model_it_used(kept: Kept) -> None:
    said = kept.automl("predict", "flowers", "flowers.csv", "-o", "a.csv").stderr
    first = f"the result of the search {kept.first.run_id[:8]}"
    assert f"Wrote 150 predictions to a.csv, by the champion of 'flowers', version 1: {first}" in said
    store = {"store": kept.store}
    assert (
        f"'flowers', version 2: the result of the search {kept.second.run_id[:8]}"
        in load_described(kept.second.run_id, **store).words
    )
    number, family = kept.promoted.trial, kept.promoted.family
    assert (
        f"'petals', trial #{number} {family} of the search"
        in load_described(kept.promoted.run_id, **store).words
    )
    assert f"of 'petals', version 2: trial #{number} {family}" in load_described("petals", **store).words


def test_a_card_loads_the_version_that_it_describes_and_says_whether_that_is_the_champion(
    kept: Kept, tmp_path: Path
) -> None:
    for result, said in (
        (kept.first, "It is the champion"),
        (kept.second, "**It is not the champion of flowers**"),
    ):
        text = write_card(result.run_id, out=tmp_path / "card.md", store=kept.store).read_text()
        version, run = result.ids.model_version, result.run_id
        head = text[: text.index("## What it is")]
        assert f"Version {version} of the model flowers: the result of the search `{run}`." in head
        assert said in head
        assert f'automl.load("{run}")  # version {version} of flowers' in text
        loaded = automl.load(run, store=kept.store)
        assert loaded.facts["validation"] == result.best.validation


def test_a_printed_result_is_a_few_lines_and_no_trial_stands_for_an_ensemble(kept: Kept) -> None:
    lines = repr(kept.second).splitlines()
    assert lines[0].startswith("Search 'flowers': multiclass, 1 trial in ")
    assert lines[1].split(None, 1) == ["result", "trial #0 dummy"]
    assert "version 2: Kept version 1 as champion" in repr(kept.second)
    assert len(lines) < 10
    weights = {0: 0.6, 1: 0.4}
    trials = {number: Trial(number, Candidate(family="linear")) for number in weights}
    best = best_of(SimpleNamespace(kind="ensemble", weights=weights, validation=0.9), trials, {})
    assert (best.trial, best.run_id, best.family) == (-1, "", "ensemble")
    assert str(best) == "ensemble of #0 linear 60%, #1 linear 40%"


def test_a_report_of_a_result_that_was_not_taken_says_so_on_top(kept: Kept, tmp_path: Path) -> None:
    for result, word, other in ((kept.first, "champion", "result"), (kept.second, "result", "champion")):
        text = write_report(result.run_id, out=tmp_path / "page.html", store=kept.store).read_text()
        said = "This is version 2 of the model flowers, which is not the champion: the champion is version 1."
        assert (said in text) == (result is kept.second)
        assert f"<b>{word}</b>" in text
        assert f"<b>{other}</b>" not in text
