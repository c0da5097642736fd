"""Layout of the columns of a frame as features: decided on training rows, then applied to all others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from automl.core.errors import CellError, DataError, UsageError, did_you_mean
from automl.core.table import Array, Codes, Column, Features, Kind, Strings, Table
from automl.data.cells.amounts import PLAIN, notation_of
from automl.data.cells.names import (
    listed,
    refuse_duplicates,
    text_names,
    unique_name,
    with_wanted_names,
)
from automl.data.cells.plain import is_numeric
from automl.data.columns.kinds import KindDecision, decide
from automl.data.columns.number_plans import NumberPlan
from automl.data.columns.outcome import Outcome
from automl.data.columns.plans import Pieces, Plan
from automl.data.columns.structured import DatePlan, plan_from_json
from automl.data.files.dialect import TEXT
from automl.data.modalities import kind_named
from automl.data.target_numbers import TargetNumbers

LARGEST = 1e37  # float32 ends at 3.4e38, and differences must fit
_MOST_DATES = 4  # with more date columns, no differences are made
_FORMAT = 1
_FEW_COLUMNS = 30  # up to so many, copying single columns is faster than a block


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as a table, with notes on anything unusual."""

    table: Table
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Hours from one date column to another, as a feature."""

    later: str
    earlier: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The columns of a data set and their plans; part of every saved model.

    Attributes
    ----------
    columns:
        Every input column with its kind and the reason for it, in the order of the frame.
    plans:
        Plans of the columns that are used, in the same order.
    differences:
        Features from pairs of date columns.
    target_name:
        Name of the column to predict, or empty.
    ignored:
        Columns that are not inputs: target, groups, folds, dropped ones.
    file_numbers:
        By kind of files, the transformation into numbers for families that cannot read them, as plain data
        (see :mod:`automl.model.file_numbers`); :meth:`encode` does not apply it.
    commas:
        The meaning of commas in the number columns of the training file: ``,`` or ``1,000``.
    target_numbers:
        The notation of the target's numbers if they were kept as text; predictions are in their unit.
    label_words:
        Words of the target that are classes, although they count as missing elsewhere.
    missing:
        Words that count as missing, as the user gave them; None for the usual ones of files.
    """

    columns: tuple[Column, ...]
    plans: tuple[Plan, ...]
    differences: tuple[Difference, ...] = ()
    target_name: str = ""
    ignored: tuple[str, ...] = ()
    file_numbers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    commas: Mapping[str, str] = field(default_factory=dict)
    target_numbers: TargetNumbers | None = None
    label_words: tuple[str, ...] = ()
    missing: tuple[str, ...] | None = None

    @classmethod
    def infer(
        cls,
        frame: pd.DataFrame,
        *,
        target: str | None = None,
        kinds: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        keep: Collection[str] = (),
        exclude: Collection[str] = (),
        outcome: Outcome | None = None,
    ) -> Layout:
        """Decide on every column of the training rows.

        Parameters
        ----------
        kinds:
            Kinds that the user declared.
        drop, keep:
            Columns to leave out, and columns to keep although they look like ids or constants.
        exclude:
            Columns with another role: groups, folds.
        outcome:
            The target of these rows, to test columns that look like ids.
        """
        kinds = kinds or {}
        refuse_duplicates([str(name) for name in frame.columns], "The table")
        for name in (*kinds, *drop, *keep, *exclude):
            if name not in frame.columns:
                raise UsageError(f"There is no column {name!r}. {did_you_mean(name, frame.columns)}")
        ignored = {*drop, *exclude} | ({target} if target is not None else set())
        decisions: list[KindDecision] = []
        for name in frame.columns:
            if name in exclude or name == target:
                continue
            if name in drop:
                decisions.append(KindDecision(Column(name, Kind.ID, "left out on request")))
            else:
                decisions.append(
                    decide(
                        str(name),
                        frame[name],
                        forced=kinds.get(name),
                        keep=name in keep,
                        outcome=outcome,
                    )
                )
        if all(decision.plan is None for decision in decisions):
            decisions = [_kept_after_all(decision, frame, {*kinds, *drop}) for decision in decisions]
        columns = tuple(decision.column for decision in decisions)
        plans = tuple(decision.plan for decision in decisions if decision.plan is not None)
        return cls(
            columns=columns,
            plans=plans,
            differences=_differences(frame, plans),
            target_name=target or "",
            ignored=tuple(sorted(ignored)),
        )

    def with_commas(self, commas: Mapping[str, str]) -> Layout:
        """The layout for a file whose number columns had these commas, so that frames can hold their text."""
        plans = tuple(
            replace(plan, notation=notation_of(commas[plan.column]))
            if isinstance(plan, NumberPlan) and plan.column in commas and plan.notation == PLAIN
            else plan
            for plan in self.plans
        )
        return replace(self, plans=plans, commas=commas)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The columns that :meth:`encode` needs."""
        return tuple(plan.column for plan in self.plans)

    @property
    def written(self) -> dict[str, str]:
        """The format of columns where the rows of a new file are ambiguous: ``text``, ``,``, ``1,000``.

        A new file may have only numbers in a text column, or only numbers such as 1,234.
        """
        words = {plan.column: TEXT for plan in self.plans if plan.reads_words}
        return {**self.commas, **words}

    @cached_property
    def features(self) -> Features:
        """Names and levels of the table's features."""
        taken: set[str] = set()

        def unique(names: list[str]) -> tuple[str, ...]:
            made = []
            for name in names:
                made.append(unique_name(name, taken))
                taken.add(made[-1])
            return tuple(made)

        numbers = [name for plan in self.plans for name in plan.number_names]
        return Features(
            unique(numbers + [difference.name for difference in self.differences]),
            unique([name for plan in self.plans for name in plan.category_names]),
            tuple(levels for plan in self.plans for levels in plan.level_names),
            unique([name for plan in self.plans for name in plan.text_names]),
            {
                kind: unique([name for plan in self.plans if plan.kind == kind for name in plan.file_names])
                for kind in dict.fromkeys(plan.kind for plan in self.plans if plan.kind)
            },
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        """The first place of the numbers of each plan."""
        places: dict[str, int] = {}
        at = 0
        for plan in self.plans:
            places[plan.column] = at
            at += len(plan.number_names)
        return places

    @cached_property
    def _familiar(self) -> frozenset[str]:
        return frozenset((*(column.name for column in self.columns), *self.ignored))

    def encode(self, frame: pd.DataFrame) -> EncodedFrame:
        """Encode the rows of a frame; additional columns and the order of columns do not matter.

        Raises
        ------
        DataError
            If columns are missing, or contain text where training had numbers.
        """
        frame, notes = self._checked(frame)
        rows = len(frame)
        numbers = np.empty((rows, len(self.features.numbers)), dtype=np.float64)
        done = self._plain_numbers(frame, numbers)
        codes = np.empty((rows, len(self.features.categories)), dtype=np.int32)
        texts: list[Strings] = []
        files: dict[str, list[Strings]] = {kind: [] for kind in self.features.files}
        days: dict[str, Array] = {}
        at = 0
        for plan in self.plans:
            if plan.column in done:
                continue
            pieces = plan.encode(frame[plan.column])
            self._place(plan, pieces, numbers)
            at = _place_codes(pieces, codes, at)
            texts += pieces.texts
            if plan.kind:
                files[plan.kind] += pieces.files
            notes += pieces.notes
            if pieces.days is not None:
                days[plan.column] = pieces.days
        first = numbers.shape[1] - len(self.differences)
        for i, difference in enumerate(self.differences):
            numbers[:, first + i] = (days[difference.later] - days[difference.earlier]) * 24
        notes += self._without_extremes(numbers)
        by_kind = {kind: tuple(columns) for kind, columns in files.items()}
        return EncodedFrame(Table(self.features, numbers, codes, tuple(texts), by_kind), tuple(notes))

    def without_bad_cells(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """The rows whose cells can be read, and a sentence per column on the others.

        Raises
        ------
        DataError
            If columns are missing.
        """
        sentences = []
        while True:
            try:
                self.encode(frame)
            except CellError as error:
                sentences.append(str(error).partition(" Next: ")[0])
                good = np.ones(len(frame), dtype=bool)
                good[list(error.places)] = False
                frame = frame.loc[good]
            else:
                return frame, tuple(sentences)

    def _checked(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        names = set(frame.columns)
        missing = [name for name in self.inputs if name not in names]
        if missing:
            frame = frame.set_axis(with_wanted_names(text_names(frame.columns), self.inputs), axis=1)
            names = set(frame.columns)
            missing = [name for name in self.inputs if name not in names]
        if missing:
            raise DataError(
                f"{len(missing)} column{'s' if len(missing) > 1 else ''} that the model needs "
                f"{'are' if len(missing) > 1 else 'is'} missing: {', '.join(map(repr, missing))}. "
                f"The data has {listed([repr(name) for name in frame.columns], 30)}. Next: add them (blank "
                "cells are allowed)."
            )
        if not frame.columns.is_unique:
            refuse_duplicates([str(name) for name in frame.columns if name in set(self.inputs)], "The data")
        extra = [repr(name) for name in frame.columns if name not in self._familiar]
        notes = [f"Columns that the model does not know were ignored: {listed(extra)}."] if extra else []
        return frame, notes

    def _plain_numbers(self, frame: pd.DataFrame, numbers: Array) -> frozenset[str]:
        """Fill in the columns with numeric types, all at once, and return their names."""
        types = dict(zip(frame.columns, frame.dtypes.array, strict=True))
        plain = [
            name
            for name in self._number_columns
            if isinstance(kind := types[name], np.dtype) and kind.kind in "iuf"
        ]
        if len(plain) <= _FEW_COLUMNS:
            for name in plain:
                numbers[:, self._places[name]] = frame[name].to_numpy()
            return frozenset(plain)
        block = frame[plain].to_numpy(dtype=np.float64)
        if len(plain) == numbers.shape[1]:
            numbers[:] = block
        else:
            numbers[:, [self._places[name] for name in plain]] = block
        return frozenset(plain)

    @cached_property
    def _number_columns(self) -> tuple[str, ...]:
        return tuple(
            plan.column for plan in self.plans if isinstance(plan, NumberPlan) and not plan.category_names
        )

    def _place(self, plan: Plan, pieces: Pieces, numbers: Array) -> None:
        start = self._places[plan.column]
        for i, values in enumerate(pieces.numbers):
            numbers[:, start + i] = values

    def _without_extremes(self, numbers: Array) -> list[str]:
        """Make infinite values missing and clip the others to the range of every library (float32)."""
        extreme = np.abs(numbers) > LARGEST
        if not extreme.any():
            return []
        infinite = np.isinf(numbers)
        np.clip(numbers, -LARGEST, LARGEST, out=numbers)
        numbers[infinite] = np.nan
        if not infinite.any():
            return []
        counts = infinite.sum(axis=0)
        named = [f"{self.features.numbers[i]!r} ({counts[i]})" for i in np.flatnonzero(counts)]
        return [f"Infinite values count as missing: {listed(named)}."]

    def to_json(self) -> dict[str, Any]:
        """Plain data from which :meth:`from_json` makes the same layout."""
        return {
            "format": _FORMAT,
            "target": self.target_name,
            "ignored": list(self.ignored),
            "columns": [[column.name, str(column.kind), column.reason] for column in self.columns],
            "plans": [plan.to_json() for plan in self.plans],
            "differences": [[item.later, item.earlier, item.name] for item in self.differences],
            **({"file_numbers": dict(self.file_numbers)} if self.file_numbers else {}),
            **({"commas": dict(self.commas)} if self.commas else {}),
            **({"label_words": list(self.label_words)} if self.label_words else {}),
            **({} if self.missing is None else {"missing": list(self.missing)}),
            **({} if self.target_numbers is None else {"target_numbers": self.target_numbers.to_json()}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Layout:
        """The layout that :meth:`to_json` wrote."""
        if data.get("format") != _FORMAT:
            raise DataError(
                f"The model's columns are written in format {data.get('format')!r}; this version of automl "
                f"reads {_FORMAT}. Next: load it with the version that saved it."
            )
        names = (data["target"], *data["ignored"], *(column[0] for column in data["columns"]))
        if not all(isinstance(name, str) for name in names):
            raise DataError("The model's columns have names that are not text. Next: train it again.")
        return cls(
            columns=tuple(Column(name, kind_named(kind), reason) for name, kind, reason in data["columns"]),
            plans=tuple(plan_from_json(plan) for plan in data["plans"]),
            differences=tuple(Difference(*item) for item in data["differences"]),
            target_name=data["target"],
            ignored=tuple(data["ignored"]),
            file_numbers=_file_numbers(data),
            commas=data.get("commas", {}),
            target_numbers=TargetNumbers.from_json(data["target_numbers"])
            if "target_numbers" in data
            else None,
            label_words=tuple(data.get("label_words", ())),
            missing=tuple(data["missing"]) if "missing" in data else None,
        )


def _file_numbers(data: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Those that a model was saved with; earlier versions knew those of images alone."""
    earlier = {} if data.get("image_numbers") is None else {Kind.IMAGE: data["image_numbers"]}
    return {**earlier, **data.get("file_numbers", {})}


def _kept_after_all(decision: KindDecision, frame: pd.DataFrame, decided: Collection[str]) -> KindDecision:
    """The decision to keep whole numbers that look like an id, because no other input is left."""
    name = decision.column.name
    if decision.column.kind is not Kind.ID or name in decided or not is_numeric(frame[name]):
        return decision
    kept = decide(name, frame[name], keep=True)
    return KindDecision(
        Column(name, kept.column.kind, f"{kept.column.reason}; no other input is left"), kept.plan
    )


def _place_codes(pieces: Pieces, codes: Codes, at: int) -> int:
    for values in pieces.codes:
        codes[:, at] = values
        at += 1
    return at


def _differences(frame: pd.DataFrame, plans: tuple[Plan, ...]) -> tuple[Difference, ...]:
    dates = [plan for plan in plans if isinstance(plan, DatePlan)]
    if not 2 <= len(dates) <= _MOST_DATES:
        return ()
    days = {plan.column: plan.encode(frame[plan.column]).days for plan in dates}
    made = []
    for earlier, later in combinations(days, 2):
        a, b = days[earlier], days[later]
        if a is None or b is None:
            continue
        gap = (b - a)[~np.isnan(b - a)]
        if len(gap) and gap.min() < gap.max():
            made.append(Difference(later, earlier, f"{later} - {earlier} (hours)"))
    return tuple(made)
