"""Contract checks for authors of plug-ins: what the search expects of a family, as plain assertions.

Call them from a test of your own::

    from automl.testing import check_family
    from my_package import FAMILY

    def test_my_family_keeps_the_contract():
        check_family(FAMILY)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.plugins import (
    METRICS,
    Answer,
    BinaryTask,
    Encoded,
    Family,
    Features,
    FitContext,
    Fitted,
    Kind,
    MulticlassTask,
    RegressionTask,
    SearchSpace,
    Table,
    Task,
    TrialStopped,
    UsageError,
    choose_task,
    field_defaults,
    field_types,
    task_classes,
)
from automl.testing.sample_weights import HEAVY, LARGEST_SHARE, WeightedRows

Rows = npt.NDArray[np.int64]
MakeTarget = Callable[[npt.NDArray[np.float64]], npt.NDArray[Any]]

_TASKS: dict[str, Task] = {
    "binary": BinaryTask(METRICS["log_loss"], ("no", "yes")),
    "multiclass": MulticlassTask(METRICS["log_loss"], ("a", "b", "c")),
    "regression": RegressionTask(METRICS["rmse"]),
}
_TABLE_KINDS = frozenset({Kind.NUMBER, Kind.CATEGORY, Kind.TEXT})
_ROWS = 160
_STOP_SECONDS = 10.0
_WORDS = ("red", "green", "blue", "stone", "river", "cloud")
# A model that knows nothing has the loss of the constant prediction; noise may cost a little more.
_WORST_LOSS = 1.5
_ROUNDING = 1e-6  # of a weighted mean, in float32


def check_family(
    family: Family,
    *,
    space: SearchSpace | None = None,
    targets: Mapping[str, MakeTarget] | None = None,
) -> None:
    """Check that a family keeps the contract of :class:`automl.plugins.Family`.

    It is fitted with its default parameters on small generated tables: numbers with missing values, a
    constant and an all-missing column, categories with many levels, texts if it takes them.

    Parameters
    ----------
    family:
        The family; it must take numbers, categories or texts.
    space:
        Its search space: then every entry of the portfolio must bind to its parameters, and a setting
        drawn at random must fit.
    targets:
        Tasks of other packages to check it with, by name: ``make(score)`` → a clean target ``(rows,)`` that
        grows with a score of about 0 to 5.

    Raises
    ------
    AssertionError
        Saying which expectation failed, for which task.
    UsageError
        For a family of images alone, which needs files that this check does not make.
    """
    if not family.kinds & _TABLE_KINDS:
        raise UsageError(
            f"check_family makes tables of numbers, categories and texts; {family.name!r} takes none of them."
        )
    _check_declaration(family)
    if space is not None:
        _check_space(family, space, targets or {})
    for case in _cases(family, targets or {}):
        for check in _CHECKS:
            check(case)


@dataclass(frozen=True)
class _Case:
    """A family with a task; makes its tables and fits."""

    family: Family
    task: Task
    make: MakeTarget | None = None

    def table(self, seed: int = 0, rows: int = _ROWS) -> tuple[Table, Encoded]:
        """Read-only rows of numbers, categories and texts, and a target that depends on them.

        A search passes the whole table to every family, columns of kinds that it does not take included.
        """
        generator = np.random.default_rng(seed)
        signal = generator.normal(size=rows)
        few, many = generator.integers(0, 3, rows), generator.integers(0, 120, rows)
        numbers = np.column_stack(
            [
                signal,
                np.where(generator.random(rows) < 0.2, np.nan, generator.normal(size=rows)),
                np.full(rows, 7.0),
                np.full(rows, np.nan),
                1.6e9 + np.arange(rows) * 60.0,  # seconds since 1970 need more digits than float32 has
            ]
        )
        codes = np.column_stack([few, many]).astype(np.int32)
        codes[generator.random(codes.shape) < 0.05] = -1
        words = np.array(_WORDS, dtype=object)
        texts = np.array(
            [f"{words[few[i]]} {words[generator.integers(3, 6)]} {words[few[i]]}" for i in range(rows)],
            dtype=object,
        )
        score = 2 * signal + few + 0.3 * generator.normal(size=rows)
        table = _table(numbers, codes, texts)
        return _read_only(table), self.target(score)

    def target(self, score: npt.NDArray[np.float64]) -> Encoded:
        """A target of the task that grows with ``score``."""
        if self.make is not None:
            return self.task.encode(self.make(score))
        if self.task.answer is Answer.NUMBERS:
            return score * 100.0 + 1000.0
        edges = np.quantile(score, np.linspace(0, 1, self.task.n_outputs + 1)[1:-1])
        return np.searchsorted(edges, score).astype(np.int64)

    def fit(
        self, table: Table, target: Encoded, context: FitContext | None = None, params: Any = None
    ) -> Fitted:
        """One fit, by default with default parameters, a fixed seed and no held-out rows."""
        chosen = self.family.params() if params is None else params
        return self.family.fit(chosen, table, target, self.task, context or FitContext(seed=1))

    def predict(self, model: Fitted, table: Table) -> npt.NDArray[np.floating]:
        """Predictions, whose form is checked."""
        predictions = model.predict(table)
        expected = (table.rows, self.task.n_outputs)
        self.require(
            isinstance(predictions, np.ndarray) and np.issubdtype(predictions.dtype, np.floating),
            f"predict must return a floating numpy array, not {type(predictions).__name__}",
        )
        self.require(
            predictions.shape == expected, f"predict returned shape {predictions.shape}, not {expected}"
        )
        self.require(bool(np.isfinite(predictions).all()), "predictions must be finite")
        if self.task.answer is Answer.CLASSES:
            self.require(
                bool(((predictions >= 0) & (predictions <= 1 + _ROUNDING)).all()),
                "probabilities must lie within [0, 1]",
            )
            sums = predictions.sum(axis=1)
            self.require(
                bool(np.allclose(sums, 1.0, atol=1e-3)),
                f"each row's probabilities must sum to 1, not {sums[np.abs(sums - 1).argmax()]:g}"
                if len(sums)
                else "",
            )
        return predictions

    def require(self, condition: bool, message: str) -> None:
        """Fail with the family's and the task's name unless ``condition`` holds."""
        if not condition:
            raise AssertionError(f"family {self.family.name!r}, {self.task.name}: {message}")

    def require_equal(
        self,
        first: npt.NDArray[np.floating],
        second: npt.NDArray[np.floating],
        message: str,
        *,
        within: float,
    ) -> None:
        """Fail unless predictions differ by less than ``within``, relative to their spread."""
        unit = float(np.abs(first).max(initial=1.0)) if self.task.answer is Answer.NUMBERS else 1.0
        gap = float(np.abs(first - second).max(initial=0.0)) / unit
        self.require(gap <= within, f"{message} (they differ by {gap:.2g})")


def _check_declaration(family: Family) -> None:
    """Name, tasks and parameters."""
    prefix = f"family {family.name!r}: "
    if not (family.name.isidentifier() and family.name == family.name.lower()):
        raise AssertionError(f"{prefix}the name must be a lower-case identifier")
    if not family.summary.strip() or "\n" in family.summary:
        raise AssertionError(f"{prefix}the summary must be one line of text")
    unknown = family.tasks - set(task_classes())
    if unknown or not family.tasks:
        allowed = sorted(task_classes())
        raise AssertionError(f"{prefix}tasks must be some of {allowed}, not {sorted(family.tasks)}")
    if family.losses is not None and not family.losses:
        raise AssertionError(f"{prefix}losses must name what it can minimise, or be None")
    stated = getattr(family.params, "__dataclass_params__", None)
    if not is_dataclass(family.params) or stated is None or not stated.frozen:
        raise AssertionError(f"{prefix}params must be a frozen dataclass")
    try:
        field_types(family.params)
        field_defaults(family.params)
    except TypeError as error:
        raise AssertionError(f"{prefix}a space file cannot bind to its params: {error}") from error


def _cases(family: Family, targets: Mapping[str, MakeTarget]) -> list[_Case]:
    """The built-in tasks that it declares, then those of other packages that are given."""
    cases = [_Case(family, task) for name, task in _TASKS.items() if name in family.tasks]
    score = np.linspace(0.0, 5.0, _ROWS)
    for name, make in targets.items():
        task = choose_task(make(score), requested=name).task
        if not family.handles(task):
            raise AssertionError(f"family {family.name!r} does not declare that it handles {name}")
        cases.append(_Case(family, task, make))
    return cases


def _check_space(family: Family, space: SearchSpace, targets: Mapping[str, MakeTarget]) -> None:
    """Every entry binds, and a random setting fits and predicts."""
    names = {item.name for item in fields(family.params)}
    unknown = {param.name for param in space.params} - names
    if unknown:
        raise AssertionError(f"family {family.name!r}: the space has unknown parameters {sorted(unknown)}")
    for entry in space.portfolio:
        space.bind(entry.params)
    for case in _cases(family, targets):
        table, target = case.table()
        params = space.for_task(case.task.name, table.rows).draw(np.random.default_rng(0))
        case.predict(case.fit(table, target, params=space.bind(params)), table)


def _check_default_fit(case: _Case) -> None:
    """With held-out rows: form of predictions, reports, learning, single rows, unseen levels."""
    table, target = case.table()
    held_out = case.table(seed=1, rows=60)
    fractions: list[float] = []
    context = FitContext(seed=1, valid=held_out, report=lambda fraction, message: fractions.append(fraction))
    model = case.fit(table, target, context)
    case.require(
        all(0 <= value <= 1 for value in fractions), "report must be called with fractions within [0, 1]"
    )
    predictions = case.predict(model, table)
    constant = np.tile(case.task.constant_prediction(target), (table.rows, 1))
    loss = float(case.task.row_losses(target, predictions).mean())
    blind = float(case.task.row_losses(target, constant).mean())
    case.require(
        loss <= _WORST_LOSS * blind,
        f"on its training rows it is worse than the constant prediction ({loss:.4g} against {blind:.4g})",
    )
    alone = np.vstack([case.predict(model, table.take(np.array([row]))) for row in range(3)])
    case.require_equal(
        alone, predictions[:3], "a row alone must get the prediction it gets among others", within=1e-3
    )
    unseen = replace(table, codes=np.full_like(table.codes, -1), numbers=np.full_like(table.numbers, np.nan))
    case.predict(model, unseen)


def _check_round_trip(case: _Case) -> None:
    """Saved without pickle and loaded with equal predictions."""
    table, target = case.table()
    model = case.fit(table, target, FitContext(seed=1, valid=case.table(seed=1, rows=60)))
    before = case.predict(model, table)
    with TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        case.require(bool(files), "save must write at least one file into the folder")
        for path in files:
            case.require(not _is_pickle(path), f"save wrote {path.name}, a pickle: it could run code on load")
        after = case.predict(case.family.load(folder), table)
    case.require_equal(before, after, "a loaded model must predict as the saved one", within=1e-6)


def _check_same_seed(case: _Case) -> None:
    """Equal seeds give equal models."""
    table, target = case.table()
    first, second = (case.predict(case.fit(table, target), table) for _ in range(2))
    case.require_equal(first, second, "the same seed must give the same predictions", within=1e-6)


def _check_stop(case: _Case) -> None:
    """A deadline that has passed, and a request to stop, end the fit within seconds."""
    table, target = case.table()
    stops = {
        "a deadline that has passed": FitContext(seed=1, deadline=time.monotonic() - 1),
        "a request to stop": FitContext(seed=1, stop_requested=lambda: True),
    }
    for reason, context in stops.items():
        started = time.monotonic()
        try:
            case.predict(case.fit(table, target, context), table)
        except TrialStopped:
            pass
        seconds = time.monotonic() - started
        case.require(seconds < _STOP_SECONDS, f"after {reason} the fit went on for {seconds:.1f} seconds")


def _check_narrow_tables(case: _Case) -> None:
    """One column only, of each kind that the family takes."""
    table, target = case.table()
    features = table.features
    nothing = np.empty((table.rows, 0))
    no_codes = np.empty((table.rows, 0), dtype=np.int32)
    if Kind.NUMBER in case.family.kinds:
        one = Table(Features(features.numbers[:1]), table.numbers[:, :1], no_codes)
        case.predict(case.fit(_read_only(one), target), one)
    if Kind.CATEGORY in case.family.kinds:
        kept = Features((), features.categories, features.levels)
        case.predict(case.fit(Table(kept, nothing, table.codes), target), Table(kept, nothing, table.codes))
    if Kind.TEXT in case.family.kinds:
        words = Table(Features(texts=features.texts), nothing, no_codes, table.texts)
        case.predict(case.fit(words, target), words)


def _check_absent_class(case: _Case) -> None:
    """A fold may lack a rare class: its column is still there."""
    if len(case.task.labels) < 3:
        return
    table, target = case.table()
    rows = np.flatnonzero(np.asarray(target) != 1)
    context = FitContext(seed=1, valid=(table, target))
    case.predict(case.fit(table.take(rows), target[rows], context), table)


def _check_folds_together(case: _Case) -> None:
    """``fit_folds``, where there is one, gives a model per fold."""
    if case.family.fit_folds is None:
        return
    tables = [case.table(seed) for seed in (0, 1)]
    contexts = [FitContext(seed=1, fold=fold, valid=tables[1 - fold]) for fold in (0, 1)]
    models = case.family.fit_folds(case.family.params(), tables, case.task, contexts)
    case.require(len(models) == 2, f"fit_folds returned {len(models)} models for 2 folds")
    for model, (table, _) in zip(models, tables, strict=True):
        case.predict(model, table)


def _check_sample_weights(case: _Case) -> None:
    """A row of weight 4 counts as four rows, where the family declares that it weighs rows."""
    if not case.family.sample_weights:
        return
    rows = WeightedRows.made(texts=not case.family.kinds & {Kind.NUMBER, Kind.CATEGORY})
    target, held_out = case.target(rows.scores), rows.table.take(rows.valid)

    def predictions(train: Rows, valid: Rows, *, weighted: bool) -> npt.NDArray[np.floating]:
        context = FitContext(
            seed=1,
            valid=(rows.table.take(valid), target[valid]),
            weights=rows.weights[train] if weighted else None,
            valid_weights=rows.weights[valid] if weighted else None,
        )
        return case.predict(case.fit(rows.table.take(train), target[train], context), held_out)

    repeated = predictions(rows.repeated(rows.train), rows.repeated(rows.valid), weighted=False)
    gaps = [
        float(np.abs(predictions(rows.train, rows.valid, weighted=weighted) - repeated).mean())
        for weighted in (True, False)
    ]
    case.require(
        gaps[0] <= LARGEST_SHARE * gaps[1],
        f"it declares sample_weights, but a row of weight {HEAVY} is not like {HEAVY} rows: predictions "
        f"differ by {gaps[0]:.3g}, and by {gaps[1]:.3g} without the weights",
    )


_CHECKS: tuple[Callable[[_Case], None], ...] = (
    _check_default_fit,
    _check_round_trip,
    _check_same_seed,
    _check_stop,
    _check_narrow_tables,
    _check_absent_class,
    _check_folds_together,
    _check_sample_weights,
)


def _table(
    numbers: npt.NDArray[np.float64], codes: npt.NDArray[np.int32], texts: npt.NDArray[np.object_]
) -> Table:
    features = Features(
        ("signal", "gaps", "constant", "missing", "seconds"),
        ("few", "many"),
        (tuple("abc"), tuple(f"level {i:03}" for i in range(120))),
        ("words",),
    )
    return Table(features, numbers, codes, (texts,))


def _read_only(table: Table) -> Table:
    """The same table, as workers map it: writing to it is an error."""
    table.numbers.flags.writeable = False
    table.codes.flags.writeable = False
    for column in table.texts:
        column.flags.writeable = False
    return table


def _is_pickle(path: Path) -> bool:
    """Tell whether a file is a pickle, or an archive with one inside (as ``torch.save`` writes)."""
    from zipfile import BadZipFile, ZipFile, is_zipfile

    with path.open("rb") as file:
        start = file.read(2)
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if path.suffix in (".pkl", ".pickle", ".joblib"):
        return True
    if not is_zipfile(path):
        return False
    try:
        with ZipFile(path) as archive:
            return any(name.endswith((".pkl", ".pickle")) for name in archive.namelist()) or any(
                _holds_objects(archive, name) for name in archive.namelist() if name.endswith(".npy")
            )
    except BadZipFile:
        return False


def _holds_objects(archive: Any, name: str) -> bool:
    """Tell whether a member of an npz file is an array of objects, which numpy pickles."""
    with archive.open(name) as file:
        header = file.read(200)
    return b"'descr': '|O'" in header
