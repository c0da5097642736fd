"""Texts as numbers for families of tables: principal components of frozen features, and scores of the target.

A family that is wrapped here has a parameter ``texts``: ``terms`` (what it makes of texts itself),
``embedding`` (numbers in their place) or ``both``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from automl.core.family import Cache, Family, FitContext, Fitted, Outlook, Scope, ScoreTerms
from automl.core.predictions import Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.typed_values import Value
from automl.core.weights import Weights
from automl.families.nets.surroundings import Surroundings
from automl.families.nets.texts.encoders import OWN, PACKAGED, missing_encoders, origin_of, own_folder
from automl.families.nets.texts.features import TextView, frozen_outputs
from automl.families.nets.texts.needs import outlook, row_milliseconds, view_of
from automl.families.nets.texts.tokens import Cut
from automl.families.nets.texts.weights import check_encoder, read_origin, share_encoder
from automl.families.preprocess.saved import Saved

T = TypeVar("T")
Floats = npt.NDArray[np.float64]
TERMS = "terms"
TEXTS = "texts"
MOST_COMPONENTS = 32
_TOKENS = 128
_FILE = "embedding"
_FOLDS = 5
_MOST_CLASSES = 50
_STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
_LEAST_DEVIATION = 1e-3


@dataclass(frozen=True, kw_only=True)
class EmbeddedTexts(Saved):
    """The way from a table's texts to further numbers.

    Attributes
    ----------
    encoder, weights, tokens:
        What the frozen encoder is, and what it is shown of a text.
    words:
        Whether the texts stay in the table.
    centre, axes:
        Principal components: products of ``axes`` ``(features, components)`` with centred features.
    coefficients, intercept:
        Ridge regression of the target, ``(features, outputs)`` and ``(outputs,)``; of each class's indicator.
    names:
        Of the new numbers.
    """

    encoder: str
    weights: str
    tokens: int
    words: bool
    centre: Floats
    axes: Floats
    coefficients: Floats
    intercept: Floats
    names: tuple[str, ...]

    @property
    def view(self) -> TextView:
        """The view that the frozen encoder is shown."""
        return TextView(encoder=self.encoder, weights=self.weights, cut=Cut(tokens=self.tokens))

    @classmethod
    def fit(
        cls, table: Table, target: Encoded, task: Task, *, words: bool, context: FitContext
    ) -> tuple[Self, Table]:
        """Learn from training rows, and return these with their numbers; scores are those out of fold."""
        from automl.data.cells.names import unique_name  # brings pandas, which a list of families needs not

        view = embedding_view()
        around = Surroundings(context.threads, context.device, context.should_stop, context.notes.append)
        features = _features(table, view, around)
        centre, axes = _components(features)
        outputs = task.averaged_columns(target, _MOST_CLASSES)
        weights = np.ones(len(features)) if context.weights is None else np.asarray(context.weights)
        coefficients, intercept, held_out = _scores(features, outputs, weights)
        taken = {*table.features.numbers, *table.features.categories}
        names = [unique_name(f"meaning {place + 1}", taken) for place in range(axes.shape[1])]
        names += [unique_name(f"meaning score {place + 1}", taken) for place in range(outputs.shape[1])]
        made = cls(
            encoder=view.encoder,
            weights=view.weights,
            tokens=view.cut.tokens,
            words=words,
            centre=centre,
            axes=axes,
            coefficients=coefficients,
            intercept=intercept,
            names=tuple(names),
        )
        return made, made._with(table, features, held_out)

    def add(self, table: Table, around: Surroundings) -> Table:
        """Any rows with their numbers, without their texts where these do not stay."""
        features = _features(table, self.view, around)
        return self._with(table, features, features @ self.coefficients + self.intercept)

    def _with(self, table: Table, features: Floats, scores: Floats) -> Table:
        numbers = np.concatenate([table.numbers, (features - self.centre) @ self.axes, scores], axis=1)
        layout = replace(table.features, numbers=(*table.features.numbers, *self.names))
        if self.words:
            return replace(table, features=layout, numbers=numbers)
        return replace(table, features=replace(layout, texts=()), numbers=numbers, texts=())


def embedding_view() -> TextView:
    """The source of the numbers: the encoder of ``--weights-dir``, else the installed one."""
    return view_of(PACKAGED if own_folder() is None else OWN, _TOKENS, "head")


def reads_embeddings(family: Family) -> Family:
    """The family of tables with numbers of its texts, as its parameter ``texts`` asks."""

    def fit(params: Any, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Fitted:
        if not _embeds(params, inputs):
            return family.fit(params, inputs, target, task, context)
        key = (TEXTS, getattr(params, TEXTS))
        words = getattr(params, TEXTS) == "both"

        def learn() -> tuple[EmbeddedTexts, Table]:
            return EmbeddedTexts.fit(inputs, target, task, words=words, context=context)

        texts, rows = context.cached((*key, _target_key(target)), learn)
        around = Surroundings(context.threads, context.device, context.should_stop, context.notes.append)
        valid = context.valid
        if valid is not None:
            valid = (texts.add(valid[0], around), valid[1])
        cache = None if context.cache is None else _Beside(context.cache, key)
        inner = family.fit(params, rows, target, task, replace(context, valid=valid, cache=cache))
        model = EmbeddedModel(inner, texts, context.threads, context.device)
        model.origin = origin_of(texts.encoder).to_json()
        model.frozen_ms = row_milliseconds(inputs.texts, texts.view, context.device)
        return model

    def load(folder: Path) -> Fitted:
        inner = family.load(folder)
        if not (folder / f"{_FILE}.npz").is_file():
            return inner
        texts = EmbeddedTexts.load(folder, _FILE)
        check_encoder(texts.encoder, texts.weights, folder)
        model = EmbeddedModel(inner, texts)
        model.origin = read_origin(folder)
        return model

    def look(params: Any, tables: Sequence[Table], scope: Scope) -> Outlook:
        return outlook(embedding_view(), tables, scope) if _embeds(params, tables[0]) else Outlook()

    def together(params: Any, rows: int) -> bool:
        return getattr(params, TEXTS) == TERMS and family.fits_folds_together(params, rows)

    def terms(fitted: Any, rows: Table, typical: Table) -> ScoreTerms | None:
        if family.terms is None or isinstance(fitted, EmbeddedModel):
            return None
        return family.terms(fitted, rows, typical)

    return replace(
        family,
        fit=fit,
        load=load,
        outlook=look,
        shared_params=(*family.shared_params, TEXTS),
        fits_folds_together=together,
        terms=None if family.terms is None else terms,
        missing_weights=_missing,
    )


class EmbeddedModel:
    """A model of a table with numbers of its texts; implements :class:`automl.core.family.Fitted`.

    Attributes
    ----------
    origin:
        Name, licence and source of the frozen encoder's weights.
    frozen_ms:
        Milliseconds of the frozen encoder for a row that the cache does not have, by what is computed.
    """

    def __init__(
        self, inner: Fitted, texts: EmbeddedTexts, threads: int | None = None, device: str = "cpu"
    ) -> None:
        self.inner = inner
        self.texts = texts
        self.origin: dict[str, str] = {}
        self.frozen_ms: dict[str, float] = {}
        self._around = Surroundings(threads, device)

    def predict(self, inputs: Table) -> Predictions:
        """As the inner model does."""
        return self.inner.predict(self.texts.add(inputs, self._around))

    def save(self, folder: Path) -> None:
        """The inner model, the way to its numbers, and the frozen encoder once for all folds."""
        self.inner.save(folder)
        self.texts.save(folder, _FILE)
        share_encoder(self.texts.encoder, self.texts.weights, folder, self.origin)


@dataclass(frozen=True)
class _Beside:
    """A cache whose entries stand beside those of the same table without the numbers."""

    cache: Cache
    key: Hashable

    def get(self, key: Hashable, build: Callable[[], T]) -> T:
        """The value built for ``key``, building it first if need be."""
        return self.cache.get((self.key, key), build)


def _embeds(params: Any, table: Table) -> bool:
    return bool(table.texts) and getattr(params, TEXTS) != TERMS


def _missing(parameter: str, values: Sequence[Value]) -> dict[Value, str]:
    """Ways that need an encoder where there is none; the families of encoders name the missing file."""
    absent = [OWN, PACKAGED]
    if parameter != TEXTS or len(missing_encoders("encoder", absent)) < len(absent):
        return {}
    return {value: "" for value in values if value != TERMS}


def _target_key(target: Encoded) -> tuple[float, ...]:
    """Digest that tells a target from another one on the same rows, such as its logarithm."""
    values = np.asarray(target, dtype=np.float64)
    return (float(values.sum()), float(values[:1].sum()))


def _features(table: Table, view: TextView, around: Surroundings) -> Floats:
    """``(rows, features)`` means of the last layer, of all text columns side by side."""
    parts = [frozen_outputs(column, view, around, (slice(0, 1),))[:, 0] for column in table.texts]
    return np.concatenate(parts, axis=1).astype(np.float64)


def _components(features: Floats) -> tuple[Floats, Floats]:
    """Mean, and axes whose products with centred features are the standardised features' components."""
    count = int(np.clip(len(features) // 20, 2, MOST_COMPONENTS))
    centre = features.mean(axis=0)
    width = np.maximum(features.std(axis=0), _LEAST_DEVIATION)
    scaled = (features - centre) / width
    _, directions = np.linalg.eigh(scaled.T @ scaled)
    directions = directions[:, ::-1][:, :count]
    # The sign of a direction is any: the largest entry made positive, so that machines agree.
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    return centre, directions * signs / width[:, None]


def _scores(features: Floats, outputs: Floats, weights: Weights) -> tuple[Floats, Floats, Floats]:
    """Coefficients and intercept of a ridge regression, and its ``(rows, outputs)`` out of fold."""
    fold = np.random.default_rng(0).permutation(len(features)) % _FOLDS
    made = {strength: np.zeros(outputs.shape) for strength in _STRENGTHS}
    for number in range(_FOLDS):
        train, valid = fold != number, fold == number
        if not valid.any() or not train.any():
            continue
        solved = _ridge(features[train], outputs[train], weights[train], _STRENGTHS)
        for strength, (coefficients, intercept) in zip(_STRENGTHS, solved, strict=True):
            made[strength][valid] = features[valid] @ coefficients + intercept
    errors = {
        strength: float(weights @ ((held - outputs) ** 2).sum(axis=1)) for strength, held in made.items()
    }
    best = min(_STRENGTHS, key=lambda strength: errors[strength])
    ((coefficients, intercept),) = _ridge(features, outputs, weights, (best,))
    return coefficients, intercept, made[best]


def _ridge(
    features: Floats, outputs: Floats, weights: Weights, strengths: Sequence[float]
) -> list[tuple[Floats, Floats]]:
    """Coefficients and intercepts of standardised features by the strength of the penalty."""
    share = weights / weights.sum()
    mean, middle = share @ features, share @ outputs
    width = np.maximum(np.sqrt(share @ (features - mean) ** 2), _LEAST_DEVIATION)
    scaled = (features - mean) / width
    values, vectors = np.linalg.eigh((scaled * weights[:, None]).T @ scaled)
    right = vectors.T @ (scaled.T @ (weights[:, None] * (outputs - middle)))
    made = []
    for strength in strengths:
        coefficients = (vectors @ (right / (np.maximum(values, 0.0) + strength)[:, None])) / width[:, None]
        made.append((coefficients, middle - mean @ coefficients))
    return made
