"""The plots of a search as files on its run, and as images in the run's description."""

from __future__ import annotations

import re
from collections.abc import Mapping

from automl.report.facts.evidence import Evidence
from automl.report.palette import NARROW, VARIABLES
from automl.tracker.notes import with_plots
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import Material, write_file
from automl.tracker.store.failures import storage_errors
from automl.tracker.tags import NOTE
from automl.tracker.writing.sketches import champion_sketches

PLOTS = "plots"
_DESCRIBED = ("history", "importance", "confusion", "fitted", "front", "roc", "residuals")
_DRAWN = re.compile(r'<svg data-plot="([\w-]+)" viewBox="([^"]+)"[^>]*>(.*?)</svg>', re.DOTALL)
_SHOWN = re.compile(r"!\[\]\(get-artifact\?path=plots[^)]*\)\n*")
_FONT = "DejaVu Sans, Verdana, Noto Sans, system-ui, sans-serif"


def plots_of_page(page: str) -> dict[str, str]:
    """A report's plots by name, each a complete SVG file in the colours of light pages."""
    drawings = _DRAWN.findall(page)
    return {name: _file(view, body) for name, view, body in drawings if not name.endswith(NARROW)}


def quick_plots(material: Material, evidence: Evidence) -> dict[str, str]:
    """The most important plots, made in milliseconds, for a search that has no time for a report."""
    began = evidence.story.began
    best = [(at - began, score) for at, score in material.best]
    drawn = champion_sketches(evidence.task, evidence.target, evidence.predictions, best)
    return {name.removesuffix(".svg"): text for name, text in drawn.items()}


def put_plots(record: Record, run_id: str, plots: Mapping[str, str]) -> None:
    """Store plots with the other files of a search's run, and show the most important ones on its page."""
    for name, text in plots.items():
        write_file(record, run_id, f"{PLOTS}/{name}.svg", text.encode())
    before = record.run(run_id).data.tags.get(NOTE, "")
    shown = [f"{PLOTS}/{name}.svg" for name in _DESCRIBED if name in plots]
    note = with_plots(_SHOWN.sub("", before), run_id, shown[:4], before="| trial")
    if note != before:  # only then is MLflow needed, which takes two seconds of CPU time to load
        with storage_errors(f"describe the run {run_id}"):
            record.client.set_tag(run_id, NOTE, note)


def _file(view: str, body: str) -> str:
    for variable, colour in VARIABLES.items():
        body = body.replace(f"var(--{variable})", colour)
    _, _, width, height = view.split()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" width="{width}" height="{height}" '
        f'font-family="{_FONT}"><rect width="100%" height="100%" fill="#ffffff"/>{body}</svg>\n'
    )
