"""``automl predict``: a table in, predictions out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl.cli.click_options import dialect_options, store_options
from automl.cli.new_rows import read_rows, remarks_to_stderr
from automl.cli.table_file import refuse_place, write_table
from automl.core.errors import DataError, UsageError, did_you_mean
from automl.core.text import counted, printable, quoted

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.command()
@click.argument("model")
@click.argument("data")
@click.option("-o", "--out", metavar="FILE", help="Write here instead of to stdout (csv or parquet).")
@click.option("--proba", is_flag=True, help="Class probabilities instead of classes.")
@click.option(
    "--interval",
    "level",
    metavar="90%",
    help="Add an interval, or of classes a set, that holds the truth for so many new rows.",
)
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
    level: str | None,
    strict: bool,
    tracking_uri: str | None,
    store: str,
    **given: Any,
) -> int:
    """Predict DATA, a table or a folder of images, with MODEL: a search, a trial's run id, or a folder.

    --interval adds the columns NAME_low and NAME_high to numbers, and NAME_set to classes: those that a row
    may have, with | between them. With --skip-bad-rows rows and pictures that cannot be read are listed on
    stderr and left out.

    \b
    Examples:
      automl predict wine new.csv -o predictions.csv
      automl predict wine new.csv --id bottle --keep vineyard --proba
      automl predict prices new.csv --interval 90% -o prices.csv
      automl predict flowers unsorted/ --skip-bad-rows -o classes.csv
    """
    from automl.model.bounded import predict_bounded
    from automl.model.file_input import modality_of_rows
    from automl.tracker.library import load_described

    if out is not None:
        refuse_place(Path(out), "predictions", (".csv", ".parquet", ".txt", ""))
    wanted = _level(level, proba=proba)
    with remarks_to_stderr():
        loaded = load_described(model, tracking_uri=tracking_uri, store=Path(store))
        predictor = loaded.predictor
        if loaded.remark:
            click.echo(loaded.remark, err=True)
        columns = (*given.pop("ids"), *given.pop("keep"))
        rows = read_rows(data, given.pop("image_root"), predictor.layout, given)
        carried = _carried(rows.source, columns)
        unread = {*carried.columns} & {*rows.frame.columns} - {*predictor.layout.inputs}
        inputs = rows.frame.drop(columns=list(unread))
        if wanted is not None:
            predicted = predict_bounded(predictor, inputs, wanted)
        else:
            predicted = predictor.predict_proba(inputs) if proba else predictor.predict(inputs).to_frame()
    written = _beside(carried, predicted)
    _warn_of_formulas(written)
    if out is None:
        click.echo(written.to_csv(index=False), nl=False)
    else:
        write_table(written, Path(out), "predictions")
        click.echo(
            f"Wrote {counted(len(written), 'prediction')} to {out}, by {printable(loaded.words)}.", err=True
        )
    if rows.left_out:
        noun = modality_of_rows(predictor.layout).kind or "row"
        click.echo(
            f"warning: {counted(rows.left_out, noun)} of {data} could not be read and "
            f"{'has' if rows.left_out == 1 else 'have'} no prediction.",
            err=True,
        )
    return DataError.exit_code if strict and rows.left_out else 0


def _level(text: str | None, *, proba: bool) -> float | None:
    """The level of ``--interval``: ``90%`` or ``0.9``."""
    if text is None:
        return None
    if proba:
        raise UsageError("--proba and --interval answer in different columns: give one of them.")
    digits = text.strip()
    try:
        level = float(digits[:-1]) / 100 if digits.endswith("%") else float(digits)
    except ValueError:
        level = float("nan")
    if not 0 < level < 1:
        raise UsageError(f"--interval {text}: a level is a share below 100 %, such as 90% or 0.9.")
    return level


def _carried(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """The named columns, each once; of a folder of files, the path of each."""
    from automl.core.modality import NEW_FILE

    wanted = dict.fromkeys(names)
    if frame.index.name == NEW_FILE:
        wanted.pop(NEW_FILE, None)
        if wanted:
            raise DataError(
                f"A folder of files has no column {next(iter(wanted))!r}: the path of each, "
                f"{NEW_FILE!r}, is always written. Next: omit --id and --keep."
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
