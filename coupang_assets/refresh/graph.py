"""The asset graph as the plan needs it: per dataset its inputs, and the code and settings it is made with now.

Belongs here: taking that from Dagster's definitions, so that a new asset needs no change here. Does not: any list of
datasets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

import dagster as dg

from coupang_assets.datasets import DATASETS, UPDATED_UNIQUE, Dataset
from coupang_assets.storage.made_from import Definition


@dataclass(frozen=True)
class Node:
    """One dataset of any month.

    Attributes:
        made_with: code, settings and libraries of now.
        inputs: datasets of the same month.
        earlier: datasets of an earlier month.
        sources: what is none of our datasets: a table that is observed, a shop that is asked.
        after: datasets of the same month that must be settled first, inputs or not.
        blocking: checks that stop what follows when they fail.
    """

    name: str
    made_with: Definition
    inputs: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    blocking: tuple[str, ...] = ()

    @property
    def dataset(self) -> Dataset:
        return DATASETS[self.name]


@dataclass(frozen=True)
class Graph:
    """All datasets a month consists of, each after what it is made from.

    Attributes:
        observed: sources that can be observed.
    """

    nodes: tuple[Node, ...]
    observed: frozenset[str] = frozenset()
    by_name: Mapping[str, Node] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {node.name: node for node in self.nodes})

    @staticmethod
    def of(defs: dg.Definitions) -> "Graph":
        """The graph of these definitions; what is only made on request is no part of it."""
        specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
        ours = {name for name in specs if name in DATASETS and not DATASETS[name].on_request}
        nodes = {name: _node(specs[name], ours, _blocking(defs, name)) for name in ours}
        sorter = TopologicalSorter({name: {*node.inputs, *node.after} for name, node in nodes.items()})
        sorter.prepare()
        places = {name: place for place, name in enumerate(DATASETS)}
        order: list[Node] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=places.__getitem__)
            order += (nodes[name] for name in ready)
            sorter.done(*ready)
        graph = defs.resolve_asset_graph()
        return Graph(tuple(order), frozenset(key.to_user_string() for key in graph.observable_asset_keys))

    def following(self, name: str) -> set[str]:
        """Datasets that are made from ``name``, however far away, in any month."""
        found: set[str] = set()
        while True:
            more = {
                node.name
                for node in self.nodes
                if node.name not in found and ({name} | found) & {*node.inputs, *node.earlier}
            }
            if not more:
                return found
            found |= more


def _node(spec: dg.AssetSpec, ours: set[str], blocking: tuple[str, ...]) -> Node:
    earlier, inputs, sources = [], [], []
    for dep in spec.deps:
        name = dep.asset_key.to_user_string()
        if name not in ours:
            sources.append(name)
        elif isinstance(dep.partition_mapping, dg.TimeWindowPartitionMapping) and dep.partition_mapping.start_offset:
            earlier.append(name)
        else:
            inputs.append(name)
    name = spec.key.to_user_string()
    # Its record says which base month the rest of the month is made from.
    after = (UPDATED_UNIQUE.name,) if earlier and name != UPDATED_UNIQUE.name else ()
    return Node(
        name,
        Definition.of(spec),
        tuple(sorted(inputs)),
        tuple(sorted(earlier)),
        tuple(sorted(sources)),
        after,
        blocking,
    )


def _blocking(defs: dg.Definitions, name: str) -> tuple[str, ...]:
    specs = [spec for checks in defs.asset_checks or () for spec in checks.check_specs]
    return tuple(sorted(spec.name for spec in specs if spec.blocking and spec.asset_key == dg.AssetKey(name)))
