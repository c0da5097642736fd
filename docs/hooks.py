"""What the site has besides this folder's files: pages from the repository, and the commands' own help."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
# Pages that stand elsewhere in the repository, where people who read the code look for them.
FROM_REPOSITORY = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/RESULTS.md", "benchmarks/RESULTS-images.md")
_WIDTH = 82  # characters of a line that fit the page
COMMANDS = "<!-- the help of every command -->"
_LINK = re.compile(r"\[([^\]\[]+)\]\((?!\w+:|#|<)([^)\s#]+)(#[^)\s]+)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the decisions by their numbers."""
    decisions = sorted(path.name for path in Path(config.docs_dir, "decisions").glob("*.md"))
    _replace(config.nav, "decisions/*.md", [f"decisions/{name}" for name in decisions])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the repository's own pages."""
    for name in FROM_REPOSITORY:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links within the repository to the site's pages, and fill in the commands' help."""
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, "\n".join(command_pages()))
    source = Path(page.file.abs_src_path or "").parent

    def led(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        found = Path(os.path.normpath(source / target))
        if not found.exists():
            return match[0]  # a broken link, for mkdocs to report
        inside = _place(found)
        if inside is None:
            return text  # a file of the repository that is no page
        place = os.path.relpath(inside, Path(page.file.src_uri).parent)
        return f"[{text}]({Path(place).as_posix()}{anchor})"

    return _LINK.sub(led, markdown)


def command_pages() -> Iterator[str]:
    """A section per command: its help, as the terminal prints it."""
    from automl.cli.commands import commands

    with click.Context(
        commands, info_name="automl", help_option_names=["-h", "--help"], terminal_width=_WIDTH
    ) as context:
        yield from _help_of(commands, context)


def _help_of(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            with click.Context(inner, info_name=name, parent=context, terminal_width=_WIDTH) as below:
                yield from _help_of(inner, below)


def _place(path: Path) -> str | None:
    """Where a file of the repository stands in the site, if it does."""
    docs = ROOT / "docs"
    if path.is_relative_to(docs):
        return None if path.suffix == ".py" else path.relative_to(docs).as_posix()
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
    return name if name in FROM_REPOSITORY else None


def _replace(items: Any, name: str, by: list[str]) -> None:
    """Put a list of pages in the place of ``name`` in the menu."""
    if isinstance(items, dict):
        for key, value in items.items():
            if value == name:
                items[key] = by
            else:
                _replace(value, name, by)
    elif isinstance(items, list):
        for item in items:
            _replace(item, name, by)
