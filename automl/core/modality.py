"""A kind of data: how its rows are read, what they cost, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from automl.core.finding import Finding
from automl.core.table import Strings, Table

if TYPE_CHECKING:
    import pandas as pd

MODALITY_GROUP = "automl.modalities"
"""The group of entry points by which packages offer kinds of data."""
Report = Callable[[float, str], None]
LABEL, PART = "label", "part"
"""Columns of a folder as a table: the class, and the part of a split that the folder brings."""
NEW_FILE = "file"
"""Name of the index of new files: their paths below the folder."""


class OpenedFiles(Protocol):
    """The files that a table's columns name, once they were opened."""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows whose files can be used, with their own index."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the files, for people."""
        ...

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Sentences on files that were left aside."""
        ...

    def refer(self, table: Table) -> Table:
        """The encoded table with what families read in place of the paths."""
        ...

    def contents(self, table: Table) -> Table:
        """The table with hashes of the contents where :meth:`refer` put something: the same anywhere."""
        ...

    def digest(self, frame: pd.DataFrame, of_frame: Callable[[pd.DataFrame], str]) -> str:
        """``of_frame`` of the frame, by the files' contents in place of their paths."""
        ...

    def copies(self, frame: pd.DataFrame, labels: Any, parts: Strings | None) -> list[Finding]:
        """Equal files in two classes, or in two parts of a given split."""
        ...


@dataclass(frozen=True, kw_only=True)
class FilesToOpen:
    """A table whose files are to be opened, and how.

    Attributes
    ----------
    frame, columns:
        The table and the columns that hold paths.
    root:
        What relative paths start from.
    cache:
        A folder for what is worth keeping about the files.
    outside:
        Whether paths may lead out of the root.
    like:
        Files of the same kind that were opened before, which these are to be read like.
    most_bytes:
        Bound of the cache.
    report:
        Told how far it is.
    """

    frame: pd.DataFrame
    columns: tuple[str, ...]
    root: Path
    cache: Path
    outside: bool = False
    like: OpenedFiles | None = None
    most_bytes: int | None = None
    report: Report = lambda fraction, message: None


@dataclass(frozen=True)
class FolderTable:
    """A folder of files as a table: a path and a class per row, and the part of a given split.

    Attributes
    ----------
    frame:
        The path in a column of the kind's name, the class in :data:`LABEL` and, where the folder has a split
        of its own, ``train``, ``val`` or ``test`` in :data:`PART`.
    """

    frame: pd.DataFrame
    root: Path
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class FileNumbers:
    """The way from files to numbers, for families that read no files.

    Attributes
    ----------
    learn:
        ``learn(table, report)`` → plain data, which is saved with a model, or None where nothing could be
        learnt. It sees no target.
    add:
        ``add(table, learnt)``: the table with further numbers after its own.
    """

    learn: Callable[[Table, Report], dict[str, Any] | None]
    add: Callable[[Table, Mapping[str, Any]], Table]


