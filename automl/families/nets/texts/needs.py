"""Outputs of frozen encoders that trials need: computed once and kept, and foreseen from measurements."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from automl.core.family import FitContext, Outlook, Scope, TrialStopped
from automl.core.machine import cores
from automl.core.table import Strings, Table
from automl.families.nets.feature_shelf import Shelf
from automl.families.nets.surroundings import Surroundings
from automl.families.nets.texts.architectures import EncoderShape
from automl.families.nets.texts.costs import TokenCost, TokenCosts, usual_cost
from automl.families.nets.texts.encoders import CONFIG, configuration, digest_of, folder_of
from automl.families.nets.texts.features import TextView, cache_of_texts, keep_outputs
from automl.families.nets.texts.plan import TextTraining
from automl.families.nets.texts.tokens import Cut

_MARGIN = 1.5  # by which a pass may take longer than foreseen
_MEASURED_TEXTS = 400
_LEAST_EPOCHS = 0.5  # on sst2 half an epoch is .03 better than the best frozen head, a whole one .01 more
# The way back of training, with the optimizer's step, by a frozen pass there on all cores in bfloat16.
# It foresees the first training, as none was measured yet.
_BACKWARD = 2.0
_TRAINING = "-training"


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Times of a training and what it read in them, every epoch counted."""

    tokens: int
    seconds: float
    processor_seconds: float


def view_of(encoder: str, tokens: int, long: str) -> TextView:
    """A view by the encoder on this machine; of its longest input where that is shorter.

    Raises
    ------
    MissingDependencyError
        When the encoder is not here.
    UsageError
        When it cannot be read.
    """
    shape = shape_of(encoder)
    weights = digest_of(folder_of(encoder))
    return TextView(encoder=encoder, weights=weights, cut=Cut(tokens=min(tokens, shape.longest), long=long))


def shape_of(encoder: str) -> EncoderShape:
    """The shape of an encoder on this machine."""
    folder = folder_of(encoder)
    return EncoderShape.of(configuration(folder), str(folder / CONFIG))


def prepare_view(view: TextView, tables: Sequence[Table], context: FitContext) -> None:
    """Compute and keep what an encoder says of the texts of these tables.

    Raises
    ------
    TrialStopped
        When the time was or would be too short; what was computed is kept for the next trial.
    """
    columns = [column for table in tables for column in table.texts]
    todo = [column for column in columns if missing(column, view)]
    if todo:
        _measure(todo[0], view, context)
    seconds = sum(_seconds(column, view, context.device) for column in todo)
    if seconds > _MARGIN * context.seconds_left:
        raise TrialStopped(
            f"the features take about {seconds:.0f} s, and the trial has {context.seconds_left:.0f} s"
        )
    for number, column in enumerate(todo):
        around = Surroundings(
            context.threads,
            context.device,
            context.should_stop,
            context.notes.append,
            partial(_report, context, number, len(todo)),
        )
        if not keep_outputs(column, view, around):
            context.notes.append(
                f"The cache has no room for the features of {len(column):,} texts: every trial computes them "
                "anew. Next: raise --cache-size."
            )


def outlook(view: TextView, tables: Sequence[Table], scope: Scope) -> Outlook:
    """Seconds of what is not kept yet, on all cores; by the encoder's size until it was measured."""
    return Outlook(sum(_seconds(column, view, scope.device) for table in tables for column in table.texts))


def training_outlook(plan: TextTraining, view: TextView, tables: Sequence[Table], scope: Scope) -> Outlook:
    """The same of an encoder that is trained, with the seconds of the one epoch that is the least."""
    frozen = outlook(view, tables[:1], scope)
    cost, shape = cost_of(view, scope.device), shape_of(plan.encoder)
    tokens = sum(
        cost.tokens_read([len(text) for text in column], view.cut.most) for column in tables[0].texts
    )
    passes = min(_LEAST_EPOCHS, plan.epochs) * scope.folds * scope.rows / max(tables[0].rows, 1)
    cache = cache_of_texts()
    trained = None if cache is None else TokenCosts(cache, scope.device).of(view.net + _TRAINING)
    each = (trained or cost).seconds * scope.workers
    if scope.device == "cpu":
        rate = (trained or cost).processor_seconds
        if trained is None:  # training gains little by the instructions that make a frozen pass fast
            rate = max(rate, usual_cost(shape.layer_weights, 1).processor_seconds)
        each = rate * scope.workers / cores()
    return replace(frozen, fit=passes * tokens * each * training_passes(plan, shape))


