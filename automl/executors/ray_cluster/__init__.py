"""Trials on a Ray cluster: a process of ours talks to Ray, and an agent on each node runs the node's workers.

The controller (``executor``) starts the driver (``driver``), the only process of the search that connects to
Ray: Ray ends a process whose cluster is lost, and the search must outlive that. The driver starts an agent
(``agent``) on every node, an actor with a :class:`~automl.executors.local.LocalExecutor` of its own, hands it
the problem and tickets, and takes results and models back.
"""
