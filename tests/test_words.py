"""The project's words: one meaning each, plain English, and documents that name files which are there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "automl"
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "mlruns/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *sorted((ROOT / "search_spaces").glob("*.yaml")),
]
# Rooms and modules whose messages, docstrings, comments and names have been revised: add yours.
REVISED = (
    "__init__.py",
    "__main__.py",
    "cli/",
    "controller",
    "core",
    "data",
    "executors",
    "families",
    "model",
    "plugins.py",
    "problem",
    "report",
    "testing",
    "tracker",
)
_COMPARED = "longer|more|less|fewer|better|worse|larger|smaller"
# Phrases that a reader has to translate, with what to write instead.
FORBIDDEN = {
    rf"(?<!here )\b(?:is|are|was|were|be) no (?!(?:{_COMPARED})\b)": "'is not a number', 'are not dates'",
    r"\b[Mm]end(?:s|ed|ing)?\b": "fix, repair",
    r"\b[Oo]nce more ends\b": "press again to stop now",
    r"\bbut for\b": "except for",
    r"\bin the place of\b": "instead of, in place of",
    r"\bwas not looked at\b": "was not checked",
    r"\bcopies of one record\b": "duplicates of a record",
    r"\b(?:it )?is called like\b": "has the name of",
    r"\bwhom it fails\b": "where it is wrong",
}
FIRST_WORDS = re.compile(r"(?:What|Whether|How|Which|Where|Why|Who|Whom|When|That)\b")
# Participles and adverbs name nothing.
NOT_NOUNS = {"asked", "found", "known", "said", "there", "told"}
# Every family calls its parameters so.
SHARED_NAMES = {"Params"}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its path below it."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def revised() -> list[str]:
    return [name for name in modules() if name.startswith(tuple(REVISED))]


def sentences(name: str) -> Iterator[tuple[int, str]]:
    """The comments of a module, and its strings: messages and docstrings."""
    for number, line in enumerate((PACKAGE / name).read_text(encoding="utf-8").splitlines(), start=1):
        if comment := re.search(r"(?:^|\s)#\s(.+)", line):
            yield number, comment[1]
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def foreign_phrases(text: str) -> list[str]:
    joined = re.sub(r"\s+", " ", text)
    return [
        f"“…{joined[max(0, match.start() - 30) : match.end() + 20]}…”: {instead}"
        for phrase, instead in FORBIDDEN.items()
        for match in re.finditer(phrase, joined)
    ]


def test_every_revised_room_is_there() -> None:
    assert [name for name in REVISED if not (PACKAGE / name).exists()] == []


@pytest.mark.parametrize("name", revised())
def test_messages_docstrings_and_comments_are_plain_english(name: str) -> None:
    wrong = [f"line {line}: {found}" for line, text in sentences(name) for found in foreign_phrases(text)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_are_plain_english(page: Path) -> None:
    wrong = foreign_phrases(re.sub(r"^# ?", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", revised())
def test_a_docstring_begins_with_a_noun_or_a_verb(name: str) -> None:
    documented = [
        node
        for node in ast.walk(modules()[name])
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    first = [(ast.get_docstring(node) or "").splitlines()[:1] for node in documented]
    assert not [line for lines in first for line in lines if FIRST_WORDS.match(line)]


@pytest.mark.parametrize("name", revised())
def test_variables_are_nouns(name: str) -> None:
    wrong = [
        f"line {node.lineno}: {variable}"
        for node in ast.walk(modules()[name])
        if isinstance(node, ast.Name | ast.arg)
        for variable in [node.arg if isinstance(node, ast.arg) else node.id]
        if variable in NOT_NOUNS
    ]
    assert not wrong, wrong


def test_no_two_public_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for tree in modules().values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in names.items() if count > 1} <= SHARED_NAMES


def terms() -> list[str]:
    return re.findall(r"^\| \*\*([^*]+)\*\* \|", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_glossary_gives_each_word_one_meaning() -> None:
    assert len(terms()) > 40
    assert [term for term, count in Counter(terms()).items() if count > 1] == []


@pytest.mark.parametrize("term", terms())
def test_every_term_of_the_glossary_is_used(term: str) -> None:
    stem = re.escape(term.removesuffix("s"))
    pages = [page for page in PAGES if page != GLOSSARY]
    assert any(re.search(rf"\b{stem}", page.read_text(encoding="utf-8"), re.IGNORECASE) for page in pages)


def test_files_that_the_guide_for_contributors_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:automl|docs|tests|search_spaces)/[\w/.]*\w/?)`", text)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
