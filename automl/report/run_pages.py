"""The pages that a search writes on its run once the model is saved: its card and, given time, a report."""

from __future__ import annotations

import logging
from dataclasses import replace

from automl.core.errors import AutoMLError
from automl.core.time_budget import Clock
from automl.model.predictor import Predictor
from automl.report.build import (
    EXPLAIN_SECONDS,
    REPORT,
    SINGLE_SECONDS,
    kept_cells,
    origins_of,
    read_pictures,
    versions_of,
)
from automl.report.card import model_card
from automl.report.facts.evidence import Evidence
from automl.report.facts.explain import explain
from automl.report.facts.label_errors import held_out_files
from automl.report.facts.single_rows import single_rows
from automl.report.facts.subject import Subject
from automl.report.facts.text_losses import text_losses
from automl.report.figures.files import plots_of_page, put_plots, quick_plots
from automl.report.figures.sheets import sheets_of
from automl.tracker.models.champion_page import CARD, describe_model
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import record_duration, search_material, write_file
from automl.tracker.store.location import StoreLocation

CARD_SECONDS = 1.0
SHEETS_SECONDS = 4.0
REPORT_SECONDS = 8.0
REPORT_SHARE = 0.1
_FAULTS = (AutoMLError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
_log = logging.getLogger(__name__)


def state_duration(location: StoreLocation, run_id: str, seconds: float) -> None:
    """Record the duration of the search, which all pages and commands read; log a failure."""
    try:
        record_duration(Record(location), run_id, seconds)
    except _FAULTS as error:
        _log.warning("The duration of the search could not be recorded (%s).", error)


def leave_pages(
    location: StoreLocation, run_id: str, *, evidence: Evidence, predictor: Predictor, clock: Clock
) -> None:
    """Write the model card and, given enough time, the report of a search that has just ended.

    A card takes 0.3 s, sheets of files 2 s and a report 2 to 3 s on a free core (measured), so within a time
    budget the card requires 1 s, the sheets 4 s and the report 8 s, or more if the machine is busy; a report
    is also allowed at most a tenth of the search's time. If there is not enough, ``automl report NAME`` makes
    it later, with the sheets. The list of the held-out files takes milliseconds and is always written. The
    model is registered by then, so a page that fails is logged and stops nothing.
    """
    share = clock.pace.share
    try:
        record = Record(location)
        for name, listed in held_out_files(evidence).items():
            write_file(record, run_id, name, listed)
        if clock.left < CARD_SECONDS / share:
            return
        material = search_material(record, run_id)
        subject = Subject(
            material=material,
            evidence=evidence,
            versions=versions_of(predictor),
            kept_cells=kept_cells(predictor),
            origins=origins_of(predictor),
        )
        card = model_card(subject)
        write_file(record, run_id, CARD, card.encode())
        describe_model(record, material.search, card)
        put_plots(record, run_id, quick_plots(material, evidence))
        if clock.left >= SHEETS_SECONDS / share:
            for name, sheet in sheets_of(evidence, predictor).items():
                write_file(record, run_id, name, sheet)
        if clock.left < REPORT_SECONDS / share or clock.elapsed * REPORT_SHARE < REPORT_SECONDS / 2:
            return
        from automl.report.page import render

        explanation = explain(predictor, evidence, seconds=min(EXPLAIN_SECONDS, clock.left / 4))
        singles = single_rows(predictor, evidence, seconds=min(SINGLE_SECONDS, clock.left / 8))
        pictures = read_pictures(record, material)
        losses = text_losses(evidence, predictor.layout)
        page = render(
            replace(
                subject,
                explanation=explanation,
                pictures=pictures,
                single_rows=singles,
                text_losses=losses,
            )
        )
        write_file(record, run_id, REPORT, page.encode())
        put_plots(record, run_id, plots_of_page(page))
    except _FAULTS as error:
        _log.warning("The pages of the search could not be made (%s); the model is not affected.", error)
