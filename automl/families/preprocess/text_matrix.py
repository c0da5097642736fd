"""A sparse matrix of a table with texts: their terms, then the other columns as linear models see them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from automl.core.family import FitContext
from automl.core.predictions import Answer
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights, median_of
from automl.families.preprocess.linear_matrix import LinearMatrix, Matrix, Numeric
from automl.families.preprocess.saved import Saved
from automl.families.preprocess.text import TermKind, TextTerms

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Weighting = Literal["idf", "target"]
# Characters that are read from either end of a text; a page of print has about 3,000.
_READ = 10_000
_SHORTEST_RUN = 3
# There are two to four runs per character: of columns with more characters than this only words are used.
_MOST_CHARACTERS = 20_000_000
_MOST_CLASSES = 50
_FURTHEST = 1e30  # in single precision a sum of larger numbers would overflow


class TermChoice(NamedTuple):
    """The terms of a :class:`TextMatrix`, and how they are weighted.

    Attributes
    ----------
    words:
        Longest run of neighbouring words; 0 for no words.
    characters:
        Longest run of characters within a word; 0 for none.
    max_terms:
        Terms of each kind that are kept in each column: the most frequent ones.
    weighting:
        ``idf``: rare terms count more; ``target``: times how differently a term occurs in the classes.
    """

    words: int
    characters: int
    max_terms: int
    weighting: Weighting

    @property
    def kinds(self) -> tuple[TermKind, ...]:
        """The kinds of terms; words alone where neither is asked for."""
        words = TermKind(False, 1, max(self.words, 1), signs=True, head=_READ, tail=_READ)
        shortest = min(_SHORTEST_RUN, self.characters)
        runs = TermKind(True, shortest, self.characters, head=_READ, tail=_READ)
        return (words,) * bool(self.words or not self.characters) + (runs,) * bool(self.characters)


@dataclass(frozen=True, kw_only=True)
class TextMatrix(Saved):
    """The fitted transformation of a table with texts to a sparse matrix.

    Attributes
    ----------
    terms:
        Of the texts; their columns come first.
    factors:
        ``(terms,)``: what each column of terms is multiplied with.
    others:
        The columns beside the texts.
    """

    terms: TextTerms
    factors: npt.NDArray[np.float32]
    others: LinearMatrix

    @classmethod
    def fit(
        cls,
        table: Table,
        target: Encoded,
        task: Task,
        choice: TermChoice,
        *,
        numeric: Numeric = "standard",
        weights: Weights | None = None,
    ) -> tuple[Self, csr_matrix]:
        """Learn from training rows, and return their matrix ``(rows, columns)`` in float32."""
        terms = TextTerms.fit(
            table.texts,
            max_terms=choice.max_terms,
            max_characters=_MOST_CHARACTERS,
            kinds=choice.kinds,
        )
        counted = terms.transform(table.texts)
        factors = np.ones(counted.shape[1], dtype=np.float32)
        if choice.weighting == "target":
            factors = _log_ratios(counted, target, task, weights)
        # A constant seed, since trials of all seeds share the matrix.
        others, dense = LinearMatrix.fit(
            _without_texts(table), target, task, numeric=numeric, seed=0, weights=weights
        )
        matrix = cls(terms=terms, factors=factors, others=others)
        return matrix, matrix._joined(counted, dense)

    def transform(self, table: Table) -> csr_matrix:
        """The matrix of rows that were not used to fit."""
        return self._joined(self.terms.transform(table.texts), self.others.transform(_without_texts(table)))

    def owners(self, numbers: int, categories: int) -> npt.NDArray[np.int64]:
        """``(columns,)``: the feature that each column is made of, in the order of :attr:`Table.columns`.

        Parameters
        ----------
        numbers, categories:
            How many the table has.
        """
        sizes = np.array([len(weight.buckets) for weight in self.terms.weights], dtype=np.int64)
        texts = np.repeat(np.array(self.terms.owner, dtype=np.int64), sizes) + numbers + categories
        return np.concatenate([texts, self.others.owners(categories)]).astype(np.int64)

    def _joined(self, counted: csr_matrix, dense: Matrix) -> csr_matrix:
        from scipy.sparse import csr_matrix, hstack

        counted.data *= self.factors[counted.indices]
        others = csr_matrix(np.asarray(dense).clip(-_FURTHEST, _FURTHEST))
        return hstack([counted, others], format="csr", dtype=np.float32)


def text_matrices(
    inputs: Table, target: Encoded, task: Task, context: FitContext, *, choice: TermChoice, numeric: Numeric
) -> tuple[TextMatrix, csr_matrix, csr_matrix | None]:
    """The matrices of a fold's rows and of its held-out ones, from the cache if they were made before."""
    digest = hashlib.blake2b(np.ascontiguousarray(target).tobytes(), digest_size=16).hexdigest()

    def build() -> tuple[TextMatrix, csr_matrix, csr_matrix | None]:
        matrix, train = TextMatrix.fit(inputs, target, task, choice, numeric=numeric, weights=context.weights)
        return matrix, train, None if context.valid is None else matrix.transform(context.valid[0])

    return context.cached(("texts", digest, inputs.rows, choice, numeric, context.valid is None), build)


def _without_texts(table: Table) -> Table:
    return replace(table, features=replace(table.features, texts=()), texts=())


def _log_ratios(
    counted: csr_matrix, target: Encoded, task: Task, weights: Weights | None
) -> npt.NDArray[np.float32]:
    """``(terms,)``: how differently each term occurs in the rows of a class and in the others.

    The logarithm of the ratio of its shares of all occurrences, one occurrence added to each: the weights of
    NBSVM (Wang and Manning, ACL 2012, section 2). Of several classes the root of the mean square. A target of
    numbers counts as two classes, above and below its median.
    """
    inside = task.averaged_columns(target, _MOST_CLASSES)
    if task.answer is Answer.NUMBERS:
        inside = (inside > median_of(inside[:, 0], weights)).astype(np.float64)
    present = (counted > 0).astype(np.float64)
    rows = np.ones(len(inside)) if weights is None else np.asarray(weights)
    within = np.asarray(present.T @ (inside * rows[:, None])) + 1.0
    beside = np.asarray(present.T @ ((1.0 - inside) * rows[:, None])) + 1.0
    ratios = np.log(within / within.sum(axis=0)) - np.log(beside / beside.sum(axis=0))
    return np.asarray(np.sqrt((ratios**2).mean(axis=1)), dtype=np.float32)
