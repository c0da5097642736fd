"""Texts as numbers of tokens: split once per text, long ones cut to windows, in batches by length."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from automl.core.errors import UsageError
from automl.core.family import TrialStopped
from automl.families.nets.texts.encoders import CONFIG, TOKENIZER, configuration, written

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Numbers = npt.NDArray[np.int32]
MOST_WINDOWS = 8
"""Windows of a long text that are read at most, evenly spaced."""
_CHARACTERS = 12  # of a token that is longer than almost any: what lies beyond is not even split
_MODELS = ("WordPiece", "BPE", "Unigram", "WordLevel")
_CHUNK = 512
_CACHED_TOKENS = 16_000_000
_COUNTED_TEXTS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The part of a text that is read.

    Attributes
    ----------
    tokens:
        Of one window, those that mark its ends included.
    long:
        What is read of longer texts: ``head``, their beginning; ``ends``, beginning and end in one window;
        ``windows``, up to :data:`MOST_WINDOWS` of them, which are averaged.
    """

    tokens: int
    long: str = "head"

    @property
    def most(self) -> int:
        """Tokens of a text that are read at most."""
        return self.tokens * (MOST_WINDOWS if self.long == "windows" else 1)


class Splitter:
    """A tokenizer, with the tokens that it puts around each text.

    Parameters
    ----------
    place:
        An encoder's, see :func:`automl.families.nets.texts.encoders.written`.

    Raises
    ------
    UsageError
        When the tokenizer cannot be read.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._tokenizer = _tokenizer(place)
        body = configuration(place)
        self._words = int(body.get("vocab_size") or 0)
        # What is read of an empty text where nothing is put around it.
        self._nothing = np.array([body.get("pad_token_id") or 0], dtype=np.int32)
        plain, marked = (self._tokenizer.encode("a", add_special_tokens=marks) for marks in (False, True))
        before = next((i for i, one in enumerate(marked.special_tokens_mask) if not one), 0)
        self.before = np.array(marked.ids[:before], dtype=np.int32)
        self.after = np.array(marked.ids[before + len(plain.ids) :], dtype=np.int32)
        self._check([*self.before, *self.after])
        self._remembered: dict[tuple[str, int], Numbers] = {}
        self._held = 0
        self._counts: dict[str, int] = {}
        self._lock = Lock()

    @property
    def marks(self) -> int:
        """Tokens around each text."""
        return len(self.before) + len(self.after)

    def windows(
        self,
        texts: Sequence[str],
        cut: Cut,
        *,
        threads: int = 1,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> list[list[Numbers]]:
        """Per text the windows of tokens that are read, marks included: one, and several for a long text.

        Raises
        ------
        TrialStopped
            When asked to stop before all texts were split.
        UsageError
            For a token that the encoder does not have.
        """
        return [self._windows(ids, cut) for ids in self._split(texts, cut, threads, should_stop)]

    def reads_whole(self, texts: Sequence[str], cut: Cut) -> list[bool]:
        """Tell of each text whether all of its tokens are in the first window; each is counted once."""
        short = [text for text in texts if len(text) <= _CHARACTERS * cut.tokens]
        new = list(dict.fromkeys(text for text in short if text not in self._counts))
        if len(self._counts) + len(new) > _COUNTED_TEXTS:
            self._counts, new = {}, list(dict.fromkeys(short))
        for start in range(0, len(new), _CHUNK):
            chunk = new[start : start + _CHUNK]
            encoded = self._tokenizer.encode_batch_fast(
                [_shown(text, len(text), cut.long) for text in chunk], add_special_tokens=False
            )
            self._counts |= {text: len(one.ids) for text, one in zip(chunk, encoded, strict=True)}
        most = cut.tokens - self.marks
        return [self._counts.get(text, most + 1) <= most for text in texts]

    def _windows(self, ids: Numbers, cut: Cut) -> list[Numbers]:
        room = max(1, cut.tokens - self.marks)
        if len(ids) <= room:
            parts = [ids]
        elif cut.long == "ends":
            first = (room + 1) // 2
            parts = [np.concatenate([ids[:first], ids[len(ids) - (room - first) :]])]
        elif cut.long == "windows":
            count = min(MOST_WINDOWS, -(-len(ids) // room))
            starts = np.linspace(0, len(ids) - room, count).round().astype(int)
            parts = [ids[start : start + room] for start in starts]
        else:
            parts = [ids[:room]]
        if not len(parts[0]) + self.marks:
            return [self._nothing]
        return [np.concatenate([self.before, part, self.after]) for part in parts]

    def _split(
        self, texts: Sequence[str], cut: Cut, threads: int, should_stop: Callable[[], bool]
    ) -> list[Numbers]:
        most = _CHARACTERS * cut.most
        shown = [_shown(text, most, cut.long) for text in texts]
        remembered = self._remembered  # another thread may begin a new one meanwhile
        new = list(dict.fromkeys(text for text in shown if (text, most) not in remembered))
        pieces: dict[str, Numbers] = {}

        def split(start: int) -> dict[str, Numbers]:
            return {} if should_stop() else self._ids(new[start : start + _CHUNK])

        with ThreadPoolExecutor(max(1, threads), thread_name_prefix="automl-tokens") as pool:
            for part in pool.map(split, range(0, len(new), _CHUNK)):
                pieces.update(part)
        self._keep(pieces, most)
        if len(pieces) < len(new):
            raise TrialStopped(f"stopped after the tokens of {len(pieces):,} of {len(new):,} texts")
        return [pieces[text] if text in pieces else remembered[text, most] for text in shown]

    def _ids(self, texts: list[str]) -> dict[str, Numbers]:
        encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        made = {text: np.array(one.ids, dtype=np.int32) for text, one in zip(texts, encoded, strict=True)}
        self._check([int(ids.max()) for ids in made.values() if len(ids)])
        return made

    def _check(self, numbers: list[int]) -> None:
        highest = max(numbers, default=0)
        if highest >= self._words:
            raise UsageError(
                f"{TOKENIZER} of {self._place} has a token number {highest}, and {CONFIG} a vocab_size of "
                f"{self._words}: they belong to two models. Next: get both files again."
            )

    def _keep(self, pieces: dict[str, Numbers], most: int) -> None:
        """Remember the latest texts, as many as the bound allows."""
        tokens = sum(map(len, pieces.values()))
        with self._lock:
            if self._held + tokens > _CACHED_TOKENS:
                self._remembered, self._held = {}, 0
            if tokens <= _CACHED_TOKENS:
                self._remembered |= {(text, most): ids for text, ids in pieces.items()}
                self._held += tokens


@lru_cache(maxsize=4)
def splitter_of(place: str, digest: str) -> Splitter:
    """The splitter of an encoder; ``digest`` is that of its files."""
    return Splitter(Path(place))


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterator[npt.NDArray[np.int64]]:
    """Places of equally long inputs, the longest first, as many as have about ``budget`` tokens together.

    Nothing is padded so: what a text gives does not depend on those beside it, and no work is done in vain.
    """
    if not len(lengths):
        return
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    sorted_lengths = np.asarray(lengths, dtype=np.int64)[order]
    starts = np.flatnonzero(np.diff(sorted_lengths, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        size = max(1, budget // max(1, int(sorted_lengths[start])))
        for first in range(start, stop, size):
            yield order[first : min(first + size, stop)]


def _shown(text: str, most: int, long: str) -> str:
    """The characters of a text that its tokens can be of; lone surrogates have no token."""
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]} {text[-half:]}" if long == "ends" else text[:most]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _tokenizer(place: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    # Its own threads do not survive a fork, after which it would hang; those of the pool here serve instead.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        text = written(place, TOKENIZER)
        kind = json.loads(text)["model"]["type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{TOKENIZER} of {place} cannot be read: {error}. Next: get it again.") from error
    if kind not in _MODELS:
        raise UsageError(f"{place} holds a tokenizer {kind!r}, not one of {', '.join(_MODELS)}.")
    made = Tokenizer.from_str(text)
    made.no_padding()
    made.no_truncation()
    return made
