"""What a search shows while it runs: the picture at several sizes, and real searches on a terminal."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from command_line import automl
from rich.cells import cell_len
from rich.console import Console

from automl.cli.events import EventLog
from automl.cli.live_picture import HEAD, Running, Snapshot, picture
from automl.cli.live_view import LiveView
from automl.cli.view import PlainView, View
from automl.core.errors import StorageError
from automl.core.trial import Candidate, Progress, Scores, Status, Trial, TrialResult

_SEARCH = ("search", "wine.csv", "--target", "class", "--families", "linear", "--seed", "3")


def shot(trials: int = 20, running: int = 2, **given: object) -> Snapshot:
    ended = []
    for number in range(trials):
        failed = number == 11
        result = TrialResult(
            status=Status.FAILED if failed else Status.DONE, seconds=1.5, error="[bold]no[/]"
        )
        scores = None if failed else Scores(0.9 + number / 1000, 0.004, ())
        ended.append(
            Trial(number, Candidate(family="[red]x" if number == 3 else "catboost")).finished(result, scores)
        )
    workers = [
        Running(
            Trial(50 + n, Candidate(family="tabular_net")),
            time.monotonic(),
            Progress(50 + n, 0.4, "epoch 3 of 9"),
        )
        for n in range(running)
    ]
    values = {
        **{"name": "wine", "metric": "accuracy", "greater_is_better": True},
        "elapsed": 71.0,
        "seconds": 180.0,
        "trials": None,
        "best": [(4.0, 0.6), (9.0, 0.91), (30.0, 0.95), (52.0, 0.98594)],
        "ensemble": 0.98594,
        "weights": {19: 0.6, 3: 0.4},
        **{"memory_bytes": 2_100_000_000, "memory_limit": 15_400_000_000},
    }
    return Snapshot(ended=ended, running=workers, **{**values, **given})  # type: ignore[arg-type]


def drawn(snapshot: Snapshot, width: int, height: int = 24, *, plain: bool = False) -> list[str]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(width=width, height=height, record=True, file=nowhere, force_terminal=True)
        console.print(picture(snapshot, width, height, plain=plain))
        return console.export_text().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [60, 80, 120, 160, 220])
def test_the_picture_fits_the_terminal_and_says_everything(width):
    lines = drawn(shot(), width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 23
    text = "\n".join(lines)
    for words in ("wine", "71s of 3m00s", "19 done", "1 failed", "2 running", "2.0 GB of 14.3 GB", "0.98594"):
        assert words in text, words
    assert "0.919" in text
    assert "0.004" in text
    assert "#50" in text
    assert "60%" in text  # a member's weight


@pytest.mark.parametrize("width", [80, 160])
def test_long_names_push_no_figure_off_the_screen(width):
    ended = [
        Trial(n, Candidate(family="my_own_gradient_boosted_family_with_a_name")).finished(
            TrialResult(status=Status.DONE, seconds=1.5), Scores(0.91, 0.004, ())
        )
        for n in (17, 18)
    ]
    lines = drawn(replace(shot(), name="検索 and " * 12, metric="mean_error_of_mine" * 3, ended=ended), width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert "71s of 3m00s" in lines[0]
    assert [line for line in lines if "17" in line and "0.91" in line and "0.004" in line and "1.5s" in line]
    assert "#51" in text


def test_a_low_terminal_gets_a_shorter_leaderboard_and_many_workers_are_counted():
    assert len(drawn(shot(running=2), 80, 24)) - len(drawn(shot(running=2), 80, 18)) == 5
    text = "\n".join(drawn(shot(running=12), 80, 50))
    assert "and 4 more" in text
    assert text.count("catboost") >= HEAD


def test_names_are_no_markup_and_ascii_terminals_get_no_braille():
    assert "[red]x" in "\n".join(drawn(shot(trials=4), 80))
    assert not re.search("[\u2800-\u28ff▁-█]", "\n".join(drawn(shot(), 160, plain=True)))
    assert re.search("[\u2801-\u28ff]", "\n".join(drawn(shot(), 160)))


def test_the_first_moments_have_a_picture_too():
    text = "\n".join(drawn(shot(trials=0, running=0, best=[], ensemble=None, weights={}, memory_bytes=0), 80))
    assert "no trial is back yet" in text
    assert "starting the workers" in text


def on_terminal(folder: Path, *arguments: str, columns: int, **environment: str) -> str:
    """The command's output on a pseudo-terminal of this width."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "automl", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    assert process.wait(timeout=200) == 0
    return b"".join(parts).decode("utf-8", "replace")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from automl.cli.examples import write_example

    where = tmp_path_factory.mktemp("view")
    write_example("wine", where)
    return where


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_a_terminal_sees_the_picture_in_colour_and_then_the_summary(folder):
    seen = on_terminal(folder, *_SEARCH, "--trials", "3", columns=80)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert "\x1b[" in seen
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", seen)
    assert "running   memory" in plain
    assert re.search(r"best accuracy so far|ensemble  (none yet|accuracy)", plain)
    assert re.search(r"Best: (trial|ensemble)", plain)
    assert "What next" in plain
    assert "automl report wine" in plain


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_no_color_is_obeyed(folder):
    few = ("--trials", "1", "--executor", "inline", "--name", "grey")
    seen = on_terminal(folder, *_SEARCH, *few, columns=160, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;)[0-9;]*m", seen)
    assert "What next" in seen


