"""The account of nodes that an executor keeps."""

from __future__ import annotations

from automl.core.nodes import Nodes, NodeState


def test_workers_come_and_go_and_trials_are_where_they_run() -> None:
    nodes = Nodes()
    for node in ("one", "one", "two"):
        nodes.worker_up(node)
    nodes.began(4, "two")
    nodes.worker_gone("one")
    assert nodes.states() == (
        NodeState(name="one", workers=1, lost=1),
        NodeState(name="two", workers=1, running=(4,)),
    )
    nodes.worker_up("one")
    assert nodes.states()[0] == NodeState(name="one", workers=2, lost=1, returned=1)
    assert (nodes.ended(4), nodes.ended(4)) == ("two", "")
    nodes.worker_gone("two", lost=False)
    assert nodes.states()[1] == NodeState(name="two", workers=0)


def test_a_node_that_is_gone_is_remembered_until_it_is_back() -> None:
    nodes = Nodes()
    nodes.worker_up("one")
    nodes.worker_up("one")
    nodes.node_gone("one")
    assert nodes.states() == (NodeState(name="one", workers=0, lost=2, away=True),)
    nodes.worker_up("one")
    assert nodes.states() == (NodeState(name="one", workers=1, lost=2, returned=1),)
