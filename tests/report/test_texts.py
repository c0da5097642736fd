"""Texts in the report: marked where they moved a prediction, and those with the largest losses."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from subjects import Searched

from automl.model.text_parts import strongest
from automl.report.build import open_search
from automl.report.facts.subject import Subject
from automl.report.sections.texts import texts_section


@pytest.fixture(scope="module")
def subject(texts: Searched) -> Subject:
    return open_search(texts.record, texts.name)


def test_the_words_that_tell_the_class_are_marked(subject: Subject) -> None:
    for row in subject.single_rows:
        (marked,) = row.texts
        assert marked.column == "letter"
        (word,) = strongest(marked.words, 1)
        assert word.start > marked.text.index(".")  # in the phrase, not in what stands before it
        covered = "".join(marked.part(part) for part in marked.words)
        assert covered == "".join(marked.text.split())


def test_the_largest_losses_are_shown_as_texts_with_their_answers(subject: Subject) -> None:
    losses = subject.text_losses
    assert losses.judged == 160
    assert len(losses.rows) == 10
    assert all(row.truth != row.answer for row in losses.rows)
    assert any(row.doubtful for row in losses.rows)
    shares = [float(row.probability) for row in losses.rows]
    assert shares == sorted(shares)


def test_texts_are_escaped_and_stand_in_their_own_direction(subject: Subject) -> None:
    section = texts_section(subject)
    assert "<b onclick" not in section
    assert 'dir="auto"' in section
    assert re.search(r'<span class="sentence (raises|lowers)" title="[+−-]', section)
    assert re.search(r'<mark class="(up|down)-4" title="[+−-]', section)


def test_tables_without_texts_have_no_such_section(binary: Searched) -> None:
    assert texts_section(open_search(binary.record, binary.name, explained=False)) == ""


def test_of_several_texts_each_has_its_name(subject: Subject) -> None:
    row = next(row for row in subject.single_rows if row.texts)
    (text,) = row.texts
    two = replace(row, texts=(text, replace(text, column="<answer>")))
    section = texts_section(replace(subject, single_rows=(two,)))
    assert '<bdi>letter</bdi></div><p dir="auto"' in section
    assert "<bdi>&lt;answer&gt;</bdi>" in section
    assert "<bdi>letter</bdi></div>" not in texts_section(replace(subject, single_rows=(row,)))
