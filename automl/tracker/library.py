"""Functions on earlier searches: load a model, list trials, describe them, open them in MLflow's pages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from automl.core.errors import UsageError
from automl.core.sealed import MANIFEST
from automl.tracker.notes import TRAINING
from automl.tracker.reading.alias_holder import champion_holder, holder_of, trial_words
from automl.tracker.reading.descriptions import SearchDescription, TrialDescription
from automl.tracker.reading.leaderboard import (
    Leaderboard,
    check_order,
    check_state,
    front,
    in_order,
    result_row,
)
from automl.tracker.reading.query import Record, rows_of
from automl.tracker.reading.report_material import resolve_run, resolve_search, run_of_id
from automl.tracker.record import LeaderboardRow
from automl.tracker.store.location import DEFAULT_ROOT, StoreLocation, locate_store

if TYPE_CHECKING:
    import pandas as pd

    from automl.model.predictor import Predictor

__all__ = [
    "SearchDescription",
    "TrialDescription",
    "UiServer",
    "describe",
    "front",
    "in_order",
    "leaderboard",
    "leaderboard_rows",
    "load",
    "promote",
    "read_leaderboard",
    "searches",
    "serve_ui",
    "ui_server",
]

_HOST = "127.0.0.1"
_PORTS = 50


def load(
    name: str | os.PathLike[str],
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Predictor:
    """Load a model to predict with.

    Parameters
    ----------
    name:
        A search's name (its champion), a run id or its first six digits (that trial's model, or that
        search's champion), or the folder of a saved predictor.
    tracking_uri:
        A tracking server or database; None for ``MLFLOW_TRACKING_URI``, else the folder ``store``.
    store:
        The folder of the default store.

    Raises
    ------
    UsageError
        If there is nothing of this name, or it has no model.
    ModelFileError
        If the model's files were changed or damaged; none of them was opened.
    """
    return load_described(name, tracking_uri=tracking_uri, store=store).predictor


@dataclass(frozen=True)
class LoadedModel:
    """A model with a description for its user.

    Attributes
    ----------
    words:
        Its description: version, search or trial, score.
    remark:
        A sentence if no search has the name any more that it was loaded by; else empty.
    """

    predictor: Predictor
    words: str
    remark: str = ""


def load_described(
    name: str | os.PathLike[str],
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> LoadedModel:
    """Load the model of :func:`load`, with a description; parameters and errors as there."""
    from automl.model.predictor import Predictor

    folder = Path(name)
    text = os.fspath(name)
    is_place = folder.is_dir() and (os.sep in text or folder.is_absolute())
    if (folder / MANIFEST).is_file() or is_place:
        predictor = Predictor.load(folder)  # raises with what the folder lacks
        return LoadedModel(predictor, f"the model in {text}")
    record = _record(tracking_uri, store)
    run = run_of_id(record, text)
    if run is None:
        predictor, held = record.champion(text), champion_holder(record, text)
        words = f"the champion of {text!r}{f', {held.words()}' if held else ''}"
        return LoadedModel(predictor, words, "" if text in record.names() else _orphaned(text))
    search = record.search_run(run.info.run_id)
    own = search.data.tags["automl.search"]
    if record.is_trial(run):
        return LoadedModel(record.trial_model(run), f"{own!r}, {trial_words(search, run)}")
    predictor = record.search_model(run)  # raises where there is no version
    held = holder_of(record, own, search.data.tags["automl.model_version"])
    return LoadedModel(predictor, f"{own!r}, {held.words()}")


def _orphaned(name: str) -> str:
    return (
        f"The search {name!r} is no longer on record (it was deleted in MLflow, or renamed); its registered "
        "model remains and can predict."
    )


def leaderboard_rows(
    name: str,
    *,
    sort: str = "score",
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> list[LeaderboardRow]:
    """The trials of the latest search of this name, or of the search with this run id.

    Parameters
    ----------
    sort:
        ``score`` (best first), ``latency``, ``size``, ``time`` (least first) or ``trial``; rows without such
        a value come last.
    """
    check_order(sort)
    record = _record(tracking_uri, store)
    return in_order(record.leaderboard(resolve_search(record, name)), sort)


def read_leaderboard(
    name: str,
    *,
    sort: str = "score",
    most: int | None = None,
    family: str = "",
    state: str = "",
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Leaderboard:
    """The leaderboard with the result that the search delivered and the champion of its name.

    Parameters
    ----------
    most:
        The best trials to read, where the order is that of the score; None for all, which may be thousands.
    family, state:
        The only trials to list, where they are given: ``lightgbm``, ``failed``.
    """
    check_order(sort)
    check_state(state)
    record = _record(tracking_uri, store)
    run = resolve_search(record, name)
    search = record.describe_search(run, trials=False)
    summary = search.summary or {}
    if most is None or sort != "score":
        every = record.leaderboard(run)
        trials = [row for row in every if row.family == (family or row.family)]
        trials = [row for row in trials if row.state == (state or row.state)]
        total: int | None = len(trials)
    else:
        tags = {"automl.family": family, "automl.state": state}
        tags = {key: value for key, value in tags.items() if value}
        trials, total = record.leaders(run, most, tags), record.count_trials(run, tags)
        if total is None and not tags:
            total = sum(summary.get("trials", {}).values()) or None
    result = None
    if summary.get("best"):
        listed = {row.run_id: row for row in trials}
        others = [run_id for run_id in record.members(run) if run_id not in listed]
        result = result_row(
            search.run_id,
            summary["best"],
            search.metrics,
            [*trials, *rows_of(run, record.present_runs(others))],
            is_champion=search.is_champion,
            honest=summary.get("honest"),
        )
    champion = champion_holder(record, search.name)
    board = Leaderboard(result, tuple(trials), champion, search.name, total)
    return board.sorted_by(sort)


def leaderboard(
    name: str,
    *,
    sort: str = "score",
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> pd.DataFrame:
    """The leaderboard as a DataFrame: the search's result, then one row per trial.

    ``weight`` is a trial's share in the result, in hundredths that add up to 1; the result's own ``trial`` is
    missing. ``is_champion`` marks the model that predictions by name use: the result, whose ``state`` is then
    ``champion`` (else ``result``), or a promoted trial; no row if it comes from another search. Printed, it
    shows the short columns, and ``run_id`` cut to the part that every command needs.
    """
    return read_leaderboard(name, sort=sort, tracking_uri=tracking_uri, store=store).frame()


def promote(
    name: str,
    run: str,
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> str:
    """Make a run's model the champion of a search, which :func:`load` and predictions by name use.

    Parameters
    ----------
    run:
        The id of a trial's or a search's run, or its first six digits or more.

    Returns
    -------
    str
        The version of the registered model that is the champion now.

    Raises
    ------
    UsageError
        If the run is of another search, or has no model.
    """
    from automl.tracker.models.promotion import promotion

    return promotion(name, run, tracking_uri=tracking_uri, store=store).version


def searches(
    *, tracking_uri: str | None = None, store: str | os.PathLike[str] = DEFAULT_ROOT
) -> list[SearchDescription]:
    """The latest search of each name, the latest first, without trials."""
    record = _record(tracking_uri, store)
    return [record.describe_search(run, trials=False) for run in record.latest_search_runs()]


def describe(
    name: str,
    *,
    trials: bool = True,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> SearchDescription | TrialDescription:
    """The record of a search (by name or run id) or of a trial (by run id).

    Parameters
    ----------
    trials:
        Whether the trials of a search are read, too; without, their number is, until it has a result.
    """
    record = _record(tracking_uri, store)
    run = resolve_run(record, name)
    if record.is_trial(run):
        return record.describe_trial(run)
    described = record.describe_search(run, trials=trials)
    has_trials = trials or described.summary is not None
    return described if has_trials else replace(described, trials_on_record=record.trials_on_record(run))


@dataclass(frozen=True)
class UiServer:
    """MLflow's pages for a store.

    Attributes
    ----------
    address:
        Address of the start page.
    page:
        Address of the search's page, or of the start page.
    command, environment:
        The command that starts the server; empty if a tracking server has the pages already.
    """

    address: str
    page: str
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def run(self) -> int:
        """Serve until Ctrl-C or a termination signal; leave no process behind. Returns an exit code."""
        if not self.command:
            return 0
        in_main_thread = threading.current_thread() is threading.main_thread()
        process = subprocess.Popen(
            self.command, env={**os.environ, **self.environment}, start_new_session=True
        )
        before = signal.signal(signal.SIGTERM, _interrupt) if in_main_thread else None
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            if in_main_thread:
                signal.signal(signal.SIGTERM, before)
            _end(process)


def ui_server(
    name: str | None = None,
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
    port: int = 5000,
) -> UiServer:
    """A server that shows the record in the browser, on ``port`` or the next free one.

    Raises
    ------
    UsageError
        If no port is free, or nothing was recorded.
    """
    location = locate_store(tracking_uri, store)
    record = _record(tracking_uri, store)
    if name or location.artifacts is None:
        run = record.search_run(name) if name else None
    else:  # the latest search is a better start than a list of experiments
        run = next(iter(record.latest_search_runs()), None)
    path = "/"
    if run is not None:
        path = f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?{TRAINING}"
    if location.artifacts is None:
        address = location.uri.rstrip("/")
        return UiServer(address, address + path)
    record.bring_up_to_date()
    chosen = _free_port(port)
    address = f"http://{_HOST}:{chosen}"
    # In the environment: a database's password must not appear in the list of processes.
    environment = {**_UI_ENVIRONMENT, "MLFLOW_BACKEND_STORE_URI": location.uri}
    # uvicorn looks for modules here first; by default in the working directory, even with PYTHONSAFEPATH.
    environment["UVICORN_APP_DIR"] = str(location.root)
    return UiServer(address, address + path, _ui_command(location, chosen), environment)


def serve_ui(
    name: str | None = None,
    *,
    announce: Callable[[UiServer], None],
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
    port: int = 5000,
) -> int:
    """Show the record in the browser until Ctrl-C; ``announce`` is given the server with its address first.

    Returns
    -------
    int
        The server's exit code; 0 after Ctrl-C, and immediately if a tracking server has the pages.
    """
    server = ui_server(name, tracking_uri=tracking_uri, store=store, port=port)
    announce(server)
    return server.run()


_UI_ENVIRONMENT = {
    # One worker and no job runner: 0.4 GB of memory instead of 1.6.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A file of the working directory, such as random.py, must not replace a library in the server.
    "PYTHONSAFEPATH": "1",
}


def _ui_command(location: StoreLocation, port: int) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "mlflow", "server"),
        *("--default-artifact-root", str(location.artifacts)),
        *("--host", _HOST, "--port", str(port), "--workers", "1"),
    )


def _record(tracking_uri: str | None, store: str | os.PathLike[str]) -> Record:
    return Record(locate_store(tracking_uri, store))


def _free_port(wanted: int) -> int:
    """The wanted port, or the next free one."""
    for port in range(wanted, min(wanted + _PORTS, 65536)):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            if os.name != "nt":  # Windows would let two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise UsageError(f"No port from {wanted} on is free. Choose one between 1024 and 65535 with --port.")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and the workers that it started."""
    import psutil

    try:
        server = psutil.Process(process.pid)
        family = [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in family:
        try:
            one.terminate()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(family, timeout=5)
    for one in alive:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
