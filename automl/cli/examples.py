"""Small data sets to try automl with: what scikit-learn carries, and made-up reviews."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import click

from automl.cli.example_reviews import reviews_csv
from automl.core.errors import DataError, StorageError, UsageError, did_you_mean


@dataclass(frozen=True)
class Example:
    """One data set.

    Attributes
    ----------
    target:
        The column to predict; None where the folders' names are the classes.
    """

    name: str
    target: str | None
    summary: str


EXAMPLES = (
    Example("wine", "class", "178 wines by 13 chemical measurements, 3 cultivars"),
    Example("breast_cancer", "class", "569 tumours by 30 measurements, malignant or benign"),
    Example("diabetes", "progression", "442 patients by 10 measurements, progression after a year"),
    Example("digits", None, "1,797 images of handwritten digits, 8 x 8, a folder per digit"),
    Example("reviews", "label", "900 made-up reviews of household appliances, positive or negative"),
)


@click.command()
@click.argument("name")
@click.option("-o", "--out", default=".", show_default=True, metavar="FOLDER", help="Where to write it.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def example(name: str, out: str, force: bool) -> None:
    """Write a small data set: wine, breast_cancer, diabetes, digits (images), reviews (texts).

    \b
    Examples:
      automl example wine
      automl example reviews -o data
      automl example digits --force
    """
    path = write_example(name, Path(out), force=force)
    click.echo(f"Wrote {path}.", err=True)
    target = next((item.target for item in EXAMPLES if item.name == name), None)
    if target:
        click.echo(f"Next: automl search {path} --target {target} --time 60s", err=True)


def write_example(name: str, folder: Path, *, force: bool = False) -> Path:
    """Write an example into a folder, as ``<name>.csv`` or a folder of images.

    Raises
    ------
    UsageError
        For a name that is none of :data:`EXAMPLES`.
    DataError
        When something else already stands there and ``force`` is not given.
    """
    names = [example.name for example in EXAMPLES]
    if name not in names:
        raise UsageError(f"There is no example {name!r}. {did_you_mean(name, names)}")
    if name == "digits":
        path = folder / name
        files = {path / relative: content for relative, content in _digits().items()}
    else:
        path = folder / f"{name}.csv"
        files = {path: _table(name)}
    changed = [file for file, content in files.items() if not file.is_file() or file.read_bytes() != content]
    in_the_way = [file for file in changed if file.exists()]
    if in_the_way and not force:
        raise DataError(
            f"{in_the_way[0]} exists and is different. Next: choose another folder with --out, or "
            "overwrite it with --force."
        )
    try:
        for file in changed:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(files[file])
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}. Next: choose another folder."
        ) from error
    return path


def _table(name: str) -> bytes:
    if name == "reviews":
        return reviews_csv()
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

    if name == "diabetes":
        bunch = load_diabetes(as_frame=True, scaled=False)
        frame = bunch.data.assign(progression=bunch.target)
    else:
        bunch = (load_wine if name == "wine" else load_breast_cancer)(as_frame=True)
        frame = bunch.data.assign(**{"class": bunch.target_names[bunch.target]})
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8")


def _digits() -> dict[str, bytes]:
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    files = {}
    for i, (pixels, digit) in enumerate(zip(bunch.images, bunch.target, strict=True)):
        content = io.BytesIO()
        Image.fromarray((pixels * 15.9375).astype("uint8")).save(content, format="PNG")
        files[f"{digit}/{i:04}.png"] = content.getvalue()
    return files
