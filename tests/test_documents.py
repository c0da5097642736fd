"""What the README and the guides say: links lead somewhere, commands and programs run as they are written."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
RUN = [ROOT / "README.md", ROOT / "docs" / "index.md", *GUIDES]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").glob("*.md"),
    ROOT / "mlruns" / "README.md",
]
NEEDED = ("automl", "search_spaces", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
TOOLS = ("automl", "mlflow", "gunicorn", "uvicorn", "pytest")
SECONDS = 400

_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")? *\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (not run|fails): ([^>]+?) -->\s*$")
_LINK = re.compile(r"(?<!`)\]\((?!\w+:|#)([^)\s#]+)(?:#([^)\s]+))?\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document.

    Attributes
    ----------
    title:
        The file that the block is; such a block is written, not run.
    mark, reason:
        ``not run`` with the reason, or ``fails`` with the exit code, from the comment above the block.
    """

    line: int
    language: str
    title: str
    text: str
    mark: str
    reason: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        mark = _MARK.search(text[: match.start()])
        found.append(
            Block(
                text[: match.start()].count("\n") + 1,
                match[1],
                match[2] or "",
                match[3],
                mark[1] if mark else "",
                mark[2] if mark else "",
            )
        )
    return found


def named(pages: list[Path]) -> list[object]:
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages]


@pytest.mark.parametrize("page", named(PAGES))
def test_every_link_leads_somewhere(page: Path) -> None:
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target, anchor in _LINK.findall(prose):
        place = page.parent / target
        assert place.exists(), f"{page.name} leads to {target}, which is not there"
        if anchor:
            assert anchor in headings(place), f"{target} has no heading {anchor}"


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and mkdocs make them."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", named(RUN))
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    found = blocks(page)
    fences = re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(found), "a fence that is no block"
    assert {block.language for block in found} <= {"bash", "python", "yaml", "toml", "text"}
    assert [block for block in found if block.language in ("bash", "python") and not block.mark]
    for block in found:
        assert block.mark != "not run" or len(block.reason.split()) >= 3, f"line {block.line} gives no reason"
        if block.language in ("yaml", "toml"):
            assert block.title, f"line {block.line}: which file is this?"


@pytest.mark.parametrize("page", named([*RUN, *(ROOT / "docs").glob("*.md")]))
def test_every_command_within_a_sentence_exists(page: Path) -> None:
    """``automl NAME`` and its options, wherever they stand in backquotes."""
    from automl.cli.commands import commands

    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for text in re.findall(r"`automl (?!\w+\.)([^`]+)`", prose):
        found: click.Command = commands
        for word in text.split():
            if isinstance(found, click.Group) and not word.startswith("-"):
                for name in word.split("|"):
                    assert name == "COMMAND" or name in found.commands, f"automl {text}: there is no {name}"
                found = found.commands.get(word, found)
                continue
            known = {"--help", "-h", *(flag for option in found.params for flag in option.opts)}
            assert not word.startswith("-") or word in known, f"automl {text}: there is no {word}"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A new virtual environment that finds what is installed here; what a document installs lands in it."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=True, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    there = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})\n" for path in there]
    (packages / "there.pth").write_text("".join(lines), encoding="utf-8")
    for point in entry_points(group="console_scripts"):
        if point.name in TOOLS:
            script = folder / "bin" / point.name
            script.write_text(
                f"#!{folder}/bin/python\nimport sys\nfrom {point.module} import {point.attr} as run\n"
                "sys.exit(run())\n"
            )
            script.chmod(0o755)
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHON"))
    }
    return {
        **variables,
        "PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_QUIET": "1",
        "MPLBACKEND": "agg",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }


@pytest.mark.slow  # real searches; pip fetches the build backend
@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("page", named(RUN))
def test_what_a_document_says_runs_as_it_stands(
    page: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """From top to bottom, in one shell and one folder: the checkout for the README, else an empty one."""
    if page.parent == ROOT:
        for name in NEEDED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    script = tmp_path / ".document.sh"
    script.write_text("\n".join(steps(page, tmp_path)), encoding="utf-8")
    log = tmp_path / ".log"
    with log.open("w") as out:
        shell = subprocess.Popen(
            ["bash", str(script)],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            code = shell.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            end(shell)  # also the servers that the document started
    assert code == 0, f"{page.name} ended with {code}:\n{log.read_text(errors='replace')[-6000:]}"


def steps(page: Path, folder: Path) -> Iterator[str]:
    """The document as one shell script; programs that follow one another are one, as cells are."""
    yield "set -euo pipefail"
    program: Path | None = None
    mark_before = ""
    for number, block in enumerate(blocks(page)):
        if block.language == "text" and mark_before == "fails":  # what it says, word by word
            (folder / ".words").write_text(block.text, encoding="utf-8")
            yield "diff .words <(tail -n $(wc -l < .words) .said)"
        mark_before = block.mark
        if block.mark == "not run" or block.language == "text":
            continue
        yield f"echo '=== {page.name}, line {block.line}' >&2"
        if block.title:
            (folder / f".{number}").write_text(block.text, encoding="utf-8")
            yield f'mkdir -p "$(dirname {block.title})" && cp .{number} {block.title}'
        elif block.language == "python" and program is not None:
            program.write_text(f"{program.read_text(encoding='utf-8')}\n{block.text}", encoding="utf-8")
        elif block.language == "python":
            program = folder / f"program{number}.py"
            program.write_text(block.text, encoding="utf-8")
            yield f"python {program.name}"
        elif block.mark == "fails":
            yield f"code=0; ( {block.text.strip()} ) 2> .said || code=$?; test $code = {block.reason}"
        else:
            yield block.text
        if block.language != "python" or block.title:
            program = None


def end(shell: subprocess.Popen[bytes]) -> None:
    """End everything that the shell began."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(shell.pid, number)
            shell.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


@pytest.mark.slow  # seconds, but only where the extra `docs` is installed
def test_the_site_is_built_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        fetched = re.findall(
            r"<(?:script|img|iframe)[^>]+src=\"?(\w+:|//)|<link[^>]+rel=\"?(?:stylesheet|icon|preload)[^>]+href=\"?(https?:|//)",
            page.read_text(encoding="utf-8"),
        )
        assert not fetched, f"{page.name} fetches from {fetched}"
