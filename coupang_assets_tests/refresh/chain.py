"""A long chain of work months in memory: the real graph, and datasets whose content follows from what they are made of.

Content is a set of tokens such as ``rows:2024_05:2``. A dataset has those of its inputs that it takes note of, and one
for each of its settings and for what its code does; so a change comes out, or does not, as it would in reality.
"""

import hashlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

from coupang_assets.datasets import CHAMPION, COUPANG_CATE_ALL, CRAWL_JOURNAL, RAW_DAILIES, UPDATED_UNIQUE
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.loop import Made, Outcome, Step, refresh
from coupang_assets.refresh.plan import Disk, OnDisk, earlier_month
from coupang_assets.storage.made_from import ANSWERED
from coupang_assets.storage.manifest import FileRecord, Manifest, input_key

EVENTS, SHOP = "retargeting_event_storage_orc", "coupang_shop"
# Of what these do not take note of: how often a known category was seen, or what it is called.
_BLIND = {
    UPDATED_UNIQUE.name: {"rows", "names"},
    "diff_data": {"rows", "names"},
    CRAWL_JOURNAL.name: {"rows"},
    COUPANG_CATE_ALL.name: {"rows"},
    "cate_dictionary": {"rows"},
}


@dataclass
class Chain:
    """Months of datasets: records for the plan, and how a dataset is made.

    Attributes:
        events: what the source holds, by month.
        effects: what the code of a dataset does, by its name.
        edits: versions of what a person has put in a file's place, by month and dataset.
        gone: months and datasets whose files are deleted.
        failing: months and datasets that cannot be made.
        runs: months and datasets that were made, in order.
    """

    graph: Graph
    events: dict[str, tuple[str, ...]] = field(default_factory=dict)
    effects: dict[str, str] = field(default_factory=dict)
    edits: dict[tuple[str, str], str] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    failing: set[tuple[str, str]] = field(default_factory=set)
    failed_checks: set[tuple[str, str]] = field(default_factory=set)
    runs: list[tuple[str, str]] = field(default_factory=list)
    contents: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    manifests: dict[tuple[str, str], Manifest] = field(default_factory=dict)

    def copy(self) -> "Chain":
        return replace(
            self,
            **{
                name: deepcopy(getattr(self, name)) if name in ("events", "effects") else value.copy()
                for name, value in vars(self).items()
                if name != "graph"
            },
        )

    # What the plan asks

    def months(self) -> Sequence[str]:
        return sorted({month for month, _ in self.manifests})

    def manifest(self, month: str, name: str) -> Manifest | None:
        return self.manifests.get((month, name))

    def on_disk(self, month: str, name: str) -> OnDisk | None:
        if (month, name) not in self.manifests:
            return None
        if (month, name) in self.gone:
            return OnDisk(Disk.GONE, name)
        return OnDisk(Disk.CHANGED if (month, name) in self.edits else Disk.AS_RECORDED, name)

    def version(self, month: str, name: str) -> str | None:
        manifest = self.manifests.get((month, name))
        if manifest is None:
            return None
        editable = self.graph.by_name[name].dataset.editable
        return self.edits.get((month, name), manifest.data_version) if editable else manifest.data_version

    def source_version(self, month: str, source: str) -> str | None:
        return _version(frozenset(self.events[month])) if source == EVENTS else "nothing accepted"

    def latest_base(self, month: str) -> str | None:
        return self._latest(month, COUPANG_CATE_ALL.name)

    def latest_journal(self, month: str) -> str | None:
        return self._latest(month, CRAWL_JOURNAL.name)

    def failed_check(self, month: str, name: str, checks: Sequence[str]) -> str | None:
        return checks[0] if checks and (month, name) in self.failed_checks else None

    def forget(self) -> None:
        pass

    def made(self, month: str, name: str) -> None:
        pass

    def _latest(self, month: str, name: str) -> str | None:
        return max((one for one, of in self.manifests if of == name and one < month), default=None)

    # How a dataset is made

    def make(self, month: str, name: str, base: str | None) -> Made:
        """Make a dataset from what is there; its inputs must be."""
        self.runs.append((month, name))
        if (month, name) in self.failing:
            return Made("run", f"{name} cannot be made")
        node = self.graph.by_name[name]
        earlier = [(one, earlier_month(self.graph, self, one, month)) for one in node.earlier]
        upstream = [(of, one) for one, of in [*((each, month) for each in node.inputs), *earlier] if of is not None]
        tokens = {token for key in upstream for token in self._read(key)}
        if name == RAW_DAILIES.name:
            tokens |= set(self.events[month])
        if name == CRAWL_JOURNAL.name:
            tokens.add(f"names:{month}:first")
        tokens = {token for token in tokens if token.partition(":")[0] not in _BLIND.get(name, set())}
        if name == CHAMPION.name:
            tokens = set()  # Who it is stays the same.
        tokens |= {f"{key}={value}" for key, value in node.made_with.settings.items()}
        tokens.add(f"{name} does {self.effects.get(name, 'as always')}")
        content = frozenset(tokens)
        inputs = {input_key(one, of): str(self.version(of, one)) for of, one in upstream}
        sources = {input_key(one, month): ANSWERED for one in node.sources}
        for source in set(node.sources) & self.graph.observed:
            sources[input_key(source, month)] = str(self.source_version(month, source))
        own_base = next((of for one, of in earlier if one != CRAWL_JOURNAL.name), None)
        key = (month, name)
        self.contents[key] = content
        self.edits.pop(key, None)
        self.gone.discard(key)
        self.manifests[key] = Manifest(
            dataset=name, month=month, run_id="run", base_month=base or own_base, base_requested=base is not None,
            code_version=node.made_with.code_version, settings=node.made_with.settings,
            libraries=node.made_with.libraries, data_version=_version(content), inputs=inputs | sources,
            files=[FileRecord(path=name, bytes=1, sha256="", mtime_ns=0)],
        )  # fmt: skip
        if key in self.failed_checks:
            return Made("run", f"check of {name} has failed")
        return Made("run")

    def _read(self, key: tuple[str, str]) -> frozenset[str]:
        return self.contents[key] | ({f"edit:{self.edits[key]}"} if key in self.edits else set())

    # What a person does

    def refresh(self, months: Sequence[str], discard_edits: bool = False) -> list[Step]:
        from contextlib import nullcontext

        return refresh(self.graph, self, months, self.make, lambda month: nullcontext(), discard_edits)

    def ran(self, months: Sequence[str], discard_edits: bool = False) -> set[tuple[str, str]]:
        """Refresh; the datasets that were run, each of them once."""
        self.runs.clear()
        steps = self.refresh(months, discard_edits)
        assert len(self.runs) == len(set(self.runs)), "nothing is run twice"
        assert {(step.month, step.name) for step in steps if step.made} == set(self.runs)
        assert not [
            step for step in steps if step.outcome is Outcome.FAILED and not (self.failing or self.failed_checks)
        ]
        return set(self.runs)

    def ask_again(self, month: str, answer: str) -> None:
        """The shop says something else when it is asked again, and that is taken over into the month's journal."""
        key = (month, CRAWL_JOURNAL.name)
        names = {token for token in self.contents[key] if token.startswith(f"names:{month}:")}
        self.contents[key] = self.contents[key] - names | {f"names:{month}:{answer}"}
        self.manifests[key] = self.manifests[key].model_copy(update={"data_version": _version(self.contents[key])})

    def change_code(self, name: str, effect: str | None = None) -> None:
        """Another code for a dataset; without an effect its result is as before."""
        self._change_node(name, code_version="another code")
        if effect is not None:
            self.effects[name] = effect

    def change_setting(self, name: str, setting: str, value: int) -> None:
        self._change_node(name, settings={**self.graph.by_name[name].made_with.settings, setting: value})

    def _change_node(self, name: str, **changes: object) -> None:
        nodes = [
            replace(node, made_with=replace(node.made_with, **changes)) if node.name == name else node  # type: ignore[arg-type]
            for node in self.graph.nodes
        ]
        self.graph = replace(self.graph, nodes=tuple(nodes))


def long_chain(graph: Graph, months: Sequence[str]) -> Chain:
    """These months, all made and fresh."""
    chain = Chain(graph, events={month: (f"rows:{month}:1", f"categories:{month}:1") for month in months})
    chain.refresh(months)
    return chain


def _version(content: frozenset[str]) -> str:
    return hashlib.sha256("\n".join(sorted(content)).encode()).hexdigest()[:32]
