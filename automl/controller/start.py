"""search() and resume(): begin a search, and continue one that was interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.controller.folder import SearchFolder, unfinished_folders
from automl.controller.notebook_view import notebook_view
from automl.controller.result import SearchResult
from automl.controller.saved_setup import given_settings
from automl.controller.search import RunningSearch
from automl.controller.watchers import NOBODY, SearchWatcher
from automl.controller.worker_plan import check_executor_choice
from automl.core.errors import UsageError, did_you_mean
from automl.core.time_budget import Clock, first_pace
from automl.problem.settings import Settings
from automl.tracker import default_uri, locate_store
from automl.tracker.store.location import DEFAULT_ROOT

if TYPE_CHECKING:
    import pandas as pd

    Data = pd.DataFrame | str | os.PathLike[str]

__all__ = ["SearchResult", "resume", "search"]


def search(
    data: Data,
    *,
    target: str | None = None,
    time: str | float | None = None,
    trials: int | None = None,
    name: str | None = None,
    metric: str | Callable[..., float] | None = None,
    cost: str | os.PathLike[str] | Mapping[Any, float] | None = None,
    task: str | None = None,
    test: Data | None = None,
    holdout: str | float | None = None,
    folds: int | None = None,
    group: str | None = None,
    time_column: str | None = None,
    fold_column: str | None = None,
    weight: str | None = None,
    kinds: Mapping[str, str] | None = None,
    image_root: str | os.PathLike[str] | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    families: Sequence[str] = (),
    without: Sequence[str] = (),
    spaces: str | os.PathLike[str] | None = None,
    prefer: str = "best",
    promote: str = "better",
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    memory: str | float | None = None,
    keep_models: str | float = "2GB",
    cache_size: str | float = "10GB",
    weights_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    seed: int = 0,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    header: int | None = None,
    skip_bad_rows: bool = False,
    missing: Sequence[str] | None = None,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = "mlruns",
    watcher: SearchWatcher | None = None,
    started: float = 0.0,
) -> SearchResult:
    """Search the best model for a table and keep it, with every trial on record in MLflow.

    Parameters
    ----------
    data:
        Path of a csv, tsv, parquet or xlsx file, a DataFrame, or a folder of images: ``folder/CLASS/*.jpg``,
        or ``folder/train/CLASS/*.jpg`` with ``val`` and ``test`` beside ``train``.
    target:
        The column to predict.
    time, trials:
        The budget: seconds or ``"10m"``, imports and reading included (default 60 s); or a number of
        trials, which the same ``seed`` repeats exactly.
    name:
        Of the search and its registered model; default: the file's name, and one like it where that
        belongs to other data, another target, or another user's rows, which is said.
    metric:
        A metric's name, or a function of the target's labels (or values) and the predicted ones. A
        function counts as better the higher it is unless it has ``greater_is_better = False``.
    cost:
        What wrong answers cost, where mistakes differ: ``"fn=5,fp=1"`` or ``{"fn": 5, "fp": 1}`` (class 1
        missed, or wrongly answered), ``"cat>dog=5"`` or ``{("cat", "dog"): 5}`` (a cat taken for a dog), or
        a CSV file of a matrix; what is not named costs 1. The answer is the class that is
        expected to cost least. Alone it makes the mean cost per row the metric; with a ``metric`` of
        probabilities, that one judges the trials.
    task:
        ``classification`` or ``regression``; default: from the target, with the reason said.
    test:
        Rows of your own that are scored once, at the end.
    holdout:
        Share of the rows to keep apart and score once, at the end, such as ``"10%"`` or 0.1. Default: none
        where folds judge, as the honest score needs none; a tenth beside one holdout, from 5,000 rows on, or
        20,000 texts or images.
    folds, group, time_column, fold_column:
        How trials are judged; see ``docs/ARCHITECTURE.md``.
    weight:
        A column that says how much each row counts, in training and in every score: numbers of 0 or more. A
        row of weight 2 counts as two rows, one of weight 0 is left out. Families and metrics that cannot
        weigh rows take no part.
    kinds, drop, keep:
        Column kinds by name, columns to leave out, columns to keep although they look like ids.
    image_root:
        Folder of the images that a column of paths names; default: the table's own folder.
    families, without, spaces:
        Which model families to try, and search-space files of your own.
    prefer:
        ``best``, or ``fast`` or ``small`` among those within one standard error of the best.
    promote:
        Whether the result becomes the champion where its name has one: ``better`` (default) if it is better
        on a score that both have, beyond what chance explains, and no person promoted the other;
        ``always``; or ``never``. It is registered as a version in any case.
    workers, executor, address, memory, device:
        Trials at once; where they run: ``local``, ``inline``, ``ray``, or the name of another package's
        executor; the Ray cluster: ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto`` (default: ``RAY_ADDRESS``,
        else a cluster on this machine that ends with the search); bytes for all workers (default: 80 % of
        what is free there); ``auto``, ``cpu`` or ``cuda``.
    seed:
        Of the folds, of what is drawn, and of the models.
    keep_models:
        Every trial's model is kept up to this size in total, then the best ten and each family's best.
    cache_size:
        Bound of decoded images and their features, which the store keeps between searches.
    weights_dir:
        Folder with published weights of image backbones; default: torch's own, by ``TORCH_HOME``.
    encoding, delimiter, decimal, header, skip_bad_rows:
        How a text file is written, ``header`` by the number of the line that holds the column names; and
        whether rows that do not fit are left out.
    missing:
        Words that stand for no value, beside blank cells: ``usual`` for the usual ones, ``blank`` for none.
        Default: the usual ones in files, none in frames.
    tracking_uri, store:
        MLflow's tracking URI; default ``MLFLOW_TRACKING_URI``, else the local folder ``store``.
    watcher, started:
        Who follows the search, and the seconds that the budget has lost already.

    Raises
    ------
    UsageError, DataError
        For choices and data that cannot be used, and a ``name`` that belongs to other data; the message says
        what to do.
    NoTrialError
        When no trial succeeded.
    StorageError
        When the record could not be written; the search can be resumed.
    SearchInterrupted
        When it was interrupted before any trial ended; it can be resumed.
    """
    settings = Settings.from_choices(locals())
    check_executor_choice(settings)
    clock = Clock(settings.seconds, spent=started, pace=first_pace())
    return _run(RunningSearch(settings, clock, watcher or NOBODY), shown=watcher is None)


def resume(
    name: str | None = None,
    *,
    data: Data | None = None,
    test: Data | None = None,
    metric: Callable[..., float] | None = None,
    address: str | None = None,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
    watcher: SearchWatcher | None = None,
    started: float = 0.0,
) -> SearchResult:
    """Continue a search that was interrupted or killed: finished trials are not run again.

    Trials that were running run again with the same parameters and seed; the budget continues from the
    time already spent. A search by ``trials`` ends with the trials and scores of an uninterrupted one.

    Parameters
    ----------
    name:
        The search's name; default: the newest unfinished one.
    data, test, metric:
        What the search was given as a DataFrame or a function, which are not kept on disk. A path is
        known, and only needed where the file was moved.
    address:
        Where the cluster of its trials is now, if that has moved.
    tracking_uri, store, watcher, started:
        As in :func:`automl.search`; the tracking URI is the search's own unless it is given.

    Raises
    ------
    UsageError
        When there is no such unfinished search, another process runs it, or something must be given again.
    DataError
        When the data is not what it was.
    StorageError
        When what is on disk is damaged, or the record could not be written.
    """
    folder = unfinished(name, tracking_uri=tracking_uri, store=store)
    folder.claim()
    with folder:
        outset = folder.outset
        settings = given_settings(outset.settings, source=data, test=test, metric=metric)
        settings = replace(
            settings,
            name=outset.name,
            store=Path(store),
            address=address or settings.address,
            tracking_uri=tracking_uri or outset.tracking_uri or default_uri(store),
        )
        check_executor_choice(settings)
        clock = Clock(settings.seconds, spent=started + folder.spent, pace=first_pace())
        return _run(RunningSearch(settings, clock, watcher or NOBODY, folder), shown=watcher is None)


def unfinished(
    name: str | None = None,
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> SearchFolder:
    """The newest unfinished search, or the newest one of this name.

    Raises
    ------
    UsageError
        When there is none.
    """
    root = locate_store(tracking_uri, store).root
    every = unfinished_folders(root)
    candidates = [folder for folder in every if name in (None, folder.outset.name)]
    if candidates:
        return next((folder for folder in candidates if not folder.in_use), candidates[0])
    if not every:
        raise UsageError(f"No search in {root} is unfinished. Start one with `automl search`.")
    assert name is not None
    hint = did_you_mean(name, dict.fromkeys(folder.outset.name for folder in every))
    raise UsageError(f"No unfinished search is called {name!r}. {hint}")


def _run(search: RunningSearch, *, shown: bool) -> SearchResult:
    """Run a search that nobody follows with a notebook's display, where this runs in a notebook."""
    view = notebook_view(search.settings.trials) if shown else None
    if view is None:
        return search.run()
    with view:
        result = replace(search, watcher=view).run()
        view.delivered(result)
    return result