@pytest.mark.slow
def test_off_a_terminal_there_are_plain_lines_and_the_events_are_json(folder):
    how = ("--trials", "5", "--executor", "inline", "--name", "piped")
    done = automl(*_SEARCH, *how, "--events", "log/events.jsonl", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr
    assert len(re.findall(r"^ +[\d.]+s +#\d+", done.stderr, re.MULTILINE)) == 5
    best = json.loads(done.stdout)["best"]
    last = f"· 5 trials · result accuracy {best['validation']:.5g} ({best['family']}) · done\n"
    assert last in done.stderr
    lines = (folder / "log" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "prepared"
    assert kinds[-1] == "ended"
    assert kinds.count("started") == kinds.count("finished") == 5
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert events[-1]["best"] == json.loads(done.stdout)["best"]
    assert events[0]["metric"] == "accuracy"


def test_off_a_terminal_a_line_every_ten_seconds_says_how_far_the_search_is(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    view = PlainView(stream)
    view.metric, view._seconds = "accuracy", 60.0
    view.started(Trial(0, Candidate(family="lightgbm")))
    view.started(Trial(1, Candidate(family="linear")))
    for second in range(1, 25):
        now[0] = 100.0 + second
        view.ticked()
        if second == 12:
            trial = Trial(0, Candidate(family="lightgbm"))
            view.finished(
                trial.finished(TrialResult(status=Status.DONE, seconds=9.0), Scores(0.971, 0.01, ())), None
            )
    lines = [line for line in stream.getvalue().splitlines() if "·" in line]
    assert lines == [
        "  10s of 60s · 0 trials · 2 running",
        "  20s of 60s · 1 trial · best accuracy 0.971 (lightgbm) · 1 running",
    ]


def test_a_line_tells_the_score_of_a_trial_from_that_of_an_ensemble():
    stream = io.StringIO()
    view = PlainView(stream)
    for number, (score, ensemble) in enumerate([(0.9, None), (0.8, 0.95), (0.97, 0.96)]):
        trial = Trial(number, Candidate(family="linear"))
        view.finished(
            trial.finished(TrialResult(status=Status.DONE, seconds=1.0), Scores(score, 0.01, ())), ensemble
        )
    marks = [re.search(r"(best|ensemble) [\d.]+$", line.rstrip()) for line in stream.getvalue().splitlines()]
    assert [mark.group() for mark in marks if mark] == ["best 0.9", "ensemble 0.95", "best 0.97"]


def test_what_is_left_out_is_named_in_the_option_that_keeps_it(folder):
    frame = pd.DataFrame({"x": range(60), "Passenger Id": [f"p{n:05d}" for n in range(60)], "y": [0, 1] * 30})
    frame.to_csv(folder / "ids.csv", index=False)
    how = ("--trials", "1", "--executor", "inline")
    done = automl("search", "ids.csv", "--target", "y", *how, folder=folder)
    assert "left out 'Passenger Id' (id); --keep 'Passenger Id' keeps it\n" in done.stderr


@pytest.mark.slow
def test_quiet_says_nothing_but_still_writes_events(folder, capfd):
    how = ("--trials", "2", "--executor", "inline", "--name", "quiet", "--quiet", "--events", "quiet.jsonl")
    done = automl(*_SEARCH, *how, folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tuple(capfd.readouterr()) == ("", ""), "libraries print nothing either"
    assert (folder / "quiet.jsonl").read_text().count('"finished"') == 2


def test_events_that_cannot_be_written_are_refused_before_anything_runs(folder):
    done = automl(*_SEARCH, "--events", "wine.csv/events.jsonl", folder=folder)
    assert done.returncode == 2
    assert "--events" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_bar_of_decoding_is_written_over_by_the_next_line():
    screen = io.StringIO()
    view = LiveView(Console(file=screen, width=60, force_terminal=True, color_system=None))
    view.preparing(0.5, "decoding 200 images of a folder with a name that is long")
    view.preparing(1.0, "decoding")
    view.say("short")
    rows = [row.split("\r") for row in screen.getvalue().split("\n")]
    assert max(len(part) for part in rows[0]) < 60
    assert rows[0][-2].strip() == ""
    assert len(rows[0][-2]) >= max(len(part.rstrip()) for part in rows[0][:-2])
    assert rows[0][-1] == "short"


def test_events_that_nobody_can_take_any_more_are_a_fault_of_storage(tmp_path: Path) -> None:
    pipe = tmp_path / "events"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    view = View(EventLog(str(pipe)))
    os.close(reader)
    with pytest.raises(StorageError, match=r"--events .*events cannot be written"), view:
        view.started(Trial(0, Candidate(family="dummy")))


def test_a_signal_is_answered_though_the_search_does_not_look_yet() -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        os.kill(os.getpid(), signal.SIGINT)
        until = time.monotonic() + 60
        while not stream.getvalue() and time.monotonic() < until:
            time.sleep(0.05)
        assert stream.getvalue() == (
            "Interrupted: stopping as soon as this step ends. Press again to stop now.\n"
        )
        assert view.stop_requested()
    assert stream.getvalue().count("Interrupted") == 1


def test_a_signal_that_the_search_sees_at_once_is_answered_once() -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        os.kill(os.getpid(), signal.SIGTERM)
        assert view.stop_requested()
        assert view.exit_code == 143
        view._answer("stopping as soon as this step ends")
    assert stream.getvalue() == "Interrupted: keeping the best so far. Press again to stop now.\n"
