"""What may be said of the features that drive a champion: no more than was compared."""

from __future__ import annotations

from collections.abc import Sequence

from automl.core.text import counted, duration, score_text
from automl.report.facts.explain import Explanation
from automl.report.facts.importance import interval_words

_NAMED = 3


def leaning(found: Explanation | None) -> str:
    """``it leans most on a and b``; an empty text where no feature is clearly needed."""
    if found is None or not found.needed:
        return ""
    if found.leaders:
        return f"it leans most on {_listed(found.leaders)}"
    return f"it needs {_some(found.needed)}"


def headline(found: Explanation) -> str:
    """The sentence under the bars: what leads all others beyond chance, or what can be said instead."""
    if found.leaders:
        named = [item for item in found.importances if item.feature in found.leaders]
        told = [
            f"{item.feature} ({score_text(item.value, 3)}, 95 % {interval_words(item)})" for item in named
        ]
        if len(told) == 1:
            return f"The most important is {told[0]}."
        return f"The {len(told)} most important are {_listed(told)}; no other comes close to them."
    if found.needed:
        return (
            f"It needs {_some(found.needed)}. Which feature matters most cannot be told: "
            f"{_why_untold(found)}."
        )
    if not found.compared:
        return f"No feature could be shuffled alone in {duration(found.seconds)}{_largest(found)}."
    if found.groups and found.groups[0].value > 0:
        return f"No feature that was shuffled alone is clearly needed{_largest(found)}."
    return "No single feature is clearly needed: others can stand in for each."


def compared(found: Explanation) -> str:
    """What was compared with what, in numbers; an empty text where every feature had the same test."""
    features, alone, close = found.features, found.compared, len(found.importances)
    parts: list[str] = []
    if not (close or found.groups):
        return ""
    if found.stand_in:
        parts.append(
            f"In {duration(found.seconds)} the whole champion could not be asked about every feature, so its "
            f"quickest member ({found.stand_in}) was asked first which ones to look at, on "
            f"{counted(found.screen_rows, 'row')}."
        )
    if found.groups:
        largest = max(len(group.features) for group in found.groups)
        how = f"only in groups of up to {largest}" if len(found.groups) > 1 else "only all together"
        parts.append(
            f"{alone} of {counted(features, 'feature')} {'was' if alone == 1 else 'were'} compared one by "
            f"one; the other{'s' if features - alone > 1 else ''} {how}."
        )
    elif close < features:
        parts.append(
            f"All {features} features were compared one by one, on {counted(found.screen_rows, 'row')}."
        )
    if 0 < close < features:
        parts.append(f"The {close} below were then looked at closely.")
    return " ".join(parts)


def _why_untold(found: Explanation) -> str:
    if found.groups and found.groups[0].high > found.importances[0].low:
        return _group_words(found)
    return "the first of them are too close to each other"


def _largest(found: Explanation) -> str:
    return f"; {_group_words(found)}" if found.groups and found.groups[0].value > 0 else ""


def _group_words(found: Explanation) -> str:
    group = found.groups[0]
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
