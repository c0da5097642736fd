"""Outputs of frozen encoders, computed once per text and view, and kept between searches."""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.environment import cache_dir
from automl.core.family import TrialStopped
from automl.core.machine import cores
from automl.core.table import Strings
from automl.families.nets import runtime
from automl.families.nets.feature_shelf import Found, Halves, Kinds, NoRoom, Shelf, ShelfGone, places_of
from automl.families.nets.surroundings import Surroundings, all_cores
from automl.families.nets.texts.architectures import EncoderShape
from automl.families.nets.texts.costs import TokenCosts
from automl.families.nets.texts.encoders import configuration
from automl.families.nets.texts.tokens import Cut, Numbers, batches_by_length, splitter_of
from automl.families.nets.texts.weights import place_of

if TYPE_CHECKING:
    import torch

    from automl.families.nets.texts.transformer import TextEncoder

Values = npt.NDArray[np.floating[Any]]
MOST_LEVELS = 6
"""Layers whose means are kept at most, evenly spaced, the last one among them."""
FOLDER = "texts"
# Of a batch: enough for the cores' units, and a fraction of a second long on any of them.
_CPU_OPERATIONS, _GPU_OPERATIONS = 5e10, 3e12
_LEAST_TOKENS, _MOST_TOKENS = 128, 65_536
_SAVE_SECONDS, _SAVE_SHARE = 1.0, 0.1  # between what is put on the shelf; of the time since the first text
_MEMORY_BYTES = 256 << 20
_TRIES = 3  # of reading outputs that other processes may remove for theirs
_MARKS = 4  # tokens around a text, at most
# Tokens of a batch whose outputs are kept, at least: libraries compute smaller products in another order
# (oneDNN with AMX: up to 300 tokens), and a text's features would depend on those that were missing with it.
_KEPT_TOKENS = 512


@dataclass(frozen=True, kw_only=True)
class TextView:
    """An encoder, and what it is shown of a text.

    Attributes
    ----------
    weights:
        Digest of the encoder's files.
    """

    encoder: str
    weights: str
    cut: Cut

    @property
    def net(self) -> str:
        """The encoder with its weights, whatever it is shown."""
        return f"{self.encoder}-{self.weights}"

    def keys(self, texts: Strings) -> Strings:
        """SHA-256 per text with what is read of it, ``(rows,)``; equal in all views that show it whole."""
        shown = ("whole" if whole else f"{self.cut.tokens}-{self.cut.long}" for whole in self._whole(texts))
        pairs = zip(shown, texts, strict=True)
        return np.array([_digest(part, text) for part, text in pairs], dtype=object)

    def _whole(self, texts: Strings) -> npt.NDArray[np.bool_]:
        """Flags of texts that are read whole; tokens are counted where bytes and words leave it open."""
        whole = np.array([_most_tokens(text) <= self.cut.tokens for text in texts], dtype=bool)
        open_ = [row for row in np.flatnonzero(~whole) if len(texts[row].split()) <= self.cut.tokens]
        if open_:
            splitter = splitter_of(str(place_of(self.encoder, self.weights)), self.weights)
            whole[open_] = splitter.reads_whole([texts[row] for row in open_], self.cut)
        return whole


def _most_tokens(text: str) -> int:
    """A bound that no tokenizer exceeds: a token has a byte at least, of ligatures and capitals too."""
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text.lower())
    return max(len(each.encode("utf-8", "surrogatepass")) for each in (text, plain)) + _MARKS


def _digest(shown: str, text: str) -> str:
    return hashlib.sha256(f"{shown}\n".encode() + text.encode("utf-8", "surrogatepass")).hexdigest()


def levels_of(layers: int) -> tuple[int, ...]:
    """The layers whose means are kept, from 1; the last one comes first."""
    count = min(layers, MOST_LEVELS)
    places = np.linspace(layers / count, layers, count).round().astype(int).tolist()
    return tuple(reversed([int(place) for place in places]))


def cache_of_texts() -> Path | None:
    """The folder of texts' features, while a search runs."""
    root = cache_dir()
    return None if root is None else root / FOLDER


