"""What a running search tells of itself: bounded, readable, complete enough to follow it."""

from __future__ import annotations

import pytest

from automl.controller.live_sign import LiveSign, node_news
from automl.core.nodes import NodeState
from automl.core.time_budget import Clock
from automl.core.trial import Candidate, Progress, Scores, Status, Trial, TrialResult
from automl.tracker.live import LEADERS, NEWS, LiveState


def ended(number: int, score: float | None, family: str = "linear") -> Trial:
    status = Status.FAILED if score is None else Status.DONE
    result = TrialResult(status=status, seconds=1.5, error="" if score else "it broke")
    trial = Trial(number, Candidate(family=family))
    return trial.finished(result, None if score is None else Scores(score, 0.01, ()))


@pytest.fixture
def sign() -> LiveSign:
    return LiveSign(Clock(60.0), greater_is_better=True, trials=None)


def test_a_sign_shows_the_best_what_runs_and_what_failed(sign: LiveSign) -> None:
    for number, score in enumerate((0.5, 0.9, None, 0.7)):
        sign.started(ended(number, score))
        sign.finished(ended(number, score), best=0.95)
    sign.started(Trial(4, Candidate(family="lightgbm")))
    sign.progressed(Progress(4, 0.25, "round 30"))
    sign.weighed({1: 0.75, 3: 0.25})
    sign.located((NodeState(name="one", workers=2, running=(4,)),))
    state = LiveState.from_text(sign.state().to_text())
    assert state is not None
    assert (state.ended, state.finished, state.at_work) == ({"done": 3, "failed": 1}, 4, 1)
    assert (state.best, state.leader, state.ensemble) == (0.95, "ensemble", 0.95)
    assert [leader.number for leader in state.leaders] == [1, 3, 0]
    assert (state.running[0].family, state.running[0].fraction) == ("lightgbm", 0.25)
    assert state.weights == {1: 0.75, 3: 0.25}
    assert state.nodes == (NodeState(name="one", workers=2, running=(4,)),)
    assert state.news == ((1, "#2 linear failed: it broke"),)


def test_a_sign_of_ten_thousand_trials_fits_one_tag(sign: LiveSign) -> None:
    for number in range(10_000):
        sign.started(Trial(number, Candidate(family="a_family_with_a_long_name")))
        sign.progressed(Progress(number, 0.123456789, "ö" * 300))
        if number < 9_500:
            sign.finished(ended(number, None if number % 3 else number / 1e4), best=None)
    sign.weighed(dict.fromkeys(range(5_000), 1 / 5_000))
    sign.located(
        tuple(NodeState(name=f"{n} {'node ' * 40}", workers=9, running=(9_500 + n,)) for n in range(300))
    )
    text = sign.state().to_text()
    state = LiveState.from_text(text)
    assert state is not None
    assert len(text) <= 7_900
    assert (state.finished, state.at_work) == (9_500, 500)
    assert (len(state.leaders), len(state.news)) == (LEADERS, NEWS)
    assert state.leaders[0].number == 9_498


def test_what_another_version_wrote_is_not_read() -> None:
    for text in ("", "{}", "[1]", '{"format": 99}', '{"format": 1, "colour": "red", "weights": {}}'):
        assert LiveState.from_text(text) is None


def test_a_sign_that_somebody_else_wrote_reaches_no_terminal_as_it_is() -> None:
    """Whoever can write to the record could move the cursor of those who watch, or end their program."""
    hostile = LiveState(
        leader="\x1b]0;title\x07linear",
        nodes=(NodeState(name="a\r\x1b[2Jb", workers=1),),
        news=((1, "\x9b1m"),),
    )
    state = LiveState.from_text(hostile.to_text())
    assert state is not None
    texts = (state.leader, state.nodes[0].name, state.news[0][1])
    assert all(text.isprintable() for text in texts), texts
    assert state.leader.endswith("linear")


@pytest.mark.parametrize(
    "field",
    ['"best": "high"', '"elapsed": null', '"running": [1]', '"seconds": [60]', '"ended": {"done": {}}'],
)
def test_a_sign_with_other_kinds_of_values_is_not_read(field: str) -> None:
    assert LiveState.from_text(f'{{"format": 1, {field}}}') is None


def test_news_of_nodes_are_said_once() -> None:
    one = NodeState(name="one", workers=2)
    assert node_news((), (one,)) == []
    assert node_news((one,), (one, NodeState(name="two", workers=1))) == ["The node two joined."]
    lost = NodeState(name="one", workers=1, lost=1)
    assert node_news((one,), (lost,)) == ["1 worker of one ended unexpectedly."]
    back = NodeState(name="one", workers=2, lost=1, returned=1)
    assert node_news((lost,), (back,)) == ["1 worker of one replaced."]
    gone = NodeState(name="one", workers=0, lost=3, away=True)
    assert node_news((back,), (gone,)) == ["The node one is gone; its trials run again elsewhere."]
    assert node_news((gone,), (replace_away(gone),))[0] == "The node one is back."


def replace_away(node: NodeState) -> NodeState:
    return NodeState(name=node.name, workers=1, lost=node.lost, returned=1)
