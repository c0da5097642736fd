"""Sections on files, one for each modality: sheets of files with the results on them."""

from __future__ import annotations

from automl.core.modality import Modality
from automl.data.modalities import modalities
from automl.report.facts.subject import Subject
from automl.report.sections.markup import Markup, photo, section


def files_sections(subject: Subject) -> dict[Modality, Markup]:
    """The sheets that the search recorded, by modality; empty for tables."""
    sections = {}
    for modality in modalities().values():
        captions = modality.captions
        sheets = [
            photo(content, alt=captions[name])
            for name, content in subject.pictures.items()
            if name in captions
        ]
        if sheets:
            sections[modality] = section(modality.name, modality.name.capitalize(), *sheets)
    return sections