def frozen_outputs(
    texts: Strings, view: TextView, around: Surroundings, kinds: Kinds = (slice(None),)
) -> Halves:
    """``(rows, kinds, width)`` float16 outputs, from the cache as far as it has them.

    Kinds are the means over the tokens after each of :func:`levels_of`, the last layer's first token, and
    the largest values over its tokens.

    Parameters
    ----------
    kinds:
        Those that are wanted: all of them are kept, which is kilobytes a text.

    Raises
    ------
    TrialStopped
        When asked to stop before all were computed; what was computed is kept.
    """
    cache = cache_of_texts()
    if cache is not None:
        keys = view.keys(texts)
        shelf = Shelf(cache, view.net)
        with suppress(NoRoom):
            for _ in range(_TRIES):
                with suppress(ShelfGone):
                    return shelf.take(_shelved(shelf, (texts, keys), view, around), kinds)
    return _remembered(texts, view, around, kinds)  # without a cache, or one whose bound is too low


def keep_outputs(texts: Strings, view: TextView, around: Surroundings) -> bool:
    """See that the cache, where there is one, has the outputs of these texts; False without room for them."""
    cache = cache_of_texts()
    if cache is not None:
        try:
            _shelved(Shelf(cache, view.net), (texts, view.keys(texts)), view, around)
        except NoRoom:
            return False
    return True


def _shelved(shelf: Shelf, rows: tuple[Strings, Strings], view: TextView, around: Surroundings) -> Found:
    """Places of the outputs of these texts, by their keys; missing ones are computed."""
    texts, keys = rows
    entries = shelf.find(keys)
    if (entries.places < 0).any():
        with shelf.locked(around.should_stop):
            entries = shelf.find(keys)
            wanted = {keys[row]: texts[row] for row in np.flatnonzero(entries.places < 0)}
            if wanted:
                _fill(shelf, wanted, view, around)
                entries = shelf.find(keys)
    if (entries.places < 0).any():
        raise ShelfGone(view.net)
    return entries