@dataclass(frozen=True)
class Circumstances:
    """Facts that a search space depends on besides kinds and task: names of those that hold, and notes."""

    hold: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Modality:
    """A kind of data.

    What lies in rooms above that of its value is named as ``module:attribute`` and imported by who uses it.

    Attributes
    ----------
    name:
        Such as ``images``; what it leaves on a run lies in a folder of this name.
    kind:
        Of the columns that hold its files, such as ``image``; empty for plain tables.
    rows:
        What rows are called where there is nothing but files of this kind: ``images``.
    timed_rows:
        Rows by which the speed of a model's predictions is measured.
    sample_rows:
        Training rows that a trial predicts, to tell how much it over-fits.
    chunk_rows:
        Rows that a model predicts at a time, for their memory.
    side_by_side:
        Whether the models of a predictor run beside one another in threads; not where each uses all cores.
    trials_in_budget:
        The share of the budget that a trial may take at most, as one in so many: on few rows, and on 10,000
        and more.
    least_trials:
        Configurations that are tried at least, however few the rows; None for as many as there are families.
    waits_for_libraries:
        Whether a family's turn waits until its libraries are loaded; else another one goes first meanwhile.
    folds_up_to:
        ``(rows, rows per second of budget)`` above both of which one holdout takes the place of folds.
    holdout_rows:
        Rows of a holdout at least, where these are a third of all at most.
    test_rows_from:
        Rows from which a tenth is kept apart beside one holdout.
    example, value, accepts:
        What hints name: new rows on the command line, the same as a value in Python, and in words.
    suffixes:
        What paths of its files end in, in lower case with the dot.
    unread_suffixes:
        Files that people take for the same, which are not read; they count as paths beside such that are.
    folder:
        ``folder(path)``: a folder of files as a table, or None where it is of another kind. Raises
        DataError where it is of this one and laid out otherwise.
    new_files:
        ``new_files(path)``: all files below a folder by their relative path as a frame of one column of full
        paths, and notes; for prediction.
    open:
        Opens the files of a table; default: they are checked to be there, and families read them by path.
    portable:
        Whether what families read in place of paths are references ``FOLDER#ROW`` into folders that hold all
        they need: these can be copied to other machines.
    unreadable:
        ``unreadable(cells)``: why some of these cells cannot be read, by their place.
    numbers:
        Names a :class:`FileNumbers`, which makes numbers of files for families that read none.
    blank:
        Names ``blank()``: what stands for a file of this kind that shows nothing, as it may be passed in
        memory. An explanation replaces a row's own file by it; empty where there is none.
    circumstances:
        ``circumstances(table)``: what search spaces depend on.
    sheets:
        Names ``sheets(evidence, predictor)`` → files for the search's run by their names, PNG and others,
        made when a search ends; they lie in the folder :attr:`name`.
    captions:
        Those of the sheets that the report shows, with what they show.
    """

    name: str
    kind: str
    rows: str = "rows"
    timed_rows: int = 1000
    sample_rows: int = 2000
    chunk_rows: int = 100_000
    side_by_side: bool = True
    trials_in_budget: tuple[int, int] = (6, 4)
    least_trials: int | None = None
    waits_for_libraries: bool = False
    folds_up_to: tuple[int, float] = (5_000, 500.0)
    holdout_rows: int = 2_500
    test_rows_from: int = 5_000
    example: str = "NEW.csv"
    value: str = "frame"
    accepts: str = "a DataFrame, or the path of a file"
    suffixes: tuple[str, ...] = ()
    unread_suffixes: tuple[str, ...] = ()
    folder: Callable[[Path], FolderTable | None] | None = None
    new_files: Callable[[Path], tuple[pd.DataFrame, tuple[str, ...]]] | None = None
    open: Callable[[FilesToOpen], OpenedFiles] | None = None
    portable: bool = False
    unreadable: Callable[[Sequence[Any]], Mapping[int, str]] | None = None
    numbers: str = ""
    circumstances: Callable[[Table], Circumstances] = lambda table: Circumstances()
    blank: str = ""
    sheets: str = ""
    captions: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def path_pattern(self) -> str:
        """The suffixes as a pattern for whole columns."""
        return rf"(?i)({'|'.join(map(re.escape, self.suffixes))})$"


TABLES = Modality(name="tables", kind="")
"""Rows of numbers, categories and texts."""

# An encoder takes about a millisecond per text, uses all cores itself, and its outputs are kept for others.
# The training of a whole one fits in a third of the time, where one holdout of a thousand texts judges it.
# Few texts are better learned from than kept apart: trained on 4,150 of sst2's sentences instead of 7,800, an
# encoder is .04 worse.
TEXTS = Modality(
    name="tables",
    kind="",
    timed_rows=200,
    sample_rows=500,
    chunk_rows=10_000,
    side_by_side=False,
    trials_in_budget=(3, 3),
    folds_up_to=(2_000, 5.0),
    holdout_rows=1_000,
    test_rows_from=20_000,
)
"""Rows with texts, beside numbers and categories or alone."""


def named(reference: str) -> Any:
    """The value that ``module:attribute`` names."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)
