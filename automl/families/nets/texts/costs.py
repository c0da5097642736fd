"""Costs of a token per frozen encoder, measured on this machine and kept beside the features.

The file is read by the process that decides what to start and written by the workers that compute.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

# Where nothing was measured: what a fast core computes, and the characters of a token. What turns out to take
# too long for a trial is not begun in earnest.
_USUAL_OPERATIONS, _USUAL_CHARACTERS = 2e11, 4.0
_OPERATIONS_PER_WEIGHT = 2
_FILE = "text-costs-{}.json"
_REMEMBERED = 50_000  # tokens that earlier measurements count as at most: the machine may be busier now


@dataclass(frozen=True)
class TokenCost:
    """The time of an encoder on all cores.

    Attributes
    ----------
    seconds:
        Per token, in the company of whatever else ran.
    characters:
        Of a token, on average.
    processor_seconds:
        Per token and core: the time on a free machine is that by its cores. 0 where it was not measured.
    measured:
        Number of tokens that it was measured on.
    """

    seconds: float
    characters: float = _USUAL_CHARACTERS
    processor_seconds: float = 0.0
    measured: int = 0

    def tokens(self, characters: int, marks: int = 2) -> float:
        """About so many tokens has a text, with those around it."""
        return marks + characters / self.characters

    def tokens_read(self, lengths: list[int], most: int) -> float:
        """Tokens of texts with these numbers of characters, of each of which at most so many are read."""
        return sum(min(most, self.tokens(length)) for length in lengths)

    def of_texts(self, lengths: list[int], most: int) -> float:
        """Seconds of the same."""
        return self.seconds * self.tokens_read(lengths, most)


def usual_cost(weights: int, cores: int) -> TokenCost:
    """The cost of an encoder that was not measured; ``weights`` are those of its layers."""
    alone = _OPERATIONS_PER_WEIGHT * weights / _USUAL_OPERATIONS
    return TokenCost(alone / max(1, cores), processor_seconds=alone)


class TokenCosts:
    """The costs on a device, in the folder of the features."""

    def __init__(self, cache: Path, device: str = "cpu") -> None:
        self._path = cache / _FILE.format(device)

    def of(self, encoder: str) -> TokenCost | None:
        """The measured cost of an encoder (its name and its weights' digest), or None."""
        return self._read().get(encoder)

    def learn(
        self, encoder: str, *, tokens: int, characters: int, seconds: float, processor_seconds: float
    ) -> None:
        """Note the time of some texts: what is known moves towards it by their share of the tokens.

        A few texts, beside a worker that loads its libraries, weigh little against a long pass.
        """
        if not tokens or seconds <= 0:
            return
        measured = TokenCost(
            seconds / tokens, max(characters / tokens, 0.5), processor_seconds / tokens, tokens
        )
        before = self.of(encoder)
        if before is not None:
            share = tokens / (tokens + min(before.measured, _REMEMBERED))
            measured = TokenCost(
                _between(before.seconds, measured.seconds, share),
                _between(before.characters, measured.characters, share),
                _between(before.processor_seconds, measured.processor_seconds, share),
                before.measured + tokens,
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        body = {name: asdict(cost) for name, cost in {**self._read(), encoder: measured}.items()}
        partial = self._path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(body), encoding="utf-8")
        os.replace(partial, self._path)

    def _read(self) -> dict[str, TokenCost]:
        try:
            body = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): TokenCost(**cost) for name, cost in body.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # not there, or of another version
            return {}


def _between(before: float, now: float, share: float) -> float:
    """The geometric mean by the share of what is measured now; the other where one is 0."""
    if not before or not now:
        return before or now
    return float(before ** (1 - share) * now**share)