def training_passes(plan: TextTraining, shape: EncoderShape) -> float:
    """Frozen passes that take as long as a pass of training: the way there, and back through what learns."""
    return 1.0 + _BACKWARD * (shape.layers - plan.first_layer(shape.layers)) / shape.layers


def learn_training(view: TextView, plan: TextTraining, spent: Spent, device: str) -> None:
    """Keep what a training took, by which the next ones are foreseen."""
    cache = cache_of_texts()
    if cache is not None:
        passes = training_passes(plan, shape_of(plan.encoder))
        TokenCosts(cache, device).learn(
            view.net + _TRAINING,
            tokens=spent.tokens,
            characters=round(spent.tokens * cost_of(view, device).characters),
            seconds=spent.seconds / passes,
            processor_seconds=spent.processor_seconds / passes,
        )


def cost_of(view: TextView, device: str) -> TokenCost:
    """The cost of an encoder's token on all cores."""
    cache = cache_of_texts()
    measured = None if cache is None else TokenCosts(cache, device).of(view.net)
    shape = shape_of(view.encoder)
    return measured or usual_cost(shape.layer_weights, cores())


def row_milliseconds(columns: Sequence[Strings], view: TextView, device: str) -> dict[str, float]:
    """Milliseconds that an encoder takes for a row like these, with all cores of a free machine to itself.

    They are by what models share: texts that are read whole by the encoder, longer ones by the view, too.
    """
    cost = cost_of(view, device)
    each = 1000 * (cost.processor_seconds / cores() or cost.seconds)
    whole, cut = 0.0, 0.0
    for column in columns:
        for text in column:
            tokens = cost.tokens(len(text))
            if tokens <= view.cut.tokens:
                whole += tokens
            else:
                cut += min(tokens, view.cut.most)
    rows = max(1, len(columns[0]))
    own = f"{view.net}-{view.cut.tokens}-{view.cut.long}"
    return {view.net: each * whole / rows, own: each * cut / rows}


def missing(texts: Strings, view: TextView) -> int:
    """Number of different texts that the cache has no output of; 0 without a cache."""
    return len(_missing_rows(texts, view))


def _measure(texts: Strings, view: TextView, context: FitContext) -> None:
    """Time an encoder that was not measured yet on a few of the texts; what it says of them is kept.

    They are of about the usual length, as most batches are: few texts of many lengths would be slow ones.
    """
    cache = cache_of_texts()
    if cache is None or TokenCosts(cache, context.device).of(view.net) is not None:
        return
    rows = _missing_rows(texts, view)
    lengths = np.array([len(texts[row]) for row in rows])
    usual = rows[np.abs(lengths - np.median(lengths)).argsort(kind="stable")[:_MEASURED_TEXTS]]
    keep_outputs(
        texts[np.sort(usual)], view, Surroundings(context.threads, context.device, context.should_stop)
    )


def _seconds(texts: Strings, view: TextView, device: str) -> float:
    rows = _missing_rows(texts, view)
    if not len(rows):
        return 0.0
    return cost_of(view, device).of_texts([len(texts[row]) for row in rows], view.cut.most)


def _missing_rows(texts: Strings, view: TextView) -> np.ndarray:
    """Rows of the different texts that the cache has no output of."""
    cache = cache_of_texts()
    if cache is None:
        return np.empty(0, dtype=np.int64)
    seen = _seen(texts, view)
    return _absent(cache, view.net, Shelf(cache, view.net).files(), seen)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A column's keys and the first row of each; itself as the key of a cache."""

    keys: Strings
    rows: np.ndarray


_looked_up: dict[tuple[int, TextView], tuple[weakref.ref[Strings], _Seen]] = {}


def _seen(texts: Strings, view: TextView) -> _Seen:
    """The keys of a column; the process that foresees trials asks for the same ones again and again."""
    reference, seen = _looked_up.get((id(texts), view), (None, None))
    if reference is None or seen is None or reference() is not texts:
        keys, rows = np.unique(view.keys(texts).astype(str), return_index=True)
        seen = _Seen(keys.astype(object), rows)
        for key in [key for key, (held, _) in _looked_up.items() if held() is None]:
            del _looked_up[key]
        _looked_up[id(texts), view] = weakref.ref(texts), seen
    return seen


@lru_cache(maxsize=256)
def _absent(cache: Path, name: str, files: tuple[str, ...], seen: _Seen) -> np.ndarray:
    return seen.rows[Shelf(cache, name).find(seen.keys).places < 0]


def _report(context: FitContext, number: int, jobs: int, done: int, texts: int) -> None:
    which = f", column {number + 1} of {jobs}" if jobs > 1 else ""
    context.report((number + done / texts) / jobs, f"features of {done:,} of {texts:,} texts{which}")