def _fill(shelf: Shelf, wanted: dict[str, str], view: TextView, around: Surroundings) -> None:
    """Compute the outputs of these texts and put them on the shelf, a part after the other."""
    cache = cache_of_texts()
    assert cache is not None
    names, texts = list(wanted), list(wanted.values())
    done: list[tuple[str, Halves]] = []
    frozen_encoder(view.encoder, view.weights, around.device)  # the time to load it is not that of a text
    cpu, began = time.process_time(), time.monotonic()
    count, saved = 0, began

    def keep() -> None:
        if done:
            values = np.stack([value for _, value in done])
            shelf.add([name for name, _ in done], values, ms=1000 * (time.process_time() - cpu) / count)
            done.clear()

    learnt = _Learnt(texts, 12 * view.cut.most)
    with all_cores(cache) as mine:
        workers = cores() if mine else around.threads
        for part in _stream(texts, view, around, workers, least=_KEPT_TOKENS):
            if not count:  # before all are computed in vain
                shelf.make_room(part.values.nbytes // len(part.rows) * len(texts))
            done += [(names[row], value) for row, value in zip(part.rows, part.values, strict=True)]
            count += len(part.rows)
            learnt.add(part)
            around.report(count, len(texts))
            now = time.monotonic()
            # Little is lost with a worker that is killed, and few files come of a long pass.
            if now - saved > max(_SAVE_SECONDS, _SAVE_SHARE * (now - began)):
                keep()
                saved = now
    keep()
    learnt.note(TokenCosts(cache, around.device), view.net)
    if count < len(texts):
        raise TrialStopped(f"stopped after the features of {count:,} of {len(texts):,} texts")


class _Learnt:
    """The time of a pass; the first texts, which wait for what is set up once, do not count."""

    def __init__(self, texts: Sequence[str], most: int) -> None:
        self._texts = texts
        self._most = most
        self._began = (0.0, 0.0)
        self._seconds = self._processor_seconds = 0.0
        self._tokens = self._characters = 0

    def add(self, part: _Part) -> None:
        """Count the texts of a part that has just been computed."""
        now = (time.monotonic(), time.process_time())
        if not self._began[0]:
            self._began = now
            return
        self._seconds, self._processor_seconds = now[0] - self._began[0], now[1] - self._began[1]
        self._tokens += part.tokens
        self._characters += sum(min(len(self._texts[row]), self._most) for row in part.rows)

    def note(self, costs: TokenCosts, net: str) -> None:
        """Keep what was learnt, unless there were too few texts."""
        costs.learn(
            net,
            tokens=self._tokens,
            characters=self._characters,
            seconds=self._seconds,
            processor_seconds=self._processor_seconds,
        )


@dataclass(frozen=True)
class _Part:
    """Outputs of some texts: their places, an array with a row for each, and the tokens read."""

    rows: list[int]
    values: Values
    tokens: int


def _stream(
    texts: Sequence[str], view: TextView, around: Surroundings, workers: int | None, *, least: int = 0
) -> Iterator[_Part]:
    """The outputs of all texts, a batch at a time; ends early when asked to stop.

    Parameters
    ----------
    least:
        Tokens of a batch; those of few texts are filled up by repeating them.
    """
    encoder = frozen_encoder(view.encoder, view.weights, around.device)  # not by all threads at once
    most = tokens_of_batch(place_of(view.encoder, view.weights), around.device)

    def outputs(ids: Numbers) -> Halves:
        rows, tokens = ids.shape
        filled = max(rows, min(-(-least // tokens), most // tokens))
        return _outputs(encoder, around.device, np.resize(ids, (filled, tokens)))[:rows]

    return stream(texts, view, around, workers, outputs)


def stream(
    texts: Sequence[str],
    view: TextView,
    around: Surroundings,
    workers: int | None,
    outputs: Callable[[Numbers], Values],
) -> Iterator[_Part]:
    """Parts of what ``outputs`` gives for all texts, a batch at a time; ends early when asked to stop.

    Several batches are on their way at once, each on a core of its own: threads that share one batch wait for
    each other after every layer.

    Parameters
    ----------
    outputs:
        Equally long windows ``(texts, tokens)`` → an array with a row per text.
    """
    on_cpu = around.device == "cpu"
    count = max(1, workers or cores()) if on_cpu else 1
    splitter = splitter_of(str(place_of(view.encoder, view.weights)), view.weights)
    pieces = splitter.windows(texts, view.cut, threads=count, should_stop=around.should_stop)
    flat = [(row, ids) for row, windows in enumerate(pieces) for ids in windows]
    budget = tokens_of_batch(place_of(view.encoder, view.weights), around.device)
    batches = batches_by_length([len(ids) for _, ids in flat], budget)
    gather = _Gathered([len(windows) for windows in pieces])
    running: deque[tuple[npt.NDArray[np.int64], Future[Values]]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="automl-net") as pool:
        left = True
        while left or running:
            stopping = around.should_stop()
            if stopping and not (running and running[0][1].done()):
                for _, future in running:
                    future.cancel()
                return
            while left and not stopping and len(running) <= count:
                places = next(batches, None)
                left = places is not None
                if places is not None:
                    ids = np.stack([flat[place][1] for place in places])
                    running.append((places, pool.submit(outputs, ids)))
            if running:
                places, future = running.popleft()
                made = gather.add([flat[place] for place in places], future.result())
                if made is not None:
                    yield made


class _Gathered:
    """Outputs of windows, put together to those of texts: their means by the numbers of tokens."""

    def __init__(self, windows: list[int]) -> None:
        self._open = dict(enumerate(windows))
        self._sums: dict[int, tuple[npt.NDArray[np.float32], int]] = {}

    def add(self, pieces: list[tuple[int, Numbers]], values: Values) -> _Part | None:
        """The texts whose last window is among these; None where there is none."""
        rows, made, tokens = [], [], 0
        for (row, ids), value in zip(pieces, values, strict=True):
            total, count = self._sums.pop(row, (np.zeros(value.shape, dtype=np.float32), 0))
            total, count = total + len(ids) * value.astype(np.float32), count + len(ids)
            self._open[row] -= 1
            if self._open[row]:
                self._sums[row] = total, count
                continue
            rows.append(row)
            made.append((total / count).astype(values.dtype))
            tokens += count
        return _Part(rows, np.stack(made), tokens) if rows else None


@lru_cache(maxsize=8)
def tokens_of_batch(place: Path, device: str) -> int:
    """Tokens of a batch: by the encoder's size and the kind of device alone, so that runs are alike."""
    operations = _CPU_OPERATIONS if device == "cpu" else _GPU_OPERATIONS
    wanted = operations / (2 * EncoderShape.of(configuration(place), str(place)).layer_weights)
    return int(np.clip(2 ** round(np.log2(max(wanted, 1))), _LEAST_TOKENS, _MOST_TOKENS))


def _outputs(encoder: TextEncoder, device: str, ids: Numbers) -> Halves:
    """``(texts, kinds, width)`` of equally long windows ``(texts, tokens)``."""
    import torch

    levels = levels_of(encoder.shape.layers)
    with runtime.threads(1 if device == "cpu" else None), torch.inference_mode():
        tokens = torch.from_numpy(ids.astype(np.int64)).to(device)
        means: dict[int, torch.Tensor] = {}
        states = torch.empty(0)
        for level, states in enumerate(encoder.states(tokens, None)):
            if level in levels:
                means[level] = states.float().mean(dim=1)
        kinds = [*(means[level] for level in levels), states[:, 0].float(), states.float().amax(dim=1)]
        return _as_halves(torch.stack(kinds, dim=1))


def _as_halves(values: torch.Tensor) -> Halves:
    """Kept inside what half precision can hold."""
    import torch

    halves = values.clamp(-60_000, 60_000).to(torch.float16)
    return np.asarray(halves.contiguous().cpu().numpy())


@lru_cache(maxsize=3)
def frozen_encoder(name: str, weights: str, device: str) -> TextEncoder:
    """The encoder ready to run."""
    from automl.families.nets.texts.transformer import as_device, load_encoder

    runtime.keep_large_blocks()
    return as_device(load_encoder(place_of(name, weights)), device, runtime.frozen_type(device))


_memory: OrderedDict[tuple[str, str], Halves] = OrderedDict()
_memory_lock = Lock()


def _remembered(texts: Strings, view: TextView, around: Surroundings, kinds: Kinds) -> Halves:
    """Outputs for texts that were just passed in: a bag of models asks for the same ones several times.

    So does whoever shuffles a column or replaces some of its texts, to see what becomes of predictions. They
    are known by the tokens that the encoder reads, so that models of several views share what they can.
    """
    keys = _keys_of_tokens(texts, view, around)
    with _memory_lock:
        outputs = {key: _memory[view.net, key] for key in set(keys) if (view.net, key) in _memory}
        outputs |= _computed(
            {key: text for key, text in zip(keys, texts, strict=True) if key not in outputs}, view, around
        )
        if not outputs:
            shape = frozen_encoder(view.encoder, view.weights, around.device).shape
            count = len(places_of(kinds, len(levels_of(shape.layers)) + 2))
            return np.empty((0, count, shape.width), dtype=np.float16)
        for key, value in outputs.items():
            _memory[view.net, key] = value
            _memory.move_to_end((view.net, key))
        while _memory and len(_memory) * next(reversed(_memory.values())).nbytes > _MEMORY_BYTES:
            _memory.popitem(last=False)
        places = places_of(kinds, len(next(iter(outputs.values()))))
        return np.stack([outputs[key][places] for key in keys])


def _keys_of_tokens(texts: Strings, view: TextView, around: Surroundings) -> list[str]:
    """SHA-256 per text of all that the encoder reads of it; the splitter remembers the tokens."""
    splitter = splitter_of(str(place_of(view.encoder, view.weights)), view.weights)
    pieces = splitter.windows(list(texts), view.cut, threads=around.threads or cores())
    shown = [b"".join(len(ids).to_bytes(4, "little") + ids.tobytes() for ids in each) for each in pieces]
    return [hashlib.sha256(body).hexdigest() for body in shown]


def _computed(wanted: dict[str, str], view: TextView, around: Surroundings) -> dict[str, Halves]:
    """The outputs of these texts by their keys."""
    names = list(wanted)
    made: dict[str, Halves] = {}
    if wanted:
        for part in _stream(list(wanted.values()), view, around, around.threads):
            made |= {names[row]: value for row, value in zip(part.rows, part.values, strict=True)}
    if len(made) < len(wanted):
        raise TrialStopped(f"stopped after the features of {len(made):,} of {len(wanted):,} texts")
    return made
