"""Why a search ended, in words."""

from __future__ import annotations

import pytest

from automl.controller.proposals import Proposals
from automl.report.sections.result import _why_ended

SHORT = "no further model would finish in the time left"


@pytest.mark.parametrize(
    ("late", "words"), [(False, "ended slightly early"), (True, "took longer than that")]
)
def test_a_search_that_took_too_long_did_not_end_early(late: bool, words: str) -> None:
    text = _why_ended(SHORT, late=late)
    assert words in text
    assert ("early" in text) is not late


def test_the_reason_is_the_one_that_a_search_gives() -> None:
    import inspect

    assert SHORT in inspect.getsource(Proposals)
