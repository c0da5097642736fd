"""``automl predict``: a table in, predictions out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl.cli.click_options import dialect_options, store_options
from automl.cli.terminal import printable
from automl.core.errors import DataError, UsageError, did_you_mean
from automl.core.text import counted, quoted

if TYPE_CHECKING:
    import pandas as pd

    from automl.data.layout import Layout

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.command()
@click.argument("model")
@click.argument("data")
@click.option("-o", "--out", metavar="FILE", help="Write here instead of to stdout (csv or parquet).")
@click.option("--proba", is_flag=True, help="Class probabilities instead of classes.")
@click.option(
    "--id", "ids", multiple=True, metavar="COLUMN", help="Put a column of DATA first, such as its key."
)
@click.option("--keep", multiple=True, metavar="COLUMN", help="Put a column of DATA before the predictions.")
@click.option("--image-root", metavar="FOLDER", help="Where the paths of images in DATA start from.")
@dialect_options
@click.option("--strict", is_flag=True, help="Exit with 3 when --skip-bad-rows left something out.")
@store_options
def predict(
    *,
    model: str,
    data: str,
    out: str | None,
    proba: bool,
    strict: bool,
    tracking_uri: str | None,
    store: str,
    **given: Any,
) -> int:
    """Predict DATA, a table or a folder of images, with MODEL: a search, a trial's run id, or a folder.

    With --skip-bad-rows rows and pictures that cannot be read are listed on stderr and left out.

    \b
    Examples:
      automl predict wine new.csv -o predictions.csv
      automl predict wine new.csv --id bottle --keep vineyard --proba
      automl predict flowers unsorted/ --skip-bad-rows -o classes.csv
    """
    from automl.tracker.library import load_described

    if out is not None:
        _refuse_place(Path(out))
    with _remarks_to_stderr():
        loaded = load_described(model, tracking_uri=tracking_uri, store=Path(store))
        predictor = loaded.predictor
        if loaded.remark:
            click.echo(loaded.remark, err=True)
        columns = (*given.pop("ids"), *given.pop("keep"))
        rows = _read(data, given.pop("image_root"), predictor.layout, given)
        carried = _carried(rows.source, columns)
        unread = {*carried.columns} & {*rows.frame.columns} - {*predictor.layout.inputs}
        inputs = rows.frame.drop(columns=list(unread))
        predicted = predictor.predict_proba(inputs) if proba else predictor.predict(inputs).to_frame()
    written = _beside(carried, predicted)
    _warn_of_formulas(written)
    if out is None:
        click.echo(written.to_csv(index=False), nl=False)
    else:
        _write(written, Path(out))
        click.echo(
            f"Wrote {counted(len(written), 'prediction')} to {out}, by {printable(loaded.words)}.", err=True
        )
    if rows.left_out:
        click.echo(
            f"warning: {counted(rows.left_out, 'row')} of {data} could not be read and "
            f"{'has' if rows.left_out == 1 else 'have'} no prediction.",
            err=True,
        )
    return DataError.exit_code if strict and rows.left_out else 0


@dataclass(frozen=True)
class _Rows:
    """The rows as they were read, as the model takes them, and how many were left out."""

    source: pd.DataFrame
    frame: pd.DataFrame
    left_out: int


def _read(data: str, image_root: str | None, layout: Layout, dialect: dict[str, Any]) -> _Rows:
    from automl.data.files.readers import read_table
    from automl.model.file_input import file_columns, frame_of_files, with_full_paths

    skip = bool(dialect["skip_bad_rows"])
    pictures, lost = frame_of_files(data, layout), 0
    if pictures is None:
        missing = layout.missing if dialect["missing"] is None else dialect["missing"]
        given = {**dialect, "missing": missing}
        read = read_table(data, minimum_rows=0, written=layout.written, **given)
        for note in read.notes:
            click.echo(f"note: {note}", err=True)
        start = Path(data).parent if image_root is None else Path(image_root)
        source, lost = read.frame, len(read.left_out)
        frame = with_full_paths(source, layout, start, inside=True)
    else:
        source = frame = pictures
    bad = _unreadable(frame, file_columns(layout)) if skip else {}
    for reason in bad.values():
        click.echo(f"left out: {reason}", err=True)
    if bad and len(bad) == len(frame):
        raise DataError(
            f"None of the {len(frame):,} pictures of {data} can be read. "
            "Next: check the paths and --image-root."
        )
    if bad:
        good = [place for place in range(len(frame)) if place not in bad]
        source, frame = source.iloc[good], frame.iloc[good]
    if skip:
        rows = len(frame)
        frame, reasons = layout.without_bad_cells(frame)
        for reason in reasons:
            click.echo(f"left out: {reason}", err=True)
        if rows and not len(frame):
            raise DataError(f"None of the {rows:,} rows of {data} can be read. Next: repair them.")
        source, lost = source.loc[source.index.isin(frame.index)], lost + rows - len(frame)
    return _Rows(source, frame, lost + len(bad))


def _unreadable(frame: pd.DataFrame, columns: Mapping[str, str]) -> dict[int, str]:
    """Rows whose files cannot be read, by their place, with name and reason."""
    from automl.model.file_input import unreadable

    reasons: dict[int, str] = {}
    for name, kind in columns.items():
        if name in frame.columns:
            cells = list(frame[name])
            for place, why in unreadable(cells, kind).items():
                shown = cells[place] if isinstance(cells[place], str) and cells[place] else f"row {place + 1}"
                reasons.setdefault(place, f"{shown} ({why})")
    return dict(sorted(reasons.items()))


def _carried(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """The named columns, each once; of a folder of files, the path of each."""
    from automl.core.modality import NEW_FILE

    wanted = dict.fromkeys(names)
    if frame.index.name == NEW_FILE:
        wanted.pop(NEW_FILE, None)
        if wanted:
            raise DataError(
                f"A folder of files has no column {next(iter(wanted))!r}: the path of each, "
                f"{NEW_FILE!r}, is always written. Next: leave --id and --keep out."
            )
        return frame.index.to_frame()
    for name in wanted:
        if name not in frame.columns:
            raise DataError(
                f"The data has no column {name!r}. {did_you_mean(name, list(map(str, frame.columns)))}"
            )
    return frame[list(wanted)]


def _beside(carried: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """The carried columns, then the predictions, renamed where a name is taken."""
    import pandas as pd

    taken = [name for name in predicted.columns if name in carried.columns]
    names = {name: f"predicted_{name}" for name in taken}
    for name, other in names.items():
        if other in carried.columns or other in predicted.columns:
            raise UsageError(f"{name!r} and {other!r} cannot both stand beside a prediction of {name!r}.")
        click.echo(f"note: {name!r} is carried from the data; its prediction is called {other!r}.", err=True)
    return pd.concat([carried, predicted.rename(columns=names)], axis=1).reset_index(drop=True)


class _Remarks(logging.Formatter):
    """``note: …`` and ``warning: …``."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{'note' if record.levelno < logging.WARNING else 'warning'}: {record.getMessage()}"


@contextmanager
def _remarks_to_stderr() -> Iterator[None]:
    """Print what the model finds unusual about the rows."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Remarks())
    logger = logging.getLogger("automl.model.predictor")
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
            f"warning: {quoted(risky[0])} begins as a formula does. It is written as it is; a spreadsheet "
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
        from automl.core.errors import StorageError

        raise StorageError(
            f"The predictions cannot be written to {path}: {error.strerror or error}. "
            "Next: name another file with -o."
        ) from error
