"""Sentences on the features that drive a champion, which claim no more than was compared."""

from __future__ import annotations

from collections.abc import Sequence

from automl.core.text import counted, duration, score_text
from automl.report.facts.explain import Explanation
from automl.report.facts.importance import interval_words

_NAMED = 3


def leaning(explanation: Explanation | None) -> str:
    """``it leans most on a and b``; an empty text where no feature is clearly needed."""
    if explanation is None or not explanation.needed:
        return ""
    if explanation.leaders:
        return f"it leans most on {_listed(explanation.leaders)}"
    return f"it needs {_some(explanation.needed)}"


def headline(explanation: Explanation) -> str:
    """The sentence below the bars: the features that lead beyond chance, or a weaker statement."""
    if explanation.leaders:
        named = [item for item in explanation.importances if item.feature in explanation.leaders]
        leaders = [
            f"{item.feature} ({score_text(item.value, 3)}, 95 % {interval_words(item)})" for item in named
        ]
        if len(leaders) == 1:
            return f"The most important is {leaders[0]}."
        return f"The {len(leaders)} most important are {_listed(leaders)}; no other comes close to them."
    if explanation.needed:
        return (
            f"It needs {_some(explanation.needed)}. Which feature matters most is unclear: "
            f"{_why_no_leader(explanation)}."
        )
    if not explanation.compared:
        return (
            f"No feature could be shuffled alone in {duration(explanation.seconds)}{_largest(explanation)}."
        )
    if explanation.groups and explanation.groups[0].value > 0:
        return f"No feature that was shuffled alone is clearly needed{_largest(explanation)}."
    return "No single feature is clearly needed: each can be replaced by others."


def compared(explanation: Explanation) -> str:
    """The comparisons in numbers; an empty text where every feature had the same test."""
    features, alone, close = explanation.features, explanation.compared, len(explanation.importances)
    parts: list[str] = []
    if not (close or explanation.groups):
        return ""
    if explanation.stand_in:
        parts.append(
            f"The whole champion could not predict with every feature shuffled in "
            f"{duration(explanation.seconds)}, so its quickest member ({explanation.stand_in}) selected the "
            f"features first, on {counted(explanation.screen_rows, 'row')}."
        )
    if explanation.groups:
        largest = max(len(group.features) for group in explanation.groups)
        how = f"only in groups of up to {largest}" if len(explanation.groups) > 1 else "only all together"
        parts.append(
            f"{alone} of {counted(features, 'feature')} {'was' if alone == 1 else 'were'} compared one by "
            f"one; the other{'s' if features - alone > 1 else ''} {how}."
        )
    elif close < features:
        parts.append(
            f"All {features} features were compared one by one, on {counted(explanation.screen_rows, 'row')}."
        )
    if 0 < close < features:
        parts.append(f"The {close} below were then measured on more rows.")
    return " ".join(parts)


def _why_no_leader(explanation: Explanation) -> str:
    if explanation.groups and explanation.groups[0].high > explanation.importances[0].low:
        return _group_words(explanation)
    return "the strongest are too close to each other"


def _largest(explanation: Explanation) -> str:
    return f"; {_group_words(explanation)}" if explanation.groups and explanation.groups[0].value > 0 else ""


def _group_words(explanation: Explanation) -> str:
    group = explanation.groups[0]
    return (
        f"{counted(len(group.features), 'feature')} that were shuffled only together "
        f"({_some(group.features)}) cost {score_text(group.value, 3)} "
        f"(95 % {interval_words(group)})"
    )


def _some(names: Sequence[str]) -> str:
    """``a, b, c and 5 more``."""
    if len(names) <= _NAMED + 1:
        return _listed(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"


def _listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
