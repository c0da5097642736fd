"""Sections on files, one for each modality: sheets that show the result on some of them."""

from __future__ import annotations

from automl.core.modality import Modality
from automl.data.modalities import modalities
from automl.report.facts.subject import Subject
from automl.report.sections.markup import Markup, photo, section


def files_sections(subject: Subject) -> dict[Modality, Markup]:
    """The sheets that the search left, by their modality; none for tables."""
    found = {}
    for modality in modalities().values():
        said = modality.captions
        sheets = [
            photo(content, alt=said[name]) for name, content in subject.pictures.items() if name in said
        ]
        if sheets:
            found[modality] = section(modality.name, modality.name.capitalize(), *sheets)
    return found
