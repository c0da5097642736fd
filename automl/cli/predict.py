"""``automl predict``: a table in, predictions out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl.cli.arguments import dialect_options, store_options
from automl.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from automl.data.layout import Layout

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.command()
@click.argument("model")
@click.argument("data")
@click.option("-o", "--out", metavar="FILE", help="Write here instead of to stdout (csv or parquet).")
@click.option("--proba", is_flag=True, help="Class probabilities instead of classes.")
@click.option("--image-root", metavar="FOLDER", help="Where the paths of images in DATA start from.")
@dialect_options
@store_options
def predict(
    model: str,
    data: str,
    out: str | None,
    proba: bool,
    image_root: str | None,
    tracking_uri: str | None,
    store: str,
    **dialect: Any,
) -> None:
    """Predict DATA, a table or a folder of images, with MODEL: a search, a trial's run id, or a folder.

    \b
    Examples:
      automl predict wine new.csv -o predictions.csv
      automl predict wine new.csv --proba
      automl predict flowers unsorted/ -o classes.csv
    """
    from automl.data.images_table import IMAGE_FILE
    from automl.history import load

    if out is not None:
        _refuse_place(Path(out))
    with _remarks_to_stderr():
        predictor = load(model, tracking_uri=tracking_uri, store=Path(store))
        given = any(value not in (None, False) for value in dialect.values())
        rows = _read(data, dialect, predictor.layout) if given else data
        if proba:
            predicted = predictor.predict_proba(rows, image_root=image_root)
        else:
            predicted = predictor.predict(rows, image_root=image_root).to_frame()
    if predicted.index.name == IMAGE_FILE:
        predicted = predicted.reset_index()
    _warn_of_formulas(predicted)
    if out is None:
        click.echo(predicted.to_csv(index=False), nl=False)
        return
    _write(predicted, Path(out))
    click.echo(f"Wrote {len(predicted):,} predictions to {out}.", err=True)


def _read(data: str, dialect: dict[str, Any], layout: Layout) -> pd.DataFrame:
    from automl.data.readers import read_table

    missing = layout.missing if dialect["missing"] is None else dialect["missing"]
    given = {**dialect, "missing": missing}
    read = read_table(data, minimum_rows=0, written=layout.written, **given)
    for note in read.notes:
        click.echo(f"note: {note}", err=True)
    return read.frame


class _Remarks(logging.Formatter):
    """``note: …`` and ``warning: …``."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{'note' if record.levelno < logging.WARNING else 'warning'}: {record.getMessage()}"


@contextmanager
def _remarks_to_stderr() -> Iterator[None]:
    """Print what the model finds unusual about the rows."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Remarks())
    logger = logging.getLogger("automl.predictor")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


def _refuse_place(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it, such as {path / 'predictions.csv'}.")
    if path.suffix not in (".csv", ".parquet", ".txt", ""):
        raise UsageError(f"{path}: predictions are written as .csv or .parquet.")


def _warn_of_formulas(predicted: pd.DataFrame) -> None:
    """Say so when a spreadsheet would run a label as a formula; labels are written as they are."""
    texts = [str(name) for name in predicted.columns]
    for name in predicted.select_dtypes(exclude="number"):
        texts += [str(label) for label in predicted[name].unique()]
    risky = [text for text in texts if text.startswith(_FORMULA)]
    if risky:
        click.echo(
            f"warning: {risky[0][:40]!r} begins as a formula does. It is written as it is; a spreadsheet "
            "would run it: import the column as text.",
            err=True,
        )


def _write(predicted: pd.DataFrame, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            predicted.columns = predicted.columns.map(str)
            predicted.to_parquet(path)
        else:
            predicted.to_csv(path, index=False)
    except OSError as error:
        from automl.errors import StorageError

        raise StorageError(
            f"The predictions cannot be written to {path}: {error.strerror or error}. "
            "Next: name another file with -o."
        ) from error
