"""``automl explain``: the predictions of a few rows, each as a sum of what every column contributes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl.cli.click_options import dialect_options, store_options
from automl.cli.new_rows import read_rows, remarks_to_stderr
from automl.cli.table_file import refuse_place, write_table
from automl.core.text import counted, duration, label_text, printable, score_text

if TYPE_CHECKING:
    from automl.model.explanation import ExplainedRows
    from automl.model.text_parts import MarkedText

SHOWN_ROWS = 10
"""Rows that a terminal shows."""
_SHOWN_COLUMNS, _SHOWN_SENTENCES, _SHOWN_WORDS = 8, 3, 5
_ROUNDING = 1e-9
_BAR, _CELL, _NAME, _PART = 24, 20, 32, 40


@click.command()
@click.argument("model")
@click.argument("data")
@click.option("-o", "--out", metavar="FILE", help="Write all contributions here (csv or parquet).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--class", "label", metavar="CLASS", help="Explain this class. [default: the predicted one]")
@click.option(
    "--scale",
    metavar="prediction|log-odds",
    default="prediction",
    show_default=True,
    help="Contributions to the value or the probability, or to the log-odds of a class.",
)
@click.option(
    "--time",
    "budget",
    metavar="TIME",
    default="30s",
    show_default=True,
    help="Time that it may take once the model is loaded.",
)
@click.option("--image-root", metavar="FOLDER", help="Where the paths of images in DATA start from.")
@dialect_options
@store_options
def explain(
    *,
    model: str,
    data: str,
    out: str | None,
    as_json: bool,
    label: str | None,
    scale: str,
    budget: str,
    image_root: str | None,
    tracking_uri: str | None,
    store: str,
    **dialect: Any,
) -> None:
    """Explain MODEL's predictions of the rows in DATA: what each column contributes.

    Contributions are compared with typical values of each column, and add up to the prediction. At most 1,000
    rows at a time; a terminal shows the first 10.

    \b
    Examples:
      automl explain wine new.csv
      automl explain churn customers.csv --class yes -o why.csv
      automl explain prices houses.csv --time 2m --json
    """
    from automl.core.quantities import parse_seconds
    from automl.tracker.library import load_described

    if out is not None:
        refuse_place(Path(out), "contributions")
    seconds = parse_seconds(budget)
    with remarks_to_stderr():
        loaded = load_described(model, tracking_uri=tracking_uri, store=Path(store))
        if loaded.remark:
            click.echo(loaded.remark, err=True)
        rows = read_rows(data, image_root, loaded.predictor.layout, dialect)
        frame = rows.frame
        if out is None and not as_json and len(frame) > SHOWN_ROWS:
            click.echo(
                f"note: the first {SHOWN_ROWS} of {counted(len(frame), 'row')} are explained; -o FILE or "
                "--json explains all.",
                err=True,
            )
            frame = frame.iloc[:SHOWN_ROWS]
        explained = loaded.predictor.explain(frame, label=label, scale=scale, seconds=seconds)
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "model": model, **explained.to_json()}, default=str))
    if out is not None:
        table = explained.to_frame()
        as_text = {"value": str} if out.endswith(".parquet") else {}  # of one type, as parquet wants it
        write_table(table.astype(as_text), Path(out), "contributions")
        click.echo(f"Wrote {counted(len(frame), 'explanation')} to {out}.", err=True)
    if out is None and not as_json:
        click.echo("\n".join(_lines(explained)))
    click.echo(f"{_how(explained)} In {duration(explained.seconds)}, by {printable(loaded.words)}.", err=True)


def _lines(explained: ExplainedRows) -> Iterator[str]:
    """A block per row: its prediction, then a bar per column, the largest first."""
    for place in range(len(explained.prediction)):
        order = explained.order(place)
        most = len(order) if len(order) == _SHOWN_COLUMNS + 1 else _SHOWN_COLUMNS  # not "others (1)"
        shown, rest = order[:most], order[most:]
        values = explained.contributions.iloc[place].to_numpy(dtype=float)
        errors = explained.errors.iloc[place].to_numpy(dtype=float)
        largest = max((abs(value) for value in values), default=0.0) or 1.0
        decimals = max(0, 2 - math.floor(math.log10(largest)))
        names = [str(explained.contributions.columns[column]) for column in shown]
        cells = [str(explained.cells.iloc[place, column]) for column in shown]
        width = min(_NAME, max((len(name) for name in [*names, "others (999)"]), default=0))
        wide = min(_CELL, max((len(cell) for cell in cells), default=0))
        yield _headline(explained, place)
        for name, cell, column in zip(names, cells, shown, strict=True):
            error = _error(errors[column], largest, decimals)
            bar = _bar(values[column], largest)
            number = f"{f'{values[column]:+,.{decimals}f}':>9}{error:<10}"
            yield f"  {_cut(name, width):<{width}}  {_cut(cell, wide):>{wide}}  {number}{bar}".rstrip()
        if rest:
            total = f"{float(values[rest].sum()):+,.{decimals}f}"
            yield f"  {f'others ({len(rest)})':<{width}}  {'':>{wide}}  {total:>9}"
        for text in explained.texts[place] if explained.texts else ():
            yield from _text_lines(text)
        yield ""


def _text_lines(text: MarkedText) -> Iterator[str]:
    """The strongest sentences and words of a text, and by how much each raises the prediction."""
    from automl.model.text_parts import strongest

    sentences, words = strongest(text.sentences, _SHOWN_SENTENCES), strongest(text.words, _SHOWN_WORDS)
    if not words:
        return
    yield f"  {_cut(text.column, _NAME)}: by how much the prediction would fall without"
    shown = [(part, _cut(text.part(part), _PART)) for part in dict.fromkeys((*sentences, *words))]
    wide = max(len(words) for _, words in shown)
    largest = max(abs(part.effect) for part, _ in shown)
    decimals = max(0, 2 - math.floor(math.log10(largest)))
    for part, letters in shown:
        number = f"{part.effect:+,.{decimals}f}"
        yield f"    {letters:<{wide}}  {number:>9}  {_bar(part.effect, largest)}".rstrip()


def _bar(value: float, largest: float) -> str:
    return ("█" if value > 0 else "░") * round(_BAR * abs(value) / largest)


def _error(error: float, largest: float, decimals: int) -> str:
    """`` ± 0.004``, to the contributions' last decimal; nothing where it is 0 or due to rounding."""
    if error <= _ROUNDING * largest:
        return ""
    least = 10.0**-decimals
    return f" ± {error:.1g}" if error >= least else f" ± <{least:.{decimals}f}"


def _headline(explained: ExplainedRows, place: int) -> str:
    prediction, base = score_text(explained.prediction.iloc[place], 4), explained.base.iloc[place]
    if explained.label is None:
        what = f"{printable(explained.unit)} {prediction}"
    else:
        what = f"{printable(label_text(explained.label.iloc[place]))}, {explained.unit} {prediction}"
    return f"Row {place + 1}: {what}; with typical values {score_text(base, 4)}"


def _cut(text: str, most: int) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _how(explained: ExplainedRows) -> str:
    """A sentence on the accuracy of the contributions."""
    pairs = explained.pairs.to_numpy()
    if not pairs.any():
        return "The contributions are exact."
    some = pairs[pairs > 0]
    times = f"{some.min():,}" if some.min() == some.max() else f"{some.min():,} to {some.max():,}"
    return f"The contributions are sampled by {times} pairs of walks; ± is their standard error."
