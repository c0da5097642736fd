"""Flags and names that cannot be used: their exit code, the flag, what is allowed, and no traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--folds", "0"), 2, "--folds must be 1"),
        (("--seed", "-1"), 2, "--seed must be between"),
        (("--seed", "99999999999999"), 2, "--seed must be between"),
        (("--trials", "0"), 2, "--trials must be 1"),
        (("--workers", "-3"), 2, "--workers must be 1"),
        (("--memory", "1KB"), 2, "--memory"),
        (("--memory", "much"), 2, "4GB"),
        (("--keep-models", "bad"), 2, "512MB"),
        (("--time", "0"), 2, "one second"),
        (("--time", "soon"), 2, "60s"),
        (("--kind", "colour"), 2, "COLUMN=KIND"),
        (("--kind", "colour=nmber"), 2, "'number'"),
        (("--kind", "nobody=number"), 3, "--kind: there is no column 'nobody'"),
        (("--kind", "colour=number"), 3, "none of its values is a number"),
        (("--kind", "colour=date"), 3, "2024-12-31"),
        (("--metric", "acuracy"), 2, "'accuracy'"),
        (("--metric", "rmse"), 2, "not defined for a binary task"),
        (("--task", "regresion"), 2, "'regression'"),
        (("--task", "regression"), 3, "--task classification"),
        (("--families", "lightgmb"), 2, "'lightgbm'"),
        (("--prefer", "fst"), 2, "'fast'"),
        (("--executor", "locl"), 2, "'local'"),
        (("--device", "gpu"), 2, "'cpu'"),
        (("--name", "a/b"), 2, "cannot name a search"),
        (("--group", "nobody"), 3, "--group: there is no column 'nobody'"),
        (("--group", "y"), 2, "--group 'y': this column is the target"),
        (("--drop", "y"), 2, "--drop 'y': this column is the target"),
        (("--group", "colour", "--time-column", "x"), 2, "Choose one of"),
        (("--fold-column", "one"), 3, "fold column holds only one value"),
        (("--time-column", "colour"), 3, "are not times (first in row 1"),
        (("--test", "nothing.csv"), 3, "nothing.csv does not exist"),
        (("--test", "without.csv"), 3, "--test has no column 'y'"),
        (("--test", "strange.csv"), 3, "'new'"),
        (("--spaces", "nowhere.yaml"), 2, "nowhere.yaml does not exist"),
        (("--encoding", "klingon"), 2, "utf-8"),
        (("--delimiter", ";;"), 2, "one character"),
        (("--header", "0"), 2, "the number of a line, 1 or more"),
        (("--decimal", ";"), 2, "'.' or ','"),
        (("--store", "data.csv"), 6, "data.csv"),
        (("--tracking-uri", "file:///tmp/x"), 2, "sqlite:"),
    ],
)
def test_a_search_that_cannot_be_says_why(cli, write, frame, options, code, words):
    write(frame.drop(columns="y"), "without.csv")
    write(frame.assign(y="new"), "strange.csv")
    name = write(frame.assign(one=1))
    cli("search", name, "--target", "y", *options).refused(code, words)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("serch",), 2, "'search'"),
        (("search",), 2, "DATA"),
        (("search", "data.csv"), 2, "--target"),
        (("search", "data.csv", "--targt", "y"), 2, "--target"),
        (("predict", "nobody", "data.csv"), 2, "automl search"),
        (("predict", "data.csv", "data.csv"), 2, "automl search"),
        (("predict", "./mlruns", "data.csv"), 3, "manifest.json"),
        (("leaderboard", "nobody"), 2, "automl search"),
        (("show", "0" * 32), 2, "There is no run 000"),
        (("ui", "nobody"), 2, "automl search"),
        (("ui", "--port", "99999999"), 2, "--port"),
        (("leaderboard", "x", "--store", "nowhere"), 2, "automl search"),
        (("spaces", "show", "../../etc/passwd"), 2, "'lightgbm'"),
        (("spaces", "copy", "linear", "-o", "data.csv"), 6, "data.csv/linear.yaml cannot be written"),
        (("example", "whine"), 2, "'wine'"),
        (("example", "wine", "-o", "data.csv"), 6, "cannot be written"),
        (("check", "data.csv", "-t", "why"), 3, "no target column 'why'"),
        (("check", "nothing.csv"), 3, "nothing.csv does not exist"),
    ],
)
def test_a_command_that_cannot_be_says_why(cli, write, frame, arguments, code, words):
    write(frame)
    cli(*arguments).refused(code, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("search", "data.csv", "--trials", "many"), ("--trials", "'many'", "`automl search --help`")),
        (
            ("search", "data.csv", "--tme", "9s"),
            ("No such option '--tme'", "--time", "`automl search --help`"),
        ),
        (("search",), ("Missing argument 'DATA'. Next: `automl search --help`.",)),
        (("search", "data.csv", "too many"), ("unexpected extra argument", "`automl search --help`")),
        (("serch",), ("'search'? Next: `automl --help`.",)),
        (("--dbug",), ("--debug", "`automl --help`")),
    ],
)
def test_words_that_the_command_line_does_not_know_end_like_every_error(cli, arguments, words):
    done = cli(*arguments)
    done.refused(2, *words)
    assert len(done.err.splitlines()) == 1


def test_debug_shows_the_traceback(cli, write, frame, tmp_path):
    write(frame)
    command = [sys.executable, "-m", "automl", "--debug", "check", "data.csv", "-t", "why"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "Traceback" in done.stderr
    assert "DataError" in done.stderr
